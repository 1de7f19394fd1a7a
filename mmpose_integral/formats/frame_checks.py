"""Checks of single CHALL_H80K files, poses and images: each returns its data or says what is wrong with it."""
from typing import NamedTuple

import numpy as np
from PIL import Image

from mmpose_integral.structures.skeleton import NUM_FILE_JOINTS

ROOT_TOLERANCE_MM = 1e-2
"""Pose files are root-relative and written with two to four decimals, so a true root is within rounding of zero."""

MIN_EXTENT_MM = 1.0
"""A pose whose joints all coincide has no bone length, and nothing can be scaled to it."""


class Fault(NamedTuple):
    """One thing wrong in the tree. ``str(fault)`` is the line of the report."""
    split: str
    path: str
    """File or folder, relative to the split's folder: ``POSE/00412.csv``."""
    problem: str

    def __str__(self):
        return f'H80K {self.split}: {self.path} {self.problem}'


class FaultyFile(ValueError):
    """A file that cannot be used; the message completes the sentence "<file> ..."."""


def parse_pose(text):
    """Read the text of a pose file.

    Args:
        text (str): 17 rows of ``x,y,z``, mm, camera axes, root-relative.

    Returns:
        np.ndarray: (17, 3) float64, mm, as written: the root is not subtracted.

    Raises:
        FaultyFile: wrong shape, or a value that is no number.
    """
    rows = text.split()
    if len(rows) != NUM_FILE_JOINTS or any(row.count(',') != 2 for row in rows):
        # Only an odd file pays for the careful reading, which allows blanks after the commas.
        rows = [row for row in text.splitlines() if row.strip()]
        if len(rows) != NUM_FILE_JOINTS:
            raise FaultyFile(f'has {len(rows)} rows, {NUM_FILE_JOINTS} expected')
        for number, row in enumerate(rows, 1):
            columns = row.count(',') + 1
            if columns != 3:
                raise FaultyFile(f'has {columns} columns in row {number}, 3 expected')
    try:
        return np.array(','.join(rows).split(','), dtype=np.float64).reshape(NUM_FILE_JOINTS, 3)
    except ValueError as error:
        raise FaultyFile(f'has a value that is no number ({error})') from None


def read_pose(path):
    """Read and check a pose file.

    Args:
        path (Path): a CSV of 17 rows.

    Returns:
        np.ndarray: (17, 3) float32, mm, camera axes, root at the origin.

    Raises:
        FaultyFile: unreadable, wrong shape, not numeric, not finite, root off zero by more than ``ROOT_TOLERANCE_MM``
            on an axis, or all joints in one place.
    """
    try:
        pose = parse_pose(path.read_text(encoding='utf-8-sig'))
    except UnicodeDecodeError:
        raise FaultyFile('is not a text file') from None
    except OSError as error:
        raise FaultyFile(f'cannot be read ({error.strerror})') from None
    if not np.isfinite(pose).all():
        row = int(np.flatnonzero(~np.isfinite(pose).all(axis=1))[0]) + 1
        raise FaultyFile(f'has a value that is not finite in row {row}')
    offset = np.abs(pose[0]).max()
    if offset > ROOT_TOLERANCE_MM:
        raise FaultyFile(f'has its root {offset:.4g} mm off zero, at most {ROOT_TOLERANCE_MM:g} expected')
    if np.ptp(pose, axis=0).max() < MIN_EXTENT_MM:
        raise FaultyFile('has all joints in one place')
    return (pose - pose[0]).astype(np.float32)


def read_image_size(path):
    """Decode an image far enough to know that it is whole.

    The JPEG decoder works at an eighth of the size: it still reads every byte, so that a truncated file is noticed,
    but skips most of the arithmetic.

    Args:
        path (Path): the image file.

    Returns:
        tuple[int, int]: width and height in px as stored, EXIF orientation ignored.

    Raises:
        FaultyFile: not an image, truncated, or broken.
    """
    try:
        with Image.open(path) as image:
            size = image.size
            image.draft('RGB', (max(size[0] // 8, 1), max(size[1] // 8, 1)))
            image.load()
    except Image.UnidentifiedImageError:
        raise FaultyFile('is not an image') from None
    except (OSError, SyntaxError, ValueError) as error:
        raise FaultyFile(f'cannot be decoded ({error})') from None
    return size
