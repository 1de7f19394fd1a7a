"""Files that an inferencer writes: pictures or a video, and predictions, with mmpose's names and layout."""
import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from mmengine.logging import print_log

from mmpose_integral.utils.errors import explain, printable
from mmpose_integral.utils.files import replace_when_done, utf8_name, write_json
from mmpose_integral.utils.outputs import check_originals
from mmpose_integral.visualization import WRITTEN_PICTURES, save_picture

from .media import Media


class ResultFiles:
    """Pictures and predictions of one call; a context manager that completes a video also after an error or Ctrl-C.

    If a file cannot be written, the others are written all the same, and the end of the block raises an OSError.

    Args:
        vis_out_dir: Folder for pictures or the video, or one file; '' for none. A name with an ending is that of a
            file, unless there is a folder of this name.
        pred_out_dir: Folder for JSON files; '' for none. The file of an image is a list of people. That of a video is
            a list of dicts with ``frame_id`` and ``instances``.
        media: Input of the call.
        names: Unique names of the pictures; by default those of ``media``, with numbers where they are the same.

    Raises:
        OutputError: If an output would replace an input.
    """

    def __init__(self, vis_out_dir: str | Path, pred_out_dir: str | Path, media: Media,
                 names: Sequence[str] | None = None) -> None:
        self.media = media
        self.vis_out = Path(vis_out_dir) if vis_out_dir else None
        self.pred_out = Path(pred_out_dir) if pred_out_dir else None
        if self.vis_out is not None and names_file(self.vis_out) and not media.is_video and media.count != 1:
            raise ValueError(f'vis_out_dir: a folder is expected for {media.count} images, got {vis_out_dir}')
        used = set[str]()
        self._names = [unused_name(name, used) for name in media.names] if names is None else names
        if self.vis_out is not None or self.pred_out is not None:
            check_originals(output_paths(self.vis_out, self.pred_out, self._names, media.is_video), media.files)
        self._video: cv2.VideoWriter | None = None
        self._video_size, self._open_files = (0, 0), contextlib.ExitStack()
        self._frames: list[dict[str, Any]] = []
        self._failed: list[str] = []

    def __enter__(self) -> 'ResultFiles':
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        self._try(self._open_files.close)
        if self._frames and self.pred_out is not None:
            self._try(write_json, self._json(self._names[0]), self._frames, indent=2)
        if self._failed and kind is None:
            others = len(self._failed) - 1
            raise OSError(f'{self._failed[0]}; {others} further output{"s" * (others > 1)} could not be written'
                          if others else self._failed[0])

    def _try(self, write: Callable[..., None], *args: object, **options: object) -> None:
        try:
            write(*args, **options)
        except OSError as error:
            message = explain(error, (OSError, )) or ''
            if message not in self._failed:  # each frame of a video has the same one
                self._failed.append(message)

    def _json(self, name: str) -> Path:
        return cast(Path, self.pred_out) / f'{Path(name).stem}.json'

    def add(self, index: int, picture: np.ndarray | None, persons: list[dict] | None) -> None:
        """Write the (H, W, 3) uint8 RGB picture and the people of the image or frame with an index in the input."""
        is_video = self.media.is_video
        if self.vis_out is not None and picture is not None:
            path = picture_path(self.vis_out, self._names[0 if is_video else index], is_video)
            self._try(self._add_to_video if is_video else self._write_picture, path, picture)
        if self.pred_out is not None and persons is not None:
            if is_video:
                self._frames.append(dict(frame_id=index, instances=persons))
            else:
                self._try(write_json, self._json(self._names[index]), persons, indent=2)

    @staticmethod
    def _write_picture(path: Path, picture: np.ndarray) -> None:
        save_picture(picture, path)
        print_log(f'wrote {printable(path)}', logger='current')

    def _add_to_video(self, path: Path, picture: np.ndarray) -> None:
        """Append a frame to the video, which is opened for the first one and appears when it is closed."""
        if self._video is None:
            self._video_size = picture.shape[1::-1]
            with contextlib.ExitStack() as files:
                temporary, code = files.enter_context(replace_when_done(path)), cv2.VideoWriter.fourcc(*'mp4v')
                name = files.enter_context(utf8_name(temporary))
                self._video = cv2.VideoWriter(name, code, self.media.fps, self._video_size)
                if not self._video.isOpened():
                    raise OSError(f'{path}: OpenCV cannot write such a video; a name that ends in .mp4 is expected')
                files.callback(self._video.release)
                self._open_files.callback(print_log, f'wrote {printable(path)}', logger='current')
                self._open_files.push(files.pop_all())
        if picture.shape[1::-1] != self._video_size:  # OpenCV would drop it silently
            picture = cv2.resize(picture, self._video_size, interpolation=cv2.INTER_AREA)
        self._video.write(picture[..., ::-1])


def names_file(vis_out_dir: str | Path) -> bool:
    """Whether the place for pictures names a file: it has an ending, and is no folder."""
    return bool(Path(vis_out_dir).suffix) and not Path(vis_out_dir).is_dir()


def picture_path(vis_out: Path, name: str, is_video: bool) -> Path:
    """File of the picture or the video of an input with a name, in a folder, or the file itself."""
    if names_file(vis_out):
        return vis_out
    if is_video:
        return vis_out / f'{Path(name).stem}.mp4'
    return vis_out / (name if Path(name).suffix.lower() in WRITTEN_PICTURES else f'{name}.jpg')


def output_paths(vis_out: Path | None, pred_out: Path | None, names: Iterable[str], is_video: bool) -> Iterator[Path]:
    """Files that are written for inputs with unique names."""
    for name in names:
        if vis_out is not None:
            yield picture_path(vis_out, name, is_video)
        if pred_out is not None:
            yield pred_out / f'{Path(name).stem}.json'


def unused_name(name: str, used: set[str]) -> str:
    """Return a file name whose stem is not in ``used``, and add the stem to it: a.jpg may become a_1.jpg."""
    path, number = Path(name), 0
    while path.stem in used:
        number += 1
        path = Path(name).with_stem(f'{Path(name).stem}_{number}')
    used.add(path.stem)
    return path.name
