"""Colour of the cast sub-pixels: light, clothes' patterns and the face. Camera axes, mm; colours BGR, 0-255."""
from typing import NamedTuple

import cv2
import numpy as np

from .dressing import FACE, SHIRT, SHIRT_SLEEVE, TROUSERS


class Light(NamedTuple):
    """Where light comes from, camera axes, and how much."""
    toward: np.ndarray                  # (3,) unit vector to the key light
    up: np.ndarray                      # (3,) world's up
    key: float
    ambient: float
    tint: np.ndarray                    # (3,) BGR factors


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


def shade(shapes, depth, number, xs, ys, people, light):
    """Colour every sub-pixel that hit a shape.

    Args:
        shapes (Shapes): in camera axes.
        depth, number (np.ndarray): (h, w) from :func:`shapes.cast`.
        xs, ys (np.ndarray): (w,), (h,) ray directions.
        people (list[Person]): by owner number.
        light (Light): the light.

    Returns:
        np.ndarray: (h, w, 4) float32, BGR times coverage and coverage, 0-255 and 0-1.
    """
    out = np.zeros((*depth.shape, 4), np.float32)
    rows, columns = np.nonzero(number >= 0)
    if not len(rows):
        return out
    which, z = number[rows, columns], depth[rows, columns]
    points = np.stack([xs[columns] * z, ys[rows] * z, z], axis=1)
    normals = _normals(shapes, which, points)
    colors = shapes.colors[which].astype(np.float32)
    owners, materials = shapes.owners[which], shapes.materials[which]
    for k, person in enumerate(people):
        for material, paint in _PAINTS.items():
            chosen = np.flatnonzero((materials == material) & (owners == k))
            if len(chosen):
                colors[chosen] = paint(person, points[chosen], normals[chosen], colors[chosen])
    toward = -points / np.linalg.norm(points, axis=1, keepdims=True)
    facing = np.clip((normals * toward).sum(1), 0, 1)
    key = normals @ light.toward.astype(np.float32)
    level = (light.ambient * (0.78 + 0.22 * (normals @ light.up.astype(np.float32)))
             + light.key * np.maximum(0.82 * key + 0.18, 0.0)) * (0.66 + 0.34 * facing)
    level *= _crevices(depth, number)[rows, columns]
    out[rows, columns, :3] = np.clip(colors * level[:, None] * light.tint.astype(np.float32), 0, 255)
    out[rows, columns, 3] = 1.0
    return out


def _normals(shapes, which, points):
    """Outward unit normals at the hits, (N, 3): the gradient of the shape's map."""
    maps, starts, axes = (part.astype(np.float32) for part in (shapes.maps, shapes.starts, shapes.axes))
    offset = np.einsum('nij,nj->ni', maps[which], points - starts[which])
    axis, radii = axes[which], shapes.radii.astype(np.float32)[which]
    square = (axis * axis).sum(1)
    slope = radii[:, 0] - radii[:, 1]
    place = ((offset * axis).sum(1) - radii[:, 0] * slope) / np.maximum(square - slope * slope, 1e-6)
    local = offset - np.clip(place, 0, 1)[:, None] * axis
    box = np.flatnonzero(shapes.boxes[which])
    if len(box):
        face = np.abs(offset[box]).argmax(1)
        local[box] = 0
        local[box, face] = np.sign(offset[box, face])
    normal = np.einsum('nij,ni->nj', maps[which], local)
    return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)


def _crevices(depth, number):
    """Darkening where a surface lies behind its neighbourhood, so that limbs stand out before the trunk."""
    hit = (number >= 0).astype(np.float32)
    size = max(5, int(0.05 * min(depth.shape)) | 1)
    near = cv2.blur(np.where(hit > 0, depth, 0).astype(np.float32), (size, size)) / np.maximum(
        cv2.blur(hit, (size, size)), 1e-3)
    return 1.0 - 0.42 * np.clip((np.where(hit > 0, depth, 0) - near) / 160.0, 0, 1)


def _paint_shirt(person, points, normals, colors):
    """Print, open jacket, buttons or stripes; the back has only a yoke, so that front and back differ."""
    outfit, local = person.outfit, (points - person.neck) @ person.chest.T.astype(np.float32)
    _, left, up = (local / person.girth).T
    front = normals @ person.chest[0].astype(np.float32) > 0.12
    second = outfit.second.astype(np.float32)
    style = outfit.chest_style
    if style == 'print':
        colors[front & (np.abs(left) < 88) & (up < -110) & (up > -290)] = second
    elif style == 'jacket':
        colors[front & (np.abs(left) < 34 + 0.1 * np.maximum(up + 420, 0))] = second
    elif style == 'buttons':
        colors[front & (np.abs(left) < 15)] = second
        colors[front & (left > 45) & (left < 110) & (up < -130) & (up > -215)] *= 0.62
    elif style == 'stripes':
        colors[np.mod(up, 92) < 40] = second
        colors[front & (np.abs(left) < 80) & (up < -120) & (up > -250)] = second * 0.6
    collar = front & (up > -75 - 0.3 * np.abs(left)) & (np.abs(left) < 75)
    colors[collar] = outfit.skin.astype(np.float32) * 0.97
    colors[~front & (up > -105)] *= 0.8
    return colors


def _paint_sleeve(person, points, _normals_unused, colors):
    """Stripes run on over the sleeves; other shirts keep their colour."""
    if person.outfit.chest_style == 'stripes':
        up = (points - person.neck) @ person.chest[2].astype(np.float32) / person.girth
        colors[np.mod(up, 92) < 40] = person.outfit.second
    return colors


def _paint_trousers(person, points, normals, colors):
    """A belt with a buckle in front, two pockets behind."""
    local = (points - person.root) @ person.pelvis.T.astype(np.float32) / person.girth
    _, left, up = local.T
    front = normals @ person.pelvis[0].astype(np.float32) > 0
    belt = up > 78
    colors[belt] = (38, 46, 58)
    colors[belt & front & (np.abs(left) < 24)] = (150, 205, 220)
    colors[front & ~belt & (np.abs(left) < 9)] *= 0.7
    colors[~front & (np.abs(np.abs(left) - 72) < 38) & (up > -55) & (up < 25)] *= 0.6
    return colors


def _paint_face(person, points, _normals_unused, colors):
    """Eyes, brows, mouth and the hair's shadow, a little larger than life so that they survive small images."""
    outfit = person.outfit
    forward, left, up = ((points - person.skull) @ person.head.T.astype(np.float32) / person.head_size).T
    side = np.abs(left) - 33
    front = forward > 30
    skin, hair = outfit.skin.astype(np.float32), outfit.hair.astype(np.float32)
    colors[front & (np.abs(up + 34) < 20) & (np.abs(side - 14) < 16)] = skin * (0.96, 0.94, 1.03)
    colors[front & ((side / 21) ** 2 + ((up - 6) / 13) ** 2 < 1)] = (236, 238, 238)
    colors[front & ((side / 12) ** 2 + ((up - 6) / 13) ** 2 < 1)] = (42, 34, 30)
    colors[front & (np.abs(side) < 22) & (np.abs(up - 29) < 6)] = hair * 0.8
    colors[front & ((left / 33) ** 2 + ((up + 66) / 11) ** 2 < 1)] = skin * (0.52, 0.5, 0.82)
    return colors


_PAINTS = {SHIRT: _paint_shirt, SHIRT_SLEEVE: _paint_sleeve, TROUSERS: _paint_trousers, FACE: _paint_face}
