"""Frames of the input of an inferencer: photos, folders, URLs, arrays, lists of these, videos and cameras.

The EXIF orientation of pictures is applied, unlike for the frames of the data set. Pictures are read one by one, when
they are needed.
"""
import mimetypes
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from typing import NamedTuple, TypeVar, cast

import cv2
import mmcv
import mmengine
import numpy as np

from .intrinsics import read_exif_focal_length

# Picture formats that OpenCV does not read; such files in a folder are left out.
_UNREAD = ('.svg', '.svgz', '.heic', '.heif', '.gif', '.ico', '.psd', '.djvu')
_CAMERA = re.compile(r'webcam(?::(\d+))?', re.IGNORECASE)
_Item = TypeVar('_Item')

class Frame(NamedTuple):
    """One picture: (H, W, 3) uint8 BGR, name, time, s from the start of a video, and focal length, px, from EXIF."""
    image: np.ndarray
    name: str
    time_s: float = 0.0
    focal_length: float | None = None


Picture = str | Path | np.ndarray | Frame
Input = Picture | Sequence[Picture]


class Media:
    """Frames of an input.

    Args:
        inputs: Image file, folder of images, URL, (H, W, 3) uint8 BGR array, frame of :func:`read_picture`, list of
            these, video, or 'webcam[:N]'.

    Attributes:
        is_video: Whether the frames follow each other in time: a video file or a camera.
        is_camera: Whether the input is a camera.
        name, fps: Name and frames per second of the video; '' for pictures, 0 if unknown.
        count: Number of frames; None if unknown.

    Raises:
        FileNotFoundError, OSError, ValueError: If there is no such file or folder, a folder has no pictures, or a
            camera or a video cannot be opened.
    """

    def __init__(self, inputs: Input) -> None:
        self.is_camera, self.name, self.fps = False, '', 0.0
        self.count: int | None = None
        self._video: cv2.VideoCapture | None = None
        self._pictures: list[Picture] = []
        if isinstance(inputs, (str, Path)):
            self._open(str(inputs))
        elif isinstance(inputs, Frame):  # which is also a sequence
            self._pictures = [inputs]
        elif isinstance(inputs, np.ndarray) or not isinstance(inputs, Sequence):
            self._pictures = [inputs]  # read_picture refuses other types
        else:
            self._pictures = list(cast('Sequence[Picture]', inputs))
        self.is_video, self.count = self._video is not None, len(self._pictures)
        if self._video is not None:
            self.fps = self._video.get(cv2.CAP_PROP_FPS)
            # The container's number may be missing or wrong by a few frames; only the progress bar uses it.
            self.count = None if self.is_camera else max(0, int(self._video.get(cv2.CAP_PROP_FRAME_COUNT))) or None

    def _open(self, path: str) -> None:
        camera = _CAMERA.fullmatch(path)
        if camera is not None:
            self.is_camera, self.name, self._video = True, 'webcam.mp4', cv2.VideoCapture(int(camera[1] or 0))
            if not self._video.isOpened():
                raise OSError(f'{path}: the camera cannot be opened; is it connected, and not in use elsewhere?')
        elif not path or ('://' not in path and not Path(path).exists()):
            raise FileNotFoundError(f'{path or repr(path)}: no such file or folder; give an image, a folder of images, '
                                    'a video, a URL, an array, a list of these, or webcam:N')
        elif Path(path).is_dir():
            self._pictures += images_of(path)
        elif is_video_name(path):
            with mmengine.fileio.get_local_path(path) as local:
                self.name, self._video = Path(path).name, cv2.VideoCapture(str(local))  # stays open after a download
            if not self._video.isOpened():
                raise ValueError(f'{path} cannot be decoded as a video')
        else:
            self._pictures.append(path)

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; each is read on demand."""
        if self._video is None:
            yield from map(read_picture, self._pictures, count())
            return
        index, start = 0, time.monotonic()
        try:
            for index in count():
                found, image = self._video.read()
                if not found:
                    break
                # The true frame rate of a camera depends on how fast its frames are read.
                time_s = time.monotonic() - start if self.is_camera else index / (self.fps if self.fps > 0 else 25)
                yield Frame(image, f'{index:08d}.jpg', time_s)
        finally:
            self._video.release()
        if index == 0:
            raise ValueError(f'{self.name}: no frame could be decoded')


def is_camera(item: str) -> bool:
    """Whether an input is 'webcam' or 'webcam:N'."""
    return _CAMERA.fullmatch(item) is not None


def is_video_name(path: str) -> bool:
    """Whether a path or URL has the suffix of a video."""
    return (mimetypes.guess_type(path.split('?')[0])[0] or '').startswith('video/')


def images_of(folder: str | Path) -> list[str]:
    """List the images of a folder, sorted by name; numbers in names are sorted by value. ValueError without any."""
    found = [str(path) for path in Path(folder).iterdir()
             if path.is_file() and (mimetypes.guess_type(path.name)[0] or '').startswith('image/')
             and path.suffix.lower() not in _UNREAD]
    if not found:
        raise ValueError(f'{folder}: no images in this folder that OpenCV can read')
    # Every second part is a number, so that numbers are compared with numbers.
    return sorted(found, key=lambda name: [int(part) if part.isdecimal() else part
                                           for part in re.split(r'(\d+)', name)])


def read_picture(item: Picture, index: int = 0) -> Frame:
    """Read a file or URL, or name an (H, W, 3) uint8 BGR array by its index in the input; a frame stays as it is.

    Raises:
        FileNotFoundError, OSError: If a file or URL cannot be read.
        ValueError: If it cannot be decoded, or the array has another shape or type.
    """
    if isinstance(item, Frame):
        return item
    if isinstance(item, np.ndarray):
        if item.dtype != np.uint8 or item.ndim != 3 or item.shape[2] != 3 or 0 in item.shape:
            raise ValueError(f'inputs[{index}]: a (H, W, 3) uint8 array, BGR, expected; got {item.dtype} {item.shape}')
        return Frame(item, f'{index:06d}.jpg')  # mmpose's naming
    if not isinstance(item, (str, Path)):
        raise ValueError(f'inputs[{index}]: a path or an array expected, got {type(item).__name__}')
    path = str(item)
    if '://' not in path and not Path(path).is_file():
        raise FileNotFoundError(f'{path}: ' + ('a folder; give it alone, not in a list' if Path(path).is_dir() else
                                               'no such file'))
    try:
        content = mmengine.fileio.get(path)
    except OSError as error:  # urllib's errors are OSErrors, and do not name the URL
        raise OSError(f'{path} cannot be read ({error})') from error
    # The flag 'color' of the cv2 backend applies the EXIF orientation.
    image = mmcv.imfrombytes(content, flag='color', backend='cv2') if content else None
    if image is None:
        raise ValueError(f'{path} cannot be decoded as an image')
    return Frame(image, path, focal_length=read_exif_focal_length(content))


def chunks(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Yield lists of up to ``size`` items."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
