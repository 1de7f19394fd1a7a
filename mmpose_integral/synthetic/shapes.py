"""Shapes that bodies and props are made of, and their ray casting into a depth and a shape-number image.

A shape is the hull of two spheres (a capsule whose ends may differ in radius) seen through a linear map, which makes
it an ellipsoid, a flattened limb or a plain capsule; or a box. Frames: world mm in the builder, camera mm (x right,
y down, z away) in the caster. Rays are (x, y, 1), so that the ray parameter is the depth in mm.
"""
from typing import NamedTuple

import numpy as np

_NEAR = 50.0                            # mm; nothing is drawn closer to the lens
FAR = 1e9                               # depth where nothing was hit


class Shapes(NamedTuple):
    """P shapes. ``maps`` takes an offset from ``starts`` to the space where the shape is two spheres, or +-1 box."""
    maps: np.ndarray                    # (P, 3, 3)
    starts: np.ndarray                  # (P, 3) centre of the first sphere, or of the box, mm
    axes: np.ndarray                    # (P, 3) first centre to second, mapped
    radii: np.ndarray                   # (P, 2) mapped
    colors: np.ndarray                  # (P, 3) BGR, 0-255
    materials: np.ndarray               # (P,) int, what texture it carries
    owners: np.ndarray                  # (P,) int, person number, -1 for props
    boxes: np.ndarray                   # (P,) bool

    def to_camera(self, camera):
        """The same shapes in camera axes."""
        turn = camera.rotation
        return self._replace(maps=self.maps @ turn.T, starts=(self.starts - camera.position) @ turn.T)


class ShapeList:
    """Collects shapes in world mm."""

    def __init__(self):
        self._rows = []

    def capsule(self, start, end, radius, end_radius, color, flat_axis=None, flat=1.0, material=0, owner=-1):
        """Tapered capsule; ``flat`` < 1 squeezes it along the unit vector ``flat_axis``."""
        mapping = np.eye(3)
        if flat_axis is not None:
            mapping = mapping + (1.0 / flat - 1.0) * np.outer(flat_axis, flat_axis)
        axis = mapping @ (end - start)
        self._rows.append((mapping, start, axis, (radius, end_radius), color, material, owner, False))

    def ellipsoid(self, center, rotation, radii, color, material=0, owner=-1):
        """Ellipsoid with semi-axes ``radii`` along the columns of ``rotation``."""
        mapping = rotation.T / np.asarray(radii, float)[:, None]
        self._rows.append((mapping, center, np.zeros(3), (1.0, 1.0), color, material, owner, False))

    def box(self, center, rotation, half, color, material=0, owner=-1):
        """Box with half sizes ``half`` along the columns of ``rotation``."""
        mapping = rotation.T / np.asarray(half, float)[:, None]
        self._rows.append((mapping, center, np.zeros(3), (1.0, 1.0), color, material, owner, True))

    def build(self):
        """All shapes collected so far as arrays."""
        maps, starts, axes, radii, colors, materials, owners, boxes = zip(*self._rows, strict=True)
        return Shapes(np.array(maps), np.array(starts), np.array(axes), np.array(radii, float),
                      np.array(colors, np.float32), np.array(materials), np.array(owners), np.array(boxes))


def image_bounds(shapes, camera):
    """Bounding boxes of the shapes in the image (exact for spheres and ellipsoids, tight for the rest).

    A plane through the lens, x = u z, touches the ellipsoid (c, S) where (n . c)^2 = n' S n with n = (1, 0, -u): a
    quadratic in u. Shapes that reach behind the lens get the whole image.

    Args:
        shapes (Shapes): in camera axes.
        camera (Camera): gives focal length and principal point.

    Returns:
        np.ndarray: (P, 4) x1, y1, x2, y2 px, not clipped to the image.
    """
    inverse = np.linalg.inv(shapes.maps)
    spread = inverse @ inverse.transpose(0, 2, 1)
    spread = spread * np.where(shapes.boxes, 3.0, 1.0)[:, None, None]       # a box lies inside a sqrt(3) sphere
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


