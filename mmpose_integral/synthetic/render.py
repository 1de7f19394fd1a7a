"""Drawing of people and props over a background, and visibility and boxes from the image of shape numbers."""
from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from .body import Body
from .camera import Camera
from .dressing import dress, head_center
from .kinematics import Figure
from .outfits import Outfit
from .shading import Light, TextureFrames, shade
from .shapes import ShapeList, Shapes, cast, image_bounds

Window = tuple[int, int, int, int]  # x1, y1, x2, y2 px, end exclusive


class Actor(NamedTuple):
    """A person in the scene."""
    figure: Figure
    body: Body
    outfit: Outfit


class Layers(NamedTuple):
    """Depth and owner of every sub-pixel, ``oversample`` per pixel and axis."""
    depth: np.ndarray  # (h, w) mm
    owner: np.ndarray  # (h, w) int, number of the person, -1 for a prop, -2 for the background
    window: Window
    oversample: int


def place_figure(figure: Figure, offset: Sequence[float] | np.ndarray) -> Figure:
    """Move a figure on the floor by (x, y) mm."""
    return figure._replace(joints=figure.joints + np.array([offset[0], offset[1], 0.0]))


def draw_people(image: np.ndarray, camera: Camera, actors: Sequence[Actor],
                props: Sequence[Callable[[ShapeList], None]], light: Light) -> Layers:
    """Draw shadows, people and props on an image.

    Args:
        image: (H, W, 3) uint8 BGR background; changed in place.
        camera: Camera of the image.
        actors: People, world mm.
        props: Functions that add the shapes of an object.
        light: Light of the scene.
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
    oversample = 2 if max(camera.size) <= 640 else 1  # small images need it to look smooth
    hits = cast(shapes, camera, window, oversample)
    layer = shade(shapes, hits, [_texture_frames(actor, camera) for actor in actors], light, camera)
    _composite(image, layer, window, oversample)
    owner = np.append(shapes.owners, -2)[hits.number]  # number -1 reads the appended -2
    return Layers(hits.depth, owner, window, oversample)


def _texture_frames(actor: Actor, camera: Camera) -> TextureFrames:
    turn, figure = camera.rotation, actor.figure
    neck, root, skull = (camera.to_camera(point).astype(np.float32)
                         for point in (figure.joints[8], figure.joints[0], head_center(figure, actor.body)))
    return TextureFrames(actor.outfit, (turn @ figure.chest).T, neck, (turn @ figure.pelvis).T, root,
                         (turn @ figure.head).T, skull, actor.body.head_size, actor.body.torso_girth)


def _window(bounds: np.ndarray, size: tuple[int, int]) -> Window:
    """Pixel window around all shapes, at least one pixel, clipped to the image."""
    low = np.clip(np.floor(bounds[:, :2].min(0)) - 1, 0, np.array(size) - 1).astype(int)
    high = np.clip(np.ceil(bounds[:, 2:].max(0)) + 2, low + 1, size).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _composite(image: np.ndarray, layer: np.ndarray, window: Window, oversample: int) -> None:
    """Lay the (h, w, 4) uint8 picture of the shapes over the image, in place."""
    x1, y1, x2, y2 = window
    if oversample > 1:
        layer = cv2.resize(layer, (x2 - x1, y2 - y1), interpolation=cv2.INTER_AREA)
    patch, through = image[y1:y2, x1:x2], 255 - layer[..., 3]
    patch[:] = cv2.add(cv2.multiply(patch, cv2.merge([through] * 3), scale=1 / 255), layer[..., :3])


def _shadow(image: np.ndarray, camera: Camera, world: Shapes, toward: np.ndarray) -> None:
    """Draw a soft shadow on the floor: the axis of every shape projected along the light, small and blurred."""
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


def visible_box(layers: Layers, owner: int) -> np.ndarray | None:
    """Box of a person's visible pixels, (4,) x1, y1, x2, y2 px (pixel centres are integers); None if there are none."""
    x, y, w, h = cv2.boundingRect((layers.owner == owner).astype(np.uint8))
    if not w:
        return None
    corner = np.array(layers.window[:2]) - 0.5
    return np.concatenate([corner + np.array([x, y]) / layers.oversample,
                           corner + np.array([x + w, y + h]) / layers.oversample])
