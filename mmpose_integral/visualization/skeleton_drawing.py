"""Skeletons drawn over images, with OpenCV alone, which is fast enough for video.

Left limbs are blue, right limbs vermilion, the trunk and head grey (Okabe-Ito, see ``structures.skeleton``). Image
coordinates are px, x right, y down. Pictures are RGB unless ``channel_order='bgr'`` says otherwise.
"""
from functools import lru_cache

import numpy as np

from ..structures.skeleton import DRAWN_BONES, NUM_JOINTS, side_color
from .canvas import WHITE, as_canvas, dash, draw_disc, draw_polyline, draw_segments, mix, put_text, shade_ellipses

# Bone that replaces an unknown joint (COCO has no root, torso, neck, head or thorax; MPII has no torso and no nose).
_BRIDGES = {0: (1, 4), 7: (0, 17), 8: (17, 9), 9: (8, 10), 17: (11, 14)}


def bones_to_draw(known: np.ndarray) -> list[tuple[int, int]]:
    """Bones between known joints; some unknown joints are bridged by a bone between their neighbours.

    Args:
        known: (18,) bool.

    Returns:
        Pairs of known joints.
    """
    bones = list(DRAWN_BONES) + [bridge for joint, bridge in _BRIDGES.items() if not known[joint]]
    return [bone for bone in bones if known[bone[0]] and known[bone[1]]]


@lru_cache(maxsize=1024)
def joint_color(*joints, channel_order='rgb'):
    """Colour of a joint or bone in the channel order of the picture."""
    color = side_color(*joints)
    return tuple(color) if channel_order == 'rgb' else tuple(color[::-1])


def as_people(keypoints, name, channels=(2, 3)):
    """Convert keypoints of any number of people to float64 (N, 18, C).

    Raises:
        ValueError: If the shape is not ([N,] 18, C) with C in ``channels``.
    """
    keypoints = np.asarray(keypoints, np.float64)
    people = keypoints[None] if keypoints.ndim == 2 else keypoints
    if people.ndim != 3 or people.shape[1] != NUM_JOINTS or people.shape[2] not in channels:
        wanted = ' or '.join(str(c) for c in channels)
        raise ValueError(f'{name}: shape ([N,] {NUM_JOINTS}, {wanted}) expected, got {keypoints.shape}')
    return people


def per_joint(values, people, name, fill):
    """Convert values to one per joint, (N, 18, ...): None becomes ``fill``, and a missing person axis is added.

    Raises:
        ValueError: If the shape does not match that of the people.
    """
    count = len(people)
    if values is None:
        return np.full((count, NUM_JOINTS), fill)
    values = np.asarray(values)
    if values.shape[:1] == (NUM_JOINTS,) and (count == 1 or values.ndim == 1):
        values = np.broadcast_to(values, (count, *values.shape))
    if values.shape[:2] != (count, NUM_JOINTS):
        raise ValueError(f'{name}: shape ({count}, {NUM_JOINTS}, ...) expected, got {values.shape}')
    return values


def head_places(people):
    """Highest joint of each person, (N, 18, 2 | 3) px -> (N, 2); NaN for a person without finite joints."""
    points = np.where(np.isfinite(people).all(axis=-1, keepdims=True), people, np.nan)[..., :2]
    highest = np.where(np.isnan(points[..., 1]), np.inf, points[..., 1]).argmin(axis=1)
    return points[np.arange(len(points)), highest]


def stroke_width(image_size, points, scale=1.0):
    """Thickness of a limb, from the sizes of the picture and of the person.

    Args:
        image_size (tuple): Width and height of the picture, px.
        points (np.ndarray): Known joints, (M, 2) px.
        scale (float): Factor of the thickness.

    Returns:
        float: Thickness, px, at least 1.
    """
    picture = 0.0065 * max(image_size)
    extent = float(np.ptp(points, axis=0).max()) if len(points) else 0.0
    return max(1.0, scale * min(picture, max(0.018 * extent, 0.3 * picture)))


