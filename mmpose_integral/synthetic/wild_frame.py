"""One image of the MPII or COCO part: people who may be occluded or cut off by the border, and their annotations."""
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np

from ..structures.skeleton import add_thorax
from .backgrounds import wild_background
from .body import PART_IDS, random_person
from .camera import Camera, wild_camera
from .clutter import draw_occluders
from .dressing import add_stool, head_center
from .kinematics import pose_figure
from .outfits import random_outfit
from .poses import EVERYDAY, random_pose
from .render import Actor, Layers, draw_people, place_figure, visible_box
from .sensor import expose
from .shading import Light
from .shapes import FAR

# mm of own flesh in front of a joint, by CHALL_H80K row, so that a limb does not hide its own joint.
_FLESH = np.array([170, 130, 80, 75, 130, 80, 75, 160, 130, 60, 150, 110, 75, 70, 110, 75, 70, 170], float)
_MIN_VISIBLE = 40  # px of a person that are enough for an annotation


class VisiblePerson(NamedTuple):
    """A person in an image; px, pixel centres at integers."""
    keypoints: np.ndarray  # (18, 2), also outside the image
    visible: np.ndarray  # (18,) bool
    face: np.ndarray  # (4, 2) left eye, right eye, left ear, right ear
    face_visible: np.ndarray  # (4,) bool
    mpii_head: np.ndarray  # (3, 2) thorax, upper neck and head top as MPII defines them
    head_box: np.ndarray  # (4,) x1, y1, x2, y2
    box: np.ndarray  # (4,) visible box
    mask: np.ndarray  # (H, W) bool, visible pixels
    stature: float  # height of the standing person, px


class Scene(NamedTuple):
    """A picture of people somewhere."""
    image: np.ndarray  # (h, w, 3) uint8 BGR
    actors: list[Actor]
    layers: Layers
    cover: np.ndarray  # (h, w) bool, objects in front of people


def draw_scene(rng: np.random.Generator, camera: Camera, image_size: int,
               pose_weights: Sequence[float] = EVERYDAY) -> Scene:
    """Draw one to three people with any background, light and objects in front; ``image_size`` scales the blur."""
    actors, stools = _place_people(rng, camera, pose_weights)
    image = wild_background(rng, camera)
    toward = np.append(rng.normal(0, 0.7, 2), rng.uniform(0.5, 1.2))
    light = Light(toward / np.linalg.norm(toward), rng.uniform(0.5, 0.9), rng.uniform(0.45, 0.75),
                  rng.uniform(0.88, 1.1, 3))
    layers = draw_people(image, camera, actors, stools, light)
    boxes = [box for box in (visible_box(layers, k) for k in range(len(actors))) if box is not None]
    cover = draw_occluders(rng, image, boxes) if boxes else np.zeros(image.shape[:2], bool)
    image = expose(image, rng, noise=rng.uniform(1, 6), blur=rng.uniform(0, 0.8) * image_size / 256,
                   gain=rng.uniform(0.85, 1.25))
    return Scene(image, actors, layers, cover)


def render_wild(seed: int, part: str, index: int, image_size: int) -> tuple[np.ndarray, list[VisiblePerson]]:
    """Draw a picture of the MPII or COCO part.

    Args:
        seed: Seed of the data set.
        part: 'mpii' or 'coco'.
        index: 0-based number of the image. The image depends only on (seed, part, index) and the size.
        image_size: Typical side, px; width and height vary around it.

    Returns:
        (h, w, 3) uint8 BGR, and every person with enough visible pixels.
    """
    rng = np.random.default_rng((seed, PART_IDS[part], index))
    size = int(image_size * rng.uniform(0.85, 1.3)), int(image_size * rng.uniform(0.85, 1.1))
    camera = wild_camera(rng, size)
    scene = draw_scene(rng, camera, image_size)
    people = [_annotate(scene.layers, scene.cover, camera, actor, k) for k, actor in enumerate(scene.actors)]
    return scene.image, [person for person in people if person is not None]


