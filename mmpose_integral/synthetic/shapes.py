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
        self._rows.append((mapping, start, mapping @ (end - start), (radius, end_radius), color, material, owner, False))

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
            number[top:bottom, left:right][nearer] = k
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

    Spheres slide from radius ra at 0 to rb at the axis' end b. With w = (ra - rb), g = b.b - w^2 a point p lies on
    their envelope where p.p - ra^2 - (p.b - ra w)^2 / g = 0; the touching sphere sits at s = (p.b - ra w) / g. Hits
    outside 0 <= s <= 1 belong to the end spheres.
    """
    turn = (mapping.T @ mapping).tolist()
    dd = x * (turn[0][0] * x + (2 * turn[0][1] * y + 2 * turn[0][2])) + (
        turn[1][1] * y * y + (2 * turn[1][2] * y + turn[2][2]))
    lin = (origin @ mapping).tolist()
    od = lin[0] * x + (lin[1] * y + lin[2])
    ra, rb = float(radii[0]), float(radii[1])
    hit_a = (-od - np.sqrt(od * od - dd * float(origin @ origin - ra * ra))) / dd
    bb = float(axis @ axis)
    if bb == 0.0:
        return hit_a
    other = origin - axis
    lin_b = (other @ mapping).tolist()
    od_b = lin_b[0] * x + (lin_b[1] * y + lin_b[2])
    hit_b = (-od_b - np.sqrt(od_b * od_b - dd * float(other @ other - rb * rb))) / dd
    ends = np.fmin(hit_a, hit_b)
    w = ra - rb
    g = bb - w * w
    if g <= 0.0:                        # one sphere swallows the other
        return ends
    db = od - od_b                      # d . b
    m = float(origin @ axis) - ra * w
    a, b, c = dd - db * db / g, od - db * (m / g), float(origin @ origin) - ra * ra - m * m / g
    side = (-b - np.sqrt(b * b - a * c)) / a
    place = (m + side * db) / g
    return np.where((a > 0) & (place >= 0) & (place <= 1), side, ends)
