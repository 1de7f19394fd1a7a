"""Skeletons whose joints can be checked by hand."""
import numpy as np

from mmpose_integral.structures.skeleton import add_thorax


def t_pose(size=1.0):
    """(18, 3) mm: facing the camera, arms out; the person's left is on the picture's right (x > 0)."""
    rows = [(0, 0, 0), (-130, 10, 0), (-140, 450, 20), (-150, 880, 60), (130, 10, 0), (140, 450, 20), (150, 880, 60),
            (0, -240, 10), (0, -540, 10), (0, -600, -80), (0, -720, 0), (180, -470, 0), (450, -470, 0),
            (700, -470, 0), (-180, -470, 0), (-450, -470, 0), (-700, -470, 0)]
    return add_thorax(np.array(rows, np.float64)) * size


def to_image(mm, scale=0.2, center=(150.0, 200.0)):
    """(18, 3) image px under a weak-perspective camera."""
    return np.concatenate([mm[:, :2] * scale + center, mm[:, 2:] * scale], axis=1)
