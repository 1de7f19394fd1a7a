"""The people of a picture, and how they are read from a data sample."""
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from mmengine.structures import InstanceData

from mmpose_integral.evaluation.functional import px_to_mm, skeleton_length
from mmpose_integral.structures.skeleton import NUM_JOINTS


class People(NamedTuple):
    """N people; unknown fields are None."""
    keypoints_2d: np.ndarray | None = None  # (N, 18, 2 | 3) image px
    keypoints_mm: np.ndarray | None = None  # (N, 18, 3) mm, camera axes, root at the origin
    scores: np.ndarray | None = None  # (N, 18)
    std_mm: np.ndarray | None = None  # (N, 18, 3) mm
    bboxes: np.ndarray | None = None  # (N, 4) x0, y0, x1, y1 image px
    roots: np.ndarray | None = None  # (N, 3) mm, positions of the roots in camera axes
    labels: Sequence[str] | None = None  # N texts that distinguish the people


def read_people(instances: InstanceData, unit: str, bone_length: float | None = None, number: int = -1,
                intrinsics: np.ndarray | None = None) -> People:
    """Read predicted or true people; without joints, the result has their boxes alone.

    Several people are labelled with their ``track_ids``, or without tracks with indices from 0 as in the JSON file.

    Args:
        instances: ``keypoints`` in ``unit``. Optional: ``keypoints_mm`` (N, 18, 3), drawn in 3D in place of
            ``keypoints``; ``keypoint_std`` (N, 18, 3) in ``unit``; ``keypoint_scores``, ``bboxes``, ``track_ids``,
            ``root_positions``.
        unit: 'px' for a model's data sample: ``keypoints`` are (N, 18, 3) image px in x, y and z, or (N, 18, 2). 'mm'
            for the inferencer's results: they are (N, 18, 3) mm, and ``keypoints_2d`` (N, 18, 2 | 3) are image px.
        bone_length: Total bone length, mm, with which px become mm. Without it, people in px have no mm.
        number: Number of people, who are the first ones; negative for all.
        intrinsics: Intrinsics of the image, as in ``px_to_mm``, for the conversion of px.

    Raises:
        ValueError: If the unit or a shape is not one of the above.
    """
    def field(name: str) -> np.ndarray | None:
        value = instances.get(name, None)
        if value is None:
            return None
        value = value.detach().cpu() if hasattr(value, 'detach') else value
        return np.asarray(value, np.float64)[:None if number < 0 else number]

    if unit not in ('px', 'mm'):
        raise ValueError(f"unit: 'px' or 'mm' expected, got {unit!r}")
    main, mm, flat, std = (field(name) for name in ('keypoints', 'keypoints_mm', 'keypoints_2d', 'keypoint_std'))
    for name, value in (('keypoints', main), ('keypoints_mm', mm), ('keypoints_2d', flat)):
        if value is not None and (value.ndim != 3 or value.shape[1] != NUM_JOINTS or value.shape[2] not in (2, 3)):
            raise ValueError(f'{name}: shape (N, {NUM_JOINTS}, 2 or 3) expected, got {value.shape}; '
                             'IntegralPose3dVisualizer draws the 18 joints of CHALL_H80K')
    if unit == 'px':
        flat, (mm, std) = main, _to_mm(main, mm, std, bone_length, intrinsics)
    elif mm is None:
        mm = main
    joints, tracks = flat if mm is None else mm, field('track_ids')
    if joints is None or not len(joints):
        return People(bboxes=field('bboxes'))
    labels = [f'#{index}' for index in range(len(joints))] if mm is not None and len(mm) > 1 else None
    labels = labels if tracks is None else [f'id {track:.0f}' for track in tracks]
    return People(flat, mm, field('keypoint_scores'), std, field('bboxes'), field('root_positions'), labels)


def _to_mm(px: np.ndarray | None, mm: np.ndarray | None, std: np.ndarray | None,
           bone_length: float | None, intrinsics: np.ndarray | None) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Convert people (N, 18, 3) and their standard deviations from px to mm, unless their mm are given.

    A skeleton of length zero, such as that of an untrained network, becomes NaN. 2D people have no mm.
    """
    if px is None or px.shape[2] == 2:
        return mm, None
    length = skeleton_length(px)
    if mm is None and bone_length is not None:
        usable = np.isfinite(length) & (length > 0)
        mm = np.full(px.shape, np.nan)
        mm[usable] = px_to_mm(px[usable], bone_length, intrinsics).keypoints
    if mm is None or std is None:
        return mm, None
    with np.errstate(divide='ignore', invalid='ignore'):
        return mm, std * (skeleton_length(mm) / length)[:, None, None]
