"""Checks of single CHALL_H80K files, poses and images. Each returns the data or raises an error with the reason."""
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mmpose_integral.structures.skeleton import NUM_FILE_JOINTS
from mmpose_integral.utils.reading import UnreadableFile, check_regular, read_limited

ROOT_TOLERANCE_MM = 1e-2
"""Pose files are root-relative and written with two to four decimals, so a correct root is zero up to rounding."""

LARGEST_MM = 1e6
"""Coordinates beyond a kilometre are no joints of a body, and those above 3e38 are infinite as float32."""


MAX_POSE_BYTES = 100_000
"""Largest pose file that is read; usual ones have less than a kilobyte."""


class FaultyFile(ValueError):
    """A file that cannot be used; the message completes the sentence "<file> ..."."""


def read_pose(path: Path) -> np.ndarray:
    """Read and check a pose file: 17 rows of ``x,y,z``, mm, camera axes, root-relative.

    Returns:
        (17, 3) float32, mm, camera axes, root at the origin.

    Raises:
        FaultyFile: If the file cannot be read, has a wrong shape, has values that are not numeric, not finite
            or above ``LARGEST_MM``, or has a root that is off zero by more than ``ROOT_TOLERANCE_MM`` on an axis.
    """
    try:
        text = read_limited(path, MAX_POSE_BYTES).decode('utf-8-sig')
        pose = parse_pose([row for row in text.splitlines() if row.strip()])
    except UnreadableFile as error:
        raise FaultyFile(error.reason) from None
    except UnicodeDecodeError:
        raise FaultyFile('is not a text file') from None
    except OSError as error:
        raise FaultyFile(f'cannot be read ({error.strerror})') from None
    offset = np.abs(pose[0]).max()
    if offset > ROOT_TOLERANCE_MM:
        raise FaultyFile(f'has its root {offset:.4g} mm off zero, at most {ROOT_TOLERANCE_MM:g} expected')
    return (pose - pose[0]).astype(np.float32)


def parse_pose(rows: Sequence[str]) -> np.ndarray:
    """Parse 17 rows of ``x,y,z``, (17, 3) float64.

    Raises:
        FaultyFile: If the number of rows or columns is another one, or a value is not numeric, not finite or above
            ``LARGEST_MM``.
    """
    if len(rows) != NUM_FILE_JOINTS:
        raise FaultyFile(f'has {len(rows)} rows, {NUM_FILE_JOINTS} expected')
    for number, columns in enumerate((row.count(',') + 1 for row in rows), 1):
        if columns != 3:
            raise FaultyFile(f'has {columns} columns in row {number}, 3 expected')
    text = ','.join(rows)
    try:
        if '_' in text or not text.isascii():  # float() accepts 1_0 and the digits of all scripts
            raise ValueError('digits 0 to 9 without underscores expected')
        pose = np.array(text.split(','), dtype=np.float64).reshape(NUM_FILE_JOINTS, 3)
    except ValueError as error:
        raise FaultyFile(f'has a value that is no number ({error})') from None
    sound = np.abs(pose) <= LARGEST_MM
    if not sound.all():
        row, column = np.argwhere(~sound)[0].tolist()
        found = 'not finite' if not np.isfinite(pose[row, column]) else f'{pose[row, column]:g} mm'
        raise FaultyFile(f'has a value that is {found} in row {row + 1}; at most {LARGEST_MM:g} mm expected')
    return pose


def read_image_size(path: Path) -> tuple[int, int]:
    """Read the size of a JPEG image and check that the file is complete.

    Other formats are refused, because Pillow and OpenCV do not read the same ones. For EPS, Pillow would also start
    another program.

    The JPEG decoder works at an eighth of the size. It still reads every byte, so that a truncated file is detected,
    but skips most of the arithmetic.

    Returns:
        Width and height as stored, px; EXIF orientation is ignored.

    Raises:
        FaultyFile: If the file is not a JPEG image, truncated, broken, or so large that Pillow refuses it.
    """
    try:
        check_regular(path)
        with Image.open(path, formats=('JPEG', )) as image:
            size = image.size
            image.draft('RGB', (max(size[0] // 8, 1), max(size[1] // 8, 1)))
            image.load()
    except UnreadableFile as error:
        raise FaultyFile(error.reason) from None
    except Image.UnidentifiedImageError:
        raise FaultyFile('is not a JPEG image') from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FaultyFile(f'cannot be decoded ({error})') from None
    return size
