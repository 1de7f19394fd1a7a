"""Person boxes of a split: COCO detection results, a list of the frames without a box, and the origin of both."""
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mmpose_integral.formats.h80k_index import H80KIndex
from mmpose_integral.formats.origin import IMAGES, check_origin, origin_of
from mmpose_integral.utils.files import check_file, write_json, write_json_lines_list
from mmpose_integral.utils.reading import UnreadableFile, read_json

MAX_SIDES = 10.0
"""Largest side of a box, divided by the longer side of its image. In the crop of a larger box, no person is visible."""

MIN_SHOWN_PX = 0.99
"""Least width and height of a box within its image. It is 1 px, less the rounding to two decimals in files."""

_REMEDY = 'run mmpose-integral prepare boxes again'


def missing_path(boxes_path: str | Path) -> Path:
    """Path of the list of frames without a box, beside the boxes: ``<stem>_missing.json``."""
    path = Path(boxes_path)
    return path.with_name(f'{path.stem}_missing.json')


def origin_path(boxes_path: str | Path) -> Path:
    """Path of the file that names the index of the boxes, beside them: ``<stem>_origin.json``."""
    path = Path(boxes_path)
    return path.with_name(f'{path.stem}_origin.json')


def usable_boxes(boxes: ArrayLike, image_sizes: ArrayLike) -> np.ndarray:
    """Find the boxes that a person can be cropped with.

    Args:
        boxes: (N, 4), x1, y1, x2, y2, image px; may extend over the border.
        image_sizes: (N, 2) or (2,), width and height, px.

    Returns:
        (N,) bool, False for boxes that are not finite, show less than 1 px of their image in width or height, or have a
        side of more than ``MAX_SIDES`` times the longer side of the image.
    """
    boxes, sizes = np.asarray(boxes, dtype=np.float64), np.asarray(image_sizes)
    with np.errstate(invalid='ignore'):
        shown = np.minimum(boxes[:, 2:], sizes) - np.maximum(boxes[:, :2], 0)
        sides = boxes[:, 2:] - boxes[:, :2]
        limit = MAX_SIDES * sizes.max(axis=-1, keepdims=True)
        return np.isfinite(boxes).all(axis=1) & (shown >= MIN_SHOWN_PX).all(axis=1) & (sides <= limit).all(axis=1)


def save_boxes(path: str | Path, records: dict[int, dict], index: H80KIndex) -> list[int]:
    """Write boxes in the format of COCO detection results, and beside them the frames without a box, and the origin.

    Args:
        path: File of the boxes.
        records: Records by frame id, each with ``bbox`` ([x, y, w, h] in image px, or None) and ``score``.
        index: Index of the frames.

    Returns:
        Ids of the frames without a box.
    """
    missing = [frame_id for frame_id, record in records.items() if record['bbox'] is None]
    write_json_lines_list(path, [
        dict(image_id=frame_id, category_id=1, bbox=record['bbox'], score=record['score'])
        for frame_id, record in records.items() if record['bbox'] is not None])
    write_json_lines_list(missing_path(path), missing)
    write_json(origin_path(path), origin_of(index, IMAGES))
    return missing


def load_boxes(path: str | Path, index: H80KIndex) -> dict[int, list[float]]:
    """Read and check COCO detection results; of several boxes of a frame, the one with the highest score is used.

    Args:
        path: Product of ``mmpose-integral prepare boxes``, or boxes of another origin in the same format.
        index: Index of the same split.

    Returns:
        Boxes [x, y, w, h] by frame id, image px.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file holds something else, is not of this index, or a box is not usable, see
            :func:`usable_boxes`; the message names the first such frame.
    """
    check_file(path, 'file of boxes', 'make it with mmpose-integral prepare boxes')
    try:
        content = read_json(path)
        if not isinstance(content, list):
            raise TypeError(f'a {type(content).__name__} was found')
        records = sorted(map(_read_record, content), key=lambda record: record[2])
    except UnreadableFile as error:
        raise UnreadableFile(path, f'{error.reason}; {_REMEDY}') from None
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise ValueError(f'{path} is no list of COCO detection results ({error!r})') from error
    boxes = {frame_id: box for frame_id, box, _ in records}
    _check_index(path, boxes, index)
    rows = [row for row, frame_id in enumerate(index.frame_ids.tolist()) if frame_id in boxes]
    frame_ids = index.frame_ids[rows].tolist()
    found = np.array([boxes[frame_id] for frame_id in frame_ids], dtype=np.float64).reshape(-1, 4)
    with np.errstate(invalid='ignore'):
        corners = np.hstack([found[:, :2], found[:, :2] + found[:, 2:]])
    bad = np.flatnonzero(~usable_boxes(corners, index.img_sizes[rows]))
    if len(bad):
        width, height = index.img_sizes[rows][bad[0]].tolist()
        raise ValueError(
            f'{path}: frame {frame_ids[bad[0]]:05d} has the box [x, y, w, h] {boxes[frame_ids[bad[0]]]} ({len(bad)} '
            f'such frames); finite numbers, at least 1 px of its image of {width}x{height} px and no side above '
            f'{MAX_SIDES:g} times the image expected; {_REMEDY}')
    return {frame_id: boxes[frame_id] for frame_id in frame_ids}


def _read_record(record: Any) -> tuple[int, list[float], float]:
    """Return frame id, box and score of a detection result, or raise an error with the reason."""
    frame_id, box, score = record['image_id'], record['bbox'], record['score']
    if type(frame_id) is not int or not isinstance(box, list) or len(box) != 4:
        raise TypeError(f'image_id {frame_id!r}, bbox {box!r}: a whole number and [x, y, w, h] expected')
    if any(type(value) not in (int, float) for value in (*box, score)) or not np.isfinite(score):
        raise TypeError(f'image_id {frame_id}: bbox {box!r} and a finite score, {score!r}, expected as numbers')
    return frame_id, [float(value) for value in box], float(score)


def _check_index(path: str | Path, boxes: dict[int, list[float]], index: H80KIndex) -> None:
    """Raise ValueError unless boxes belong to an index: its origin, no other frames, and a result for each frame."""
    if origin_path(path).is_file():
        check_origin(_read_json(origin_path(path), dict), index, path,
                     f'{_REMEDY}, or delete {origin_path(path)} if you know that the boxes are right')
    frame_ids = set(index.frame_ids.tolist())
    # Boxes may be older than the fault of a frame.
    faulty = {int(number) for fault in index.faulty.tolist() for number in re.findall(r'\b[0-9]{5}\b', fault)}
    unknown = sorted(set(boxes) - frame_ids - faulty)
    if unknown:
        raise ValueError(f'{path}: box for frame {unknown[0]}, which the index of {index.split} lacks; the two belong '
                         f'to different splits, or the index is newer: {_REMEDY}')
    if missing_path(path).is_file():
        absent = sorted(frame_ids - set(boxes) - set(_read_json(missing_path(path), list)))
        if absent:
            raise ValueError(f'{path}: neither a box nor an entry in {missing_path(path).name} for {len(absent)} '
                             f'frames, first {absent[0]}; the boxes belong to another split, or the index of '
                             f'{index.split} is newer: {_REMEDY}')


def _read_json(path: Path, kind: type) -> Any:
    try:
        content = read_json(path)
    except ValueError:
        content = None
    if not isinstance(content, kind):
        raise ValueError(f'{path} is damaged: a JSON {kind.__name__} expected; {_REMEDY}')
    return content
