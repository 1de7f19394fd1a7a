"""Frames of the input of an inferencer: photos, folders, URLs, arrays, lists of these, videos, cameras and streams.

Pictures are read one by one, when they are needed.
"""
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from mmengine.logging import print_log

from mmpose_integral.utils.errors import printable

from .addresses import local_path, scheme_of
from .file_kinds import images_of, kind_of, left_out_of
from .pictures import Frame, Picture, name_of, read_picture
from .videos import Video, is_camera

Input = Picture | Sequence[Picture]


class Media:
    """Frames of an input.

    Args:
        inputs: Image file, folder of images, URL, (H, W, 3) uint8 BGR array, frame of :func:`read_picture`, list of
            these, video, live stream, or 'webcam[:N]'.

    Attributes:
        video: Video, camera or live stream, whose frames follow each other in time; None for pictures.
        count: Number of frames; None if unknown.

    Raises:
        FileNotFoundError, OSError, ValueError: If there is no such file or folder, a folder has no pictures, or a
            camera, a stream or a video cannot be opened.
    """

    def __init__(self, inputs: Input) -> None:
        self.video: Video | None = None
        self._pictures: list[Picture] = []
        if isinstance(inputs, (str, Path)):
            self._open(str(inputs))
        elif isinstance(inputs, Frame):  # which is also a sequence
            self._pictures = [inputs]
        elif isinstance(inputs, np.ndarray) or not isinstance(inputs, Sequence):
            self._pictures = [inputs]  # read_picture refuses other types
        else:
            self._pictures = list(cast('Sequence[Picture]', inputs))
        self.count = len(self._pictures) if self.video is None else self.video.count

    def _open(self, path: str) -> None:
        local = None if is_camera(path) or scheme_of(path) else local_path(path)
        if not path or (local is not None and not local.exists()):
            raise FileNotFoundError(f'{path or repr(path)}: no such file or folder; give an image, a folder of images, '
                                    'a video, a URL, an array, a list of these, or webcam:N')
        if local is not None and local.is_dir():
            self._pictures += images_of(local)
            if others := left_out_of(local):
                print_log(printable(f'{path}: {others}'), logger='current', level=logging.WARNING)
        elif is_camera(path):
            self.video = Video(path)
        elif (kind := kind_of(path)) != 'picture':
            self.video = Video(path, is_stream=kind == 'stream')
        else:
            self._pictures.append(path)

    @property
    def is_video(self) -> bool:
        """Whether the frames follow each other in time: a video file, a camera or a live stream."""
        return self.video is not None

    @property
    def is_live(self) -> bool:
        """Whether frames come in real time, from a camera or a live stream."""
        return self.video is not None and self.video.is_live

    @property
    def is_camera(self) -> bool:
        """Whether the input is a camera of this machine."""
        return self.video is not None and self.video.is_camera

    @property
    def name(self) -> str:
        """Name of the video; '' for pictures."""
        return '' if self.video is None else self.video.name

    @property
    def fps(self) -> float:
        """Frames per second of the video; 0 for pictures."""
        return 0.0 if self.video is None else self.video.fps

    @property
    def names(self) -> list[str]:
        """File name of each picture, or of the video."""
        return [name_of(item, index) for index, item in enumerate(self._pictures)] if self.video is None else [
            self.video.name]

    @property
    def files(self) -> list[Path]:
        """Files of this machine that are read, or that were read before as frames."""
        pictures = [item.name if isinstance(item, Frame) else item for item in self._pictures]
        sources = pictures if self.video is None else [self.video.source]
        return [local_path(str(item)) for item in sources if isinstance(item, (str, Path)) and not scheme_of(str(item))]

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; each is read on demand. The errors are those of :func:`read_picture`."""
        return self._read(keep_errors=False)

    def frames(self) -> Iterator[Frame]:
        """Yield the frames; one that cannot be read has its ``error``, unless it is the only one."""
        return self._read(keep_errors=self.count != 1)

    def _read(self, keep_errors: bool) -> Iterator[Frame]:
        if self.video is not None:
            for index, (image, time_s) in enumerate(self.video):
                yield Frame(image, f'{index:08d}.jpg', time_s)
            return
        for index, item in enumerate(self._pictures):
            try:
                yield read_picture(item, index)
            except (OSError, ValueError) as error:
                if not keep_errors:
                    raise
                name = str(item) if isinstance(item, (str, Path)) else name_of(item, index)
                yield Frame(np.zeros((0, 0, 3), np.uint8), name, error=error)
