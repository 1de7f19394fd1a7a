"""Shapes of which bodies and props are made, and ray casting of them into an image of depths and shape numbers.

A shape is a box, or the hull of two spheres (a capsule whose ends may differ in radius) under a linear map, which makes
it an ellipsoid, a flattened limb or a plain capsule. Frames: world mm in ``ShapeList``, camera mm (x right, y down,
z away) in ``cast``. Rays are (x, y, 1), so that the ray parameter is the depth in mm.
"""
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .camera import Camera

_NEAR = 50.0  # mm; nothing nearer to the lens is drawn
FAR = 1e9  # depth where nothing was hit


class Shapes(NamedTuple):
    """P shapes. ``maps`` takes an offset from ``starts`` to the space of two spheres, or of a box from -1 to 1."""
    maps: np.ndarray  # (P, 3, 3)
    starts: np.ndarray  # (P, 3) centre of the first sphere or of the box, mm
    axes: np.ndarray  # (P, 3) from the first centre to the second, mapped
    radii: np.ndarray  # (P, 2) mapped
    colors: np.ndarray  # (P, 3) BGR, 0-255
    materials: np.ndarray  # (P,) int, number of the texture
    owners: np.ndarray  # (P,) int, number of the person, -1 for props
    boxes: np.ndarray  # (P,) bool

    def to_camera(self, camera: Camera) -> 'Shapes':
        """The same shapes in camera axes."""
        turn = camera.rotation
        return self._replace(maps=self.maps @ turn.T, starts=(self.starts - camera.position) @ turn.T)


class ShapeList:
    """Collects shapes in world mm."""

    def __init__(self) -> None:
        self._rows: list[tuple] = []

    def capsule(self, start: np.ndarray, end: np.ndarray, radius: float, end_radius: float, color: np.ndarray,
                flat_axis: np.ndarray | None = None, flat: float = 1.0, material: int = 0, owner: int = -1) -> None:
        """Add a tapered capsule; ``flat`` < 1 squeezes it along the unit vector ``flat_axis``."""
        mapping = np.eye(3)
        if flat_axis is not None:
            mapping = mapping + (1.0 / flat - 1.0) * np.outer(flat_axis, flat_axis)
        axis = mapping @ (end - start)
        self._rows.append((mapping, start, axis, (radius, end_radius), color, material, owner, False))

    def ellipsoid(self, center: np.ndarray, rotation: np.ndarray, radii: Sequence[float] | np.ndarray,
                  color: np.ndarray, material: int = 0, owner: int = -1) -> None:
        """Add an ellipsoid with semi-axes ``radii`` along the columns of ``rotation``."""
        mapping = rotation.T / np.asarray(radii, float)[:, None]
        self._rows.append((mapping, center, np.zeros(3), (1.0, 1.0), color, material, owner, False))

    def box(self, center: np.ndarray, rotation: np.ndarray, half: Sequence[float], color: np.ndarray) -> None:
        """Add a box of a prop, with half sizes ``half`` along the columns of ``rotation``."""
        mapping = rotation.T / np.asarray(half, float)[:, None]
        self._rows.append((mapping, center, np.zeros(3), (1.0, 1.0), color, 0, -1, True))

    def build(self) -> Shapes:
        """All shapes collected so far as arrays."""
        maps, starts, axes, radii, colors, materials, owners, boxes = zip(*self._rows, strict=True)
        return Shapes(np.array(maps), np.array(starts), np.array(axes), np.array(radii, float),
                      np.array(colors, np.float32), np.array(materials), np.array(owners), np.array(boxes))


def image_bounds(shapes: Shapes, camera: Camera) -> np.ndarray:
    """Bounding boxes in the image of shapes in camera axes (exact for spheres and ellipsoids, tight for the rest).

    A plane through the lens, x = u z, touches the ellipsoid (c, S) where (n . c)^2 = n' S n with n = (1, 0, -u). This
    is a quadratic equation in u. Shapes that reach behind the lens get the whole image.

    Returns:
        (P, 4) x1, y1, x2, y2 px, not clipped to the image.
    """
    inverse = np.linalg.inv(shapes.maps)
    spread = inverse @ inverse.transpose(0, 2, 1)
    spread = spread * np.where(shapes.boxes, 3.0, 1.0)[:, None, None]  # a box lies inside a sphere of radius sqrt(3)
    ends = shapes.starts + np.einsum('pij,pj->pi', inverse, shapes.axes)
    low, high = [], []
    for center, radius in ((shapes.starts, shapes.radii[:, 0]), (ends, shapes.radii[:, 1])):
        s = spread * (radius ** 2)[:, None, None]
        for axis in (0, 1):
            a = center[:, 2] ** 2 - s[:, 2, 2]
            b = center[:, axis] * center[:, 2] - s[:, axis, 2]
            c = center[:, axis] ** 2 - s[:, axis, axis]
            root = np.sqrt(np.maximum(b * b - a * c, 0.0))
            behind = (a <= 0) | (center[:, 2] <= _NEAR)
            a = np.where(behind, 1.0, a)
            low.append(np.where(behind, -1e4, (b - root) / a))
            high.append(np.where(behind, 1e4, (b + root) / a))
    low, high = np.array(low).reshape(2, 2, -1).min(0).T, np.array(high).reshape(2, 2, -1).max(0).T
    return np.concatenate([camera.focal * low + camera.center, camera.focal * high + camera.center], axis=1)


class Hits(NamedTuple):
    """Nearest shape along the ray of every sub-pixel."""
    depth: np.ndarray  # (h, w) float32 mm, FAR where nothing was hit
    number: np.ndarray  # (h, w) int16, index of the shape, -1 where nothing was hit
    xs: np.ndarray  # (w,) float32, x of the rays
    ys: np.ndarray  # (h,) float32, y of the rays


