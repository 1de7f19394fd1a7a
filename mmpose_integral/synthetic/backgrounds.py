"""Wild backgrounds: colour fields, a ground that meets a horizon, patterns in perspective, clutter. BGR, 0-255."""
import colorsys

import cv2
import numpy as np


def random_color(rng, low=0.1, high=0.95, saturation=0.7):
    """Any colour, (3,) BGR 0-255."""
    return np.array(colorsys.hsv_to_rgb(rng.random(), rng.random() * saturation, rng.uniform(low, high))[::-1]) * 255


def wild_background(rng, camera):
    """An empty scene as a camera sees it.

    Args:
        rng (np.random.Generator): source.
        camera (Camera): gives size and horizon.

    Returns:
        np.ndarray: (h, w, 3) uint8 BGR.
    """
    width, height = camera.size
    image = _field(rng, width, height, random_color(rng, 0.3), rng.uniform(10, 60))
    if rng.random() < 0.5:
        _clutter(rng, image, int(rng.integers(2, 9)))
    if rng.random() < 0.75:
        _ground(rng, image, camera)
    _clutter(rng, image, int(rng.integers(3, 16)))
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 2.5) * height / 256)
    return image


def _field(rng, width, height, color, strength):
    """A colour with noise at several scales, (height, width, 3) uint8."""
    field = np.empty((height, width, 3), np.float32)
    field[:] = color
    for cells in (2, 5, 13, 37):
        coarse = rng.normal(0, strength / np.sqrt(cells), (cells, cells, 3)).astype(np.float32)
        coarse = 0.35 * coarse + 0.65 * coarse.mean(2, keepdims=True)
        field += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(field, 0, 255).astype(np.uint8)


