"""The complete CHALL_H80K evaluation as one function of arrays."""
from typing import NamedTuple

import numpy as np

from mmpose_integral.evaluation.functional.mpjpe import distances, procrustes
from mmpose_integral.evaluation.functional.pck import auc, pck
from mmpose_integral.structures.bone_length import rescale_to_bone_length, skeleton_length
from mmpose_integral.structures.skeleton import NUM_FILE_JOINTS

PER_FRAME = 'per-frame'


class H80KResult(NamedTuple):
    """Errors in mm, means over all frames and over the 17 joints of a pose file, root included (its error is 0).

    Attributes:
        mpjpe (dict[str, float]): MPJPE by bone-length choice, in the given order. Other fields are for the first one.
        rigid: MPJPE after an alignment by rotation and translation over 18 joints.
        similarity: MPJPE after an alignment by rotation, translation and scale over 18 joints.
        per_joint: (17,), mean error of each joint.
        per_axis: (3,), mean absolute error along x, y, z.
        pck: Percentage of joints with an error below 150 mm.
        auc: Mean percentage over thresholds 0, 5, ..., 150 mm.
        errors: (N, 17), error of each joint of each frame.
        pred_mm: (N, 18, 3), predictions in mm, root at the origin.
    """
    mpjpe: dict
    rigid: float
    similarity: float
    per_joint: np.ndarray
    per_axis: np.ndarray
    pck: float
    auc: float
    errors: np.ndarray
    pred_mm: np.ndarray


def evaluate_h80k(pred: np.ndarray, gt_mm: np.ndarray, bone_lengths: dict[str, float | str]) -> H80KResult:
    """Compute all figures of the challenge in one pass.

    Args:
        pred: (N, 18, 3), predictions in any isotropic unit, such as image px, root anywhere.
        gt_mm: (N, 18, 3), ground truth, mm; the root is subtracted.
        bone_lengths: Total skeleton lengths in mm by name. 'per-frame' in place of a number gives each prediction the
            length of its own ground truth. The first entry is the headline.

    Returns:
        Figures of the evaluation.

    Raises:
        ValueError: If there are no frames, shapes differ, no bone length is given, or a pose is not finite or has no
            extent (the message gives its row).
    """
    pred, gt = np.asarray(pred), np.asarray(gt_mm)
    if pred.ndim != 3 or pred.shape != gt.shape or not len(pred):
        raise ValueError(f'pred, gt_mm: equal shapes (N, 18, 3) with N > 0 expected, got {pred.shape} and {gt.shape}')
    if not bone_lengths:
        raise ValueError('bone_lengths: at least one choice expected, got none')
    gt_length = _true_length(gt)
    lengths = {name: np.reshape(
        gt_length if isinstance(length, str) and length == PER_FRAME else _number(name, length), (-1, 1, 1))
        for name, length in bone_lengths.items()}
    gt, unit = np.subtract(gt, gt[:, :1], dtype=np.float64), rescale_to_bone_length(pred, 1.0)

    def errors_of(poses):
        return distances(poses[:, :NUM_FILE_JOINTS], gt[:, :NUM_FILE_JOINTS])

    every = {name: errors_of(unit * length) for name, length in lengths.items()}
    pred_mm, errors = unit * next(iter(lengths.values())), next(iter(every.values()))
    rotated, centre, scale = procrustes(pred_mm, gt)
    return H80KResult(
        mpjpe={name: float(one.mean()) for name, one in every.items()}, rigid=float(errors_of(rotated + centre).mean()),
        similarity=float(errors_of(rotated * scale[:, None, None] + centre).mean()), per_joint=errors.mean(axis=0),
        per_axis=np.abs(pred_mm - gt).mean(axis=0)[:NUM_FILE_JOINTS].mean(axis=0), pck=pck(errors), auc=auc(errors),
        errors=errors, pred_mm=pred_mm)


def _true_length(gt):
    """Lengths of the true skeletons, (N,) mm; raise ValueError for a pose without one."""
    length = skeleton_length(gt)
    bad = np.flatnonzero(~(np.isfinite(length) & (length > 0)))
    if bad.size:
        raise ValueError(f'gt_mm: {bad.size} of {len(gt)} poses have no finite, positive skeleton length, '
                         f'first at row {bad[0]}')
    return length


def _number(name, length):
    """Return a bone length that is given as a number, or raise ValueError."""
    if isinstance(length, str) or not np.isfinite(length) or length <= 0:
        raise ValueError(f"bone_lengths[{name!r}]: a positive length in mm or '{PER_FRAME}' expected, got {length!r}")
    return float(length)
