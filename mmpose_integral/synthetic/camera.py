"""Perspective cameras of the stand-in data.

Frames: world in mm, x and y on the floor, z up; camera in mm, x right, y down, z away; image in px, with the centre of
the top left pixel at (0, 0).
"""
import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_FOCAL_PER_SIZE = 1.145  # Human3.6M: about 1145 px for 1000 px images
_STUDIO_POSITIONS = ((3840.0, 2310.0, 1580.0), (3930.0, -2170.0, 1420.0), (-3880.0, 2260.0, 1500.0),
                     (-3790.0, -2360.0, 1640.0))
NUM_STUDIO_CAMERAS = len(_STUDIO_POSITIONS)
_STUDIO_TARGET = (0.0, 0.0, 900.0)


class Camera(NamedTuple):
    """A pinhole camera."""
    rotation: np.ndarray  # (3, 3) world axes -> camera axes
    position: np.ndarray  # (3,) world mm
    focal: float  # px
    center: np.ndarray  # (2,) principal point, px
    size: tuple[int, int]  # (w, h) px

    @property
    def matrix(self) -> np.ndarray:
        """Intrinsic matrix, (3, 3) px."""
        return np.array([[self.focal, 0, self.center[0]], [0, self.focal, self.center[1]], [0, 0, 1]])

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """World mm -> camera mm, (..., 3)."""
        return (points - self.position) @ self.rotation.T

    def project(self, points: np.ndarray) -> np.ndarray:
        """World mm -> image px, (..., 3) -> (..., 2)."""
        local = self.to_camera(points)
        return self.focal * local[..., :2] / local[..., 2:] + self.center


def look_at(position: Sequence[float] | np.ndarray, target: Sequence[float] | np.ndarray,
            roll: float = 0.0) -> np.ndarray:
    """Rotation, (3, 3), of a camera at ``position`` that looks at ``target``, (3,) world mm both.

    The rows are the camera's right, down and away axes in world axes. ``roll`` is degrees, clockwise in the image.
    """
    away = np.asarray(target, float) - np.asarray(position, float)
    away = away / np.linalg.norm(away)
    right = np.cross(away, (0.0, 0.0, 1.0))
    right = right / np.linalg.norm(right)
    down = np.cross(away, right)
    c, s = np.cos(np.deg2rad(roll)), np.sin(np.deg2rad(roll))
    return np.stack([c * right - s * down, s * right + c * down, away])


@functools.lru_cache(maxsize=64)
def studio_camera(index: int, image_size: int) -> Camera:
    """One of the ``NUM_STUDIO_CAMERAS`` fixed cameras of the studio, before its jitter.

    It stands near a corner of the room, 1.4-1.65 m high, and looks slightly down at the middle. Images are squares
    with a side of ``image_size`` px.
    """
    position = np.array(_STUDIO_POSITIONS[index])
    half = (image_size - 1) / 2
    return Camera(look_at(position, _STUDIO_TARGET), position, _FOCAL_PER_SIZE * image_size, np.array([half, half]),
                  (image_size, image_size))


def jitter_rotation(rng: np.random.Generator) -> np.ndarray:
    """Small rotation in camera axes, (3, 3): about 1 degree of pan and tilt, 0.7 of roll."""
    x, y, z = np.deg2rad(np.clip(rng.normal(0, (0.8, 1.0, 0.7)), -2.0, 2.0))
    turn = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.sqrt(x * x + y * y + z * z)
    return np.eye(3) + np.sinc(angle / np.pi) * turn + (1 - np.cos(angle)) / max(angle ** 2, 1e-12) * turn @ turn


def photo_camera(rng: np.random.Generator, image_size: int) -> Camera:
    """A camera with the studio's lens at any height, distance and roll, which looks roughly at the world's origin.

    The line of sight goes down by -25 to 75 degrees: most pictures are taken from about the height of the person, and a
    quarter from above. A standing person at the origin fills 0.45 to 1.05 of the image height. Images are squares with
    a side of ``image_size`` px.
    """
    distance = 1750 * _FOCAL_PER_SIZE / rng.uniform(0.45, 1.05)
    angle = rng.uniform(0, 2 * np.pi)
    down = np.deg2rad(rng.uniform(10, 75) if rng.random() < 0.25 else np.clip(rng.normal(8, 15), -25, 75))
    target = np.array([0, 0, 850 + rng.normal(0, 120)])
    toward = np.array([np.cos(down) * np.cos(angle), np.cos(down) * np.sin(angle), np.sin(down)])
    position = np.maximum(target + distance * toward, (-np.inf, -np.inf, 150))
    center = np.full(2, (image_size - 1) / 2)
    return Camera(look_at(position, target, roll=rng.normal(0, 8)), position, _FOCAL_PER_SIZE * image_size, center,
                  (image_size, image_size))


def wild_camera(rng: np.random.Generator, size: tuple[int, int]) -> Camera:
    """A hand-held camera with random place, lens and roll, which looks roughly at people at the world's origin.

    A standing person at the origin fills about 0.5 to 1.25 of the image height. ``size`` is (w, h) px.
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
