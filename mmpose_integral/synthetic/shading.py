"""Colour of the cast sub-pixels: light, clothes' patterns and the face. Camera axes, mm; colours BGR, 0-255."""
from typing import NamedTuple

import cv2
import numpy as np

from .dressing import FACE, SHIRT, SHIRT_SLEEVE, TROUSERS


class Light(NamedTuple):
    """Where light comes from and how much; directions in world axes."""
    toward: np.ndarray                  # (3,) unit vector to the key light
    key: float                          # brightness of what faces the key light, 1 keeps the colour
    ambient: float                      # brightness that comes from everywhere, most from above
    tint: tuple = (1.0, 1.0, 1.0)       # BGR factors

    def to_camera(self, camera):
        """Key and sky directions in camera axes, (2, 3) float32."""
        return np.stack([self.toward, (0.0, 0.0, 1.0)]).astype(np.float32) @ camera.rotation.T.astype(np.float32)


class Person(NamedTuple):
    """What textures need to know of a person, camera axes."""
    outfit: object
    chest: np.ndarray                   # (3, 3) rows: forward, left, up
    neck: np.ndarray                    # (3,)
    pelvis: np.ndarray
    root: np.ndarray
    head: np.ndarray
    skull: np.ndarray                   # (3,) centre
    head_size: float
    girth: float


def shade(shapes, hits, people, light, camera):
    """Colour every sub-pixel that hit a shape.

    Args:
        shapes (Shapes): in camera axes.
        hits (tuple): depth, number, xs, ys from :func:`shapes.cast`.
        people (list[Person]): by owner number.
        light (Light): the light.
        camera (Camera): turns the light into camera axes.

    Returns:
        np.ndarray: (h, w, 4) uint8, BGR and coverage (0 or 255); BGR is 0 where nothing was hit.
    """
    depth, number, xs, ys = hits
    out = np.zeros((*depth.shape, 4), np.uint8)
    cells = np.flatnonzero(number.ravel() >= 0)
    if not len(cells):
        return out
    rows = cells // depth.shape[1]
    columns = cells - rows * depth.shape[1]
    which, z = number.ravel().take(cells).astype(np.intp), depth.ravel().take(cells)
    # Components come first, (3, N): every step below then runs over contiguous memory.
    points = np.stack([xs.take(columns) * z, ys.take(rows) * z, z])
    normals = _normals(shapes, which, points)
    colors = _table(shapes.colors, which)
    kinds = np.where(shapes.owners >= 0, shapes.owners * 16 + shapes.materials, -1)[which]
    for k, person in enumerate(people):
        for material, paint in _PAINTS.items():
            chosen = np.flatnonzero(kinds == k * 16 + material)
            if len(chosen):
                colors[:, chosen] = paint(person, points[:, chosen], normals[:, chosen], colors[:, chosen])
    level = _light_level(points, normals, light, camera) * _crevices(depth, number, rows, columns)
    painted = np.full((len(cells), 4), 255, np.uint8)
    for channel in range(3):
        painted[:, channel] = np.minimum(colors[channel] * (level * np.float32(light.tint[channel])), 255)
    out.reshape(-1, 4)[cells] = painted
    return out


def _table(values, which):
    """Values (P, C) a shape -> (C, N) float32 a hit."""
    return np.stack([column.take(which) for column in np.asarray(values, np.float32).T])


def _dot(first, second):
    """Scalar product over the leading axis of 3."""
    return first[0] * second[0] + first[1] * second[1] + first[2] * second[2]


def _light_level(points, normals, light, camera):
    """Brightness, (N,): ambient from above, a wrapped key light, and darkening towards the outline."""
    facing = np.clip(-_dot(normals, points) / np.sqrt(_dot(points, points)), 0, 1)
    key, sky = (_dot(normals, direction) for direction in light.to_camera(camera))
    return (light.ambient * (0.78 + 0.22 * sky) + light.key * np.maximum(0.82 * key + 0.18, 0.0)) * (
        0.68 + 0.32 * facing)


def _normals(shapes, which, points):
    """Outward unit normals at the hits, (3, N): the gradient of the shape's map."""
    maps = _table(shapes.maps.reshape(-1, 9), which).reshape(3, 3, -1)
    shifted = points - _table(shapes.starts, which)
    offset = np.stack([_dot(maps[row], shifted) for row in range(3)])
    square = (shapes.axes ** 2).sum(1)
    slope = shapes.radii[:, 0] - shapes.radii[:, 1]
    # Foot of the hit on the capsule's axis, as in shapes._hit_capsule; constant parts are taken a shape at once.
    scale = 1.0 / np.maximum(square - slope * slope, 1e-6)
    axis, (bias, scale) = _table(shapes.axes, which), _table(np.stack([shapes.radii[:, 0] * slope, scale], 1), which)
    local = offset - np.clip((_dot(offset, axis) - bias) * scale, 0, 1) * axis
    box = np.flatnonzero(shapes.boxes[which])
    if len(box):
        face = np.abs(offset[:, box]).argmax(0)
        local[:, box] = 0
        local[face, box] = np.sign(offset[face, box])
    normal = np.stack([_dot(maps[:, column], local) for column in range(3)])
    return normal / np.maximum(np.sqrt(_dot(normal, normal)), 1e-9)


