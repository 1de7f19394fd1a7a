"""Drawing primitives on uint8 arrays: sub-pixel anti-aliased strokes, dashes, translucent ellipses, readable text.

A canvas is an (H, W, 3) uint8 array that is drawn on in place. The caller chooses its channel order; a colour is three
numbers 0-255 in that order. Points are (x, y) in px; (0, 0) is the centre of the top left pixel.
"""
import os.path as osp
from functools import lru_cache

import cv2
import matplotlib
import mmcv
import numpy as np
from PIL import ImageFont

from ..utils.files import replace_when_done

WHITE, INK, FAINT = (255, 255, 255), (45, 45, 45), (130, 130, 130)
# Fractional bits of OpenCV's fixed-point coordinates; 4 bits keep slow motion in a video smooth.
_SHIFT = 4
_FAR = 30000.0
_ANCHORS = dict(l=0.0, m=0.5, r=1.0, t=0.0, b=1.0)


def _fixed(points):
    """Convert points (..., 2) px to OpenCV's fixed-point int32; they are clipped so that int32 cannot overflow."""
    # np.clip costs three times as much on a few points.
    return np.rint(np.minimum(np.maximum(points, -_FAR), _FAR) * (1 << _SHIFT)).astype(np.int32)


def blank(size, color=WHITE):
    """Create a canvas of (width, height) px in one colour."""
    canvas = np.empty((size[1], size[0], 3), np.uint8)
    # Broadcasting a colour over the short last axis with numpy is ten times slower.
    return cv2.rectangle(canvas, (0, 0), (size[0], size[1]), color, -1)


def mix(color, other, share):
    """Mix two colours; ``share`` 0 gives ``color``, 1 gives ``other``."""
    return tuple(int(round(a + (b - a) * share)) for a, b in zip(color, other, strict=True))


def draw_polyline(canvas, points, color, width, closed=False):
    """Draw a line through points (N, 2) px."""
    cv2.polylines(canvas, [_fixed(points)], closed, color, max(1, int(round(width))), cv2.LINE_AA, _SHIFT)


def draw_segments(canvas, segments, color, width):
    """Draw separate line segments (N, 2, 2) px of one colour."""
    if len(segments):
        cv2.polylines(canvas, list(_fixed(segments)), False, color, max(1, int(round(width))), cv2.LINE_AA, _SHIFT)


def dash(start, end, on, off):
    """Cut a line into dashes.

    Args:
        start (np.ndarray): Start of the line, (2,) px.
        end (np.ndarray): End of the line, (2,) px.
        on (float): Length of a dash, px.
        off (float): Length of a gap, px.

    Returns:
        np.ndarray: (N, 2, 2) px; the first dash starts at ``start``, and none extends beyond ``end``.
    """
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    length = float(np.hypot(*(end - start)))
    if length == 0:
        return np.zeros((0, 2, 2))
    # The number of dashes is limited, because a joint may be far outside the picture.
    begin = np.arange(0.0, length, max(on + off, length / 500))
    both = np.stack([begin, np.minimum(begin + on, length)], axis=-1) / length
    return start + both[..., None] * (end - start)


def draw_disc(canvas, center, radius, color, width=-1):
    """Draw a filled disc, or a ring if ``width`` > 0, at a sub-pixel centre."""
    x, y = _fixed(np.asarray(center, np.float64)).tolist()
    cv2.circle(canvas, (x, y), int(round(radius * (1 << _SHIFT))), color, width, cv2.LINE_AA, _SHIFT)


def fill_polygon(canvas, points, color):
    """Draw a filled polygon, (N, 2) px."""
    cv2.fillPoly(canvas, [_fixed(points)], color, cv2.LINE_AA, _SHIFT)


def shade_ellipses(canvas, centers, covariances, colors, alpha=0.25):
    """Draw translucent one-sigma ellipses; their overlaps are not more opaque than the rest.

    Args:
        canvas (np.ndarray): Canvas, drawn on in place.
        centers (np.ndarray): (N, 2) px.
        covariances (np.ndarray): (N, 2, 2) px^2, symmetric.
        colors (Sequence): N colours.
        alpha (float): Opacity of the ellipses.
    """
    if not len(centers):
        return
    centers = np.asarray(centers, np.float64)
    values, vectors = np.linalg.eigh(np.asarray(covariances, np.float64))
    axes = np.sqrt(np.clip(values, 0.0, None))
    angles = np.degrees(np.arctan2(vectors[:, 1, 0], vectors[:, 0, 0]))
    reach = axes.max(axis=1, keepdims=True) + 2
    x0, y0 = np.clip((centers - reach).min(axis=0), 0, canvas.shape[1::-1]).astype(int)
    x1, y1 = np.clip((centers + reach).max(axis=0) + 1, 0, canvas.shape[1::-1]).astype(int)
    if x1 <= x0 or y1 <= y0:
        return
    region = canvas[y0:y1, x0:x1]
    layer = region.copy()
    places = zip(_fixed(centers - (x0, y0)).tolist(), _fixed(axes).tolist(), angles, colors, strict=True)
    for center, axis, angle, color in places:
        cv2.ellipse(layer, center, axis, angle, 0, 360, color, -1, cv2.LINE_AA, _SHIFT)
    region[:] = cv2.addWeighted(layer, alpha, region, 1 - alpha, 0)


@lru_cache(maxsize=64)
def _font(size, bold):
    # matplotlib is a requirement of mmpose and always includes this font; the system may have no fonts at all.
    face = 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'
    return ImageFont.truetype(osp.join(matplotlib.get_data_path(), 'fonts', 'ttf', face), size)


