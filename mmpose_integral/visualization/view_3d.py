"""From millimetres to panel pixels: where the onlooker stands, how far away, and how large the room is.

Frames: *camera axes* x right, y down, z away from the camera (mm, or any other isotropic unit);
*view axes* u right, v down, w away from the onlooker, same unit; *panel* px, x right, y down.

A view is (azimuth, elevation) in degrees. (0, 0) looks as the camera did; azimuth walks round the vertical to the
camera's right, so that 90 sees the scene from the right, with "away" on the right of the panel; elevation climbs, and
90 looks straight down with the camera at the bottom.
"""
from typing import NamedTuple

import numpy as np

VIEWS = dict(front=(0, 8), side=(90, 8), back=(180, 8), left=(-90, 8), top=(0, 90), oblique=(-40, 20))


class View(NamedTuple):
    """A projection of camera axes onto a panel.

    Attributes:
        rotation (np.ndarray): (3, 3), rows are u, v, w in camera axes; det +1.
        center (np.ndarray): (3,) mm, the point that lands on ``offset``.
        scale (float): px per mm at the depth of ``center``.
        offset (np.ndarray): (2,) px.
        distance (float): mm from the onlooker to ``center``; inf is orthographic.
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
            tuple[np.ndarray, np.ndarray]: (..., 2) panel px and (...) depth w in mm, larger is farther.
        """
        local = (np.asarray(points, np.float64) - self.center) @ self.rotation.T
        return self.offset + self.scale * self.shrink(local[..., 2])[..., None] * local[..., :2], local[..., 2]

    def project_std(self, points, std, axes=None):
        """Covariance of projected points, to first order in their errors.

        Args:
            points (np.ndarray): (..., 3) mm.
            std (np.ndarray): (..., 3) mm, independent errors along three axes.
            axes (np.ndarray | None): (3, 3), view axes from the axes of ``std`` where those are not the camera's.

        Returns:
            np.ndarray: (..., 2, 2) panel px^2.
        """
        local = (np.asarray(points, np.float64) - self.center) @ self.rotation.T
        shrink = self.shrink(local[..., 2])[..., None, None]
        axes = self.rotation if axes is None else axes
        slope = self.scale * shrink * (axes[:2] - shrink / self.distance * local[..., :2, None] * axes[2])
        spread = slope * np.asarray(std, np.float64)[..., None, :]
        return spread @ np.swapaxes(spread, -1, -2)


def view_rotation(azimuth, elevation):
    """Rotation from camera axes to view axes.

    Args:
        azimuth (float): degrees, round the vertical to the camera's right.
        elevation (float): degrees, upwards.

    Returns:
        np.ndarray: (3, 3), rows u, v, w; orthonormal, det +1.
    """
    a, e = np.radians(azimuth), np.radians(elevation)
    right = np.array([np.cos(a), 0.0, np.sin(a)])
    away = np.array([-np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)])
    return np.stack([right, np.cross(away, right), away])


def resolve_view(view):
    """(azimuth, elevation) in degrees of a name in ``VIEWS``, or of such a pair itself.

    Raises:
        ValueError: neither.
    """
    if isinstance(view, str):
        if view not in VIEWS:
            raise ValueError(f'view: one of {", ".join(VIEWS)} or (azimuth, elevation) in degrees expected, '
                             f'got {view!r}')
        return VIEWS[view]
    if len(view) != 2:
        raise ValueError(f'view: a name or (azimuth, elevation) in degrees expected, got {view!r}')
    return tuple(float(angle) for angle in view)


def nice_step(extent, count=3):
    """Largest of 1, 2, 2.5, 5 x 10^n that cuts ``extent`` into at least ``count`` parts."""
    rough = max(float(extent), 1e-6) / count
    power = 10.0 ** np.floor(np.log10(rough))
    return float(power * max(step for step in (1.0, 2.0, 2.5, 5.0) if step * power <= rough * (1 + 1e-9)))


class Box(NamedTuple):
    """The room round the people: low and high corner (3,) mm, grid distance mm. Its floor is at ``high[1]``."""

    low: np.ndarray
    high: np.ndarray
    step: float

    def corners(self):
        """(8, 3) mm."""
        picks = np.stack(np.meshgrid(*[[0, 1]] * 3, indexing='ij'), axis=-1).reshape(-1, 3)
        return np.where(picks == 0, self.low, self.high)

    def ticks(self, axis):
        """Multiples of ``step`` inside the box along an axis, mm."""
        first, last = np.ceil(self.low[axis] / self.step - 1e-6), np.floor(self.high[axis] / self.step + 1e-6)
        return np.arange(first, last + 1) * self.step


def fit_box(points, extent=None, square=True):
    """Room round all points in half grid steps, so that a video does not breathe with every frame.

    The floor is a plane of constant y through the lowest point: level with the camera, not with the ground, which a
    single picture does not tell.

    Args:
        points (np.ndarray): (M, 3) finite, mm, about the origin.
        extent (float | None): fixed half width and height above the origin, mm; None takes what the points need.
        square (bool): width equals depth, so that front and side view come out at one scale.

    Returns:
        Box: symmetric in x and in z.
    """
    points = np.concatenate([np.zeros((1, 3)), np.reshape(points, (-1, 3))])
    low, high = points.min(axis=0), points.max(axis=0)
    if not (high > low).any():
        low, high = np.array([-500.0, -750.0, -500.0]), np.array([500.0, 750.0, 500.0])
    span = max(*(high - low), 1e-3)
    # A long row of people must not get a grid that is too coarse for their height.
    step = nice_step(2 * extent if extent else span if square else min(span, 3 * max((high - low)[1], 0.1 * span)))
    # A room narrower than this looks like a corridor round somebody who stands straight.
    reach = np.maximum(np.maximum(-low, high), 0.25 * (high - low)[1])
    half = np.ceil(reach / step * 2 + 0.2) * step / 2
    if extent:
        half = np.maximum(half, extent)
    elif square:
        half[[0, 2]] = max(half[0], half[2])
    top = min(np.floor(low[1] / step * 2 - 0.2) * step / 2, -(extent or 0))
    return Box(np.array([-half[0], top, -half[2]]), np.array([half[0], high[1], half[2]]), step)


def make_view(box, view, size, perspective=True, margins=(0, 0, 0, 0)):
    """The view that shows a whole box on a panel.

    Args:
        box (Box): mm.
        view (str | tuple): see :func:`resolve_view`.
        size (tuple): width, height of the panel, px.
        perspective (bool): mild perspective (four box diagonals away) or orthographic.
        margins (tuple): left, top, right, bottom, px that stay free for labels.

    Returns:
        View: the box touches the margins in at least one direction and is centred in the other.
    """
    distance = 4.0 * float(np.linalg.norm(box.high - box.low)) if perspective else np.inf
    unit = View(view_rotation(*resolve_view(view)), (box.low + box.high) / 2, 1.0, np.zeros(2), distance)
    flat, _ = unit.project(box.corners())
    low, high = flat.min(axis=0), flat.max(axis=0)
    left, top, right, bottom = margins
    room = np.maximum([size[0] - left - right, size[1] - top - bottom], 1.0)
    scale = float(np.min(room / np.maximum(high - low, 1e-9)))
    return unit._replace(scale=scale, offset=np.array([left, top]) + room / 2 - scale * (low + high) / 2)
