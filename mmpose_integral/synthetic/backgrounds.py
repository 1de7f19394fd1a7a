"""Wild backgrounds: parks, streets, rooms and mere colour, each with clutter. uint8 BGR images."""
import cv2
import numpy as np

from .clutter import color_field, draw_clutter, pattern, random_color


def wild_background(rng, camera):
    """An empty scene as a camera sees it.

    Args:
        rng (np.random.Generator): source.
        camera (Camera): gives size and horizon.

    Returns:
        np.ndarray: (h, w, 3) uint8 BGR.
    """
    width, height = camera.size
    rise = _rise(camera)
    kind = int(rng.choice(4, p=(0.25, 0.25, 0.3, 0.2)))
    image = (_park, _street, _room, _nowhere)[kind](rng, camera, rise)
    draw_clutter(rng, image, int(rng.integers(1, 9)))
    if rng.random() < 0.3:              # out of focus
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 2.2) * height / 256)
    return image


def _rise(camera):
    """How steeply each pixel's ray climbs, (h, w) float32: negative below the horizon."""
    width, height = camera.size
    x = ((np.arange(width) - camera.center[0]) / camera.focal).astype(np.float32)
    y = ((np.arange(height) - camera.center[1]) / camera.focal).astype(np.float32)
    turn = camera.rotation
    return np.float32(turn[0, 2]) * x[None] + (np.float32(turn[1, 2]) * y[:, None] + np.float32(turn[2, 2]))


def _horizon_row(camera):
    """Image row of the horizon in the middle column."""
    return camera.center[1] - camera.focal * camera.rotation[2, 2] / camera.rotation[1, 2]


def _lay_floor(rng, image, camera, rise, color, strength, wall_distance):
    """Put a floor under everything nearer than a wall, half of the time with a pattern in true perspective."""
    width, height = camera.size
    floor = color_field(rng, width, height, color, strength)
    if rng.random() < 0.5:
        side, reach = 256, rng.uniform(5000, 14000)
        world = np.float32([[-reach, -reach], [reach, -reach], [reach, reach], [-reach, reach]])
        plane = np.stack([camera.rotation[:, 0], camera.rotation[:, 1], -camera.rotation @ camera.position], axis=1)
        lens = np.array([[camera.focal, 0, camera.center[0]], [0, camera.focal, camera.center[1]], [0, 0, 1]])
        to_world = cv2.getPerspectiveTransform(np.float32([[0, 0], [side, 0], [side, side], [0, side]]), world)
        laid = cv2.warpPerspective(pattern(rng, side, color), lens @ plane @ to_world, (width, height),
                                   borderMode=cv2.BORDER_REPLICATE)
        floor = cv2.addWeighted(floor, 0.4, laid, 0.6, 0)
    slope = -camera.position[2] / wall_distance
    cv2.copyTo(floor, (rise < slope).astype(np.uint8), image)


def _sky(rng, camera):
    width, height = camera.size
    zenith, low = np.array([220.0, 160, 100]) * rng.uniform(0.5, 1.1), np.array([235.0, 225, 210])
    if rng.random() < 0.35:             # overcast
        zenith = np.full(3, rng.uniform(150, 215))
    column = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    sky = (zenith + (low - zenith) * column).astype(np.float32)
    return np.repeat(np.clip(sky, 0, 255).astype(np.uint8), width, axis=1)


def _park(rng, camera, rise):
    """Sky, trees of many leaves, grass or sand."""
    width, height = camera.size
    image, horizon = _sky(rng, camera), _horizon_row(camera)
    green = np.array([60.0, 120, 80]) * rng.uniform(0.5, 1.2, 3)
    hedge = color_field(rng, width, height, green * 0.7, 40)
    top = int(np.clip(horizon - height * rng.uniform(0.02, 0.3), 0, height))
    hedge[:top] = image[:top]
    image = hedge
    for _ in range(int(rng.integers(1, 6))):
        x, size = rng.uniform(0, width), height * rng.uniform(0.12, 0.35)
        crown = horizon - size * rng.uniform(0.4, 1.4)
        trunk = (np.array([50, 72, 96]) * rng.uniform(0.5, 1.1)).tolist()
        cv2.line(image, (int(x), int(crown)), (int(x), int(horizon + 0.12 * height)), trunk, max(2, int(size * 0.14)))
        leaves = rng.normal(0, 0.36 * size, (26, 2)) + (x, crown)
        shades = np.clip(green * rng.uniform(0.55, 1.3, (26, 1)), 0, 255).tolist()
        for (px, py), shade in zip(leaves.astype(int).tolist(), shades, strict=True):
            cv2.circle(image, (px, py), max(2, int(0.2 * size)), shade, -1, cv2.LINE_AA)
    ground = green if rng.random() < 0.7 else np.array([130.0, 165, 190]) * rng.uniform(0.7, 1.1)
    _lay_floor(rng, image, camera, rise, ground, 30, rng.uniform(9e3, 4e4))
    return image


