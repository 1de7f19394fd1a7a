"""The camera of a user's picture: focal length, principal point and lens distortion."""
import io
import logging
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from mmengine.logging import print_log
from PIL import ExifTags, Image

from mmpose_integral.structures import middle_of_image
from mmpose_integral.utils.errors import printable, to_numbers

DEFAULT_FIELD_OF_VIEW_DEG = 55.0
"""Angle across the longer side of a picture without a known focal length, between those of common phones and lenses."""

_FILM_DIAGONAL_MM = float(np.hypot(36, 24))
_EXIF_FORMATS = ('JPEG', 'PNG', 'TIFF', 'WEBP')
_UNIT_MM = {2: 25.4, 3: 10.0}  # values of FocalPlaneResolutionUnit


class Intrinsics(NamedTuple):
    """Intrinsics of one picture."""
    focal_length: np.ndarray
    """(2,), fx, fy, px."""
    principal_point: np.ndarray
    """(2,), px."""
    distortion: np.ndarray
    """(5,), k1, k2, p1, p2, k3 as in OpenCV."""
    source: str
    """Where the focal length comes from: 'argument', 'exif' or 'default'."""

    def straighten(self, keypoints_2d: np.ndarray) -> np.ndarray:
        """Convert joints (N, K, 2) px to those of a camera without distortion whose focal length is fx on both axes."""
        if not keypoints_2d.size:
            return keypoints_2d
        matrix = np.diag([*self.focal_length, 1.0])
        matrix[:2, 2] = self.principal_point
        rays = cv2.undistortPoints(keypoints_2d.reshape(-1, 1, 2).astype(np.float64), matrix, self.distortion)
        return rays.reshape(keypoints_2d.shape) * self.focal_length[0] + self.principal_point

    def for_decoding(self) -> np.ndarray:
        """(3,), focal length and principal point of the straightened joints, as ``px_to_mm`` takes them."""
        return np.array([self.focal_length[0], *self.principal_point])


def find_intrinsics(image_size: Sequence[int], exif_focal_length: float | None = None,
                    focal_length: float | Sequence[float] | None = None,
                    principal_point: Sequence[float] | None = None,
                    distortion: Sequence[float] | None = None) -> Intrinsics:
    """Find the intrinsics of a picture.

    Args:
        image_size: Width and height, px.
        exif_focal_length: Focal length from the picture's EXIF data, px; see :func:`read_exif_focal_length`.
        focal_length: Focal length, px, or (fx, fy). Default: that of EXIF, otherwise that of
            ``DEFAULT_FIELD_OF_VIEW_DEG``.
        principal_point: (cx, cy), px. Default: the middle of the picture.
        distortion: k1, k2, p1, p2 and optionally k3 of OpenCV. Default: none.

    Raises:
        ValueError: If a value has another shape, is not finite, or a focal length is not positive.
    """
    source = 'argument' if focal_length is not None else 'default' if exif_focal_length is None else 'exif'
    if focal_length is None:
        half_angle = np.radians(DEFAULT_FIELD_OF_VIEW_DEG / 2)
        focal_length = exif_focal_length or float(max(image_size) / 2 / np.tan(half_angle))
    focal = to_numbers(focal_length, 'focal_length')
    if focal.shape not in ((), (2,)) or not (np.isfinite(focal) & (focal > 0)).all():
        raise ValueError(f'focal_length: a positive number of px, or (fx, fy), expected; got {focal_length}')
    middle = middle_of_image(image_size) if principal_point is None else to_numbers(principal_point, 'principal_point')
    if middle.shape != (2,) or not np.isfinite(middle).all():
        raise ValueError(f'principal_point: (cx, cy) px expected, got {principal_point}')
    lens = to_numbers([0.0] * 5 if distortion is None else distortion, 'distortion')
    if lens.shape not in ((4,), (5,)) or not np.isfinite(lens).all():
        raise ValueError(f'distortion: k1, k2, p1, p2 and optionally k3 expected, got {distortion}')
    return Intrinsics(np.broadcast_to(focal, 2), middle, np.pad(lens, (0, 5 - len(lens))), source)


def read_exif_focal_length(content: bytes) -> float | None:
    """Read the focal length of a picture file, px, from its EXIF data; None if they do not determine it.

    It comes from ``FocalLengthIn35mmFilm``, which refers to the diagonal of the picture, or from ``FocalLength`` and
    the resolution of the focal plane.
    """
    try:
        with Image.open(io.BytesIO(content), formats=_EXIF_FORMATS) as image:
            width, height = image.size
            tags = image.getexif().get_ifd(ExifTags.IFD.Exif)
        film = float(tags.get(ExifTags.Base.FocalLengthIn35mmFilm) or 0)
        length = float(tags.get(ExifTags.Base.FocalLength) or 0)
        resolution = float(tags.get(ExifTags.Base.FocalPlaneXResolution) or 0)
        unit = _UNIT_MM.get(int(tags.get(ExifTags.Base.FocalPlaneResolutionUnit) or 2), 25.4)
        stored = float(tags.get(ExifTags.Base.ExifImageWidth) or max(width, height))
    except (OSError, SyntaxError, ValueError, TypeError, ZeroDivisionError, OverflowError,
            Image.DecompressionBombError):
        return None  # damaged EXIF data do not stop an inference
    if film > 0:
        return film * float(np.hypot(width, height)) / _FILM_DIAGONAL_MM
    if length > 0 and resolution > 0:  # the picture may have been resized after it was taken
        return length * resolution / unit * max(width, height) / stored
    return None


def warn_of_default(name: str) -> None:
    """Log that the focal length of a picture is assumed."""
    print_log(f'{printable(name)}: the focal length is not known; a field of view of '
              f'{DEFAULT_FIELD_OF_VIEW_DEG:.0f} degrees across the longer side is assumed here and for further such '
              'pictures. Give focal_length=',
              logger='current', level=logging.WARNING)
