"""Errors of predicted people in photographs, and their summary as Markdown."""
from collections.abc import Sequence
from typing import Any

import numpy as np

from mmpose_integral.cli.photo_report.predictors import Prediction
from mmpose_integral.evaluation.functional import mpjpe
from mmpose_integral.formats.photo_people import PhotoPerson
from mmpose_integral.structures.landmarks import LANDMARK_NAMES
from mmpose_integral.structures.skeleton import BONES, JOINT_NAMES, NUM_FILE_JOINTS

LIMIT = 0.1
"""Largest error of a joint that counts as right, as a share of the person's extent."""
JOINT_SETS = dict(all=tuple(range(NUM_FILE_JOINTS)),
                  landmarks=tuple(k for k, name in enumerate(JOINT_NAMES) if name in LANDMARK_NAMES))
"""Joints that are counted: those of a pose file, or those that are landmarks of MediaPipe, too."""


def right_joints(pred: np.ndarray, truth: np.ndarray, joints: Sequence[int]) -> np.ndarray:
    """Whether the known ones of the given joints are right in 2D, (M,) bool.

    Args:
        pred: (18, 2) image px.
        truth: (18, 2) image px; NaN where a joint is unknown. The extent is the longer side of the box around it.
        joints: Joints to count.
    """
    extent = np.ptp(truth[np.isfinite(truth[:, 0])], axis=0).max()
    distance = np.linalg.norm(pred - truth, axis=1)[list(joints)]
    return distance[np.isfinite(distance)] <= LIMIT * extent


def at_true_length(pred: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Scale a pose to the truth's total length of the bones whose two ends are known.

    Models of other units and of unknown body size become comparable.

    Args:
        pred: (18, 3), any unit, root at the origin.
        truth: (18, 3) mm, root at the origin; NaN where a joint is unknown.

    Returns:
        (18, 3) mm.
    """
    known = np.isfinite(truth[:, 0])
    start, end = np.array([bone for bone in BONES if known[list(bone)].all()]).T
    length, wanted = (np.linalg.norm(pose[start] - pose[end], axis=1).sum() for pose in (pred, truth))
    return pred * (wanted / length)


def errors_mm(pred: np.ndarray, truth: np.ndarray, joints: Sequence[int]) -> tuple[float, float]:
    """MPJPE and similarity-aligned MPJPE of the known ones of the given joints, mm, at the true bone length.

    The alignment is found over all known joints. The arguments are those of :func:`at_true_length`; ``joints`` are the
    joints to count.
    """
    known = np.flatnonzero(np.isfinite(truth[:, 0]))
    scaled, counted = at_true_length(pred, truth), np.flatnonzero(np.isin(known, joints))
    plain, aligned = (float(mpjpe(scaled[known], truth[known], align, counted.tolist()).mean())
                      for align in ('none', 'similarity'))
    return plain, aligned


def measure(person: PhotoPerson, pred: Prediction | None, joints: Sequence[int]) -> dict[str, Any]:
    """Figures of one person; all known joints are wrong if no pose was found, and there are no mm then."""
    known = int(np.isfinite(person.keypoints_2d[list(joints), 0]).sum())
    row = dict(file=person.file.name, box=[round(float(side), 1) for side in person.box], found=pred is not None,
               joints=known, right=0, mpjpe=None, pa_mpjpe=None)
    if pred is not None:
        row['right'] = int(right_joints(pred.keypoints_2d, person.keypoints_2d, joints).sum())
        if person.keypoints_mm is not None:
            row['mpjpe'], row['pa_mpjpe'] = errors_mm(pred.keypoints, person.keypoints_mm, joints)
    return row


def summarize(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Figures over people: the share of right joints of all people together, and means over those with mm."""
    deep = [row for row in rows if row['mpjpe'] is not None]
    mean = {key: float(np.mean([row[key] for row in deep])) if deep else None for key in ('mpjpe', 'pa_mpjpe')}
    return dict(people=len(rows), found=sum(row['found'] for row in rows), joints=sum(row['joints'] for row in rows),
                share_2d=sum(row['right'] for row in rows) / max(1, sum(row['joints'] for row in rows)),
                people_3d=len(deep), **mean)


def to_markdown(report: dict[str, Any]) -> str:
    """Tables of a report: one row per folder of data and model, and for all data; then one row per person."""
    lines = ['| data | model | people found | joints within 10 %, % | people with mm | MPJPE, mm | aligned, mm |',
             '| --- | --- | --- | --- | --- | --- | --- |']
    for data, models in report['summary'].items():
        for name, one in models.items():
            lines.append(f'| {data} | {name} | {one["found"]} of {one["people"]} | {100 * one["share_2d"]:.1f} | '
                         f'{one["people_3d"]} | {_mm(one["mpjpe"])} | {_mm(one["pa_mpjpe"])} |')
    lines += ['', *(f'{name} was left out: {reason}' for name, reason in report['left_out'].items())]
    names = list(report['people'])
    lines += ['', '| image | joints | ' + ' | '.join(f'{name}: right, MPJPE, aligned' for name in names) + ' |',
              '| --- ' * (2 + len(names)) + '|']
    for rows in zip(*report['people'].values(), strict=True):
        cells = [f'{row["right"]}, {_mm(row["mpjpe"])}, {_mm(row["pa_mpjpe"])}' if row['found'] else 'not found'
                 for row in rows]
        lines.append(f'| {rows[0]["file"]} | {rows[0]["joints"]} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines) + '\n'


def _mm(value: float | None) -> str:
    return '-' if value is None else f'{value:.0f}'
