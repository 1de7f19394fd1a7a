"""People in photographs with boxes and truth, from the JSON of docs/photographs.md, COCO's JSON or MMPose's for MPII.

Frames: image px, the centre of the first pixel is 0, 0; mm in camera axes, root at the origin.
"""
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmpose_integral.structures.skeleton import JOINT_MAPS, JOINT_NAMES, NUM_JOINTS
from mmpose_integral.utils.files import check_file
from mmpose_integral.utils.reading import UnreadableFile, read_json

_REMEDY = 'docs/photographs.md describes the file'


class PhotoPerson(NamedTuple):
    """One person in one image."""
    file: Path
    box: np.ndarray
    """(4,) x1, y1, x2, y2 image px, float32."""
    keypoints_2d: np.ndarray
    """(18, 2) image px; NaN where a joint is unknown."""
    keypoints_mm: np.ndarray | None
    """(18, 3) mm, root at the origin, NaN where a joint is unknown; None without truth in 3D."""
    focal_length: float | None
    """Focal length of the image, px, if known."""


def read_photo_people(path: str | Path, min_joints: int = 6) -> list[PhotoPerson]:
    """Read the people of a JSON file whose images are beside it or in the folder ``images`` beside it.

    Args:
        path: JSON file.
        min_joints: Smallest number of our joints that are known in 2D; other people are left out.

    Raises:
        FileNotFoundError: If the file or an image does not exist.
        ValueError: If the file is of another format, or a person has a wrong shape or value; the message names it.
    """
    path = Path(path)
    check_file(path, 'JSON file of people in photographs', _REMEDY)
    try:
        content = read_json(path)
    except UnreadableFile as error:
        raise UnreadableFile(path, f'{error.reason}; {_REMEDY}') from None
    if isinstance(content, dict) and 'frames' in content:
        rows = _own_rows(content['frames'])
    elif isinstance(content, dict) and 'annotations' in content:
        rows = _coco_rows(content)
    elif isinstance(content, list):
        rows = _mpii_rows(content)
    else:
        raise ValueError(f"{path}: 'frames', or COCO's 'annotations', or MPII's list expected; {_REMEDY}")
    everyone: list[PhotoPerson] = []
    try:
        everyone.extend(_person(path.parent, **row) for row in rows)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        reason = f'no {error}' if isinstance(error, KeyError) else error
        raise ValueError(f'{path}, person {len(everyone)}, counted from 0: {reason}; {_REMEDY}') from error
    people = [person for person in everyone if np.isfinite(person.keypoints_2d).all(axis=1).sum() >= min_joints]
    if not people:
        raise ValueError(f'{path}: nobody in it has {min_joints} joints that are known in 2D; {_REMEDY}')
    return people


def _own_rows(frames: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for frame in frames:
        yield dict(file=frame['file'], box=frame['box_xyxy'], keypoints_2d=frame['keypoints_2d'],
                   keypoints_mm=frame.get('keypoints_mm'), focal_length=frame.get('focal_length'))


def _coco_rows(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    names = {image['id']: image['file_name'] for image in content['images']}
    for person in content['annotations']:
        x, y, width, height = person['bbox']
        yield dict(file=names[person['image_id']], box=[x, y, x + width, y + height],
                   keypoints_2d=_mapped(np.reshape(person['keypoints'], (17, 3)), 'coco'))


def _mpii_rows(content: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows of MMPose's file for MPII. It counts px from 1 and has no boxes; the extent of the joints takes their place.

    The extent is enlarged by 1.08, which with a padding of 1.25 gives the crop of MPII's training samples.
    """
    for person in content:
        joints = np.concatenate([np.array(person['joints']) - 1.0, np.reshape(person['joints_vis'], (16, 1))], axis=1)
        known = joints[joints[:, 2] > 0, :2]
        low, high = known.min(axis=0), known.max(axis=0)
        middle, half = (low + high) / 2, 1.08 * (high - low) / 2
        yield dict(file=person['image'], box=[*(middle - half), *(middle + half)], keypoints_2d=_mapped(joints, 'mpii'))


def _mapped(joints: np.ndarray, source: str) -> np.ndarray:
    """Our joints (18, 3) x, y and 1 or 0 for known, from those of another data set."""
    joint_map = np.array(JOINT_MAPS[source])
    return np.where((joint_map >= 0)[:, None], joints[joint_map], 0)


def _person(folder: Path, file: str, box: Any, keypoints_2d: Any, keypoints_mm: Any = None,
            focal_length: float | None = None) -> PhotoPerson:
    places = [folder / file, folder / 'images' / file]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise FileNotFoundError(f'{places[0]}: no such image, nor {places[1]}')
    box, points = np.asarray(box, np.float32), np.asarray(keypoints_2d, np.float64)
    if box.shape != (4, ) or not np.isfinite(box).all() or not (box[:2] < box[2:]).all():
        raise ValueError(f'box_xyxy: x1 < x2 and y1 < y2, px, expected, got {box.tolist()}')
    if points.shape != (NUM_JOINTS, 3):
        raise ValueError(f'keypoints_2d: shape ({NUM_JOINTS}, 3), x, y and 1 or 0, expected, got {points.shape}')
    known = (points[:, 2] > 0)[:, None]
    pose = None
    if keypoints_mm is not None:
        pose = np.asarray(keypoints_mm, np.float64)
        if pose.shape != (NUM_JOINTS, 3) or not np.isfinite(pose[known[:, 0]]).all():
            raise ValueError(f'keypoints_mm: ({NUM_JOINTS}, 3) numbers expected, got shape {pose.shape}')
        root = JOINT_NAMES.index('root')
        pose = np.where(known, pose - pose[root], np.nan) if known[root] else None
    return PhotoPerson(found, box, np.where(known, points[:, :2], np.nan), pose, focal_length)
