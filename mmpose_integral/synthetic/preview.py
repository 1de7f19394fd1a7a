"""Contact sheet of a finished stand-in data set, joints drawn in: what to look at before training on it."""
import json
from pathlib import Path

import cv2
import numpy as np

from ..structures.skeleton import BONES, COCO_TO_H80K, JOINT_NAMES, MPII_TO_H80K, NUM_JOINTS, side_color
from ..utils.files import write_whole

_TILE, _GAP = 208, 6


def save_preview(root, path, per_part=6):
    """Write a contact sheet: a row each of whole Train frames, their people with joints, Val, Test, MPII and COCO.

    Left limbs are blue, right limbs vermilion, the middle grey. MPII and COCO show what their files annotate.

    Args:
        root (str | Path): root of a finished stand-in data set.
        path (str | Path): picture to write, .jpg or .png.
        per_part (int): pictures a row.

    Raises:
        FileNotFoundError: the data set is not finished.
        ValueError: the picture's suffix is neither .jpg nor .png.
    """
    root, path = Path(root), Path(path)
    if path.suffix.lower() not in ('.jpg', '.jpeg', '.png'):
        raise ValueError(f'path: a .jpg or .png name expected, got {str(path)!r}')
    if not (root / 'truth').is_dir():
        raise FileNotFoundError(f'{root}: no finished stand-in data here; run tools/make_standin.py first')
    rows = [_row('H80K Train, whole frames', _studio_tiles(root, 'train', per_part, whole=True)),
            _row('the same people, true joints', _studio_tiles(root, 'train', per_part)),
            _row('H80K Val', _studio_tiles(root, 'val', per_part)),
            _row('H80K Test', _studio_tiles(root, 'test', per_part)),
            _row('MPII', _mpii_tiles(root, per_part)), _row('COCO', _coco_tiles(root, per_part))]
    rows = [row for row in rows if row is not None]
    width = max(row.shape[1] for row in rows)
    sheet = np.vstack([cv2.copyMakeBorder(row, 0, 0, 0, width - row.shape[1], cv2.BORDER_CONSTANT,
                                          value=(255, 255, 255)) for row in rows])
    options = [cv2.IMWRITE_JPEG_QUALITY, 72] if path.suffix.lower() != '.png' else []
    write_whole(path, cv2.imencode(path.suffix.lower(), sheet, options)[1].tobytes())


def draw_skeleton(image, keypoints, present=None, thickness=1):
    """Draw 18 joints in place.

    Args:
        image (np.ndarray): (h, w, 3) uint8 BGR.
        keypoints (np.ndarray): (18, 2) px, pixel centres at integers.
        present (np.ndarray | None): (18,) bool; joints left out take their bones along.
        thickness (int): px of a bone.
    """
    present = np.ones(NUM_JOINTS, bool) if present is None else present
    for parent, joint in BONES:
        if present[parent] and present[joint]:
            ends = [tuple(np.round(keypoints[k] * 16).astype(int).tolist()) for k in (parent, joint)]
            cv2.line(image, *ends, side_color(parent, joint)[::-1], thickness, cv2.LINE_AA, 4)
    for joint in np.flatnonzero(present):
        center = tuple(np.round(keypoints[joint] * 16).astype(int).tolist())
        cv2.circle(image, center, thickness * 16, (255, 255, 255), -1, cv2.LINE_AA, 4)
        cv2.circle(image, center, thickness * 9, side_color(joint)[::-1], -1, cv2.LINE_AA, 4)


def _studio_tiles(root, split, count, whole=False):
    """People with their true joints, or the frames as they are."""
    path = root / 'truth' / f'h80k_{split}.npz'
    if not path.exists():
        return []
    with np.load(path) as truth:
        ids, points, boxes = (truth[name][:count] for name in ('frame_ids', 'keypoints_2d', 'bbox'))
    tiles = []
    for frame_id, keypoints, box in zip(ids, points, boxes, strict=True):
        image = cv2.imread(str(root / 'h80k' / split.capitalize() / 'IMG' / f'{frame_id:05d}.jpg'))
        tiles.append(cv2.resize(image, (_TILE, _TILE), interpolation=cv2.INTER_AREA) if whole else
                     _crop(image, keypoints, None, box))
    return tiles


def _mpii_tiles(root, count):
    path = root / 'mpii' / 'annotations' / 'mpii_train.json'
    tiles = []
    for row in json.loads(path.read_text())[:count] if path.exists() else []:
        image = cv2.imread(str(root / 'mpii' / 'images' / row['image']))
        joints = np.array(row['joints']) - 1
        box = np.concatenate([joints[np.array(row['joints_vis']) > 0].min(0), joints.max(0)])
        tiles.append(_mapped(image, joints, np.array(row['joints_vis']) > 0, MPII_TO_H80K, box))
    return tiles


def _coco_tiles(root, count):
    path = root / 'coco' / 'annotations' / 'person_keypoints_train2017.json'
    if not path.exists():
        return []
    content = json.loads(path.read_text())
    names = {image['id']: image['file_name'] for image in content['images']}
    tiles = []
    for row in content['annotations'][:count]:
        image = cv2.imread(str(root / 'coco' / 'train2017' / names[row['image_id']]))
        joints = np.array(row['keypoints']).reshape(17, 3)
        x, y, w, h = row['bbox']
        tiles.append(_mapped(image, joints[:, :2], joints[:, 2] > 0, COCO_TO_H80K, (x, y, x + w, y + h)))
    return tiles


def _mapped(image, joints, known, joint_map, box):
    """Tile of a person whose joints come in another set's order."""
    source = np.array(joint_map)
    keypoints, present = joints[source], known[source] & (source >= 0)
    left, right, thorax = (JOINT_NAMES.index(name) for name in ('left_shoulder', 'right_shoulder', 'thorax'))
    if not present[thorax] and present[left] and present[right]:
        keypoints[thorax], present[thorax] = (keypoints[left] + keypoints[right]) / 2, True
    hips = [JOINT_NAMES.index(name) for name in ('left_hip', 'right_hip')]
    if not present[0] and present[hips].all():
        keypoints[0], present[0] = keypoints[hips].mean(0), True
    return _crop(image, keypoints, present, box)


def _crop(image, keypoints, present, box):
    """Square tile around a box (x1, y1, x2, y2 px), joints drawn after enlarging so that lines stay thin."""
    box = np.asarray(box, float)
    middle, half = (box[:2] + box[2:]) / 2, 0.62 * max(box[2:] - box[:2]) + 2
    scale = _TILE / (2 * half)
    move = np.array([[scale, 0, _TILE / 2 - scale * middle[0]], [0, scale, _TILE / 2 - scale * middle[1]]])
    tile = cv2.warpAffine(image, move, (_TILE, _TILE), flags=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA,
                          borderValue=(235, 235, 235))
    draw_skeleton(tile, keypoints @ move[:, :2].T + move[:, 2], present, 2)
    return tile


def _row(title, tiles):
    """Tiles side by side under a title; None for no tiles."""
    if not tiles:
        return None
    tiles = [cv2.copyMakeBorder(tile, 0, _GAP, 0, _GAP, cv2.BORDER_CONSTANT, value=(255, 255, 255)) for tile in tiles]
    row = cv2.copyMakeBorder(np.hstack(tiles), 26, 0, _GAP, 0, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    cv2.putText(row, title, (_GAP, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (40, 40, 40), 1, cv2.LINE_AA)
    return row