def cast(shapes, camera, window, oversample):
    """Nearest shape along the ray of every sub-pixel of an image window.

    Args:
        shapes (Shapes): in camera axes.
        camera (Camera): gives focal length and principal point.
        window (tuple[int, int, int, int]): x1, y1, x2, y2 px, end exclusive.
        oversample (int): sub-pixels a pixel and axis.

    Returns:
        tuple: depth (h, w) float32 mm, ``FAR`` where nothing was hit; number (h, w) int16, -1 likewise; and the rays'
        x and y, (w,) and (h,).
    """
    x1, y1, x2, y2 = window
    columns = np.arange((x2 - x1) * oversample)
    rows = np.arange((y2 - y1) * oversample)
    xs = ((x1 - 0.5 + (columns + 0.5) / oversample - camera.center[0]) / camera.focal).astype(np.float32)
    ys = ((y1 - 0.5 + (rows + 0.5) / oversample - camera.center[1]) / camera.focal).astype(np.float32)
    depth = np.full((len(ys), len(xs)), FAR, np.float32)
    number = np.full(depth.shape, -1, np.int16)
    bounds = (image_bounds(shapes, camera) - (x1 - 0.5, y1 - 0.5) * 2) * oversample
    first = np.clip(np.floor(bounds[:, :2]), 0, (len(xs), len(ys))).astype(int)
    last = np.clip(np.ceil(bounds[:, 2:]) + 1, 0, (len(xs), len(ys))).astype(int)
    starts, axes = -np.einsum('pij,pj->pi', shapes.maps, shapes.starts), shapes.axes
    with np.errstate(all='ignore'):
        for k in range(len(starts)):
            (left, top), (right, bottom) = first[k], last[k]
            if right <= left or bottom <= top:
                continue
            grid = xs[left:right], ys[top:bottom, None]
            hit = (_hit_box if shapes.boxes[k] else _hit_capsule)(
                shapes.maps[k], starts[k], axes[k], shapes.radii[k], *grid)
            patch = depth[top:bottom, left:right]
            nearer = (hit < patch) & (hit > _NEAR)
            np.copyto(patch, hit, where=nearer)
            np.copyto(number[top:bottom, left:right], np.int16(k), where=nearer)
    return depth, number, xs, ys


def _hit_box(mapping, origin, _axis, _radii, x, y):
    """Slab test; NaN or FAR where missed."""
    enter, leave = np.float32(-FAR), np.float32(FAR)
    for row, start in zip(mapping.tolist(), origin.tolist(), strict=True):
        step = row[0] * x + (row[1] * y + row[2])
        near, far = (-1 - start) / step, (1 - start) / step
        enter = np.maximum(enter, np.minimum(near, far))
        leave = np.minimum(leave, np.maximum(near, far))
    return np.where(enter <= leave, enter, np.float32(FAR))


def _hit_capsule(mapping, origin, axis, radii, x, y):
    """First hit of the hull of two spheres; NaN where missed.

    Spheres slide from radius ra at 0 to rb at the axis' end b. With w = ra - rb, g = b.b - w^2 a point p lies on
    their envelope where p.p - ra^2 - (p.b - ra w)^2 / g = 0; the sphere that touches there sits at
    s = (p.b - ra w) / g. A ray that enters the endless envelope at s can enter the hull only through the sphere at
    s clipped to [0, 1]. A ray inside the envelope's opening (a <= 0) meets the side where 0 <= s <= 1, or an end.
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
    if g <= 0:                          # one sphere swallows the other
        return np.fmin(_hit_sphere(dd, od, oo - ra * ra),
                       _hit_sphere(dd, od - _along(axis @ mapping, x, y), oo - 2 * ob + bb - rb * rb))
    root = np.sqrt(g)
    db = _along(axis @ mapping / root, x, y)        # d . b / sqrt(g), as all other lengths along the axis below
    a, m = dd - db * db, m / root
    side = _hit_sphere(a, od - db * m, oo - ra * ra - m * m)
    place = side * db + m
    if a.min() <= 0:                    # some rays run inside the envelope's opening
        ends = np.fmin(_hit_sphere(dd, od, oo - ra * ra),
                       _hit_sphere(dd, od - db * root, oo - 2 * ob + bb - rb * rb))
        return np.fmin(np.where((place >= 0) & (place <= root) & (side > 0), side, ends), ends)
    place = np.minimum(np.maximum(place, 0), root)
    return _hit_sphere(dd, od - place * db, place * (place - 2 * m) + (oo - ra * ra))


def _along(row, x, y):
    """Scalar product of every ray (x, y, 1) with a row vector."""
    row = row.tolist()
    return row[0] * x + (row[1] * y + row[2])


def _hit_sphere(a, b, c):
    """Nearer root of a t^2 + 2 b t + c = 0; NaN where there is none."""
    root = b * b
    root -= a * c
    np.sqrt(root, out=root)
    root += b
    root /= a
    return np.negative(root, out=root)
