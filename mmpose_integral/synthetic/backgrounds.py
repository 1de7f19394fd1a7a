"""Backgrounds of the MPII and COCO parts: parks, streets, rooms and abstract colours, with clutter. uint8 BGR."""
import cv2
import numpy as np

from .camera import Camera
from .clutter import color_field, draw_clutter, pattern, random_color


def wild_background(rng: np.random.Generator, camera: Camera) -> np.ndarray:
    """An empty scene as a camera sees it, (h, w, 3) uint8 BGR."""
    scene = (_park, _street, _room, _abstract)[int(rng.choice(4, p=(0.25, 0.25, 0.3, 0.2)))]
    image = scene(rng, camera)
    draw_clutter(rng, image, int(rng.integers(1, 9)))
    if rng.random() < 0.3:  # out of focus
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 2.2) * camera.size[1] / 256)
    return image


def _slope(camera: Camera) -> np.ndarray:
    """Slope of each pixel's ray, (h, w) float32: negative below the horizon."""
    width, height = camera.size
    x = ((np.arange(width) - camera.center[0]) / camera.focal).astype(np.float32)
    y = ((np.arange(height) - camera.center[1]) / camera.focal).astype(np.float32)
    turn = camera.rotation
    return np.float32(turn[0, 2]) * x[None] + (np.float32(turn[1, 2]) * y[:, None] + np.float32(turn[2, 2]))


def _horizon_row(camera: Camera) -> float:
    """Image row of the horizon in the middle column."""
    return camera.center[1] - camera.focal * camera.rotation[2, 2] / camera.rotation[1, 2]


def _lay_floor(rng: np.random.Generator, image: np.ndarray, camera: Camera, color: np.ndarray, strength: float,
               wall_distance: float) -> None:
    """Draw a floor up to a wall at ``wall_distance`` mm, half of the time with a pattern in true perspective."""
    width, height = camera.size
    floor = color_field(rng, width, height, color, strength)
    if rng.random() < 0.5:
        side, reach = 256, rng.uniform(5000, 14000)
        world = np.array([[-reach, -reach], [reach, -reach], [reach, reach], [-reach, reach]], np.float32)
        plane = np.stack([camera.rotation[:, 0], camera.rotation[:, 1], -camera.rotation @ camera.position], axis=1)
        corners = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
        to_world = cv2.getPerspectiveTransform(corners, world)
        laid = cv2.warpPerspective(pattern(rng, side, color), camera.matrix @ plane @ to_world, (width, height),
                                   borderMode=cv2.BORDER_REPLICATE)
        floor = cv2.addWeighted(floor, 0.4, laid, 0.6, 0)
    cv2.copyTo(floor, (_slope(camera) < -camera.position[2] / wall_distance).astype(np.uint8), image)


def _sky(rng: np.random.Generator, camera: Camera) -> np.ndarray:
    width, height = camera.size
    zenith, low = np.array([220.0, 160, 100]) * rng.uniform(0.5, 1.1), np.array([235.0, 225, 210])
    if rng.random() < 0.35:  # overcast
        zenith = np.full(3, rng.uniform(150, 215))
    column = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    sky = (zenith + (low - zenith) * column).astype(np.float32)
    return np.repeat(np.clip(sky, 0, 255).astype(np.uint8), width, axis=1)


def _park(rng: np.random.Generator, camera: Camera) -> np.ndarray:
    """Sky, trees of many leaves, grass or sand."""
    width, height = camera.size
    sky, horizon = _sky(rng, camera), _horizon_row(camera)
    green = np.array([60.0, 120, 80]) * rng.uniform(0.5, 1.2, 3)
    image = color_field(rng, width, height, green * 0.7, 40)
    top = int(np.clip(horizon - height * rng.uniform(0.02, 0.3), 0, height))
    image[:top] = sky[:top]
    for _ in range(int(rng.integers(1, 6))):
        x, size = rng.uniform(0, width), height * rng.uniform(0.12, 0.35)
        crown = horizon - size * rng.uniform(0.4, 1.4)
        trunk = (np.array([50, 72, 96]) * rng.uniform(0.5, 1.1)).tolist()
        cv2.line(image, (int(x), int(crown)), (int(x), int(horizon + 0.12 * height)), trunk, max(2, int(size * 0.14)))
        leaves = rng.normal(0, 0.36 * size, (26, 2)) + (x, crown)
        shades = np.clip(green * rng.uniform(0.55, 1.3, (26, 1)), 0, 255).tolist()
        for place, shade in zip(leaves.astype(int).tolist(), shades, strict=True):
            cv2.circle(image, place, max(2, int(0.2 * size)), shade, -1, cv2.LINE_AA)
    ground = green if rng.random() < 0.7 else np.array([130.0, 165, 190]) * rng.uniform(0.7, 1.1)
    _lay_floor(rng, image, camera, ground, 30, rng.uniform(9e3, 4e4))
    return image


def _street(rng: np.random.Generator, camera: Camera) -> np.ndarray:
    """Sky, house fronts with windows, a pavement."""
    width, height = camera.size
    image, horizon = _sky(rng, camera), _horizon_row(camera)
    x = -rng.uniform(0, 0.3) * width
    while x < width:
        wide, top = width * rng.uniform(0.2, 0.6), horizon - height * rng.uniform(0.2, 0.9)
        wall, glass = random_color(rng, (0.3, 0.9), (0, 0.4)), random_color(rng, (0.1, 0.6), (0, 0.4)).tolist()
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
    pavement = np.full(3, rng.uniform(70, 190)) + rng.normal(0, 8, 3)
    _lay_floor(rng, image, camera, pavement, 22, rng.uniform(8e3, 3e4))
    return image


def _room(rng: np.random.Generator, camera: Camera) -> np.ndarray:
    """A plain or patterned wall with pictures, doors, windows or cupboards, and a floor."""
    width, height = camera.size
    wall = random_color(rng, (0.35, 0.95), (0, 0.45))
    image = color_field(rng, width, height, wall, rng.uniform(6, 25))
    if rng.random() < 0.4:
        paper = cv2.resize(pattern(rng, 128, wall), (width, height), interpolation=cv2.INTER_AREA)
        image = cv2.addWeighted(image, 0.6, paper, 0.4, 0)
    for _ in range(int(rng.integers(1, 7))):
        x, y = rng.uniform(0, width), rng.uniform(0, 0.6) * height
        w, h = height * rng.uniform(0.06, 0.35, 2)
        color = random_color(rng, (0.1, 0.95), (0, 0.6))
        cv2.rectangle(image, (int(x), int(y)), (int(x + w), int(y + h)), (color * 0.6).tolist(), -1)
        cv2.rectangle(image, (int(x + 0.08 * w), int(y + 0.06 * h)), (int(x + 0.92 * w), int(y + 0.94 * h)),
                      color.tolist(), -1)
    _lay_floor(rng, image, camera, random_color(rng, (0.25, 0.8), (0, 0.45)), rng.uniform(8, 25),
               float(np.linalg.norm(camera.position[:2])) + rng.uniform(600, 4000))
    return image


def _abstract(rng: np.random.Generator, camera: Camera) -> np.ndarray:
    """Colour fields that show no scene at all."""
    width, height = camera.size
    image = color_field(rng, width, height, random_color(rng, (0.3, 0.95)), rng.uniform(10, 60))
    draw_clutter(rng, image, int(rng.integers(3, 12)))
    if rng.random() < 0.6:
        _lay_floor(rng, image, camera, random_color(rng, (0.2, 0.8), (0, 0.5)), rng.uniform(8, 35), 2e4)
    return image
