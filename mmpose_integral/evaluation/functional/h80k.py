"""The complete CHALL_H80K evaluation as one function of arrays, with the figures PCK and AUC."""
from typing import NamedTuple

import numpy as np

from mmpose_integral.evaluation.functional.millimetres import px_to_mm
from mmpose_integral.evaluation.functional.mpjpe import distances, procrustes
from mmpose_integral.structures.bone_length import skeleton_length
from mmpose_integral.structures.skeleton import NUM_FILE_JOINTS

PER_FRAME = 'per-frame'


class H80KResult(NamedTuple):
    """Errors in mm, means over all frames and over the 17 joints of a pose file, root included (its error is 0)."""
    mpjpe: dict[str, float]
    """MPJPE by bone-length choice, in the given order. All other fields are for the first choice."""
    rigid: float
    """MPJPE after an alignment by rotation and translation over 18 joints."""
    similarity: float
    """MPJPE after an alignment by rotation, translation and scale over 18 joints."""
    per_joint: np.ndarray
    """(17,), mean error of each joint."""
    per_axis: np.ndarray
    """(3,), mean absolute error along x, y, z."""
    pck: float
    """Percentage of joints with an error below 150 mm."""
    auc: float
    """Mean percentage over thresholds 0, 5, ..., 150 mm."""
    errors: np.ndarray
    """(N, 17), error of each joint of each frame."""
    pred_mm: np.ndarray
    """(N, 18, 3), predictions in mm, root at the origin."""


def evaluate_h80k(pred: np.ndarray, gt_mm: np.ndarray, bone_lengths: dict[str, float | str],
                  intrinsics: np.ndarray | None = None) -> H80KResult:
    """Compute all figures of the challenge in one pass.

    Args:
        pred: (N, 18, 3), predictions in any isotropic unit, such as image px, root anywhere.
        gt_mm: (N, 18, 3), ground truth, mm; the root is subtracted.
        bone_lengths: Total skeleton lengths in mm by name. 'per-frame' in place of a number gives each prediction the
            length of its own ground truth. The first entry is the headline.
        intrinsics: (N, 3), as in :func:`px_to_mm`, for a model that was trained on labels of perspective cameras.

    Raises:
        ValueError: If there are no frames, shapes differ, no bone length is given, or a pose is not finite or has no
            extent (the message gives its row).
    """
    pred, gt = np.asarray(pred), np.asarray(gt_mm)
    if pred.ndim != 3 or pred.shape != gt.shape or not len(pred):
        raise ValueError(f'pred, gt_mm: equal shapes (N, 18, 3) with N > 0 expected, got {pred.shape} and {gt.shape}')
    lengths = _resolve_lengths(bone_lengths, skeleton_length(gt))
    gt = np.subtract(gt, gt[:, :1], dtype=np.float64)
    # poses are proportional to their bone length, so one conversion is enough
    unit = px_to_mm(pred, 1.0, intrinsics).keypoints

    def mean_error(poses: np.ndarray, truth: np.ndarray) -> float:
        return float(distances(poses[:, :NUM_FILE_JOINTS], truth[:, :NUM_FILE_JOINTS]).mean())

    mpjpe = {name: mean_error(unit * length, gt) for name, length in lengths.items()}
    pred_mm = unit * next(iter(lengths.values()))
    rotated, centred_gt, scale = procrustes(pred_mm, gt)
    rigid, similarity = mean_error(rotated, centred_gt), mean_error(rotated * scale[:, None, None], centred_gt)
    errors = distances(pred_mm[:, :NUM_FILE_JOINTS], gt[:, :NUM_FILE_JOINTS])
    return H80KResult(
        mpjpe=mpjpe, rigid=rigid, similarity=similarity, per_joint=errors.mean(axis=0),
        per_axis=np.abs(pred_mm - gt).mean(axis=0)[:NUM_FILE_JOINTS].mean(axis=0), pck=pck(errors), auc=auc(errors),
        errors=errors, pred_mm=pred_mm)


def _resolve_lengths(bone_lengths: dict[str, float | str], gt_length: np.ndarray) -> dict[str, np.ndarray]:
    """Lengths by name, (N, 1, 1) or (1, 1, 1) mm, for true lengths (N,) mm; raise ValueError if one is invalid."""
    bad = np.flatnonzero(~(np.isfinite(gt_length) & (gt_length > 0)))
    if bad.size:
        raise ValueError(f'gt_mm: {bad.size} of {len(gt_length)} poses have no finite, positive skeleton length, '
                         f'first at row {bad[0]}')
    if not bone_lengths:
        raise ValueError('bone_lengths: at least one choice expected, got none')
    lengths = {}
    for name, length in bone_lengths.items():
        if length != PER_FRAME and (isinstance(length, str) or not np.isfinite(length) or length <= 0):
            raise ValueError(f"bone_lengths[{name!r}]: a positive length in mm or '{PER_FRAME}' expected, got "
                             f'{length!r}')
        lengths[name] = np.reshape(gt_length if length == PER_FRAME else length, (-1, 1, 1))
    return lengths


def pck(errors: np.ndarray, threshold_mm: float = 150.0) -> float:
    """Percentage of errors, mm, any shape, that are strictly below a threshold.

    Thresholds and the strict comparison are those of mmpose's ``keypoint_3d_pck`` and ``keypoint_3d_auc`` (0.x series),
    which follow MPI-INF-3DHP.

    Raises:
        ValueError: If there are no errors.
    """
    errors = np.asarray(errors)
    if not errors.size:
        raise ValueError('errors: at least one value expected, got none')
    return 100.0 * float(np.mean(errors < threshold_mm))


def auc(errors: np.ndarray) -> float:
    """Mean of :func:`pck` over thresholds 0, 5, ..., 150 mm.

    No error is strictly below the threshold 0, so a perfect prediction gets 30/31 of 100.
    """
    return float(np.mean([pck(errors, threshold) for threshold in range(0, 151, 5)]))
