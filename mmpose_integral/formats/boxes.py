"""Person boxes of a split: COCO detection results, and a list of the frames without a box."""
import json
import os
from pathlib import Path

import numpy as np

from mmpose_integral.utils.files import write_json_lines_list


def missing_path(boxes_path: str | Path) -> Path:
    """Path of the list of frames without a box, beside the boxes: ``<stem>_missing.json``."""
    path = Path(boxes_path)
    return path.with_name(f'{path.stem}_missing.json')


def save_boxes(path: str | Path, records: dict[int, dict]) -> list[int]:
    """Write boxes in the format of COCO detection results, and beside them the list of frames without a box.

    Args:
        path: File of the boxes.
        records: Records by frame id, each with ``bbox`` ([x, y, w, h] in image px, or None) and ``score``.

    Returns:
        Ids of the frames without a box.
    """
    missing = [frame_id for frame_id, record in records.items() if record['bbox'] is None]
    write_json_lines_list(path, [
        dict(image_id=frame_id, category_id=1, bbox=record['bbox'], score=record['score'])
        for frame_id, record in records.items() if record['bbox'] is not None])
    write_json_lines_list(missing_path(path), missing)
    return missing


def load_boxes(path: str | Path) -> dict[int, list[float]]:
    """Read boxes.

    Args:
        path: COCO detection results; of several boxes of a frame, the one with the highest score is used.

    Returns:
        Boxes [x, y, w, h] by frame id, image px.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file holds something else.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f'boxes {path} do not exist; make them with tools/dataset_converters/detect_boxes.py')
    best = {}
    try:
        with open(path) as file:
            for box in json.load(file):
                if box['score'] > best.get(box['image_id'], (-1,))[0]:
                    best[box['image_id']] = (box['score'], [float(value) for value in box['bbox']])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f'{path} is no list of COCO detection results ({error!r})') from error
    return {frame_id: bbox for frame_id, (_, bbox) in best.items()}


def clip_boxes(bboxes: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Cut boxes at the image border.

    Args:
        bboxes: (M, 4), xyxy, px.
        image_size: Width and height of the image, px.

    Returns:
        (M, 4) float32, xyxy.
    """
    width, height = image_size
    return np.clip(np.asarray(bboxes, dtype=np.float32).reshape(-1, 4), 0, [width, height, width, height])
