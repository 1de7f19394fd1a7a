"""Files that an inferencer writes: pictures or a video, and predictions, with mmpose's names and layout."""
import contextlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.logging import print_log

from mmpose_integral.utils.files import replace_when_done, write_json
from mmpose_integral.visualization import save_picture

from .media import Media


class ResultFiles:
    """Pictures and predictions of one call; a context manager that completes a video also after an error or Ctrl-C.

    Args:
        vis_out_dir: Folder for pictures or the video, or one file; '' for none.
        pred_out_dir: Folder for JSON files; '' for none. The file of an image is a list of people. That of a video is
            a list of dicts with ``frame_id`` and ``instances``.
        media: Input of the call.
    """

    def __init__(self, vis_out_dir: str | Path, pred_out_dir: str | Path, media: Media) -> None:
        self.media = media
        self.vis_out = Path(vis_out_dir) if vis_out_dir else None
        self.pred_out = Path(pred_out_dir) if pred_out_dir else None
        if self.vis_out is not None and self.vis_out.suffix and not media.is_video and media.count != 1:
            raise ValueError(f'vis_out_dir: a folder is expected for {media.count} images, got {vis_out_dir}')
        self._stem, self._used = Path(media.name).stem, set[str]()
        self._video: cv2.VideoWriter | None = None
        self._video_size, self._open_files = (0, 0), contextlib.ExitStack()
        self._frames: list[dict[str, Any]] = []

    def __enter__(self) -> 'ResultFiles':
        return self

    def __exit__(self, *error: object) -> None:
        self._open_files.close()
        if self._frames and self.pred_out is not None:
            write_json(self.pred_out / f'{self._stem}.json', self._frames, indent=2)

    def add(self, name: str, index: int, picture: np.ndarray | None, persons: list[dict] | None) -> None:
        """Write the (H, W, 3) uint8 RGB picture and the people of one image, which has a name and an index."""
        if self.media.is_video:
            if self.vis_out is not None and picture is not None:
                self._add_to_video(self.vis_out, picture)
            if self.pred_out is not None and persons is not None:
                self._frames.append(dict(frame_id=index, instances=persons))
            return
        name = unused_name(Path(name).name, self._used)
        if self.vis_out is not None and picture is not None:
            file_name = name if cv2.haveImageWriter(name) else f'{name}.jpg'
            path = self.vis_out if self.vis_out.suffix else self.vis_out / file_name
            save_picture(picture, str(path))
            print_log(f'wrote {path}', logger='current')
        if self.pred_out is not None and persons is not None:
            write_json(self.pred_out / f'{Path(name).stem}.json', persons, indent=2)

    def _add_to_video(self, path: Path, picture: np.ndarray) -> None:
        """Append a frame to the video, which is opened for the first one and appears when it is closed."""
        if self._video is None:
            path = path if path.suffix else path / f'{self._stem}.mp4'
            self._video_size = picture.shape[1::-1]
            with contextlib.ExitStack() as files:
                temporary, code = files.enter_context(replace_when_done(path)), cv2.VideoWriter.fourcc(*'mp4v')
                self._video = cv2.VideoWriter(str(temporary), code, self.media.fps or 25, self._video_size)
                if not self._video.isOpened():
                    raise OSError(f'{path}: OpenCV cannot write such a video; a name that ends in .mp4 is expected')
                files.callback(self._video.release)
                self._open_files.callback(print_log, f'wrote {path}', logger='current')
                self._open_files.push(files.pop_all())
        if picture.shape[1::-1] != self._video_size:  # OpenCV would drop it silently
            picture = cv2.resize(picture, self._video_size, interpolation=cv2.INTER_AREA)
        self._video.write(picture[..., ::-1])


def unused_name(name: str, used: set[str]) -> str:
    """Return a file name whose stem is not in ``used``, and add the stem to it: a.jpg may become a_1.jpg."""
    path, number = Path(name), 0
    while path.stem in used:
        number += 1
        path = Path(name).with_stem(f'{Path(name).stem}_{number}')
    used.add(path.stem)
    return path.name