def _pattern(rng, side):
    """A square texture: planks, tiles, stripes, spots or plain."""
    first, second = random_color(rng), random_color(rng)
    second = first + (second - first) * rng.uniform(0.15, 0.7)
    texture = np.empty((side, side, 3), np.uint8)
    texture[:] = np.clip(first, 0, 255)
    kind, step = int(rng.integers(5)), int(rng.integers(side // 16, side // 4))
    if kind == 0:
        for k in range(0, side, step):
            cv2.line(texture, (k, 0), (k, side), second.tolist(), max(1, step // 8))
    elif kind == 1:
        for k in range(0, side, step):
            cv2.line(texture, (k, 0), (k, side), second.tolist(), max(1, step // 12))
            cv2.line(texture, (0, k), (side, k), second.tolist(), max(1, step // 12))
    elif kind == 2:
        cells = (np.add.outer(np.arange(side) // step, np.arange(side) // step) % 2).astype(bool)
        texture[cells] = np.clip(second, 0, 255)
    elif kind == 3:
        for x, y in rng.integers(0, side, (40, 2)).tolist():
            cv2.circle(texture, (x, y), max(2, step // 3), second.tolist(), -1)
    return texture


def _ground(rng, image, camera):
    """Floor under the horizon, with a pattern in true perspective half of the time."""
    width, height = camera.size
    if rng.random() < 0.5:
        floor = _field(rng, width, height, random_color(rng, 0.2, 0.8, 0.5), rng.uniform(8, 35))
    else:
        side, reach = 256, rng.uniform(5000, 14000)
        world = np.array([[-reach, -reach], [reach, -reach], [reach, reach], [-reach, reach]])
        plane = np.stack([camera.rotation[:, 0], camera.rotation[:, 1], -camera.rotation @ camera.position], axis=1)
        lens = np.array([[camera.focal, 0, camera.center[0]], [0, camera.focal, camera.center[1]], [0, 0, 1]])
        to_world = cv2.getPerspectiveTransform(np.float32([[0, 0], [side, 0], [side, side], [0, side]]),
                                               world.astype(np.float32))
        floor = cv2.warpPerspective(_pattern(rng, side), lens @ plane @ to_world, (width, height),
                                    borderMode=cv2.BORDER_REPLICATE)
    # World up of a ray tells ground from sky: below the horizon a ray goes down.
    x = (np.arange(width) - camera.center[0]) / camera.focal
    y = (np.arange(height) - camera.center[1]) / camera.focal
    rise = camera.rotation[0, 2] * x[None] + camera.rotation[1, 2] * y[:, None] + camera.rotation[2, 2]
    meets_wall = rng.uniform(0.02, 0.16)
    below = rise < -meets_wall
    image[below] = floor[below]


def _clutter(rng, image, count):
    """Boxes, discs, poles, polygons and limb-like strokes of any size, in place."""
    height, width = image.shape[:2]
    for _ in range(count):
        color = random_color(rng).tolist()
        x, y = rng.uniform(-0.1, 1.1, 2) * (width, height)
        size = height * rng.uniform(0.03, 0.3)
        kind = int(rng.integers(6))
        if kind == 0:
            corner = (int(x + size * rng.uniform(0.3, 2)), int(y + size * rng.uniform(0.3, 2)))
            cv2.rectangle(image, (int(x), int(y)), corner, color, -1)
            inner = (np.array(color) * rng.uniform(0.5, 1.3)).clip(0, 255).tolist()
            cv2.rectangle(image, (int(x + 0.1 * size), int(y + 0.1 * size)),
                          (int(corner[0] - 0.1 * size), int(corner[1] - 0.1 * size)), inner, -1)
        elif kind == 1:
            cv2.ellipse(image, (int(x), int(y)), (int(size), int(size * rng.uniform(0.3, 1))), rng.uniform(0, 180), 0,
                        360, color, -1, cv2.LINE_AA)
        elif kind == 2:
            lean = rng.normal(0, 0.1 * height)
            cv2.line(image, (int(x), 0), (int(x + lean), height), color, max(1, int(size * 0.12)), cv2.LINE_AA)
        elif kind == 3:
            corners = (np.array([x, y]) + rng.normal(0, size, (int(rng.integers(3, 7)), 2))).astype(np.int32)
            cv2.fillPoly(image, [corners], color, cv2.LINE_AA)
        elif kind == 4:
            points = np.cumsum(rng.normal(0, size * 0.6, (4, 2)), 0) + (x, y)
            cv2.polylines(image, [points.astype(np.int32)], False, color, max(2, int(size * 0.2)), cv2.LINE_AA)
        else:
            for px, py in (np.array([x, y]) + rng.normal(0, size * 0.5, (14, 2))).astype(int).tolist():
                shade = (np.array(color) * rng.uniform(0.6, 1.3)).clip(0, 255).tolist()
                cv2.circle(image, (px, py), max(1, int(size * 0.14)), shade, -1, cv2.LINE_AA)


def draw_occluders(rng, image, boxes):
    """Things between camera and people, in place.

    Args:
        rng (np.random.Generator): source.
        image (np.ndarray): (h, w, 3) uint8; changed.
        boxes (list[np.ndarray]): (4,) visible boxes of the people, px: an occluder covers a part of one of them.

    Returns:
        np.ndarray: (h, w) bool, what they cover.
    """
    height, width = image.shape[:2]
    cover = np.zeros((height, width), np.uint8)
    for _ in range(int(rng.choice(3, p=(0.55, 0.33, 0.12)))):
        x1, y1, x2, y2 = boxes[int(rng.integers(len(boxes)))]
        span = y2 - y1
        shape = np.zeros((height, width), np.uint8)
        kind = int(rng.integers(4))
        if kind == 0:                   # a table, wall or car from below
            top = y2 - span * rng.uniform(0.08, 0.4)
            left = rng.uniform(x1 - span, (x1 + x2) / 2)
            corners = np.array([(left, top), (left + span * rng.uniform(0.6, 2), top + rng.normal(0, 0.03 * span)),
                                (left + 2 * span, height), (left, height)])
            cv2.fillPoly(shape, [corners.astype(np.int32)], 1)
        elif kind == 1:                 # a post
            x = rng.uniform(x1, x2)
            cv2.line(shape, (int(x), -5), (int(x + rng.normal(0, 0.05 * height)), height + 5), 1,
                     max(2, int(span * rng.uniform(0.03, 0.1))))
        elif kind == 2:                 # leaves
            middle = np.array([rng.uniform(x1, x2), rng.uniform(y1, y2)])
            for px, py in (middle + rng.normal(0, 0.1 * span, (25, 2))).astype(int).tolist():
                cv2.ellipse(shape, (px, py), (max(2, int(0.05 * span)), max(1, int(0.02 * span))),
                            rng.uniform(0, 180), 0, 360, 1, -1)
        else:                           # a bag, ball or box
            middle = (int(rng.uniform(x1, x2)), int(rng.uniform(y1 + 0.3 * span, y2)))
            size = span * rng.uniform(0.06, 0.16)
            cv2.ellipse(shape, middle, (int(size) + 1, int(size * rng.uniform(0.6, 1)) + 1), rng.uniform(0, 180), 0,
                        360, 1, -1)
        hidden = shape > 0
        image[hidden] = _field(rng, width, height, random_color(rng, 0.15, 0.9), rng.uniform(8, 30))[hidden]
        cover |= shape
    return cover > 0