def cast(shapes: Shapes, camera: Camera, window: tuple[int, int, int, int], oversample: int) -> Hits:
    """Find the nearest shape, in camera axes, along the ray of every sub-pixel of an image window.

    ``window`` is x1, y1, x2, y2 px, end exclusive; ``oversample`` is the number of sub-pixels per pixel and axis.
    """
    x1, y1, x2, y2 = window
    columns, rows = np.arange((x2 - x1) * oversample), np.arange((y2 - y1) * oversample)
    xs = ((x1 - 0.5 + (columns + 0.5) / oversample - camera.center[0]) / camera.focal).astype(np.float32)
    ys = ((y1 - 0.5 + (rows + 0.5) / oversample - camera.center[1]) / camera.focal).astype(np.float32)
    depth = np.full((len(ys), len(xs)), FAR, np.float32)
    number = np.full(depth.shape, -1, np.int16)
    bounds = (image_bounds(shapes, camera) - (x1 - 0.5, y1 - 0.5) * 2) * oversample
    first = np.clip(np.floor(bounds[:, :2]), 0, (len(xs), len(ys))).astype(int)
    last = np.clip(np.ceil(bounds[:, 2:]) + 1, 0, (len(xs), len(ys))).astype(int)
    starts = -np.einsum('pij,pj->pi', shapes.maps, shapes.starts)
    with np.errstate(all='ignore'):
        for k in range(len(starts)):
            (left, top), (right, bottom) = first[k], last[k]
            if right <= left or bottom <= top:
                continue
            x, y = xs[left:right], ys[top:bottom, None]
            hit = (_hit_box(shapes.maps[k], starts[k], x, y) if shapes.boxes[k] else
                   _hit_capsule(shapes.maps[k], starts[k], shapes.axes[k], shapes.radii[k], x, y))
            patch = depth[top:bottom, left:right]
            nearer = (hit < patch) & (hit > _NEAR)
            np.copyto(patch, hit, where=nearer)
            np.copyto(number[top:bottom, left:right], np.int16(k), where=nearer)
    return Hits(depth, number, xs, ys)


def _hit_box(mapping: np.ndarray, origin: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Depth where rays enter a box (slab test); NaN or FAR where they miss it."""
    enter, leave = np.float32(-FAR), np.float32(FAR)
    for row, start in zip(mapping.tolist(), origin.tolist(), strict=True):
        step = row[0] * x + (row[1] * y + row[2])
        near, far = (-1 - start) / step, (1 - start) / step
        enter = np.maximum(enter, np.minimum(near, far))
        leave = np.minimum(leave, np.maximum(near, far))
    return np.where(enter <= leave, enter, np.float32(FAR))


def _hit_capsule(mapping: np.ndarray, origin: np.ndarray, axis: np.ndarray, radii: np.ndarray, x: np.ndarray,
                 y: np.ndarray) -> np.ndarray:
    """Depth where rays enter the hull of two spheres; NaN where they miss it.

    Spheres slide along the axis b, from radius ra at its start (the origin) to rb at its end. With w = ra - rb and
    g = b.b - w^2, a point p lies on their envelope where p.p - ra^2 - (p.b - ra w)^2 / g = 0. The sphere that touches
    the envelope there is at s = (p.b - ra w) / g. A ray that enters the endless envelope at s can enter the hull only
    through the sphere at s clipped to [0, 1]. A ray inside the opening of the envelope (a <= 0) enters through the
    side where 0 <= s <= 1, or through an end.
    """
    turn = (mapping.T @ mapping).tolist()
    dd = x * (turn[0][0] * x + (2 * turn[0][1] * y + 2 * turn[0][2])) + (
        turn[1][1] * y * y + (2 * turn[1][2] * y + turn[2][2]))
    od = _along(origin @ mapping, x, y)
    ra, rb = float(radii[0]), float(radii[1])
    oo, bb = float(origin @ origin), float(axis @ axis)
    if bb == 0.0:
        return _hit_sphere(dd, od, oo - ra * ra)
    ob, w = float(origin @ axis), ra - rb
    g, m = bb - w * w, ob - ra * w
    if g <= 0:  # one sphere contains the other
        return np.fmin(_hit_sphere(dd, od, oo - ra * ra),
                       _hit_sphere(dd, od - _along(axis @ mapping, x, y), oo - 2 * ob + bb - rb * rb))
    root = np.sqrt(g)
    db = _along(axis @ mapping / root, x, y)        # d . b / sqrt(g), like all other lengths along the axis below
    a, m = dd - db * db, m / root
    side = _hit_sphere(a, od - db * m, oo - ra * ra - m * m)
    place = side * db + m
    if a.min() <= 0:  # some rays run inside the opening of the envelope
        ends = np.fmin(_hit_sphere(dd, od, oo - ra * ra),
                       _hit_sphere(dd, od - db * root, oo - 2 * ob + bb - rb * rb))
        return np.fmin(np.where((place >= 0) & (place <= root) & (side > 0), side, ends), ends)
    place = np.minimum(np.maximum(place, 0), root)
    return _hit_sphere(dd, od - place * db, place * (place - 2 * m) + (oo - ra * ra))


def _along(row: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Scalar product of every ray (x, y, 1) with a row vector."""
    first, second, third = row.tolist()
    return first * x + (second * y + third)


def _hit_sphere(a: np.ndarray, b: np.ndarray, c: np.ndarray | float) -> np.ndarray:
    """Nearer root of a t^2 + 2 b t + c = 0; NaN where there is none."""
    root = b * b
    root -= a * c
    np.sqrt(root, out=root)
    root += b
    root /= a
    return np.negative(root, out=root)
