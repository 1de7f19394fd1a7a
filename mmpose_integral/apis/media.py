"""Frames of the input of an inferencer: photos, folders, URLs, arrays, lists of these, videos and cameras.

The EXIF orientation of pictures is applied, unlike for the frames of the data set. Pictures are read one by one, when
they are needed.
"""
import mimetypes
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import mmcv
import mmengine
import numpy as np

# Picture formats that OpenCV does not read; such files in a folder are left out.
UNREAD = ('.svg', '.svgz', '.heic', '.heif', '.gif', '.ico', '.psd', '.djvu')
_CAMERA = re.compile(r'webcam(?::(\d+))?', re.IGNORECASE)
REMEDY = 'give an image, a folder of images, a video, an address, an array, a list of these, or webcam:N'


class Frame(NamedTuple):
    """One picture: (H, W, 3) uint8 BGR, its name, and its time, s from the start of a video."""
    image: np.ndarray
    name: str
    time_s: float = 0.0


class Media:
    """Frames of an input.

    Args:
        inputs: Any input that :data:`REMEDY` lists; arrays are (H, W, 3) uint8 BGR.

    Attributes:
        is_video (bool): Whether the frames follow each other in time: a video file or a camera.
        is_camera (bool): Whether the input is a camera.
        name (str): Name of the video, else ''.
        fps (float): Frames per second of the video; 0 if unknown.
        count (int | None): Number of frames; None if unknown.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If the input is no picture, or a folder without pictures.
        OSError: If the camera cannot be opened.
    """

    def __init__(self, inputs: str | Path | np.ndarray | list | tuple) -> None:
        self.is_video, self.name, self.fps, self.count, self._reader = False, '', 0.0, None, None
        self.is_camera = False
        if isinstance(inputs, (str, Path)):
            inputs = str(inputs)
            if inputs.lower().split(':')[0] == 'webcam':
                self._open_camera(inputs)
                return
            if not inputs or ('://' not in inputs and not Path(inputs).exists()):
                raise FileNotFoundError(f'{inputs or repr(inputs)}: no such file or folder; {REMEDY}')
            if Path(inputs).is_dir():
                self._items = images_of(inputs)
            elif is_video_name(inputs):
                self._open_video(inputs)
                return
            else:
                self._items = [inputs]
        elif isinstance(inputs, np.ndarray):
            self._items = [inputs]
        elif isinstance(inputs, (list, tuple)):
            self._items = list(inputs)
            for item in self._items:
                if not isinstance(item, (str, Path, np.ndarray)):
                    raise ValueError(f'inputs: paths and arrays expected in the list, got {type(item).__name__}')
        else:
            raise ValueError(f'inputs: {REMEDY}; got {type(inputs).__name__}')
        self.count = len(self._items)

    def _open_camera(self, text):
        if not is_camera(text):
            raise ValueError(f'inputs: webcam or webcam:N expected, N the number of the camera; got {text!r}')
        number = int(_CAMERA.fullmatch(text)[1] or 0)
        self._reader = cv2.VideoCapture(number)
        if not self._reader.isOpened():
            raise OSError(f'camera {number} cannot be opened; is it connected, and not in use by another program?')
        self.is_video, self.is_camera, self.name = True, True, 'webcam.mp4'
        self.fps = self._reader.get(cv2.CAP_PROP_FPS)

    def _open_video(self, path):
        with mmengine.fileio.get_local_path(path) as local:
            self._reader = cv2.VideoCapture(str(local))  # of a URL: stays open when the fetched file is deleted
        if not self._reader.isOpened():
            raise ValueError(f'{path} cannot be decoded as a video')
        self.is_video, self.name = True, Path(path).name
        self.fps = self._reader.get(cv2.CAP_PROP_FPS)
        # The container's number may be missing or wrong by a few frames; only the progress bar uses it.
        self.count = max(0, int(self._reader.get(cv2.CAP_PROP_FRAME_COUNT))) or None

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; each is read on demand."""
        if self._reader is None:
            for index, item in enumerate(self._items):
                yield read_picture(item, index)
            return
        step_s, index, start = 1 / self.fps if self.fps > 0 else 1 / 25, 0, time.monotonic()
        try:
            while True:
                found, image = self._reader.read()
                if not found:
                    break
                # The true frame rate of a camera depends on how fast its frames are read.
                yield Frame(image, f'{index:08d}.jpg', time.monotonic() - start if self.is_camera else index * step_s)
                index += 1
        finally:
            self._reader.release()
        if index == 0:
            raise ValueError(f'{self.name}: not a single frame could be decoded')


def is_camera(item: str) -> bool:
    """Whether an input is 'webcam' or 'webcam:N'."""
    return _CAMERA.fullmatch(item) is not None


def is_video_name(path: str) -> bool:
    """Whether a path or URL ends as that of a video does."""
    return (mimetypes.guess_type(path.split('?')[0])[0] or '').startswith('video/')


def images_of(folder: str | Path) -> list[str]:
    """List the images of a folder, sorted by name; numbers in names are sorted by value.

    Raises:
        ValueError: If there are none.
    """
    found = [path for path in Path(folder).iterdir()
             if path.is_file() and (mimetypes.guess_type(path.name)[0] or '').startswith('image/')
             and path.suffix.lower() not in UNREAD]
    if not found:
        raise ValueError(f'{folder}: no images in this folder that OpenCV reads')
    return sorted(map(str, found), key=lambda name: [
        (part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r'(\d+)', name)])


def read_picture(item: str | Path | np.ndarray, index: int = 0) -> Frame:
    """Read a picture.

    Args:
        item: File, URL, or (H, W, 3) uint8 BGR array.
        index: Index of the input, which names an array.

    Returns:
        The picture with its name.

    Raises:
        FileNotFoundError: If there is no such file.
        OSError: If it cannot be read or fetched.
        ValueError: If it cannot be decoded, or the array has another shape or type.
    """
    if isinstance(item, np.ndarray):
        if item.dtype != np.uint8 or item.ndim != 3 or item.shape[2] != 3 or 0 in item.shape:
            raise ValueError(f'inputs[{index}]: a (H, W, 3) uint8 array, BGR, expected; got {item.dtype} {item.shape}')
        return Frame(item, f'{index}.jpg'.rjust(10, '0'))  # mmpose's naming
    path = str(item)
    if '://' not in path and not Path(path).is_file():
        raise FileNotFoundError(f'{path}: ' + ('a folder; give it by itself, not in a list' if Path(path).is_dir() else
                                               'no such file'))
    try:
        content = mmengine.fileio.get(path)
    except OSError as error:  # urllib's errors are OSErrors, and do not name the URL
        raise OSError(f'{path} cannot be read ({error})') from error
    # The flag 'color' of the cv2 backend applies the EXIF orientation.
    image = mmcv.imfrombytes(content, flag='color', backend='cv2') if content else None
    if image is None:
        raise ValueError(f'{path} cannot be decoded as an image')
    return Frame(image, path)


def chunks(items: Iterable, size: int) -> Iterator[list]:
    """Yield lists of up to ``size`` items."""
    chunk = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
