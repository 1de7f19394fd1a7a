"""Colours of the sub-pixels: light, patterns of the clothes and the face. Camera axes, mm; colours BGR, 0-255."""
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from .camera import Camera
from .dressing import FACE, SHIRT, SHIRT_SLEEVE, TROUSERS
from .outfits import Outfit
from .shapes import Hits, Shapes


class Light(NamedTuple):
    """Direction (world axes) and strength of the light."""
    toward: np.ndarray  # (3,) unit vector to the key light
    key: float  # brightness of a surface that faces the key light; 1 keeps the colour
    ambient: float  # brightness of the light from all sides, strongest from above
    tint: Sequence[float] | np.ndarray = (1.0, 1.0, 1.0)  # BGR factors


class TextureFrames(NamedTuple):
    """Outfit of a person, and the frames that its textures follow, in camera axes."""
    outfit: Outfit
    chest: np.ndarray  # (3, 3) rows: forward, left, up
    neck: np.ndarray  # (3,)
    pelvis: np.ndarray
    root: np.ndarray
    head: np.ndarray
    skull: np.ndarray  # (3,) centre
    head_size: float
    girth: float


def shade(shapes: Shapes, hits: Hits, people: Sequence[TextureFrames], light: Light, camera: Camera) -> np.ndarray:
    """Colour every sub-pixel that hit a shape.

    The shapes are in camera axes, and ``people`` are in the order of the owner numbers.

    Returns:
        (h, w, 4) uint8, BGR and coverage (0 or 255); BGR is 0 where nothing was hit.
    """
    depth, number, xs, ys = hits
    out = np.zeros((*depth.shape, 4), np.uint8)
    cells = np.flatnonzero(number.ravel() >= 0)
    if not len(cells):
        return out
    rows = cells // depth.shape[1]
    columns = cells - rows * depth.shape[1]
    which, z = number.ravel().take(cells).astype(np.intp), depth.ravel().take(cells)
    # The components are the first axis, (3, N), so that every step below runs over contiguous memory.
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