def _street(rng, camera, rise):
    """Sky, house fronts with windows, a pavement."""
    width, height = camera.size
    image, horizon = _sky(rng, camera), _horizon_row(camera)
    x = -rng.uniform(0, 0.3) * width
    while x < width:
        wide, top = width * rng.uniform(0.2, 0.6), horizon - height * rng.uniform(0.2, 0.9)
        wall, glass = random_color(rng, 0.3, 0.9, 0.4), random_color(rng, 0.1, 0.6, 0.4).tolist()
        cv2.rectangle(image, (int(x), int(top)), (int(x + wide), height), wall.tolist(), -1)
        step, pane = wide / int(rng.integers(2, 6)), rng.uniform(0.35, 0.7)
        rows = np.arange(top + 0.3 * step, horizon, step * rng.uniform(0.9, 1.5))
        for row in rows:
            for column in np.arange(x + 0.5 * (1 - pane) * step, x + wide - 0.5 * step, step):
                corner = (int(column + pane * step), int(row + 0.7 * step))
                cv2.rectangle(image, (int(column), int(row)), corner, glass, -1)
        x += wide
    grain = color_field(rng, width, height, np.full(3, 128.0), 25)
    image = cv2.addWeighted(image, 1.0, grain, 0.25, -32)
    _lay_floor(rng, image, camera, rise, np.full(3, rng.uniform(70, 190)) + rng.normal(0, 8, 3), 22,
               rng.uniform(8e3, 3e4))
    return image


def _room(rng, camera, rise):
    """A wall with a pattern or a colour, things hanging on it, a floor."""
    width, height = camera.size
    wall = random_color(rng, 0.35, 0.95, 0.45)
    image = color_field(rng, width, height, wall, rng.uniform(6, 25))
    if rng.random() < 0.4:
        paper = cv2.resize(pattern(rng, 128, wall), (width, height), interpolation=cv2.INTER_AREA)
        image = cv2.addWeighted(image, 0.6, paper, 0.4, 0)
    for _ in range(int(rng.integers(1, 7))):        # pictures, doors, windows, cupboards
        x, y = rng.uniform(0, width), rng.uniform(0, 0.6) * height
        w, h = height * rng.uniform(0.06, 0.35, 2)
        color = random_color(rng, 0.1, 0.95, 0.6)
        cv2.rectangle(image, (int(x), int(y)), (int(x + w), int(y + h)), (color * 0.6).tolist(), -1)
        cv2.rectangle(image, (int(x + 0.08 * w), int(y + 0.06 * h)), (int(x + 0.92 * w), int(y + 0.94 * h)),
                      color.tolist(), -1)
    _lay_floor(rng, image, camera, rise, random_color(rng, 0.25, 0.8, 0.45), rng.uniform(8, 25),
               np.linalg.norm(camera.position[:2]) + rng.uniform(600, 4000))
    return image


def _nowhere(rng, camera, rise):
    """Colour fields without sense: no scene may be taken for granted."""
    width, height = camera.size
    image = color_field(rng, width, height, random_color(rng, 0.3), rng.uniform(10, 60))
    draw_clutter(rng, image, int(rng.integers(3, 12)))
    if rng.random() < 0.6:
        _lay_floor(rng, image, camera, rise, random_color(rng, 0.2, 0.8, 0.5), rng.uniform(8, 35), 2e4)
    return image