def draw_skeleton_2d(image, keypoints, scores=None, *, score_thr=0.3, visible=None, std=None, style='solid',
                     thickness=None, scale=1.0, joint_names=None, channel_order='rgb', inplace=False):
    """Draw people over an image.

    Args:
        image (np.ndarray): (H, W, 3) uint8.
        keypoints (np.ndarray): ([N,] 18, 2 | 3) image px; with z (px, larger is farther) near limbs cover far ones.
        scores (np.ndarray | None): ([N,] 18); joints below ``score_thr`` are hollow and their limbs thin.
        score_thr (float): Threshold of the scores.
        visible (np.ndarray | None): ([N,] 18), 0 for missing joints. These and non-finite joints are not drawn.
        std (np.ndarray | None): ([N,] 18, 2 | 3) px, standard deviation by axis, drawn as one-sigma ellipses.
        style (str): 'solid' for predictions, 'thin' for a truth drawn over or under them.
        thickness (float | None): Limb width, px; None uses :func:`stroke_width`.
        scale (float): Factor of the width from :func:`stroke_width`.
        joint_names (Sequence[str] | None): Texts beside the joints, such as their indices.
        channel_order (str): Channel order of the picture, 'rgb' or 'bgr'.
        inplace (bool): Whether to draw on ``image`` itself, which must be a writable uint8 (H, W, 3) array.

    Returns:
        np.ndarray: (H, W, 3) uint8, same channel order.

    Raises:
        ValueError: If a shape, the style or the channel order is not one of the above; the message names it.
    """
    if style not in ('solid', 'thin'):
        raise ValueError(f"style: 'solid' or 'thin' expected, got {style!r}")
    if channel_order not in ('rgb', 'bgr'):
        raise ValueError(f"channel_order: 'rgb' or 'bgr' expected, got {channel_order!r}")
    people = as_people(keypoints, 'keypoints')
    sure = per_joint(scores, people, 'scores', 1.0) >= score_thr
    known = np.isfinite(people).all(axis=-1) & (per_joint(visible, people, 'visible', 1.0) > 0)
    canvas = image if inplace else as_canvas(image)
    if std is not None:
        _shade_uncertainty(canvas, people, known, per_joint(std, people, 'std', 0.0), channel_order)
    # The largest person is drawn last, because it is the nearest in almost every picture.
    sizes = [np.ptp(points[mask, :2], axis=0).max() if mask.any() else 0
             for points, mask in zip(people, known, strict=True)]
    for person in np.argsort(sizes, kind='stable'):
        points, mask = people[person], known[person]
        width = thickness or stroke_width(canvas.shape[1::-1], points[mask][:, :2], scale)
        if style == 'thin':
            _draw_thin(canvas, points, mask, width, channel_order)
        else:
            _draw_solid(canvas, points, mask, sure[person], width, channel_order)
        if joint_names is not None:
            _write_names(canvas, points, mask, joint_names, width)
    return canvas


def _shade_uncertainty(canvas, people, known, std, channel_order):
    drawn = known & np.isfinite(std[..., :2]).all(axis=-1)
    variances = np.square(std[drawn][:, :2].astype(np.float64))
    colors = [joint_color(joint, channel_order=channel_order) for joint in np.nonzero(drawn)[1]]
    shade_ellipses(canvas, people[drawn][:, :2], variances[..., None] * np.eye(2), colors, alpha=0.35)


def _draw_solid(canvas, points, known, sure, width, channel_order):
    """Draw limbs with a white rim, from far to near if z is known, then the joints."""
    xy, depth = points[:, :2], points[:, 2] if points.shape[1] == 3 else np.zeros(len(points))
    bones = sorted(bones_to_draw(known), key=lambda bone: -(depth[bone[0]] + depth[bone[1]]))
    rim = max(0.75, 0.25 * width)
    for bone in bones:
        thin = width if sure[bone[0]] and sure[bone[1]] else max(1.0, 0.4 * width)
        ends = xy.take(bone, axis=0)
        draw_polyline(canvas, ends, WHITE, thin + 2 * rim)
        draw_polyline(canvas, ends, joint_color(*bone, channel_order=channel_order), thin)
    for joint in np.nonzero(known)[0]:
        color = joint_color(joint, channel_order=channel_order)
        draw_disc(canvas, xy[joint], 0.8 * width + rim, WHITE)
        draw_disc(canvas, xy[joint], 0.8 * width, color)
        if not sure[joint]:
            draw_disc(canvas, xy[joint], max(0.4 * width, 1.0), WHITE)


def _draw_thin(canvas, points, known, width, channel_order):
    """Draw limbs as light dashes on a dark line, which is readable on any background and differs from 'solid'."""
    line = max(1.0, 0.35 * width)
    for bone in bones_to_draw(known):
        a, b = points[list(bone), :2]
        color = joint_color(*bone, channel_order=channel_order)
        draw_segments(canvas, np.stack([a, b])[None], mix(color, (0, 0, 0), 0.55), line + 1)
        draw_segments(canvas, dash(a, b, 3.5 * line + 2, 2.5 * line + 2), mix(color, WHITE, 0.65), line)


def _write_names(canvas, points, known, names, width):
    size = max(9, int(2.5 * width))
    for joint in np.nonzero(known)[0]:
        xy = points[joint, :2] + (1.5 * width, -1.5 * width)
        put_text(canvas, str(names[joint]), xy + 1, size, (0, 0, 0), 'lb')
        put_text(canvas, str(names[joint]), xy, size, WHITE, 'lb')
