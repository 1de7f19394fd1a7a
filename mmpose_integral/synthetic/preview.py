"""Contact sheet of a finished stand-in data set with the joints drawn in, to look at before training on it."""
import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from mmcv import imread

from ..structures.skeleton import COCO_TO_H80K, MPII_TO_H80K
from ..utils.files import write_whole
from ..visualization.skeleton_drawing import draw_skeleton_2d
from .parts import final_paths

_TILE, _GAP = 208, 6
_WHITE = (255, 255, 255)


def save_preview(root: str | Path, path: str | Path, per_part: int = 6) -> None:
    """Write a contact sheet with rows of whole Train frames, the same people with joints, Val, Test, MPII and COCO.

    Left limbs are blue, right limbs vermilion, the middle grey. MPII and COCO show what their files annotate.

    Args:
        root: Root of a finished stand-in data set.
        path: Picture to write, .jpg or .png.
        per_part: Pictures per row.

    Raises:
        FileNotFoundError: If the data set is not finished.
        ValueError: If the picture's suffix is neither .jpg nor .png.
    """
    root, path = Path(root), Path(path)
    if path.suffix.lower() not in ('.jpg', '.jpeg', '.png'):
        raise ValueError(f'path: a .jpg or .png name expected, got {str(path)!r}')
    if not (root / 'truth').is_dir():
        raise FileNotFoundError(f'{root} has no finished stand-in data; run mmpose-integral make-standin first')
    rows = [_row('H80K Train, whole frames', _studio_tiles(root, 'train', per_part, whole=True)),
            _row('the same people, true joints', _studio_tiles(root, 'train', per_part)),
            _row('H80K Val', _studio_tiles(root, 'val', per_part)),
            _row('H80K Test', _studio_tiles(root, 'test', per_part)),
            _row('MPII', _mpii_tiles(root, per_part)), _row('COCO', _coco_tiles(root, per_part))]
    width = max(row.shape[1] for row in rows)
    sheet = np.vstack([cv2.copyMakeBorder(row, 0, 0, 0, width - row.shape[1], cv2.BORDER_CONSTANT, value=_WHITE)
                       for row in rows if row.size])
    options = [cv2.IMWRITE_JPEG_QUALITY, 72] if path.suffix.lower() != '.png' else []
    write_whole(path, cv2.imencode(path.suffix.lower(), sheet, options)[1].tobytes())


def _studio_tiles(root: Path, split: str, count: int, whole: bool = False) -> list[np.ndarray]:
    """People with their true joints, or the whole frames."""
    path = final_paths(root, split)[0]
    if not path.exists():
        return []
    with np.load(path) as truth:
        ids, points, boxes = (truth[name][:count] for name in ('frame_ids', 'keypoints_2d', 'bbox'))
    tiles = []
    for frame_id, keypoints, box in zip(ids, points, boxes, strict=True):
        image = imread(root / 'h80k' / split.capitalize() / 'IMG' / f'{frame_id:05d}.jpg')
        tiles.append(cv2.resize(image, (_TILE, _TILE), interpolation=cv2.INTER_AREA) if whole else
                     _person_tile(image, keypoints, np.ones(len(keypoints), bool), range(len(keypoints)), box))
    return tiles


def _mpii_tiles(root: Path, count: int) -> list[np.ndarray]:
    path = final_paths(root, 'mpii')[0]
    tiles = []
    for row in json.loads(path.read_text())[:count] if path.exists() else []:
        image = imread(root / 'mpii' / 'images' / row['image'])
        joints, known = np.array(row['joints']) - 1, np.array(row['joints_vis']) > 0
        box = np.concatenate([joints[known].min(0), joints[known].max(0)])
        tiles.append(_person_tile(image, joints, known, MPII_TO_H80K, box))
    return tiles


def _coco_tiles(root: Path, count: int) -> list[np.ndarray]:
    path = final_paths(root, 'coco')[0]
    if not path.exists():
        return []
    content = json.loads(path.read_text())
    names = {image['id']: image['file_name'] for image in content['images']}
    tiles = []
    for row in content['annotations'][:count]:
        image = imread(root / 'coco' / 'train2017' / names[row['image_id']])
        joints = np.array(row['keypoints']).reshape(17, 3)
        x, y, w, h = row['bbox']
        box = np.array([x, y, x + w, y + h])
        tiles.append(_person_tile(image, joints[:, :2], joints[:, 2] > 0, COCO_TO_H80K, box))
    return tiles


def _person_tile(image: np.ndarray, joints: np.ndarray, known: np.ndarray, joint_map: Sequence[int],
                 box: np.ndarray) -> np.ndarray:
    """Square tile around a box (x1, y1, x2, y2 px), with the joints drawn after enlarging, so that lines stay thin."""
    source = np.array(joint_map)
    middle, half = (box[:2] + box[2:]) / 2, 0.62 * max(box[2:] - box[:2]) + 2
    scale = _TILE / (2 * half)
    move = np.array([[scale, 0, _TILE / 2 - scale * middle[0]], [0, scale, _TILE / 2 - scale * middle[1]]])
    tile = cv2.warpAffine(image, move, (_TILE, _TILE), flags=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA,
                          borderValue=(235, 235, 235))
    keypoints = np.where((known[source] & (source >= 0))[:, None], joints[source] @ move[:, :2].T + move[:, 2], np.nan)
    return draw_skeleton_2d(tile[..., ::-1], keypoints, thickness=2)[..., ::-1]


def _row(title: str, tiles: list[np.ndarray]) -> np.ndarray:
    """Tiles side by side under a title; an empty picture if there are no tiles."""
    if not tiles:
        return np.zeros((0, 0, 3), np.uint8)
    tiles = [cv2.copyMakeBorder(tile, 0, _GAP, 0, _GAP, cv2.BORDER_CONSTANT, value=_WHITE) for tile in tiles]
    row = cv2.copyMakeBorder(np.hstack(tiles), 26, 0, _GAP, 0, cv2.BORDER_CONSTANT, value=_WHITE)
    cv2.putText(row, title, (_GAP, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (40, 40, 40), 1, cv2.LINE_AA)
    return row