def _table(values: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Values per shape (P, C) -> values per hit (C, N) float32."""
    return np.stack([column.take(which) for column in np.asarray(values, np.float32).T])


def _dot(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Scalar product over the leading axis of 3."""
    return first[0] * second[0] + first[1] * second[1] + first[2] * second[2]


def _light_level(points: np.ndarray, normals: np.ndarray, light: Light, camera: Camera) -> np.ndarray:
    """Brightness, (N,): ambient light from above, a wrapped key light, and darkening towards the outline."""
    facing = np.clip(-_dot(normals, points) / np.sqrt(_dot(points, points)), 0, 1)
    directions = np.array([light.toward, (0.0, 0.0, 1.0)], np.float32) @ camera.rotation.T.astype(np.float32)
    key, sky = (_dot(normals, direction) for direction in directions)
    return (light.ambient * (0.78 + 0.22 * sky) + light.key * np.maximum(0.82 * key + 0.18, 0.0)) * (
        0.68 + 0.32 * facing)


def _normals(shapes: Shapes, which: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Outward unit normals at the hits, (3, N): the gradient of the shape's map."""
    maps = _table(shapes.maps.reshape(-1, 9), which).reshape(3, 3, -1)
    shifted = points - _table(shapes.starts, which)
    offset = np.stack([_dot(maps[row], shifted) for row in range(3)])
    square = (shapes.axes ** 2).sum(1)
    slope = shapes.radii[:, 0] - shapes.radii[:, 1]
    # Foot of the hit on the capsule's axis, as in shapes._hit_capsule; constant parts are computed once per shape.
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


def _crevices(depth: np.ndarray, number: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Darkening where a surface is behind its neighbourhood, (N,), so that limbs stand out in front of the trunk."""
    hit = (number[::2, ::2] >= 0).astype(np.float32)
    coarse = np.where(hit > 0, depth[::2, ::2], 0)
    size = max(3, int(0.05 * min(coarse.shape)) | 1)
    near = cv2.blur(coarse, (size, size)) / np.maximum(cv2.blur(hit, (size, size)), 1e-3)
    behind = depth[rows, columns] - near[rows // 2, columns // 2]
    return 1.0 - np.clip(behind / 160.0, 0, 1) * np.float32(0.42)


def _column(color: Sequence[float] | np.ndarray) -> np.ndarray:
    """A colour for an array whose first axis is the channel, (3, 1) float32."""
    return np.asarray(color, np.float32)[:, None]


def _local(axes: np.ndarray, origin: np.ndarray, points: np.ndarray, size: float) -> np.ndarray:
    """Points in a part's own axes, (3, N), in mm of the average adult."""
    return (axes / size).astype(np.float32) @ (points - origin[:, None])


def _paint_shirt(person: TextureFrames, points: np.ndarray, normals: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Print, open jacket, buttons or stripes in front; the back has a colour of its own, or only a yoke."""
    outfit = person.outfit
    _, left, up = _local(person.chest, person.neck, points, person.girth)
    ahead = _dot(normals, person.chest[0].astype(np.float32))
    front = ahead > 0.12
    second, width = _column(outfit.second), np.abs(left)
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
    colors[:, front & (up > -75 - 0.3 * width) & (width < 75)] = _column(outfit.skin) * 0.97
    if outfit.back is None:
        colors[:, ~front & (up > -105)] *= 0.8
    else:
        colors[:, ahead < 0] = _column(outfit.back)
    return colors


def _paint_sleeve(person: TextureFrames, points: np.ndarray, _: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Stripes continue on the sleeves; other shirts have plain sleeves."""
    if person.outfit.chest_style == 'stripes':
        up = _local(person.chest, person.neck, points, person.girth)[2]
        colors[:, np.mod(up, 92) < 40] = _column(person.outfit.second)
    return colors


def _paint_trousers(person: TextureFrames, points: np.ndarray, normals: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """A belt with a buckle in front; two pockets, and perhaps a colour of its own, behind."""
    _, left, up = _local(person.pelvis, person.root, points, person.girth)
    front, width = _dot(normals, person.pelvis[0].astype(np.float32)) > 0, np.abs(left)
    if person.outfit.back is not None:
        colors[:, ~front] = _column(person.outfit.back)
    belt = up > 84
    colors[:, belt] = _column((38, 46, 58))
    colors[:, belt & front & (width < 24)] = _column((150, 205, 220))
    colors[:, front & ~belt & (width < 9) & (up > -20)] *= 0.75
    colors[:, ~front & (np.abs(width - 72) < 32) & (up > -85) & (up < -15)] *= 0.65
    return colors


def _paint_face(person: TextureFrames, points: np.ndarray, _: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Eyes, brows and mouth, a little larger than life, so that small images show them."""
    outfit = person.outfit
    forward, left, up = _local(person.head, person.skull, points, person.head_size)
    side, front = np.abs(left) - 34, forward > 30
    skin, hair = _column(outfit.skin), _column(outfit.hair)
    colors[:, front & (np.abs(up + 34) < 20) & (np.abs(side - 14) < 16)] = skin * _column((0.95, 0.92, 1.03))
    colors[:, front & ((side / 19) ** 2 + ((up - 4) / 12) ** 2 < 1)] = _column((236, 238, 238))
    colors[:, front & ((side / 12) ** 2 + ((up - 4) / 12) ** 2 < 1)] = _column((50, 40, 34))
    colors[:, front & (np.abs(side) < 21) & (np.abs(up - 33 + 0.004 * side * side) < 5)] = 0.5 * hair + 0.25 * skin
    colors[:, front & ((left / 32) ** 2 + ((up + 66 - 0.008 * left * left) / 10) ** 2 < 1)] = (
        skin * _column((0.52, 0.5, 0.85)))
    return colors


_PAINTS = {SHIRT: _paint_shirt, SHIRT_SLEEVE: _paint_sleeve, TROUSERS: _paint_trousers, FACE: _paint_face}
