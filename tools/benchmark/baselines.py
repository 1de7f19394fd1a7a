"""The paper's steps as they would first be written: one frame after the other, numpy where it saves a loop over joints.

Fair means: no work that the candidate is spared, arrays kept small and contiguous, nothing that is known to be slow
where a plain alternative exists. Torch baselines of the soft-argmax stand in soft_argmax.py.
"""
import numpy as np

from mmpose_integral.structures.skeleton import BONES, NUM_FILE_JOINTS


def similarity_2d(source, target):
    """Umeyama's least-squares similarity of one frame (IEEE PAMI 13(4), 1991), as the authors fit their cameras.

    Args:
        source (np.ndarray): (K, 2), mm.
        target (np.ndarray): (K, 2), px.

    Returns:
        tuple: scale, rotation (2, 2), translation (2,).
    """
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    source, target = source - source_mean, target - target_mean
    u, strength, vt = np.linalg.svd(target.T @ source / len(source))
    sign = np.ones(2)
    if np.linalg.det(u) * np.linalg.det(vt) < 0:
        sign[1] = -1
    rotation = u @ np.diag(sign) @ vt
    scale = (strength * sign).sum() / (source**2).sum(axis=1).mean()
    return scale, rotation, target_mean - scale * rotation @ source_mean


def fit_cameras(keypoints_mm, keypoints_2d, right=None):
    """A camera a frame, in a loop, and the residuals that tell a good fit.

    Args:
        keypoints_mm (np.ndarray): (N, K, 3), mm.
        keypoints_2d (np.ndarray): (N, K, 2), px.
        right (np.ndarray, optional): (N, K) bool, joints to use. Default: all.

    Returns:
        tuple[np.ndarray]: scale (N,), rotation (N, 2, 2), translation (N, 2), residual (N, K) px.
    """
    count, joints = keypoints_2d.shape[:2]
    scale, rotation, translation = np.empty(count), np.empty((count, 2, 2)), np.empty((count, 2))
    residual = np.empty((count, joints))
    for n in range(count):
        source, target = keypoints_mm[n, :, :2].astype(np.float64), keypoints_2d[n].astype(np.float64)
        used = slice(None) if right is None else right[n]
        scale[n], rotation[n], translation[n] = similarity_2d(source[used], target[used])
        projected = scale[n] * source @ rotation[n].T + translation[n]
        residual[n] = np.linalg.norm(projected - target, axis=1)
    return scale, rotation, translation, residual


def rescale(pose, length_mm):
    """One pose, (18, 3) of any unit, root at the origin and bones that sum to ``length_mm``."""
    length = 0.0
    for parent, joint in BONES:
        length += np.linalg.norm(pose[joint] - pose[parent])
    return (pose - pose[0]) * (length_mm / length)


def align_rigid(pose, truth):
    """One pose (18, 3) turned and moved onto its truth (Kabsch)."""
    pose_mean, truth_mean = pose.mean(axis=0), truth.mean(axis=0)
    u, _, vt = np.linalg.svd((pose - pose_mean).T @ (truth - truth_mean))
    if np.linalg.det(u) * np.linalg.det(vt) < 0:
        u[:, 2] *= -1
    return (pose - pose_mean) @ (u @ vt) + truth_mean


def evaluate(pred, truth_mm, length_mm):
    """Rescale, MPJPE, rigidly aligned MPJPE, mean error of each joint and PCK@150, frame by frame.

    Args:
        pred (np.ndarray): (N, 18, 3), px.
        truth_mm (np.ndarray): (N, 18, 3), mm.
        length_mm (float): total bone length.

    Returns:
        dict: ``errors`` (N, 17) mm, ``pred_mm`` (N, 18, 3), ``mpjpe``, ``rigid``, ``per_joint`` (17,), ``pck`` in
        percent.
    """
    errors, rigid, poses = np.empty((len(pred), NUM_FILE_JOINTS)), [], np.empty(pred.shape)
    per_joint, close = np.zeros(NUM_FILE_JOINTS), 0
    for n in range(len(pred)):
        truth = (truth_mm[n] - truth_mm[n, 0]).astype(np.float64)
        poses[n] = rescale(pred[n].astype(np.float64), length_mm)
        aligned = align_rigid(poses[n], truth)
        total = 0.0
        for joint in range(NUM_FILE_JOINTS):
            errors[n, joint] = np.linalg.norm(poses[n, joint] - truth[joint])
            total += np.linalg.norm(aligned[joint] - truth[joint])
            per_joint[joint] += errors[n, joint]
            close += errors[n, joint] < 150
        rigid.append(total / NUM_FILE_JOINTS)
    return dict(errors=errors, pred_mm=poses, mpjpe=errors.mean(), rigid=np.mean(rigid),
                per_joint=per_joint / len(pred), pck=100 * close / errors.size)
