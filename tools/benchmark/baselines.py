"""Plain implementations of the paper's steps: one frame after the other, numpy where it saves a loop over joints.

They do no work that the candidate is spared, and avoid what is known to be slow where a plain alternative exists.
"""
import cv2
import numpy as np
import torch
from scipy.optimize import least_squares

from mmpose_integral.datasets.transforms import RandomCropBox
from mmpose_integral.structures.skeleton import BONES, NUM_FILE_JOINTS

MEAN, STD = np.array([[123.675, 116.28, 103.53], [58.395, 57.12, 57.375]], np.float32)  # RGB
PADDING, SHIFT, SCALE, ROTATION, GAIN = 1.25, 0.02, 0.25, 30.0, 0.2
PAIRS = ((1, 4), (2, 5), (3, 6), (11, 14), (12, 15), (13, 16))


def similarity_2d(source: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Umeyama's least-squares similarity of one frame (IEEE PAMI 13(4), 1991), as the authors fit their cameras.

    Args:
        source: (K, 2), mm.
        target: (K, 2), px.

    Returns:
        Scale, rotation (2, 2), translation (2,).
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


def fit_cameras(keypoints_mm: np.ndarray, keypoints_2d: np.ndarray,
                right: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Fit one camera per frame in a loop, and compute the residuals that tell a good fit.

    Args:
        keypoints_mm: (N, K, 3), mm.
        keypoints_2d: (N, K, 2), px.
        right: (N, K) bool, joints to use. Default: all.

    Returns:
        Scale (N,), rotation (N, 2, 2), translation (N, 2), residual (N, K) px.
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


def rescale(pose: np.ndarray, length_mm: float) -> np.ndarray:
    """One pose (18, 3) in any unit, with the root at the origin and a total bone length of ``length_mm``."""
    length = 0.0
    for parent, joint in BONES:
        length += np.linalg.norm(pose[joint] - pose[parent])
    return (pose - pose[0]) * (length_mm / length)


def align_rigid(pose: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """One pose (18, 3), rotated and moved onto its truth (Kabsch)."""
    pose_mean, truth_mean = pose.mean(axis=0), truth.mean(axis=0)
    u, _, vt = np.linalg.svd((pose - pose_mean).T @ (truth - truth_mean))
    if np.linalg.det(u) * np.linalg.det(vt) < 0:
        u[:, 2] *= -1
    return (pose - pose_mean) @ (u @ vt) + truth_mean


def evaluate(pred: np.ndarray, truth_mm: np.ndarray, length_mm: float) -> dict[str, np.ndarray | float]:
    """Scaling, MPJPE, rigidly aligned MPJPE, mean error per joint and PCK@150, frame by frame.

    Args:
        pred: (N, 18, 3), px.
        truth_mm: (N, 18, 3), mm.
        length_mm: Total bone length.

    Returns:
        ``errors`` (N, 17) mm, ``pred_mm`` (N, 18, 3), ``mpjpe``, ``rigid``, ``per_joint`` (17,), ``pck`` in percent.
    """
    errors, rigid, scaled = np.empty((len(pred), NUM_FILE_JOINTS)), [], np.empty(pred.shape)
    per_joint, close = np.zeros(NUM_FILE_JOINTS), 0
    for n in range(len(pred)):
        truth = (truth_mm[n] - truth_mm[n, 0]).astype(np.float64)
        scaled[n] = rescale(pred[n].astype(np.float64), length_mm)
        aligned = align_rigid(scaled[n], truth)
        total = 0.0
        for joint in range(NUM_FILE_JOINTS):
            errors[n, joint] = np.linalg.norm(scaled[n, joint] - truth[joint])
            total += np.linalg.norm(aligned[joint] - truth[joint])
            per_joint[joint] += errors[n, joint]
            close += errors[n, joint] < 150
        rigid.append(total / NUM_FILE_JOINTS)
    return dict(errors=errors, pred_mm=scaled, mpjpe=errors.mean(), rigid=np.mean(rigid),
                per_joint=per_joint / len(pred), pck=100 * close / errors.size)


def plain_sample(frame: dict, input_size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Read, fit, crop, mirror, colour and normalise one sample.

    The random numbers come from numpy's global generator, in the order in which the transforms of this package draw
    them. Both therefore give the same sample.

    Args:
        frame: ``path``, ``bbox`` (4,) xyxy px, ``keypoints_mm`` (18, 3), ``keypoints_2d`` (18, 2) px.
        input_size: (W, H).

    Returns:
        (3, H, W) float32 RGB, normalised; (18, 3) float32 labels x/W, y/H, z/W + 0.5.
    """
    width, height = input_size
    image = cv2.cvtColor(cv2.imread(frame['path']), cv2.COLOR_BGR2RGB)
    scale, rotation, translation = similarity_2d(frame['keypoints_mm'][:, :2].astype(np.float64),
                                                 frame['keypoints_2d'].astype(np.float64))
    joints = np.zeros((18, 3))
    for k in range(18):
        joints[k, :2] = scale * rotation @ frame['keypoints_mm'][k, :2] + translation
        joints[k, 2] = scale * (frame['keypoints_mm'][k, 2] - frame['keypoints_mm'][0, 2])
    x0, y0, x1, y1 = (float(value) for value in frame['bbox'])
    center = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    size = np.array([x1 - x0, y1 - y0]) * PADDING
    size = np.array([max(size[0], size[1] * width / height), max(size[1], size[0] * height / width)])
    change, _ = RandomCropBox._truncnorm(size=(4,)), np.random.rand(3)  # the three decide whether to change at all
    center = center + change[:2] * SHIFT * size
    size = size * (1 + SCALE * change[2])
    matrix = crop_matrix(center, width / size[0], change[3] * ROTATION, input_size)
    crop = cv2.warpAffine(image, matrix, input_size, flags=cv2.INTER_LINEAR)
    for k in range(18):
        joints[k, :2] = matrix @ np.array([joints[k, 0], joints[k, 1], 1.0])
        joints[k, 2] *= width / size[0]
    if np.random.rand() < 0.5:
        crop = crop[:, ::-1]
        for k in range(18):
            joints[k, 0] = width - 1 - joints[k, 0]
        for right, left in PAIRS:
            joints[[right, left]] = joints[[left, right]]
    labels = np.zeros((18, 3), np.float32)
    for k in range(18):
        labels[k] = joints[k, 0] / width, joints[k, 1] / height, joints[k, 2] / width + 0.5
    crop = crop.astype(np.float32)
    gains = np.random.uniform(1 - GAIN, 1 + GAIN, size=3)[::-1]  # drawn for BGR
    for channel in range(3):
        crop[..., channel] = np.clip(crop[..., channel] * gains[channel], 0, 255)
    crop = (crop - MEAN) / STD
    return torch.from_numpy(np.ascontiguousarray(crop.transpose(2, 0, 1))), torch.from_numpy(labels)


def crop_matrix(center: np.ndarray, factor: float, degrees: float, input_size: tuple[int, int]) -> np.ndarray:
    """(2, 3) matrix that rotates, scales, and moves the box centre to the centre of the input."""
    angle = np.deg2rad(degrees)
    turn = factor * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.concatenate([turn, (np.array(input_size) / 2 - turn @ center)[:, None]], axis=1)


def fit_perspective(keypoints_3d: np.ndarray, keypoints_2d: np.ndarray, focal_length: float,
                    principal_point: tuple[float, float]) -> np.ndarray:
    """Position of the root in front of a perspective camera, (N, 3) mm, from (N, K, 3) mm and (N, K, 2) px."""
    positions = []
    for pose, joints in zip(keypoints_3d, keypoints_2d, strict=True):
        def miss(position: np.ndarray, pose: np.ndarray = pose, joints: np.ndarray = joints) -> np.ndarray:
            points = pose + position
            return (focal_length * points[:, :2] / points[:, 2:] + principal_point - joints).ravel()
        positions.append(least_squares(miss, [0, 0, 5000.0]).x)
    return np.array(positions)
