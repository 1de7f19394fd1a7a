"""Projection from millimetres to panel pixels: direction and distance of the view, and size of the room.

Frames: *camera axes* x right, y down, z away from the camera (mm, or any other isotropic unit);
*view axes* u right, v down, w away from the viewpoint, same unit; *panel* px, x right, y down.

A view is (azimuth, elevation) in degrees. (0, 0) is the camera's direction. Azimuth rotates about the vertical to the
camera's right: 90 shows the scene from the right, with "away" on the right of the panel. Elevation raises the
viewpoint: 90 looks straight down, with the camera at the bottom.
"""
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.transform import Rotation

VIEWS = dict(front=(0, 8), side=(90, 8), back=(180, 8), left=(-90, 8), top=(0, 90), oblique=(-40, 20))
# A name in VIEWS, or azimuth and elevation in degrees.
AnyView = str | Sequence[float]


class View(NamedTuple):
    """A projection of camera axes onto a panel."""
    rotation: np.ndarray  # (3, 3), rows are u, v, w in camera axes; det +1
    center: np.ndarray  # (3,) mm, the point that is projected to ``offset``
    scale: float  # px per mm, at the depth of ``center``
    offset: np.ndarray  # (2,) px
    distance: float  # mm from the viewpoint to ``center``; inf is orthographic

    def _local(self, points: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Points (..., 3) mm in view axes, and (...) their size relative to the size at ``center``."""
        local = (np.asarray(points, np.float64) - self.center) @ self.rotation.T
        return local, 1.0 / np.maximum(1.0 + local[..., 2] / self.distance, 1e-3)

    def project(self, points: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Project points (..., 3) mm to (..., 2) panel px, and (...) depth w, mm, larger is farther."""
        local, shrink = self._local(points)
        return self.offset + self.scale * shrink[..., None] * local[..., :2], local[..., 2]

    def project_std(self, points: ArrayLike, std: ArrayLike, axes: np.ndarray) -> np.ndarray:
        """Covariance (..., 2, 2) panel px^2 of projected points (..., 3) mm, to first order in their errors.

        The errors along three axes are independent, of standard deviation ``std`` (..., 3) mm. ``axes`` (3, 3) is the
        rotation from these axes to view axes.
        """
        local, shrink = self._local(points)
        shrink = shrink[..., None, None]
        slope = self.scale * shrink * (axes[:2] - shrink / self.distance * local[..., :2, None] * axes[2])
        spread = slope * np.asarray(std, np.float64)[..., None, :]
        return spread @ np.swapaxes(spread, -1, -2)


def view_rotation(azimuth: float, elevation: float) -> np.ndarray:
    """Rotation from camera axes to view axes, (3, 3), rows u, v, w; orthonormal, det +1; angles in degrees."""
    return Rotation.from_euler('yx', (azimuth, elevation), degrees=True).as_matrix()


def resolve_view(view: AnyView) -> tuple[float, float]:
    """Return (azimuth, elevation) in degrees, from a name in ``VIEWS`` or such a pair.

    Raises:
        ValueError: If it is neither.
    """
    angles = VIEWS.get(view) if isinstance(view, str) else view
    if angles is None or len(angles) != 2:
        raise ValueError(f'view: one of {", ".join(VIEWS)} or (azimuth, elevation) in degrees expected, got {view!r}')
    return float(angles[0]), float(angles[1])


def nice_step(extent: float) -> float:
    """Largest of 1, 2, 2.5, 5 x 10^n that divides ``extent`` into at least three parts."""
    rough = max(float(extent), 1e-6) / 3
    power = 10.0 ** np.floor(np.log10(rough))
    return float(power * max(step for step in (1.0, 2.0, 2.5, 5.0) if step * power <= rough * (1 + 1e-9)))


class Box(NamedTuple):
    """The room around the people. Its floor is at ``high[1]``."""
    low: tuple[float, ...]  # x, y, z mm, the corner of the smallest coordinates
    high: tuple[float, ...]  # the opposite corner
    step: float  # step of the grid, mm

    def corners(self) -> np.ndarray:
        """Corners of the box, (8, 3) mm."""
        return np.array(list(product(*zip(self.low, self.high, strict=True))))

    def ticks(self, axis: int) -> np.ndarray:
        """Multiples of ``step`` inside the box along an axis, mm."""
        first, last = np.ceil(self.low[axis] / self.step - 1e-6), np.floor(self.high[axis] / self.step + 1e-6)
        return np.arange(first, last + 1) * self.step


def fit_box(points: np.ndarray, extent: float | None = None, square: bool = True) -> Box:
    """Room around points (..., 3) mm, in half grid steps, so that its size does not change with every video frame.

    The floor is a plane of constant y through the lowest point. It is level with the camera, because a single picture
    does not determine the ground. The room is symmetric in x and in z. Non-finite points are ignored.

    Args:
        extent: Least half width and height above the origin, mm; None fits the room to the points.
        square: Whether width equals depth, so that front and side view have one scale.
    """
    points = np.reshape(points, (-1, 3))
    points = np.concatenate([np.zeros((1, 3)), points[np.isfinite(points).all(axis=1)]])
    low, high = points.min(axis=0), points.max(axis=0)
    if not (high > low).any():
        low, high = np.array([-500.0, -750.0, -500.0]), np.array([500.0, 750.0, 500.0])
    span = max(*(high - low), 1e-3)
    # For a long row of people, the grid step is limited by their height.
    step = nice_step(2 * extent if extent else span if square else min(span, 3 * max((high - low)[1], 0.1 * span)))
    # Least half width and depth, relative to the height.
    reach = np.maximum(np.maximum(-low, high), 0.25 * (high - low)[1])
    half = np.ceil(reach / step * 2 + 0.2) * step / 2
    if extent:
        half = np.maximum(half, extent)
    elif square:
        half[[0, 2]] = max(half[0], half[2])
    top = min(np.floor(low[1] / step * 2 - 0.2) * step / 2, -(extent or 0))
    return Box((-half[0], top, -half[2]), (half[0], high[1], half[2]), step)


def make_view(box: Box, view: AnyView, size: tuple[int, int], perspective: bool = True,
              margins: Sequence[float] = (0, 0, 0, 0)) -> View:
    """Make the view that shows a whole box on a panel of (width, height) px, in mild perspective or orthographic.

    The box touches the margins (left, top, right, bottom px) in at least one direction and is centred in the other.
    """
    # The viewpoint of a mild perspective is four box diagonals away.
    distance = 4.0 * float(np.linalg.norm(np.subtract(box.high, box.low))) if perspective else np.inf
    unit = View(view_rotation(*resolve_view(view)), np.add(box.low, box.high) / 2, 1.0, np.zeros(2), distance)
    flat, _ = unit.project(box.corners())
    low, high = flat.min(axis=0), flat.max(axis=0)
    left, top, right, bottom = margins
    room = np.maximum([size[0] - left - right, size[1] - top - bottom], 1.0)
    scale = float(np.min(room / np.maximum(high - low, 1e-9)))
    return unit._replace(scale=scale, offset=np.array([left, top]) + room / 2 - scale * (low + high) / 2)