def _crevices(depth, number, rows, columns):
    """Darkening where a surface lies behind its neighbourhood, (N,), so that limbs stand out before the trunk."""
    hit = (number[::2, ::2] >= 0).astype(np.float32)
    coarse = np.where(hit > 0, depth[::2, ::2], 0)
    size = max(3, int(0.05 * min(coarse.shape)) | 1)
    near = cv2.blur(coarse, (size, size)) / np.maximum(cv2.blur(hit, (size, size)), 1e-3)
    behind = depth[rows, columns] - near[rows // 2, columns // 2]
    return 1.0 - np.clip(behind / 160.0, 0, 1) * np.float32(0.42)


def _local(person_axes, origin, points, size):
    """Points in a part's own axes, (3, N), in mm of the average adult."""
    shifted = points - origin[:, None]
    axes = (person_axes / size).astype(np.float32)
    return axes @ shifted


def _paint_shirt(person, points, normals, colors):
    """Print, open jacket, buttons or stripes in front; the back has one colour of its own, or only a yoke."""
    outfit = person.outfit
    _, left, up = _local(person.chest, person.neck, points, person.girth)
    ahead = _dot(normals, person.chest[0].astype(np.float32))
    front = ahead > 0.12
    second, width = outfit.second.astype(np.float32)[:, None], np.abs(left)
    style = outfit.chest_style
    if style == 'print':
        colors[:, front & (width < 88) & (up < -110) & (up > -290)] = second
    elif style == 'jacket':
        colors[:, front & (width < 34 + 0.1 * np.maximum(up + 420, 0))] = second
    elif style == 'buttons':
        colors[:, front & (width < 15)] = second
        colors[:, front & (left > 45) & (left < 110) & (up < -130) & (up > -215)] *= 0.62
    elif style == 'stripes':
        colors[:, np.mod(up, 92) < 40] = second
        colors[:, front & (width < 80) & (up < -120) & (up > -250)] = second * 0.6
    colors[:, front & (up > -75 - 0.3 * width) & (width < 75)] = outfit.skin.astype(np.float32)[:, None] * 0.97
    if outfit.back is None:
        colors[:, ~front & (up > -105)] *= 0.8
    else:
        colors[:, ahead < 0] = outfit.back.astype(np.float32)[:, None]
    return colors


def _paint_sleeve(person, points, _normals_unused, colors):
    """Stripes run on over the sleeves; other shirts keep their colour."""
    if person.outfit.chest_style == 'stripes':
        _, _, up = _local(person.chest, person.neck, points, person.girth)
        colors[:, np.mod(up, 92) < 40] = person.outfit.second[:, None]
    return colors


def _paint_trousers(person, points, normals, colors):
    """A belt with a buckle in front, two pockets or a colour of its own behind."""
    _, left, up = _local(person.pelvis, person.root, points, person.girth)
    front, width = _dot(normals, person.pelvis[0].astype(np.float32)) > 0, np.abs(left)
    if person.outfit.back is not None:
        colors[:, ~front] = person.outfit.back.astype(np.float32)[:, None]
    belt = up > 84
    colors[:, belt] = np.float32([[38], [46], [58]])
    colors[:, belt & front & (width < 24)] = np.float32([[150], [205], [220]])
    colors[:, front & ~belt & (width < 9) & (up > -20)] *= 0.75
    colors[:, ~front & (np.abs(width - 72) < 32) & (up > -85) & (up < -15)] *= 0.65
    return colors


def _paint_face(person, points, _normals_unused, colors):
    """Eyes, brows and mouth, a little larger than life so that they survive small images."""
    outfit = person.outfit
    forward, left, up = _local(person.head, person.skull, points, person.head_size)
    side, front = np.abs(left) - 34, forward > 30
    skin, hair = outfit.skin.astype(np.float32)[:, None], outfit.hair.astype(np.float32)[:, None]
    colors[:, front & (np.abs(up + 34) < 20) & (np.abs(side - 14) < 16)] = skin * np.float32([[0.95], [0.92], [1.03]])
    colors[:, front & ((side / 19) ** 2 + ((up - 4) / 12) ** 2 < 1)] = np.float32([[236], [238], [238]])
    colors[:, front & ((side / 12) ** 2 + ((up - 4) / 12) ** 2 < 1)] = np.float32([[50], [40], [34]])
    colors[:, front & (np.abs(side) < 21) & (np.abs(up - 33 + 0.004 * side * side) < 5)] = 0.5 * hair + 0.25 * skin
    colors[:, front & ((left / 32) ** 2 + ((up + 66 - 0.008 * left * left) / 10) ** 2 < 1)] = skin * np.float32(
        [[0.52], [0.5], [0.85]])
    return colors


_PAINTS = {SHIRT: _paint_shirt, SHIRT_SLEEVE: _paint_sleeve, TROUSERS: _paint_trousers, FACE: _paint_face}
