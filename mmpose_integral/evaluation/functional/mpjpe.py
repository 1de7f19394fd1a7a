"""Joint position errors in millimetres, with the alignments in use for H36M-like data.

Each frame is aligned by itself, by the transform that minimises the squared distance over all given joints; errors
are then reported for the wanted ones. CHALL_H80K aligns over 18 joints and reports 17: its released code does so.
"""
import numpy as np

from mmpose_integral.structures.skeleton import NUM_FILE_JOINTS

ALIGNMENTS = ('none', 'rigid', 'similarity', 'scale')


def mpjpe(pred, gt, align='none', joints=range(NUM_FILE_JOINTS)):
    """Per-joint position error. Its mean is the MPJPE.

    Args:
        pred (np.ndarray): (..., K, 3), mm.
        gt (np.ndarray): (..., K, 3), mm, same frame and origin as ``pred``: nothing is centred here.
        align (str): 'none'; 'rigid', rotation and translation; 'similarity', these and scale (PA-MPJPE); 'scale',
            scale about the origin alone (N-MPJPE, as in mmpose).
        joints (sequence[int]): joints to report. Default: the 17 of a pose file, root included.

    Returns:
        np.ndarray: (..., len(joints)), mm.

    Raises:
        ValueError: unknown alignment, shapes that differ or are not (..., K, 3), or values that are not finite.
    """
    joints = np.asarray(list(joints), dtype=int)
    aligned = align_poses(pred, gt, align)
    return distances(aligned[..., joints, :], np.asarray(gt)[..., joints, :])


def align_poses(pred, gt, align):
    """Move each predicted pose onto its true one. Arguments as :func:`mpjpe`.

    Returns:
        np.ndarray: (..., K, 3), mm, float64.
    """
    pred, gt = _check(pred, gt)
    if align == 'none':
        return pred
    if align == 'scale':
        dot, norm = (np.einsum('...kc,...kc->...', pred, other) for other in (gt, pred))
        return pred * _safe_ratio(dot, norm)[..., None, None]
    if align in ('rigid', 'similarity'):
        rotated, centre, scale = procrustes(pred, gt)
        return (rotated * scale[..., None, None] if align == 'similarity' else rotated) + centre
    raise ValueError(f'align: one of {ALIGNMENTS} expected, got {align!r}')


def procrustes(pred, gt):
    """Best rotation of centred poses, and the scale that goes with it.

    Kabsch's solution; a mirrored pose stays mirrored. The rotation is the same with and without scale.

    Args:
        pred (np.ndarray): (..., K, 3), any unit.
        gt (np.ndarray): (..., K, 3), mm.

    Returns:
        tuple[np.ndarray]: ``pred`` centred and rotated, (..., K, 3); the true centre, (..., 1, 3); the scale, (...).
    """
    average = np.full((1, gt.shape[-2]), 1 / gt.shape[-2])  # mean() is slow along so short an axis
    centre, centred = average @ gt, pred - average @ pred
    covariance = np.swapaxes(centred, -1, -2) @ (gt - centre)
    rotation = nearest_rotation(covariance)
    strength = np.einsum('...ij,...ij->...', rotation, covariance)
    scale = _safe_ratio(strength, np.einsum('...kc,...kc->...', centred, centred))
    return centred @ rotation, centre, scale


def distances(first, second):
    """Euclidean distances of paired points, (..., 3) each -> (...)."""
    difference = first - second
    return np.sqrt(np.einsum('...c,...c->...', difference, difference))  # norm() is slow along so short an axis


def nearest_rotation(matrices):
    """Rotations R of determinant +1 that maximise trace(R^T M), (..., 3, 3) each.

    They equal U diag(1, 1, det(U V^T)) V^T, where U S V^T is the singular value decomposition of M. A mirrored or flat
    pose is therefore turned, and never mirrored.
    """
    u, _, vt = np.linalg.svd(matrices)
    u[..., 2] *= np.sign(np.linalg.det(u @ vt))[..., None]  # not det(M), which is 0 for a flat pose
    return u @ vt


def _safe_ratio(numerator, denominator):
    """Quotient, 0 where the denominator is 0: a pose shrunk to a point stays a point at any scale."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def _check(pred, gt):
    """Both as float64, of one shape (..., K, 3) and finite, or ValueError."""
    pred, gt = np.asarray(pred, dtype=np.float64), np.asarray(gt, dtype=np.float64)
    if pred.ndim < 2 or pred.shape[-1] != 3 or pred.shape != gt.shape:
        raise ValueError(f'pred, gt: equal shapes (..., K, 3) expected, got {pred.shape} and {gt.shape}')
    for name, poses in (('pred', pred), ('gt', gt)):
        finite = np.isfinite(poses).all(axis=(-2, -1))
        if not finite.all():
            index = tuple(int(i) for i in np.argwhere(~finite)[0])
            raise ValueError(f'{name}: {(~finite).sum()} pose(s) have values that are not finite, '
                             f'first at index {index}')
    return pred, gt
