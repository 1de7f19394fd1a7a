"""Draws people and props over a background, and reads visibility, boxes and masks from the shape-number image."""
from typing import NamedTuple

import cv2
import numpy as np

from .dressing import dress, head_center
from .shading import Person, shade
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


def draw_people(image, camera, actors, props, light):
    """Cast shadows, people and props onto an image, in place.

    Args:
        image (np.ndarray): (H, W, 3) uint8 BGR background; changed.
        camera (Camera): the camera.
        actors (list[Actor]): the people, world mm.
        props (list[callable]): each adds something to a ShapeList.
        light (Light): the light.

    Returns:
        Layers: what was drawn where.
    """
    collected = ShapeList()
    for owner, actor in enumerate(actors):
        dress(collected, actor.figure, actor.body, actor.outfit, owner)
    for add in props:
        add(collected)
    world = collected.build()
    shapes = world.to_camera(camera)
    _shadow(image, camera, world, light.toward)
    window = _window(image_bounds(shapes, camera), camera.size)
    oversample = oversampling(camera.size)
    hits = cast(shapes, camera, window, oversample)
    layer = shade(shapes, hits, [_texture_frames(actor, camera) for actor in actors], light, camera)
    _composite(image, layer, window, oversample)
    depth, number = hits[:2]
    owner = np.append(shapes.owners, -2)[number]        # number -1 reads the appended -2
    return Layers(depth, owner, window, oversample)


def _texture_frames(actor, camera):
    turn, figure = camera.rotation, actor.figure
    return Person(actor.outfit, (turn @ figure.chest).T, camera.to_camera(figure.joints[8]).astype(np.float32),
                  (turn @ figure.pelvis).T, camera.to_camera(figure.joints[0]).astype(np.float32),
                  (turn @ figure.head).T, camera.to_camera(head_center(figure, actor.body)).astype(np.float32),
                  actor.body.head_size, actor.body.torso_girth)


def _window(bounds, size):
    """Pixel window around all shapes, at least one pixel, clipped to the image."""
    low = np.clip(np.floor(bounds[:, :2].min(0)) - 1, 0, np.array(size) - 1).astype(int)
    high = np.clip(np.ceil(bounds[:, 2:].max(0)) + 2, low + 1, size).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _composite(image, layer, window, oversample):
    """Lay the (h, w, 4) uint8 picture of the shapes over the image, in place."""
    x1, y1, x2, y2 = window
    if oversample > 1:
        layer = cv2.resize(layer, (x2 - x1, y2 - y1), interpolation=cv2.INTER_AREA)
    patch, through = image[y1:y2, x1:x2], 255 - layer[..., 3]
    patch[:] = cv2.add(cv2.multiply(patch, cv2.merge([through] * 3), scale=1 / 255), layer[..., :3])


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
    thickness = 1.6 * radius * camera.focal / np.maximum(local[0][:, 2], 100.0) / shrink
    scaled = [np.clip(p / shrink, -4000, 4000).astype(int).tolist() for p in pixels]
    for k in np.flatnonzero((local[0][:, 2] > 300) & (local[1][:, 2] > 300)):
        cv2.line(mask, scaled[0][k], scaled[1][k], 255, max(1, int(thickness[k])))
    x, y, w, h = cv2.boundingRect(mask)
    if not w:
        return
    sigma = max(0.8, 38.0 * camera.focal / max(float(np.median(local[0][:, 2])), 500.0) / shrink)
    rim = int(3 * sigma) + 1
    x1, y1 = max(x - rim, 0), max(y - rim, 0)
    mask = cv2.GaussianBlur(mask[y1:y + h + rim, x1:x + w + rim], (0, 0), sigma)
    patch = image[y1 * shrink:, x1 * shrink:][:mask.shape[0] * shrink, :mask.shape[1] * shrink]
    mask = cv2.resize(mask, (mask.shape[1] * shrink, mask.shape[0] * shrink))[:patch.shape[0], :patch.shape[1]]
    patch[:] = cv2.multiply(patch, cv2.merge([255 - mask // 2] * 3), scale=1 / 255)


def visible_box(layers, owner):
    """Box of a person's visible pixels.

    Returns:
        np.ndarray | None: (4,) x1, y1, x2, y2 px (pixel centres are integers), None when nothing is seen.
    """
    x, y, w, h = cv2.boundingRect((layers.owner == owner).astype(np.uint8))
    if not w:
        return None
    corner = np.array(layers.window[:2]) - 0.5
    return np.concatenate([corner + np.array([x, y]) / layers.oversample,
                           corner + np.array([x + w, y + h]) / layers.oversample])


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
