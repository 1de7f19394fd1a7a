"""Arrays and files that stand in for a split: shaped, typed and spread as the real ones, drawn in no time."""
import cv2
import numpy as np

from mmpose_integral.structures.skeleton import NUM_FILE_JOINTS, add_thorax

# A standing person in front of the camera, mm, root at the origin: joints 0-16 of a pose file.
STANDING = np.array([
    (0, 0, 0), (-130, 0, 0), (-135, 440, 20), (-130, 890, 40), (130, 0, 0), (135, 440, 20), (130, 890, 40),
    (0, -240, 10), (0, -490, 10), (0, -560, -60), (0, -680, -10), (150, -450, 10), (200, -180, 30), (210, 60, -20),
    (-150, -450, 10), (-200, -180, 30), (-210, 60, -20)], dtype=np.float64)


def poses(count, seed=0):
    """Poses turned about the vertical, each joint moved by some 80 mm.

    Returns:
        np.ndarray: (count, 18, 3) float32, mm, root at the origin, thorax between the shoulders.
    """
    rng = np.random.default_rng(seed)
    joints = (STANDING * rng.normal(1, 0.05, (count, 1, 1))).astype(np.float32)
    joints[:, 1:] += rng.normal(0, 80, (count, NUM_FILE_JOINTS - 1, 3)).astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi, count).astype(np.float32)
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, z = joints[..., 0].copy(), joints[..., 2].copy()
    joints[..., 0], joints[..., 2] = cos * x + sin * z, cos * z - sin * x
    return add_thorax(joints)


def image_joints(keypoints_mm, noise_px=3.0, wrong=0, seed=1):
    """Coarse 2D joints as a detector of joints sees them in a 1000 px image.

    Args:
        keypoints_mm (np.ndarray): (N, 18, 3), mm.
        noise_px (float): standard deviation along each axis.
        wrong (int): joints a frame that are somewhere else, up to 300 px away along each axis.
        seed (int): of all random numbers.

    Returns:
        tuple[np.ndarray]: (N, 18, 2) float32 px, and (N, 18) bool, which of them are wrong.
    """
    rng, shape = np.random.default_rng(seed), keypoints_mm.shape[:2]
    scale = rng.uniform(0.2, 0.3, shape[0]).astype(np.float32)
    flat = keypoints_mm[..., :2] * scale[:, None, None] + rng.uniform(400, 600, (shape[0], 1, 2)).astype(np.float32)
    flat += rng.normal(0, noise_px, flat.shape).astype(np.float32)
    is_wrong = np.zeros(shape, bool)
    if wrong:
        is_wrong = rng.random(shape).argsort(axis=1) < wrong
        flat[is_wrong] += rng.uniform(-300, 300, (is_wrong.sum(), 2)).astype(np.float32)
    return flat, is_wrong


def predictions(truth_mm, error_mm=40.0, seed=2):
    """Predictions in image px that miss the truth by some ``error_mm`` along each axis: (N, 18, 3) float32."""
    rng = np.random.default_rng(seed)
    scale = rng.uniform(0.2, 0.3, (len(truth_mm), 1, 1)).astype(np.float32)
    return (truth_mm + rng.normal(0, error_mm, truth_mm.shape).astype(np.float32)) * scale + np.float32(500)


def write_split(root, keypoints_mm, image_size=16):
    """Write a Train split as CHALL_H80K lies on disk: ``Train/IMG/00001.jpg`` and ``Train/POSE/00001.csv``.

    Args:
        root (Path): Folder of the splits.
        keypoints_mm (np.ndarray): (N, 18, 3), mm.
        image_size (int): Width and height of the images in px; all are the same noise.
    """
    noise = np.random.default_rng(0).integers(0, 256, (image_size, image_size, 3), np.uint8)
    image = cv2.imencode('.jpg', noise)[1].tobytes()
    images, files = root / 'Train' / 'IMG', root / 'Train' / 'POSE'
    images.mkdir(parents=True)
    files.mkdir()
    template = '%.4f,%.4f,%.4f\n' * NUM_FILE_JOINTS
    for number, pose in enumerate(keypoints_mm[:, :NUM_FILE_JOINTS].reshape(len(keypoints_mm), -1).tolist(), 1):
        (images / f'{number:05d}.jpg').write_bytes(image)
        (files / f'{number:05d}.csv').write_text(template % tuple(pose))
