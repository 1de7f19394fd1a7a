"""Projection from millimetres to panel pixels: direction and distance of the view, and size of the room.

Frames: *camera axes* x right, y down, z away from the camera (mm, or any other isotropic unit);
*view axes* u right, v down, w away from the viewpoint, same unit; *panel* px, x right, y down.

A view is (azimuth, elevation) in degrees. (0, 0) is the camera's direction. Azimuth rotates about the vertical to the
camera's right: 90 shows the scene from the right, with "away" on the right of the panel. Elevation raises the
viewpoint: 90 looks straight down, with the camera at the bottom.
"""
from typing import NamedTuple

import numpy as np

VIEWS = dict(front=(0, 8), side=(90, 8), back=(180, 8), left=(-90, 8), top=(0, 90), oblique=(-40, 20))


class View(NamedTuple):
    """A projection of camera axes onto a panel.

    Attributes:
        rotation (np.ndarray): (3, 3), rows are u, v, w in camera axes; det +1.
        center (np.ndarray): Point that is projected to ``offset``, (3,) mm.
        scale (float): Scale at the depth of ``center``, px per mm.
        offset (np.ndarray): (2,) px.
        distance (float): Distance from the viewpoint to ``center``, mm; inf is orthographic.
    """

    rotation: np.ndarray
    center: np.ndarray
    scale: float
    offset: np.ndarray
    distance: float

    def shrink(self, depth):
        """Size at depth w relative to the size at ``center``; 1 everywhere in an orthographic view."""
        return 1.0 / np.maximum(1.0 + np.asarray(depth) / self.distance, 1e-3)

    def project(self, points):
        """Project points (..., 3) mm.

        Returns:
            tuple[np.ndarray, np.ndarray]: (..., 2) panel px, and (...) depth w, mm, larger is farther.
        """
        local = (np.asarray(points, np.float64) - self.center) @ self.rotation.T
        return self.offset + self.scale * self.shrink(local[..., 2])[..., None] * local[..., :2], local[..., 2]

    def project_std(self, points, std, axes=None):
        """Covariance of projected points, to first order in their errors.

        Args:
            points (np.ndarray): (..., 3) mm.
            std (np.ndarray): (..., 3) mm, independent errors along three axes.
            axes (np.ndarray | None): (3, 3), rotation from the axes of ``std`` to view axes; by default ``rotation``.

        Returns:
            np.ndarray: (..., 2, 2) panel px^2.
        """
        local = (np.asarray(points, np.float64) - self.center) @ self.rotation.T
        shrink = self.shrink(local[..., 2])[..., None, None]
        axes = self.rotation if axes is None else axes
        slope = self.scale * shrink * (axes[:2] - shrink / self.distance * local[..., :2, None] * axes[2])
        spread = slope * np.asarray(std, np.float64)[..., None, :]
        return spread @ np.swapaxes(spread, -1, -2)


def view_rotation(azimuth: float, elevation: float) -> np.ndarray:
    """Rotation from camera axes to view axes.

    Args:
        azimuth: Angle about the vertical to the camera's right, degrees.
        elevation: Angle upwards, degrees.

    Returns:
        (3, 3), rows u, v, w; orthonormal, det +1.
    """
    a, e = np.radians(azimuth), np.radians(elevation)
    right = np.array([np.cos(a), 0.0, np.sin(a)])
    away = np.array([-np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)])
    return np.stack([right, np.cross(away, right), away])


def resolve_view(view):
    """Return (azimuth, elevation) in degrees, from a name in ``VIEWS`` or such a pair.

    Raises:
        ValueError: If it is neither.
    """
    if isinstance(view, str):
        if view not in VIEWS:
            raise ValueError(f'view: one of {", ".join(VIEWS)} or (azimuth, elevation) in degrees expected, '
                             f'got {view!r}')
        return VIEWS[view]
    if len(view) != 2:
        raise ValueError(f'view: a name or (azimuth, elevation) in degrees expected, got {view!r}')
    return tuple(float(angle) for angle in view)


def nice_step(extent: float, count: int = 3) -> float:
    """Largest of 1, 2, 2.5, 5 x 10^n that divides ``extent`` into at least ``count`` parts."""
    rough = max(float(extent), 1e-6) / count
    power = 10.0 ** np.floor(np.log10(rough))
    return float(power * max(step for step in (1.0, 2.0, 2.5, 5.0) if step * power <= rough * (1 + 1e-9)))


class Box(NamedTuple):
    """The room around the people: low and high corner (3,) mm, grid step mm. Its floor is at ``high[1]``."""

    low: np.ndarray
    high: np.ndarray
    step: float

    def corners(self) -> np.ndarray:
        """Corners of the box, (8, 3) mm."""
        picks = np.stack(np.meshgrid(*[[0, 1]] * 3, indexing='ij'), axis=-1).reshape(-1, 3)
        return np.where(picks == 0, self.low, self.high)

    def ticks(self, axis: int) -> np.ndarray:
        """Multiples of ``step`` inside the box along an axis, mm."""
        first, last = np.ceil(self.low[axis] / self.step - 1e-6), np.floor(self.high[axis] / self.step + 1e-6)
        return np.arange(first, last + 1) * self.step


def fit_box(points, extent=None, square=True):
    """Room around all points, in half grid steps, so that its size does not change with every frame of a video.

    The floor is a plane of constant y through the lowest point. It is level with the camera, because a single picture
    does not determine the ground.

    Args:
        points (np.ndarray): (M, 3) finite, mm, relative to the origin.
        extent (float | None): Least half width and height above the origin, mm; None fits the room to the points.
        square (bool): Whether width equals depth, so that front and side view have one scale.

    Returns:
        Box: Room, symmetric in x and in z.
    """
    points = np.concatenate([np.zeros((1, 3)), np.reshape(points, (-1, 3))])
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
    return Box(np.array([-half[0], top, -half[2]]), np.array([half[0], high[1], half[2]]), step)


def make_view(box, view, size, perspective=True, margins=(0, 0, 0, 0)):
    """Make the view that shows a whole box on a panel.

    Args:
        box (Box): Room, mm.
        view (str | tuple): Name or angles, see :func:`resolve_view`.
        size (tuple): Width and height of the panel, px.
        perspective (bool): Whether the view has a mild perspective (four box diagonals away), or is orthographic.
        margins (tuple): Margins for labels: left, top, right, bottom px.

    Returns:
        View: View in which the box touches the margins in at least one direction and is centred in the other.
    """
    distance = 4.0 * float(np.linalg.norm(box.high - box.low)) if perspective else np.inf
    unit = View(view_rotation(*resolve_view(view)), (box.low + box.high) / 2, 1.0, np.zeros(2), distance)
    flat, _ = unit.project(box.corners())
    low, high = flat.min(axis=0), flat.max(axis=0)
    left, top, right, bottom = margins
    room = np.maximum([size[0] - left - right, size[1] - top - bottom], 1.0)
    scale = float(np.min(room / np.maximum(high - low, 1e-9)))
    return unit._replace(scale=scale, offset=np.array([left, top]) + room / 2 - scale * (low + high) / 2)
