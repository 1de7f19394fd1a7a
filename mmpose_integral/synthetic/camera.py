"""Perspective cameras of the stand-in data.

Frames: world x, y on the floor and z up, mm; camera x right, y down, z away, mm; image px, the centre of the top left
pixel at (0, 0).
"""
import functools
from typing import NamedTuple

import numpy as np

FOCAL_PER_SIZE = 1.145                  # Human3.6M: about 1145 px for 1000 px images
_STUDIO_CAMERAS = ((3840.0, 2310.0, 1580.0), (3930.0, -2170.0, 1420.0), (-3880.0, 2260.0, 1500.0),
                   (-3790.0, -2360.0, 1640.0))
_STUDIO_TARGET_Z = 900.0


class Camera(NamedTuple):
    """A pinhole camera."""
    rotation: np.ndarray                # (3, 3) world axes -> camera axes
    position: np.ndarray                # (3,) world mm
    focal: float                        # px
    center: np.ndarray                  # (2,) principal point, px
    size: tuple                         # (w, h) px

    def to_camera(self, points):
        """World mm -> camera mm, (..., 3)."""
        return (points - self.position) @ self.rotation.T

    def project(self, points):
        """World mm -> image px, (..., 3) -> (..., 2)."""
        local = self.to_camera(points)
        return self.focal * local[..., :2] / local[..., 2:] + self.center


def look_at(position, target, roll=0.0):
    """Rotation of a camera that looks at a point.

    Args:
        position, target (array-like): (3,) world mm.
        roll (float): degrees, clockwise in the image.

    Returns:
        np.ndarray: (3, 3), rows are the camera's right, down and away axes in world axes.
    """
    away = np.asarray(target, float) - np.asarray(position, float)
    away = away / np.linalg.norm(away)
    right = np.cross(away, (0.0, 0.0, 1.0))
    right = right / np.linalg.norm(right)
    down = np.cross(away, right)
    c, s = np.cos(np.deg2rad(roll)), np.sin(np.deg2rad(roll))
    return np.stack([c * right - s * down, s * right + c * down, away])


@functools.lru_cache(maxsize=64)
def studio_camera(index, image_size):
    """One of the studio's fixed cameras, before its jitter.

    Args:
        index (int): 0 to ``NUM_STUDIO_CAMERAS - 1``.
        image_size (int): side of the square image, px.

    Returns:
        Camera: near a corner of the room, 1.4-1.65 m high, looking slightly down at its middle.
    """
    position = np.array(_STUDIO_CAMERAS[index])
    half = (image_size - 1) / 2
    return Camera(look_at(position, (0.0, 0.0, _STUDIO_TARGET_Z)), position, FOCAL_PER_SIZE * image_size,
                  np.array([half, half]), (image_size, image_size))


NUM_STUDIO_CAMERAS = len(_STUDIO_CAMERAS)


def jitter_rotation(rng):
    """Small rotation of a knocked tripod, (3, 3), in camera axes: about 1 degree of pan and tilt, 0.7 of roll."""
    x, y, z = np.deg2rad(np.clip(rng.normal(0, (0.8, 1.0, 0.7)), -2.0, 2.0))
    turn = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.sqrt(x * x + y * y + z * z)
    return np.eye(3) + np.sinc(angle / np.pi) * turn + (1 - np.cos(angle)) / max(angle ** 2, 1e-12) * turn @ turn


def wild_camera(rng, size):
    """A hand-held camera of random place, lens and roll that looks roughly at people at the world's origin.

    Args:
        rng (np.random.Generator): source.
        size (tuple[int, int]): (w, h) px.

    Returns:
        Camera: the standing person at the origin fills about 0.5 to 1.25 of the image height.
    """
    width, height = size
    focal = height * rng.uniform(1.0, 2.0)
    fill = rng.uniform(0.5, 0.95) if rng.random() < 0.85 else rng.uniform(0.95, 1.25)
    distance = max(1750.0 * focal / (fill * height), 2100.0)
    eye = rng.uniform(700, 2300)
    angle = rng.uniform(0, 2 * np.pi)
    flat = np.sqrt(max(distance ** 2 - (eye - 900) ** 2, 1500.0 ** 2))
    position = np.array([flat * np.cos(angle), flat * np.sin(angle), eye])
    target = np.array([0.0, 0.0, 850 + rng.normal(0, 120)])
    rotation = look_at(position, target, roll=np.clip(rng.normal(0, 4), -12, 12))
    shift = rng.normal(0, (0.06 * width, 0.03 * height))
    return Camera(rotation, position, focal, np.array([(width - 1) / 2, (height - 1) / 2]) + shift, size)
