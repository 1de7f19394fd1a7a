"""Arrays and files in place of a split, with the shapes, types and spread of the real ones; drawing them is fast."""
from pathlib import Path

import cv2
import numpy as np

from mmpose_integral.structures.skeleton import NUM_FILE_JOINTS, add_thorax

# A standing person in front of the camera, mm, root at the origin: joints 0-16 of a pose file.
STANDING = np.array([
    (0, 0, 0), (-130, 0, 0), (-135, 440, 20), (-130, 890, 40), (130, 0, 0), (135, 440, 20), (130, 890, 40),
    (0, -240, 10), (0, -490, 10), (0, -560, -60), (0, -680, -10), (150, -450, 10), (200, -180, 30), (210, 60, -20),
    (-150, -450, 10), (-200, -180, 30), (-210, 60, -20)], dtype=np.float64)


def poses(count: int, seed: int = 0) -> np.ndarray:
    """Poses turned about the vertical, with noise of 80 mm per axis: (count, 18, 3) float32, mm, root at the origin."""
    rng = np.random.default_rng(seed)
    joints = (STANDING * rng.normal(1, 0.05, (count, 1, 1))).astype(np.float32)
    joints[:, 1:] += rng.normal(0, 80, (count, NUM_FILE_JOINTS - 1, 3)).astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi, count).astype(np.float32)
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, z = joints[..., 0].copy(), joints[..., 2].copy()
    joints[..., 0], joints[..., 2] = cos * x + sin * z, cos * z - sin * x
    return add_thorax(joints)


def image_joints(keypoints_mm: np.ndarray, noise_px: float = 3.0, wrong: int = 0,
                 seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """2D joints as a 2D model predicts them in an image of 1000 px.

    Args:
        keypoints_mm: (N, 18, 3), mm.
        noise_px: Standard deviation along each axis.
        wrong: Number of joints per frame that are moved by up to 300 px along each axis.
        seed: Seed of the random draws.

    Returns:
        (N, 18, 2) float32 px, and (N, 18) bool, which joints are wrong.
    """
    rng, shape = np.random.default_rng(seed), keypoints_mm.shape[:2]
    scale = rng.uniform(0.2, 0.3, shape[0]).astype(np.float32)
    flat = keypoints_mm[..., :2] * scale[:, None, None] + rng.uniform(400, 600, (shape[0], 1, 2)).astype(np.float32)
    flat += rng.normal(0, noise_px, flat.shape).astype(np.float32)
    is_wrong = rng.random(shape).argsort(axis=1) < wrong
    flat[is_wrong] += rng.uniform(-300, 300, (is_wrong.sum(), 2)).astype(np.float32)
    return flat, is_wrong


def predictions(truth_mm: np.ndarray, error_mm: float = 40.0, seed: int = 2) -> np.ndarray:
    """Predictions in image px with errors of ``error_mm`` (standard deviation along each axis): (N, 18, 3) float32."""
    rng = np.random.default_rng(seed)
    scale = rng.uniform(0.2, 0.3, (len(truth_mm), 1, 1)).astype(np.float32)
    return (truth_mm + rng.normal(0, error_mm, truth_mm.shape).astype(np.float32)) * scale + np.float32(500)


def write_split(root: Path, keypoints_mm: np.ndarray, image_size: int = 16) -> None:
    """Write (N, 18, 3) mm as a Train split of CHALL_H80K; all images are the same noise of ``image_size`` px square."""
    noise = np.random.default_rng(0).integers(0, 256, (image_size, image_size, 3), np.uint8)
    image = cv2.imencode('.jpg', noise)[1].tobytes()
    images, files = root / 'Train' / 'IMG', root / 'Train' / 'POSE'
    images.mkdir(parents=True)
    files.mkdir()
    template = '%.4f,%.4f,%.4f\n' * NUM_FILE_JOINTS
    for number, pose in enumerate(keypoints_mm[:, :NUM_FILE_JOINTS].reshape(len(keypoints_mm), -1).tolist(), 1):
        (images / f'{number:05d}.jpg').write_bytes(image)
        (files / f'{number:05d}.csv').write_text(template % tuple(pose))
