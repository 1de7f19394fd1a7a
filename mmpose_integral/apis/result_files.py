"""Files that an inferencer writes: pictures or a video, and predictions, with mmpose's names and layout."""
import contextlib
from pathlib import Path

import cv2
import numpy as np
from mmengine.logging import print_log

from mmpose_integral.utils.files import replace_when_done, write_json
from mmpose_integral.visualization import save_picture


class ResultFiles:
    """Pictures and predictions of one call; a context manager that completes a video also after an error or Ctrl-C.

    Args:
        vis_out_dir (str): Folder for pictures or the video, or one file; '' for none.
        pred_out_dir (str): Folder for JSON files; '' for none. The file of an image is a list of people. That of a
            video is a list of dicts with ``frame_id`` and ``instances``.
        media (Media): Input of the call.

    Raises:
        ValueError: If ``vis_out_dir`` is one file but there are several images.
    """

    def __init__(self, vis_out_dir, pred_out_dir, media):
        self.media = media
        self.vis_out = Path(vis_out_dir) if vis_out_dir else None
        self.pred_out = Path(pred_out_dir) if pred_out_dir else None
        if self.vis_out is not None and self.vis_out.suffix and not media.is_video and media.count != 1:
            raise ValueError(f'vis_out_dir: a folder is expected for {media.count} images, got {vis_out_dir}')
        self._used, self._video, self._frames = set(), None, []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self._video is not None:
            self._video.close()
        if self.media.is_video and self.pred_out is not None and self._frames:
            write_json(self.pred_out / f'{Path(self.media.name).stem}.json', self._frames, indent=2)

    def add(self, name: str, index: int, picture: np.ndarray | None, persons: list[dict] | None) -> None:
        """Write the results of one image.

        Args:
            name: Name of the image.
            index: Index of the frame.
            picture: (H, W, 3) uint8 RGB picture.
            persons: People from :func:`mmpose_integral.apis.people.to_dicts`.
        """
        name = name if self.media.is_video else unused_name(Path(name).name, self._used)
        if self.vis_out is not None and picture is not None:
            if self.media.is_video:
                self._add_to_video(picture)
            else:
                path = self.vis_out if self.vis_out.suffix else self.vis_out / _writable(name)
                save_picture(picture, str(path))
                print_log(f'wrote {path}', logger='current')
        if self.pred_out is not None and persons is not None:
            if self.media.is_video:
                self._frames.append(dict(frame_id=index, instances=persons))
            else:
                write_json(self.pred_out / f'{Path(name).stem}.json', persons, indent=2)

    def _add_to_video(self, picture):
        if self._video is None:
            path = self.vis_out if self.vis_out.suffix else self.vis_out / f'{Path(self.media.name).stem}.mp4'
            self._video = VideoFile(path, self.media.fps, picture.shape[1::-1])
        self._video.write(picture)


class VideoFile:
    """A video file that appears under its name when it is closed.

    Args:
        path: File to write; missing folders are created.
        fps: Frames per second; 0 if unknown, which is written as 25.
        size: Width and height of the frames, px.

    Raises:
        OSError: If OpenCV cannot write such a file.
    """

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        self.path, self.size, self._files = path, tuple(size), contextlib.ExitStack()
        self._temporary = self._files.enter_context(replace_when_done(path))
        self._writer = cv2.VideoWriter(str(self._temporary), cv2.VideoWriter_fourcc(*'mp4v'), fps or 25, self.size)
        if not self._writer.isOpened():
            raise OSError(f'{path}: OpenCV cannot write this kind of video; a name that ends in .mp4 is expected')

    def write(self, picture: np.ndarray) -> None:
        """Append a frame, (H, W, 3) uint8 RGB; another size is resized, because OpenCV would drop it silently."""
        if picture.shape[1::-1] != self.size:
            picture = cv2.resize(picture, self.size, interpolation=cv2.INTER_AREA)
        self._writer.write(picture[..., ::-1])

    def close(self) -> None:
        """Complete the file with the frames written so far."""
        self._writer.release()
        self._files.close()
        print_log(f'wrote {self.path}', logger='current')


def unused_name(name: str, used: set[str]) -> str:
    """Return a file name whose stem is not in ``used``, and add the stem to it: a.jpg may become a_1.jpg."""
    path, number = Path(name), 1
    while path.stem in used:
        path, number = Path(f'{Path(name).stem}_{number}{Path(name).suffix}'), number + 1
    used.add(path.stem)
    return path.name


def _writable(name):
    """Return the name, with .jpg appended if OpenCV cannot write such files."""
    return name if cv2.haveImageWriter(name) else f'{name}.jpg'