def _place_people(rng: np.random.Generator, camera: Camera,
                  pose_weights: Sequence[float]) -> tuple[list[Actor], list[Callable]]:
    """One to three people, the first near the image's middle and the others beside and behind; and their stools."""
    actors: list[Actor] = []
    stools: list[Callable] = []
    right, away = camera.rotation[0], camera.rotation[2] * (1, 1, 0)
    away = away / np.linalg.norm(away)
    for k in range(int(rng.choice((1, 2, 3), p=(0.6, 0.28, 0.12)))):
        body, pose = random_person(rng), random_pose(rng, pose_weights)
        figure = pose_figure(body, pose, yaw=rng.uniform(0, 360))
        place = right * rng.normal(0, 250) + away * rng.normal(0, 200)
        if k:
            side = rng.choice((-1, 1)) if k == 1 else -np.sign(actors[1].figure.joints[0] @ right)
            place = right * side * rng.uniform(650, 1600) + away * rng.uniform(-200, 1800)
        figure = place_figure(figure, place[:2])
        actors.append(Actor(figure, body, random_outfit(rng)))
        if pose.seat:
            stools.append(partial(add_stool, figure=figure, body=body, color=rng.uniform(40, 190, 3)))
    return actors, stools


def _annotate(layers: Layers, cover: np.ndarray, camera: Camera, actor: Actor, owner: int) -> VisiblePerson | None:
    """Annotation of a person; None if fewer than ``_MIN_VISIBLE`` px are visible."""
    figure, body = actor.figure, actor.body
    height, width = cover.shape
    mask = np.zeros((height, width), np.uint8)
    x1, y1, x2, y2 = layers.window
    seen = (layers.owner == owner).astype(np.float32)
    mask[y1:y2, x1:x2] = cv2.resize(seen, (x2 - x1, y2 - y1), interpolation=cv2.INTER_AREA) > 0.5
    mask[cover] = 0
    if int(mask.sum()) < _MIN_VISIBLE:
        return None
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = np.array([columns[0] - 0.5, rows[0] - 0.5, columns[-1] + 0.5, rows[-1] + 0.5])
    center, size = head_center(figure, body), body.head_size
    face_world = center + np.array([(86, 32, 6), (86, -32, 6), (0, 82, -8), (0, -82, -8)]) * size @ figure.head.T
    neck, chest = figure.joints[8], figure.chest
    mpii_world = np.stack([neck + chest @ [0, 0, -0.35 * body.shoulder_drop],
                           neck + figure.head @ (np.array([-8.0, 0, 52.0]) * size),
                           neck + figure.head @ (np.array([2.0, 0, 262.0]) * size)])
    head_world = np.stack([center + figure.head @ (np.array(corner) * size) for corner in
                           ((96, 0, 0), (-108, 0, 0), (0, 82, 0), (0, -82, 0), (0, 0, 125), (0, 0, -115))])
    joints, head = add_thorax(figure.joints), camera.project(head_world)
    visible = _are_visible(layers, cover, camera, joints, _FLESH)
    face_visible = _are_visible(layers, cover, camera, face_world, 35.0)
    depth = camera.to_camera(figure.joints[0])[2]
    return VisiblePerson(camera.project(joints), visible, camera.project(face_world), face_visible,
                         camera.project(mpii_world), np.concatenate([head.min(0), head.max(0)]), box,
                         mask.astype(bool), 1750.0 * body.scale * camera.focal / depth)


def _are_visible(layers: Layers, cover: np.ndarray, camera: Camera, points: np.ndarray,
                 slack: np.ndarray | float) -> np.ndarray:
    """Whether points are visible: inside the window, not covered, and nothing is clearly nearer on their ray.

    ``points`` is (K, 3) world mm. ``slack`` is mm of the person's own flesh in front of each point. Returns (K,) bool.
    """
    pixels, depths = camera.project(points), camera.to_camera(points)[:, 2]
    cells = np.floor((pixels - (np.array(layers.window[:2]) - 0.5)) * layers.oversample).astype(int)
    limits = np.array(layers.depth.shape[::-1]) - 1
    inside = ((cells >= 0) & (cells <= limits)).all(1)
    columns, rows = np.clip(cells, 0, limits).T
    nearest = layers.depth[rows, columns]
    columns, rows = np.clip(np.round(pixels), 0, np.array(camera.size) - 1).astype(int).T
    return inside & ((nearest >= depths - slack) | (nearest >= FAR)) & ~cover[rows, columns]
