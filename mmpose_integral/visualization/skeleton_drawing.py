"""Skeletons drawn over images, with OpenCV alone, which is fast enough for video.

Left limbs are blue, right limbs vermilion, the trunk and head grey (Okabe-Ito, see ``structures.skeleton``). Image
coordinates are px, x right, y down.
"""
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from mmpose_integral.structures.skeleton import DRAWN_BONES, NUM_JOINTS, side_color

from .canvas import WHITE, as_canvas, dash, draw_disc, draw_lines, mix, put_text

# Bone that replaces an unknown joint (COCO has no root, torso, neck, head or thorax; MPII has no torso and no nose).
_BRIDGES = {0: (1, 4), 7: (0, 17), 8: (17, 9), 9: (8, 10), 17: (11, 14)}

joint_color = lru_cache(side_color)


def bones_to_draw(known: np.ndarray) -> list[tuple[int, int]]:
    """Bones between known joints, (18,) bool; some unknown joints are bridged by a bone between their neighbours."""
    bones = [*DRAWN_BONES, *(bridge for joint, bridge in _BRIDGES.items() if not known[joint])]
    return [(start, end) for start, end in bones if known[start] and known[end]]


def as_people(keypoints: ArrayLike, name: str, channels: Sequence[int] = (2, 3)) -> np.ndarray:
    """Convert keypoints ([N,] 18, C) to float64 (N, 18, C); a shape without C in ``channels`` raises ValueError."""
    keypoints = np.asarray(keypoints, np.float64)
    people = keypoints[None] if keypoints.ndim == 2 else keypoints
    if people.ndim != 3 or people.shape[1] != NUM_JOINTS or people.shape[2] not in channels:
        wanted = ' or '.join(str(c) for c in channels)
        raise ValueError(f'{name}: shape ([N,] {NUM_JOINTS}, {wanted}) expected, got {keypoints.shape}')
    return people


def per_joint(values: ArrayLike | None, people: np.ndarray, name: str, fill: float) -> np.ndarray:
    """Convert values to one per joint, (N, 18, ...): None becomes ``fill``, and a missing person axis is added.

    A shape that does not match that of the people raises ValueError.
    """
    values, shape = np.asarray(np.full(NUM_JOINTS, fill) if values is None else values), people.shape[:2]
    if values.shape[:1] == (NUM_JOINTS,) and (len(people) == 1 or values.ndim == 1):
        values = np.broadcast_to(values, (len(people), *values.shape))
    if values.shape[:2] != shape:
        raise ValueError(f'{name}: shape ({shape[0]}, {shape[1]}, ...) expected, got {values.shape}')
    return values


def known_joints(people: np.ndarray) -> np.ndarray:
    """Whether all coordinates of a joint are finite, (..., 18, C) -> (..., 18) bool."""
    return np.isfinite(people).all(axis=-1)


def head_places(people: np.ndarray) -> np.ndarray:
    """Highest joint of each person, (N, 18, 2 | 3) px -> (N, 2); NaN for a person without finite joints."""
    points = np.where(known_joints(people)[..., None], people[..., :2], np.nan)
    highest = np.where(np.isnan(points[..., 1]), np.inf, points[..., 1]).argmin(axis=1)
    return points[np.arange(len(points)), highest]


def stroke_width(image_size: Sequence[int], points: np.ndarray, scale: float = 1.0) -> float:
    """Thickness of a limb, px, at least 1, from the sides of the picture and a person's known joints, (M, 2) px."""
    picture = 0.0065 * max(image_size)
    extent = float(np.ptp(points, axis=0).max()) if len(points) else 0.0
    return max(1.0, scale * min(picture, max(0.018 * extent, 0.3 * picture)))


