"""Joint position errors in millimetres, with the usual alignments for Human3.6M.

Each frame is aligned by itself, by the transform that minimises the squared distance over all given joints. Errors are
then reported for the wanted joints. As in the released code, CHALL_H80K aligns over 18 joints and reports 17.
"""
from collections.abc import Sequence

import numpy as np

from mmpose_integral.structures.skeleton import NUM_FILE_JOINTS


def mpjpe(pred: np.ndarray, gt: np.ndarray, align: str = 'none',
          joints: Sequence[int] = range(NUM_FILE_JOINTS)) -> np.ndarray:
    """Compute position errors per joint. Their mean is the MPJPE.

    Args:
        pred: (..., K, 3), predictions, mm.
        gt: (..., K, 3), ground truth, mm, in the same frame and with the same origin as ``pred``.
        align: Alignment: 'none'; 'rigid' (rotation and translation); 'similarity' (also scale, PA-MPJPE); or 'scale'
            (only scale about the origin, N-MPJPE as in mmpose).
        joints: Joints to report. Default: the 17 of a pose file, root included.

    Returns:
        (..., len(joints)), mm.

    Raises:
        ValueError: If the alignment is unknown, shapes differ or are not (..., K, 3), or values are not finite.
    """
    pred, gt = np.asarray(pred, dtype=np.float64), np.asarray(gt, dtype=np.float64)
    if pred.ndim < 2 or pred.shape[-1] != 3 or pred.shape != gt.shape:
        raise ValueError(f'pred, gt: equal shapes (..., K, 3) expected, got {pred.shape} and {gt.shape}')
    for name, poses in (('pred', pred), ('gt', gt)):
        bad = np.argwhere(~np.isfinite(poses).all(axis=(-2, -1)))
        if len(bad):
            raise ValueError(f'{name}: {len(bad)} pose(s) have values that are not finite, first at index '
                             f'{tuple(bad[0].tolist())}')
    if align == 'scale':
        dot, norm = (np.einsum('...kc,...kc->...', pred, other) for other in (gt, pred))
        pred = pred * _safe_ratio(dot, norm)[..., None, None]
    elif align in ('rigid', 'similarity'):
        pred, gt, scale = procrustes(pred, gt)
        if align == 'similarity':
            pred = pred * scale[..., None, None]
    elif align != 'none':
        raise ValueError(f"align: one of 'none', 'rigid', 'similarity', 'scale' expected, got {align!r}")
    rows = list(joints)
    if not set(rows) <= set(range(pred.shape[-2])):
        raise ValueError(f'joints: 0 to {pred.shape[-2] - 1} expected, got {rows}')
    return distances(pred[..., rows, :], gt[..., rows, :])


def procrustes(pred: np.ndarray, gt: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centre two sets of poses, rotate one to fit the other, and compute the best scale for it.

    This is Kabsch's solution. A mirrored pose stays mirrored. The rotation is the same with and without scale.

    Args:
        pred: (..., K, 3), predictions, any unit.
        gt: (..., K, 3), ground truth, mm.

    Returns:
        ``pred``, centred and rotated, and ``gt``, centred, (..., K, 3) each; scale, (...).
    """
    average = np.full((1, gt.shape[-2]), 1 / gt.shape[-2])  # mean() is slow along so short an axis
    centred, gt = pred - average @ pred, gt - average @ gt
    covariance = np.swapaxes(centred, -1, -2) @ gt
    rotation = nearest_rotation(covariance)
    strength = np.einsum('...ij,...ij->...', rotation, covariance)
    scale = _safe_ratio(strength, np.einsum('...kc,...kc->...', centred, centred))
    return centred @ rotation, gt, scale


def distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Euclidean distances (...) of paired points, (..., 3) each."""
    difference = first - second
    return np.sqrt(np.einsum('...c,...c->...', difference, difference))  # norm() is slow along so short an axis


def nearest_rotation(matrices: np.ndarray) -> np.ndarray:
    """Rotations R of determinant +1 that maximise trace(R^T M), (..., 3, 3) each.

    They equal U diag(1, 1, det(U V^T)) V^T, where U S V^T is the singular value decomposition of M. A mirrored or flat
    pose is therefore rotated and never mirrored.
    """
    u, _, vt = np.linalg.svd(matrices)
    u[..., 2] *= np.sign(np.linalg.det(u @ vt))[..., None]  # not det(M), which is 0 for a flat pose
    return u @ vt


def _safe_ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Quotient, 0 where the denominator is 0: a pose whose joints coincide is the same at any scale."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)
