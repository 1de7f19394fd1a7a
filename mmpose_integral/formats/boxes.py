"""Person boxes of a split: COCO detection results, and a list of the frames without a box."""
import json
import os
from pathlib import Path

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
    """Read COCO detection results; of several boxes of a frame, the one with the highest score is used.

    Returns:
        Boxes [x, y, w, h] by frame id, image px.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file holds something else.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f'boxes {path} do not exist; make them with mmpose-integral prepare boxes')
    try:
        boxes = sorted(json.loads(Path(path).read_text()), key=lambda box: box['score'])
        return {box['image_id']: [float(value) for value in box['bbox']] for box in boxes}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f'{path} is no list of COCO detection results ({error!r})') from error
