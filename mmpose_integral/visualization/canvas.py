"""Drawing primitives on uint8 arrays: sub-pixel anti-aliased strokes, dashes, translucent ellipses, readable text.

A canvas is a writable (H, W, 3) uint8 RGB array, on which the functions draw. A colour is (red, green, blue), 0-255.
Points are (x, y) px; (0, 0) is the centre of the top left pixel.
"""
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

from mmpose_integral.utils.files import write_whole

Color = tuple[int, int, int]
WHITE, INK, FAINT = (255, 255, 255), (45, 45, 45), (130, 130, 130)
# Fractional bits of OpenCV's fixed-point coordinates; 4 bits keep slow motion in a video smooth.
_SHIFT = 4
_FAR = 30000.0
WRITTEN_PICTURES = frozenset(('.bmp', '.jpe', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp'))
"""Endings of the pictures that :func:`save_picture` writes."""
_ANCHORS = dict(l=0.0, m=0.5, r=1.0, t=0.0, b=1.0)


def _fixed(points: ArrayLike) -> np.ndarray:
    """Convert points (..., 2) px to OpenCV's fixed-point int32; they are clipped so that int32 cannot overflow."""
    # np.clip costs three times as much on a few points.
    return np.rint(np.minimum(np.maximum(points, -_FAR), _FAR) * (1 << _SHIFT)).astype(np.int32)


def blank(size: Sequence[int]) -> np.ndarray:
    """Create a white canvas of (width, height) px."""
    return np.full((size[1], size[0], 3), 255, np.uint8)


def mix(color: Color, other: Color, share: float) -> Color:
    """Mix two colours; ``share`` 0 gives ``color``, 1 gives ``other``."""
    red, green, blue = (int(round(a + (b - a) * share)) for a, b in zip(color, other, strict=True))
    return red, green, blue


def draw_lines(canvas: np.ndarray, lines: ArrayLike, color: Color, width: float, closed: bool = False) -> None:
    """Draw N lines of one colour, each through M points: (N, M, 2) px."""
    fixed = list(_fixed(lines))
    if fixed:
        cv2.polylines(canvas, fixed, closed, color, max(1, int(round(width))), cv2.LINE_AA, _SHIFT)


def dash(start: ArrayLike, end: ArrayLike, on: float, off: float) -> np.ndarray:
    """Cut a line between two points (2,) px into dashes, (N, 2, 2) px, of length ``on`` px with gaps of ``off`` px.

    The first dash starts at ``start``, and none extends beyond ``end``.
    """
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    length = float(np.hypot(*(end - start)))
    if length == 0:
        return np.zeros((0, 2, 2))
    # The number of dashes is limited, because a joint may be far outside the picture.
    begin = np.arange(0.0, length, max(on + off, length / 500))
    both = np.stack([begin, np.minimum(begin + on, length)], axis=-1) / length
    return start + both[..., None] * (end - start)


def draw_disc(canvas: np.ndarray, center: ArrayLike, radius: float, color: Color) -> None:
    """Draw a filled disc at a sub-pixel centre."""
    cv2.circle(canvas, _fixed(center).tolist(), int(round(radius * (1 << _SHIFT))), color, -1, cv2.LINE_AA, _SHIFT)


def fill_polygon(canvas: np.ndarray, points: ArrayLike, color: Color) -> None:
    """Draw a filled polygon, (N, 2) px."""
    cv2.fillPoly(canvas, [_fixed(points)], color, cv2.LINE_AA, _SHIFT)


def shade_ellipses(canvas: np.ndarray, centers: np.ndarray, covariances: np.ndarray, colors: Iterable[Color]) -> None:
    """Draw translucent one-sigma ellipses around (N, 2) px, of covariances (N, 2, 2) px^2.

    Their overlaps are not more opaque than the rest.
    """
    values, vectors = np.linalg.eigh(covariances)
    axes = np.sqrt(np.clip(values, 0.0, None))
    angles = np.degrees(np.arctan2(vectors[:, 1, 0], vectors[:, 0, 0]))
    layer = canvas.copy()
    for center, axis, angle, color in zip(_fixed(centers).tolist(), _fixed(axes).tolist(), angles, colors, strict=True):
        cv2.ellipse(layer, center, axis, angle, 0, 360, color, -1, cv2.LINE_AA, _SHIFT)
    cv2.addWeighted(layer, 0.25, canvas, 0.75, 0, dst=canvas)


@lru_cache(maxsize=4096)
def _text_mask(text: str, size: int, bold: bool) -> np.ndarray:
    """Coverage of a text, (h, w) in 0..1; the height is that of the line, so that texts share a base line."""
    # matplotlib is a requirement of mmpose and always includes this font; the system may have no fonts at all.
    face = Path(matplotlib.get_data_path(), 'fonts', 'ttf', 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf')
    font = ImageFont.truetype(face, size)
    ascent, descent = font.getmetrics()
    left, _, right, _ = font.getbbox(text, anchor='ls')
    mask = Image.new('L', (int(right - min(left, 0)), ascent + descent))
    ImageDraw.Draw(mask).text((-min(left, 0), ascent), text, 255, font, anchor='ls')
    return np.asarray(mask, np.float32) / 255


def text_size(text: str, size: float, bold: bool = False) -> tuple[int, int]:
    """Width and height, px, of a text drawn by :func:`put_text`."""
    height, width = _text_mask(text, int(size), bold).shape if text else (0, 0)
    return width, height


def put_text(canvas: np.ndarray, text: str, xy: Sequence[float] | np.ndarray, size: float = 12, color: Color = INK,
             anchor: str = 'lt', bold: bool = False, upright: bool = False) -> tuple[int, int]:
    """Write one line of text, or one from bottom to top if ``upright``; it is cut off at the border of the canvas.

    ``anchor`` has two letters, l, m or r and t, m or b: the point of the text that is placed at ``xy``. The result is
    the width and height of the text, px.
    """
    if not text:
        return 0, 0
    cover = np.rot90(_text_mask(text, int(size), bold), int(upright))
    height, width = cover.shape
    left = int(round(xy[0] - width * _ANCHORS[anchor[0]]))
    top = int(round(xy[1] - height * _ANCHORS[anchor[1]]))
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + width, canvas.shape[1]), min(top + height, canvas.shape[0])
    if x1 > x0 and y1 > y0:
        share, region = cover[y0 - top:y1 - top, x0 - left:x1 - left, None], canvas[y0:y1, x0:x1]
        region[:] = np.rint(region + share * (np.asarray(color, np.float32) - region))
    return width, height


def put_tags(canvas: np.ndarray, texts: Sequence[str], places: ArrayLike, size: float = 12,
             taken: Sequence[tuple[float, ...]] = ()) -> list[tuple[float, ...]]:
    """Draw name tags of N people: small, dark, with white letters, each centred above its place, (N, 2) px.

    Tags at places that are not finite are left out. Tags avoid each other and the ``taken`` rectangles (left, top,
    right, bottom px) where there is room. The result is the rectangles of the tags that were drawn.
    """
    rectangles, (height, width) = list(taken), canvas.shape[:2]
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
            if not any(tag[0] < b[2] and b[0] < tag[2] and tag[1] < b[3] and b[1] < tag[3] for b in rectangles):
                break
        rectangles.append(tag)
        cv2.rectangle(canvas, tag[:2], (tag[2] - 1, tag[3] - 1), INK, -1)
        put_text(canvas, text, (left + wide / 2, top), size, WHITE, 'mt', bold=True)
    return rectangles[len(taken):]


def as_canvas(image: np.ndarray, copy: bool = True) -> np.ndarray:
    """Return a writable copy of a picture as (H, W, 3) uint8; without ``copy``, three channels are not copied.

    ValueError is raised if it is not uint8 of shape (H, W), (H, W, 1) or (H, W, 3).
    """
    image = np.atleast_3d(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3):
        raise ValueError(f'image: uint8 of shape (H, W, 3) expected, got {image.dtype} {image.shape}')
    if image.shape[2] == 1:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    return np.array(image, order='C') if copy else image


def picture_of(figure: Figure) -> np.ndarray:
    """Render a matplotlib figure, (H, W, 3) uint8 RGB."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])


def save_picture(image: np.ndarray, path: str | Path) -> None:
    """Write a picture, (H, W, 3) uint8 RGB, to a file, which appears when it is complete.

    The name has one of the endings ``WRITTEN_PICTURES``. Missing folders are created. OSError is raised if the picture
    cannot be written.
    """
    # JPEG quality 95 avoids ringing at thin lines and small text.
    suffix = Path(path).suffix.lower()
    if suffix not in WRITTEN_PICTURES:  # a suffix that is no UTF-8 would crash OpenCV
        raise OSError(f'{path}: no picture format; a name that ends in .png or .jpg is expected')
    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if suffix in ('.jpg', '.jpeg') else []
    content = cv2.imencode(suffix, image[..., ::-1], options)[1]
    write_whole(path, content.tobytes())