@lru_cache(maxsize=4096)
def _text_mask(text, size, bold):
    """Coverage of a text, (h, w) in 0..1; the height is that of the line, so that texts share a base line."""
    font = _font(size, bold)
    mask, (left, top) = font.getmask2(text, 'L', anchor='ls')
    ascent, descent = font.getmetrics()
    width, height = mask.size
    cover = np.zeros((ascent + descent, max(0, left) + width), np.float32)
    if width and height:
        row, column = ascent + top, max(0, left)
        cover[row:row + height, column:column + width] = np.asarray(mask, np.uint8).reshape(height, width) / 255.0
    return cover


def text_size(text, size, bold=False):
    """Size (width, height) px of a text drawn by ``put_text``."""
    return _text_mask(text, int(size), bold).shape[::-1] if text else (0, 0)


def put_text(canvas, text, xy, size=12, color=INK, anchor='lt', bold=False, upright=False):
    """Write one line of text; it is cut off at the border of the canvas.

    Args:
        canvas (np.ndarray): Canvas, drawn on in place.
        text (str): Text of characters of DejaVu Sans; an empty one draws nothing.
        xy (tuple): Position of the anchor, px.
        size (float): Font size, px.
        color (tuple): Colour in the canvas' channel order.
        anchor (str): Two letters, l, m or r and t, m or b: the point of the text that is placed at ``xy``.
        bold (bool): Whether to use the bold font.
        upright (bool): Whether the text runs from bottom to top.

    Returns:
        tuple: Width and height of the text, px.
    """
    width, height = text_size(text, size, bold)[::-1 if upright else 1]
    left = int(round(xy[0] - width * _ANCHORS[anchor[0]]))
    top = int(round(xy[1] - height * _ANCHORS[anchor[1]]))
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + width, canvas.shape[1]), min(top + height, canvas.shape[0])
    if text and x1 > x0 and y1 > y0:
        cover = np.rot90(_text_mask(text, int(size), bold)) if upright else _text_mask(text, int(size), bold)
        cover = cover[y0 - top:y1 - top, x0 - left:x1 - left, None]
        region = canvas[y0:y1, x0:x1]
        region[:] = np.rint(region + cover * (np.asarray(color, np.float32) - region))
    return width, height


def put_tags(canvas, texts, places, size=12, taken=()):
    """Draw name tags of people: small, dark, with white letters, each centred above its place.

    Tags avoid each other and the ``taken`` rectangles where there is room.

    Args:
        canvas (np.ndarray): Canvas, drawn on in place.
        texts (Sequence[str]): N names.
        places (np.ndarray): (N, 2) px; tags at places that are not finite are left out.
        size (float): Font size, px.
        taken (Sequence[tuple]): Rectangles to keep free: left, top, right, bottom px.

    Returns:
        list[tuple]: Left, top, right, bottom px of each tag that was drawn.
    """
    taken, others, (height, width) = list(taken), len(taken), canvas.shape[:2]
    for text, (x, y) in zip(texts, np.asarray(places, np.float64).tolist(), strict=True):
        if not np.isfinite((x, y)).all():
            continue
        wide, high = text_size(text, size, True)
        wide += round(0.6 * size)
        left = int(np.clip(round(x - wide / 2), 0, max(width - wide, 0)))
        first = int(np.clip(round(y - high), 0, max(height - high, 0)))
        # A tag moves by at most three tag heights. Crowded tags may therefore still overlap.
        for step in (0, -1, -2, 1, 2, -3, 3):
            top = int(np.clip(first + step * (high + 1), 0, max(height - high, 0)))
            tag = (left, top, left + wide, top + high)
            if not any(tag[0] < b[2] and b[0] < tag[2] and tag[1] < b[3] and b[1] < tag[3] for b in taken):
                break
        taken.append(tag)
        cv2.rectangle(canvas, tag[:2], (tag[2] - 1, tag[3] - 1), INK, -1)
        put_text(canvas, text, (left + wide / 2, top), size, WHITE, 'mt', bold=True)
    return taken[others:]


def as_canvas(image, name='image', copy=True):
    """Return a writable copy of a picture as (H, W, 3) uint8; without ``copy``, three channels are not copied.

    Raises:
        ValueError: If it is not uint8 of shape (H, W), (H, W, 1) or (H, W, 3).
    """
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3)):
        raise ValueError(f'{name}: uint8 of shape (H, W, 3) expected, got {image.dtype} {image.shape}')
    if image.ndim == 2 or image.shape[2] == 1:
        image = np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
    return np.array(image, order='C') if copy else image


def save_picture(image, path):
    """Write an RGB picture; the file appears when it is complete.

    Args:
        image (np.ndarray): (H, W, 3) uint8 RGB.
        path (str): .png or .jpg file to write; missing folders are created.

    Raises:
        OSError: If OpenCV cannot encode or write it.
    """
    # JPEG quality 95 avoids ringing at thin lines and small text.
    params = [cv2.IMWRITE_JPEG_QUALITY, 95] if osp.splitext(path)[1].lower() in ('.jpg', '.jpeg') else None
    with replace_when_done(path) as temporary:
        try:
            written = mmcv.imwrite(np.ascontiguousarray(image[..., ::-1]), str(temporary), params)
        except cv2.error:
            written = False
        if not written:
            raise OSError(f'{path}: the picture could not be written; a name that ends in .png or .jpg is expected')