def draw_skeleton_2d(image: np.ndarray, keypoints: ArrayLike, scores: ArrayLike | None = None, *,
                     score_thr: float = 0.3, style: str = 'solid', thickness: float | None = None, scale: float = 1.0,
                     joint_names: Sequence[object] | None = None, inplace: bool = False) -> np.ndarray:
    """Draw people over an image, (H, W, 3) uint8 RGB; the result has the same shape.

    Args:
        keypoints: ([N,] 18, 2 | 3) image px; with z (px, larger is farther) near limbs cover far ones. Non-finite
            joints are left out.
        scores: ([N,] 18); joints below ``score_thr`` are hollow and their limbs thin.
        style: 'solid' for predictions, 'thin' for a truth drawn over or under them.
        thickness: Limb width, px; by default that of :func:`stroke_width`.
        scale: Factor of the width from :func:`stroke_width`.
        joint_names: Texts beside the joints, such as their indices.
        inplace: Whether to draw on ``image`` itself, which must be a writable uint8 (H, W, 3) array.

    Raises:
        ValueError: If a shape or the style is not one of the above; the message names it.
    """
    if style not in ('solid', 'thin'):
        raise ValueError(f"style: 'solid' or 'thin' expected, got {style!r}")
    people = as_people(keypoints, 'keypoints')
    sure = per_joint(scores, people, 'scores', 1.0) >= score_thr
    known = known_joints(people)
    canvas = image if inplace else as_canvas(image)
    # The largest person is drawn last, because it is the nearest in almost every picture.
    sizes = [np.ptp(points[mask, :2], axis=0).max() if mask.any() else 0
             for points, mask in zip(people, known, strict=True)]
    for person in np.argsort(sizes, kind='stable'):
        points, mask = people[person], known[person]
        width = thickness or stroke_width(canvas.shape[1::-1], points[mask][:, :2], scale)
        if style == 'thin':
            _draw_thin(canvas, points, mask, width)
        else:
            _draw_solid(canvas, points, mask, sure[person], width)
        if joint_names is not None:
            _write_names(canvas, points, mask, joint_names, width)
    return canvas


def _draw_solid(canvas: np.ndarray, points: np.ndarray, known: np.ndarray, sure: np.ndarray, width: float) -> None:
    """Draw limbs with a white rim, from far to near if z is known, then the joints."""
    xy, depth = points[:, :2], points[:, 2] if points.shape[1] == 3 else np.zeros(len(points))
    rim = max(0.75, 0.25 * width)
    for bone in sorted(bones_to_draw(known), key=lambda bone: -(depth[bone[0]] + depth[bone[1]])):
        thick = width if sure[bone[0]] and sure[bone[1]] else max(1.0, 0.4 * width)
        ends = xy[None].take(bone, axis=1)
        draw_lines(canvas, ends, WHITE, thick + 2 * rim)
        draw_lines(canvas, ends, joint_color(*bone), thick)
    for joint in np.flatnonzero(known).tolist():
        draw_disc(canvas, xy[joint], 0.8 * width + rim, WHITE)
        draw_disc(canvas, xy[joint], 0.8 * width, joint_color(joint))
        if not sure[joint]:
            draw_disc(canvas, xy[joint], max(0.4 * width, 1.0), WHITE)


def _draw_thin(canvas: np.ndarray, points: np.ndarray, known: np.ndarray, width: float) -> None:
    """Draw limbs as light dashes on a dark line, which is readable on any background and differs from 'solid'."""
    line = max(1.0, 0.35 * width)
    for bone in bones_to_draw(known):
        start, end = points[list(bone), :2]
        draw_lines(canvas, points[None, list(bone), :2], mix(joint_color(*bone), (0, 0, 0), 0.55), line + 1)
        draw_lines(canvas, dash(start, end, 3.5 * line + 2, 2.5 * line + 2), mix(joint_color(*bone), WHITE, 0.65), line)


def _write_names(canvas: np.ndarray, points: np.ndarray, known: np.ndarray, names: Sequence[object],
                 width: float) -> None:
    for joint in np.flatnonzero(known).tolist():
        xy, size = points[joint, :2] + (1.5 * width, -1.5 * width), max(9, int(2.5 * width))
        put_text(canvas, str(names[joint]), xy + 1, size, (0, 0, 0), 'lb')
        put_text(canvas, str(names[joint]), xy, size, WHITE, 'lb')
