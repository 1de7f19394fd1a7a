"""Draws people and props over a background, and reads visibility, boxes and masks from the shape-number image."""
from typing import NamedTuple

import cv2
import numpy as np

from .dressing import dress, head_center
from .shading import Light, Person, shade
from .shapes import FAR, ShapeList, cast, image_bounds


class Actor(NamedTuple):
    """A person on the set."""
    figure: object
    body: object
    outfit: object


class Layers(NamedTuple):
    """What a renderer knows of the drawn people, at ``oversample`` sub-pixels a pixel."""
    depth: np.ndarray                   # (h, w) mm
    owner: np.ndarray                   # (h, w) int, person number, -1 prop, -2 nothing
    window: tuple                       # x1, y1, x2, y2 px, end exclusive
    oversample: int


def oversampling(size):
    """Sub-pixels a pixel and axis: small images need more to look smooth."""
    return 2 if max(size) <= 640 else 1


def place_figure(figure, offset):
    """Move a figure on the floor by (x, y) mm."""
    return figure._replace(joints=figure.joints + np.array([offset[0], offset[1], 0.0]))


def draw_people(image, camera, actors, props, light_world, rng):
    """Cast shadows, people and props onto an image, in place.

    Args:
        image (np.ndarray): (H, W, 3) uint8 BGR background; changed.
        camera (Camera): the camera.
        actors (list[Actor]): the people, world mm.
        props (callable | None): adds props to a ShapeList.
        light_world (tuple): direction to the key light (3,), key, ambient, tint (3,).
        rng (np.random.Generator): unused draws are not made; kept for callers that jitter.

    Returns:
        Layers: what was drawn where.
    """
    collected = ShapeList()
    for owner, actor in enumerate(actors):
        dress(collected, actor.figure, actor.body, actor.outfit, owner)
    if props is not None:
        props(collected)
    world = collected.build()
    shapes = world.to_camera(camera)
    toward, key, ambient, tint = light_world
    _shadow(image, camera, world, np.asarray(toward, float))
    window = _window(image_bounds(shapes, camera), camera.size)
    oversample = oversampling(camera.size)
    depth, number, xs, ys = cast(shapes, camera, window, oversample)
    light = Light(camera.rotation @ toward, camera.rotation @ np.array([0.0, 0.0, 1.0]), key, ambient, np.asarray(tint))
    layer = shade(shapes, depth, number, xs, ys, [_texture_frames(actor, camera) for actor in actors], light)
    _composite(image, layer, window, oversample)
    owner = np.where(number >= 0, shapes.owners[number], -2)
    return Layers(depth, owner, window, oversample)


def _texture_frames(actor, camera):
    turn, figure = camera.rotation, actor.figure
    skull, size = head_center(figure, actor.body)
    return Person(actor.outfit, (turn @ figure.chest).T, camera.to_camera(figure.joints[8]).astype(np.float32),
                  (turn @ figure.pelvis).T, camera.to_camera(figure.joints[0]).astype(np.float32),
                  (turn @ figure.head).T, camera.to_camera(skull).astype(np.float32), size, actor.body.torso_girth)


def _window(bounds, size):
    """Pixel window around all shapes, at least one pixel, clipped to the image."""
    low = np.clip(np.floor(bounds[:, :2].min(0)) - 1, 0, np.array(size) - 1).astype(int)
    high = np.clip(np.ceil(bounds[:, 2:].max(0)) + 2, low + 1, size).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _composite(image, layer, window, oversample):
    x1, y1, x2, y2 = window
    if oversample > 1:
        layer = cv2.resize(layer, (x2 - x1, y2 - y1), interpolation=cv2.INTER_AREA)
    patch = image[y1:y2, x1:x2]
    patch[:] = np.clip(patch * (1 - layer[..., 3:]) + layer[..., :3] + 0.5, 0, 255).astype(np.uint8)


def _shadow(image, camera, world, toward):
    """Soft shadow on the floor: every shape's core projected along the light, drawn small and blurred."""
    width, height = camera.size
    shrink = 2 if max(camera.size) > 200 else 1
    mask = np.zeros((height // shrink + 1, width // shrink + 1), np.uint8)
    inverse = np.linalg.inv(world.maps)
    ends = world.starts + np.einsum('pij,pj->pi', inverse, world.axes)
    radius = np.where(world.boxes, 0.5, 1.0) * world.radii.mean(1) * np.cbrt(np.abs(np.linalg.det(inverse)))
    floor = [p - toward * (p[:, 2:] / toward[2]) for p in (world.starts, ends)]
    local = [camera.to_camera(p) for p in floor]
    pixels = [camera.focal * p[:, :2] / np.maximum(p[:, 2:], 100.0) + camera.center for p in local]
    thickness = 2 * radius * camera.focal / np.maximum(local[0][:, 2], 100.0) / shrink
    ahead = (local[0][:, 2] > 300) & (local[1][:, 2] > 300)
    scaled = [np.clip(p / shrink, -4000, 4000).astype(int).tolist() for p in pixels]
    for k in np.flatnonzero(ahead):
        cv2.line(mask, scaled[0][k], scaled[1][k], 255, max(1, int(thickness[k] * 0.8)))
    depth = float(np.median(local[0][:, 2]))
    blur = max(0.8, 38.0 * camera.focal / max(depth, 500.0) / shrink)
    mask = cv2.GaussianBlur(mask, (0, 0), blur)
    mask = cv2.resize(mask, (mask.shape[1] * shrink, mask.shape[0] * shrink))[:height, :width]
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if len(rows):
        window = np.s_[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
        image[window] = image[window] * (1 - (0.5 / 255) * mask[window][..., None].astype(np.float32))


def visible_box(layers, owner):
    """Box of a person's visible pixels.

    Returns:
        np.ndarray | None: (4,) x1, y1, x2, y2 px (pixel centres are integers), None when nothing is seen.
    """
    rows, columns = np.nonzero(layers.owner == owner)
    if not len(rows):
        return None
    step = 1.0 / layers.oversample
    x1, y1 = layers.window[0] - 0.5, layers.window[1] - 0.5
    return np.array([x1 + columns.min() * step, y1 + rows.min() * step,
                     x1 + (columns.max() + 1) * step, y1 + (rows.max() + 1) * step])


def visible_points(layers, pixels, depths, owner, slack):
    """Whether points of a person are seen: inside the image, and nothing clearly nearer on their ray.

    Args:
        layers (Layers): drawn people.
        pixels (np.ndarray): (K, 2) px.
        depths (np.ndarray): (K,) mm.
        owner (int): the person.
        slack (np.ndarray | float): (K,) mm of own flesh before the point.

    Returns:
        np.ndarray: (K,) bool.
    """
    x1, y1, _, _ = layers.window
    cells = np.floor((pixels - (x1 - 0.5, y1 - 0.5)) * layers.oversample).astype(int)
    height, width = layers.depth.shape
    inside = (cells >= 0).all(1) & (cells[:, 0] < width) & (cells[:, 1] < height)
    cells = np.clip(cells, 0, (width - 1, height - 1))
    nearest = layers.depth[cells[:, 1], cells[:, 0]]
    return inside & ((nearest >= depths - slack) | (nearest >= FAR))
