"""Pictures from files, addresses and arrays, with their EXIF orientation applied, unlike frames of the data set."""
import contextlib
import io
import warnings
from pathlib import Path
from typing import NamedTuple

import cv2
import mmcv
import numpy as np
from PIL import ExifTags, Image, ImageOps

from mmpose_integral.utils.reading import check_regular

from .addresses import PICTURE_LIMITS, local_path, name_of_address, read_address, scheme_of
from .intrinsics import read_exif_focal_length

# Formats whose size Pillow reads from the header; others, such as EPS, would start further programs.
Image.init()
_HEADERS = [name for name in ('AVIF', 'BMP', 'DIB', 'GIF', 'JPEG', 'JPEG2000', 'PNG', 'PPM', 'SUN', 'TIFF', 'WEBP')
            if name in Image.OPEN]


class Frame(NamedTuple):
    """One picture: (H, W, 3) uint8 BGR, name, time, s from the start of a video, and focal length, px, from EXIF.

    If it could not be read, ``error`` is the reason, and the image has no pixels.
    """
    image: np.ndarray
    name: str
    time_s: float = 0.0
    focal_length: float | None = None
    error: Exception | None = None


Picture = str | Path | np.ndarray | Frame


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
        return Frame(item, name_of(item, index))
    if not isinstance(item, (str, Path)):
        raise ValueError(f'inputs[{index}]: a path or an array expected, got {type(item).__name__}')
    path = str(item)
    content = read_address(path) if scheme_of(path) else _read_file(path)
    return Frame(decode(content, path), path, focal_length=read_exif_focal_length(content))


def name_of(item: Picture, index: int) -> str:
    """File name of a picture, after which its outputs are named; arrays are named by their index, as in mmpose."""
    if isinstance(item, Frame):
        return Path(item.name).name
    if isinstance(item, (str, Path)):
        return name_of_address(str(item)) if scheme_of(str(item)) else local_path(str(item)).name
    return f'{index:06d}.jpg'


def _read_file(path: str) -> bytes:
    local = local_path(path)
    if local.is_dir():
        raise FileNotFoundError(f'{path}: a folder; give it alone, not in a list')
    if not local.exists():
        raise FileNotFoundError(f'{path}: no such file')
    size = check_regular(local, 'image')
    if size > PICTURE_LIMITS.size:
        raise ValueError(f'{path} has {size / 2**20:.0f} MiB; at most {PICTURE_LIMITS.size / 2**20:.0f} MiB are '
                         'accepted for an image')
    return local.read_bytes()


def decode(content: bytes, name: str) -> np.ndarray:
    """Decode a picture file, (H, W, 3) uint8 BGR, upright by its EXIF orientation.

    Raises:
        ValueError: If it cannot be decoded, or its header declares so many px that Pillow refuses them; a small file
            can declare a picture that fills the memory.
    """
    orientation = None
    try:
        with warnings.catch_warnings(), contextlib.suppress(OSError, SyntaxError, ValueError):
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=_HEADERS) as header:
                if header.format == 'AVIF':  # OpenCV ignores the orientation of this format only
                    orientation = header.getexif().get(ExifTags.Base.Orientation)
    except Image.DecompressionBombError:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise ValueError(f'{name} is too large: at most {limit:.0f} megapixels are accepted; make it smaller '
                         'first') from None
    try:  # the flag 'color' of the cv2 backend applies the EXIF orientation
        image = mmcv.imfrombytes(content, flag='color', backend='cv2') if content else None
    except cv2.error:  # as of a picture that is too large
        image = None
    if image is None:
        raise ValueError(f'{name} cannot be decoded as an image')
    if orientation is None:
        return image
    stored = Image.fromarray(image)
    stored.getexif()[ExifTags.Base.Orientation] = orientation
    return np.asarray(ImageOps.exif_transpose(stored))
