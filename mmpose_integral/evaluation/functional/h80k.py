"""The whole CHALL_H80K evaluation as one function of arrays."""
from typing import NamedTuple

import numpy as np

from mmpose_integral.evaluation.functional.bone_length import rescale_to_bone_length, skeleton_length
from mmpose_integral.evaluation.functional.mpjpe import distances, procrustes
from mmpose_integral.evaluation.functional.pck import auc, pck
from mmpose_integral.structures.skeleton import NUM_FILE_JOINTS

PER_FRAME = 'per-frame'
CHUNK_FRAMES = 512  # poses of a chunk (220 kB an array) stay in the processor's second-level cache


class H80KResult(NamedTuple):
    """Errors in mm, means over all frames and over the 17 joints of a pose file, root included (its error is 0).

    Attributes:
        mpjpe (dict[str, float]): MPJPE by bone-length choice, in the order asked for. The rest is for the first one.
        rigid (float): MPJPE after rotation and translation, found on 18 joints.
        similarity (float): MPJPE after rotation, translation and scale, found on 18 joints.
        per_joint (np.ndarray): (17,), mean error of each joint.
        per_axis (np.ndarray): (3,), mean absolute error along x, y, z.
        pck (float): percentage of joints with an error below 150 mm.
        auc (float): mean percentage over thresholds 0, 5, ..., 150 mm.
        errors (np.ndarray): (N, 17), error of each joint of each frame.
        pred_mm (np.ndarray): (N, 18, 3), the predictions in mm, root at the origin.
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


def evaluate_h80k(pred, gt_mm, bone_lengths):
    """All figures of the challenge in one pass.

    Args:
        pred (np.ndarray): (N, 18, 3), any isotropic unit (image px, say), root anywhere.
        gt_mm (np.ndarray): (N, 18, 3), mm; the root is subtracted.
        bone_lengths (dict[str, float | str]): total skeleton length in mm by name, or 'per-frame', which gives each
            prediction the length of its own truth. The first one is the headline.

    Returns:
        H80KResult: see there.

    Raises:
        ValueError: no frames, shapes that differ, no bone length, or a pose that is not finite or has no extent (the
            message names its row).
    """
    pred, gt = np.asarray(pred), np.asarray(gt_mm)
    if pred.ndim != 3 or pred.shape != gt.shape or not len(pred):
        raise ValueError(f'pred, gt_mm: equal shapes (N, 18, 3) with N > 0 expected, got {pred.shape} and {gt.shape}')
    if not bone_lengths:
        raise ValueError('bone_lengths: at least one choice expected, got none')
    gt_length = _true_length(gt)
    unit = rescale_to_bone_length(pred, 1.0)
    lengths = np.stack([
        gt_length if isinstance(length, str) and length == PER_FRAME else np.full(len(gt), _number(name, length))
        for name, length in bone_lengths.items()])
    headline, sums = np.empty((len(pred), NUM_FILE_JOINTS)), 0
    for start in range(0, len(pred), CHUNK_FRAMES):
        part = slice(start, start + CHUNK_FRAMES)
        errors, *others = _evaluate_chunk(unit[part], gt[part], lengths[:, part])
        headline[part] = errors[0]
        sums = sums + np.concatenate([values.ravel() for values in (errors.sum(axis=(1, 2)), *others)])
    unit *= lengths[0][:, None, None]
    means = sums / len(pred)
    means[:-3] /= NUM_FILE_JOINTS
    *mpjpe, rigid, similarity = means[:-3].tolist()
    return H80KResult(
        mpjpe=dict(zip(bone_lengths, mpjpe, strict=True)), rigid=rigid, similarity=similarity,
        per_joint=headline.mean(axis=0), per_axis=means[-3:], pck=pck(headline), auc=auc(headline), errors=headline,
        pred_mm=unit)


def _evaluate_chunk(unit, gt, lengths):
    """Errors of n frames, few enough to stay in the processor's cache.

    Args:
        unit (np.ndarray): (n, 18, 3), predictions of skeleton length 1, root at the origin.
        gt (np.ndarray): (n, 18, 3), mm.
        lengths (np.ndarray): (C, n), mm, bone-length choices, headline first.

    Returns:
        tuple[np.ndarray]: errors (C, n, 17); for the headline the sums of rigid and of similarity aligned errors,
        (), and of mean absolute errors along the axes, (3,).
    """
    gt = gt.astype(np.float64)
    gt -= gt[:, :1].copy()
    files = slice(0, NUM_FILE_JOINTS)
    scaled = [unit * length[:, None, None] for length in lengths]
    errors = np.stack([distances(pred[:, files], gt[:, files]) for pred in scaled])
    rotated, centre, scale = procrustes(scaled[0], gt)
    target = (gt - centre)[:, files]
    rigid = distances(rotated[:, files], target).sum()
    similarity = distances(rotated[:, files] * scale[:, None, None], target).sum()
    along_axes = np.abs(scaled[0][:, files] - gt[:, files]).reshape(-1, 3)
    # a product is faster than sum() along the long axis
    return errors, rigid, similarity, np.full(len(along_axes), 1 / NUM_FILE_JOINTS) @ along_axes


def _true_length(gt):
    """Lengths of the true skeletons, (N,) mm; ValueError for a pose without one."""
    length = skeleton_length(gt)
    bad = np.flatnonzero(~(np.isfinite(length) & (length > 0)))
    if bad.size:
        raise ValueError(f'gt_mm: {bad.size} of {len(gt)} poses have no finite, positive skeleton length, '
                         f'first at row {bad[0]}')
    return length


def _number(name, length):
    """A bone length given as a number, or ValueError."""
    if isinstance(length, str) or not np.isfinite(length) or length <= 0:
        raise ValueError(f"bone_lengths[{name!r}]: a positive length in mm or '{PER_FRAME}' expected, got {length!r}")
    return float(length)
