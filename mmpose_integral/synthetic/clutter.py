"""Colours and textures, objects behind the people (clutter) and objects in front of them (occluders)."""
import colorsys

import cv2
import numpy as np


def random_color(rng: np.random.Generator, brightness: tuple[float, float] = (0.1, 0.95),
                 saturation: tuple[float, float] = (0.0, 0.7)) -> np.ndarray:
    """Colour of any hue, (3,) BGR 0-255, within ranges of brightness and saturation (0-1)."""
    return np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*brightness))[::-1]) * 255


def color_field(rng: np.random.Generator, width: int, height: int, color: np.ndarray, strength: float) -> np.ndarray:
    """A colour with noise at four scales, (height, width, 3) uint8; ``strength`` of the coarsest is in grey levels."""
    small = (width // 3 + 1, height // 3 + 1)
    field = np.empty((small[1], small[0], 3), np.float32)
    field[:] = color
    for cells in (2, 5, 13, 37):
        coarse = rng.normal(0, strength / np.sqrt(cells), (cells, cells, 3)).astype(np.float32)
        coarse = 0.35 * coarse + 0.65 * coarse.mean(2, keepdims=True)
        field += cv2.resize(coarse, small, interpolation=cv2.INTER_LINEAR)
    return cv2.resize(np.clip(field, 0, 255).astype(np.uint8), (width, height))


def pattern(rng: np.random.Generator, side: int, color: np.ndarray) -> np.ndarray:
    """A square texture around a colour: planks, tiles, checks, spots or plain, (side, side, 3) uint8."""
    second = color + (random_color(rng) - color) * rng.uniform(0.15, 0.6)
    texture = np.empty((side, side, 3), np.uint8)
    texture[:] = np.clip(color, 0, 255)
    kind, step = int(rng.integers(5)), int(rng.integers(side // 16, side // 4))
    if kind <= 1:
        for k in range(0, side, step):
            cv2.line(texture, (k, 0), (k, side), second.tolist(), max(1, step // 10))
            if kind == 1:
                cv2.line(texture, (0, k), (side, k), second.tolist(), max(1, step // 10))
    elif kind == 2:
        cells = (np.add.outer(np.arange(side) // step, np.arange(side) // step) % 2).astype(bool)
        texture[cells] = np.clip(second, 0, 255)
    elif kind == 3:
        for x, y in rng.integers(0, side, (40, 2)).tolist():
            cv2.circle(texture, (x, y), max(2, step // 3), second.tolist(), -1)
    return texture


def draw_clutter(rng: np.random.Generator, image: np.ndarray, count: int) -> None:
    """Draw ``count`` boxes, discs, poles, polygons, limb-like strokes and leaves on an (h, w, 3) uint8 image."""
    height, width = image.shape[:2]
    for _ in range(count):
        color = random_color(rng)
        place = rng.uniform(-0.1, 1.1, 2) * (width, height)
        size = height * rng.uniform(0.03, 0.24)
        (_box, _disc, _pole, _polygon, _stroke, _leaves)[int(rng.integers(6))](rng, image, color, place, size)


def _box(rng: np.random.Generator, image: np.ndarray, color: np.ndarray, place: np.ndarray, size: float) -> None:
    corner = place + size * rng.uniform(0.3, 2, 2)
    cv2.rectangle(image, place.astype(int).tolist(), corner.astype(int).tolist(), color.tolist(), -1)
    inner = np.clip(color * rng.uniform(0.5, 1.3), 0, 255).tolist()
    place, corner = place + 0.1 * size, corner - 0.1 * size
    cv2.rectangle(image, place.astype(int).tolist(), corner.astype(int).tolist(), inner, -1)


def _disc(rng: np.random.Generator, image: np.ndarray, color: np.ndarray, place: np.ndarray, size: float) -> None:
    axes = (int(size) + 1, int(size * rng.uniform(0.3, 1)) + 1)
    turn = rng.uniform(0, 180)
    cv2.ellipse(image, place.astype(int).tolist(), axes, turn, 0, 360, color.tolist(), -1, cv2.LINE_AA)
    light = np.clip(color * 1.2, 0, 255).tolist()
    cv2.ellipse(image, (place - 0.15 * size).astype(int).tolist(), (axes[0] // 2 + 1, axes[1] // 2 + 1), turn, 0, 360,
                light, -1, cv2.LINE_AA)


def _pole(rng: np.random.Generator, image: np.ndarray, color: np.ndarray, place: np.ndarray, size: float) -> None:
    height, lean, wide = image.shape[0], rng.normal(0, 0.03 * image.shape[0]), max(1, int(size * 0.12))
    foot = height * rng.uniform(0.4, 1.0)
    cv2.line(image, (int(place[0]), 0), (int(place[0] + lean), int(foot)), color.tolist(), wide, cv2.LINE_AA)
    cv2.line(image, (int(place[0] + wide / 4), 0), (int(place[0] + wide / 4 + lean), int(foot)),
             (color * 0.7).tolist(), max(1, wide // 2), cv2.LINE_AA)


def _polygon(rng: np.random.Generator, image: np.ndarray, color: np.ndarray, place: np.ndarray, size: float) -> None:
    corners = (place + rng.normal(0, size, (int(rng.integers(3, 7)), 2))).astype(np.int32)
    cv2.fillPoly(image, [cv2.convexHull(corners)], color.tolist(), cv2.LINE_AA)


def _stroke(rng: np.random.Generator, image: np.ndarray, color: np.ndarray, place: np.ndarray, size: float) -> None:
    points = (np.cumsum(rng.normal(0, size * 0.6, (4, 2)), 0) + place).astype(np.int32)
    wide = max(2, int(size * 0.22))
    for share, shade in ((1.0, 0.7), (0.6, 0.9), (0.3, 1.0)):
        cv2.polylines(image, [points], False, (color * shade).tolist(), max(1, int(wide * share)), cv2.LINE_AA)


def _leaves(rng: np.random.Generator, image: np.ndarray, color: np.ndarray, place: np.ndarray, size: float) -> None:
    shades = np.clip(color * rng.uniform(0.6, 1.3, (14, 1)), 0, 255).tolist()
    points = (place + rng.normal(0, size * 0.5, (14, 2))).astype(int).tolist()
    for point, shade in zip(points, shades, strict=True):
        cv2.circle(image, point, max(1, int(size * 0.14)), shade, -1, cv2.LINE_AA)


def draw_occluders(rng: np.random.Generator, image: np.ndarray, boxes: list[np.ndarray]) -> np.ndarray:
    """Draw objects between the camera and the people on an (h, w, 3) uint8 image; return (h, w) bool, what they cover.

    An occluder covers a part of one of ``boxes``, the visible boxes of the people, (4,) px each.
    """
    height, width = image.shape[:2]
    cover = np.zeros((height, width), np.uint8)
    for _ in range(int(rng.choice(3, p=(0.55, 0.33, 0.12)))):
        box = boxes[int(rng.integers(len(boxes)))]
        shape = np.zeros((height, width), np.uint8)
        (_table, _post, _twig, _bag)[int(rng.integers(4))](rng, shape, *box)
        color = random_color(rng, (0.2, 0.9))
        cv2.copyTo(color_field(rng, width, height, color, rng.uniform(8, 30)), shape, image)
        cover |= shape
    return cover > 0


def _table(rng: np.random.Generator, shape: np.ndarray, x1: float, y1: float, x2: float, y2: float) -> None:
    """A table, wall or car: everything below a slanted edge, towards one side."""
    span, height = y2 - y1, shape.shape[0]
    top, left = y2 - span * rng.uniform(0.08, 0.38), rng.uniform(x1 - span, (x1 + x2) / 2)
    right = left + span * rng.uniform(0.6, 2)
    corners = np.array([(left, top), (right, top + rng.normal(0, 0.03 * span)), (right, height), (left, height)])
    cv2.fillPoly(shape, [corners.astype(np.int32)], 1)


def _post(rng: np.random.Generator, shape: np.ndarray, x1: float, y1: float, x2: float, y2: float) -> None:
    x, height = rng.uniform(x1, x2), shape.shape[0]
    cv2.line(shape, (int(x), -5), (int(x + rng.normal(0, 0.05 * height)), height + 5), 1,
             max(2, int((y2 - y1) * rng.uniform(0.03, 0.1))))


def _twig(rng: np.random.Generator, shape: np.ndarray, x1: float, y1: float, x2: float, y2: float) -> None:
    span = y2 - y1
    middle = np.array([rng.uniform(x1, x2), rng.uniform(y1, y2)])
    axes = (max(2, int(0.05 * span)), max(1, int(0.02 * span)))
    for point in (middle + rng.normal(0, 0.1 * span, (25, 2))).astype(int).tolist():
        cv2.ellipse(shape, point, axes, rng.uniform(0, 180), 0, 360, 1, -1)


def _bag(rng: np.random.Generator, shape: np.ndarray, x1: float, y1: float, x2: float, y2: float) -> None:
    span = y2 - y1
    size = span * rng.uniform(0.06, 0.16)
    middle = (int(rng.uniform(x1, x2)), int(rng.uniform(y1 + 0.3 * span, y2)))
    axes = (int(size) + 1, int(size * rng.uniform(0.6, 1)) + 1)
    cv2.ellipse(shape, middle, axes, rng.uniform(0, 180), 0, 360, 1, -1)
