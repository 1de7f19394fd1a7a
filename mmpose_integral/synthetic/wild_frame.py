"""One image of the MPII or COCO part: passers-by before anything, half hidden, cut off, and their annotations."""
from typing import NamedTuple

import cv2
import numpy as np

from ..structures.skeleton import add_thorax
from .backgrounds import wild_background
from .body import SPLIT_IDS, random_person
from .camera import wild_camera
from .clutter import draw_occluders
from .dressing import head_center
from .kinematics import pose_figure
from .outfits import random_outfit
from .poses import random_pose
from .render import Actor, draw_people, place_figure, visible_box, visible_points
from .sensor import expose
from .shading import Light
from .studio_frame import seat_props

# mm of own flesh before a joint's centre, by CHALL_H80K row, so that a joint is not hidden by its own limb.
_FLESH = np.array([170, 130, 80, 75, 130, 80, 75, 160, 130, 60, 150, 110, 75, 70, 110, 75, 70, 170], float)
_MIN_VISIBLE = 40                       # px of a person that make an annotation


class Seen(NamedTuple):
    """A person in an image; px, pixel centres at integers."""
    keypoints: np.ndarray               # (18, 2), also outside the image
    visible: np.ndarray                 # (18,) bool
    face: np.ndarray                    # (4, 2) left eye, right eye, left ear, right ear
    face_visible: np.ndarray            # (4,) bool
    mpii_head: np.ndarray               # (3, 2) thorax, upper neck, head top as MPII means them
    head_box: np.ndarray                # (4,) x1, y1, x2, y2
    box: np.ndarray                     # (4,) visible box
    mask: np.ndarray                    # (H, W) bool, visible pixels
    stature: float                      # px that the person would stand tall


def image_size_of(rng, image_size):
    """Wild images have many shapes: (w, h) px around ``image_size``."""
    return int(image_size * rng.uniform(0.85, 1.3)), int(image_size * rng.uniform(0.85, 1.1))


def render_wild(seed, part, index, image_size):
    """Picture and people of a wild image.

    Args:
        seed (int): data set seed.
        part (str): 'mpii' or 'coco'.
        index (int): 0-based image number; the image depends on (seed, part, index) and the size alone.
        image_size (int): typical side, px.

    Returns:
        tuple[np.ndarray, list[Seen]]: (h, w, 3) uint8 BGR, and every person of whom something is seen.
    """
    rng = np.random.default_rng((seed, SPLIT_IDS[part], index))
    camera = wild_camera(rng, image_size_of(rng, image_size))
    actors, stools = _cast_people(rng, camera)
    image = wild_background(rng, camera)
    toward = np.append(rng.normal(0, 0.7, 2), rng.uniform(0.5, 1.2))
    light = Light(toward / np.linalg.norm(toward), rng.uniform(0.5, 0.9), rng.uniform(0.45, 0.75),
                  tuple(rng.uniform(0.88, 1.1, 3)))
    layers = draw_people(image, camera, actors, stools, light)
    boxes = [box for box in (visible_box(layers, k) for k in range(len(actors))) if box is not None]
    cover = draw_occluders(rng, image, boxes) if boxes else np.zeros(image.shape[:2], bool)
    people = [_annotate(layers, cover, camera, actor, k) for k, actor in enumerate(actors)]
    image = expose(image, rng, noise=rng.uniform(1, 6), blur=rng.uniform(0, 0.8) * image_size / 256,
                   gain=rng.uniform(0.85, 1.25))
    return image, [person for person in people if person is not None]


def _cast_people(rng, camera):
    """One to three people: the first near the image's middle, the others beside and behind."""
    actors, stools = [], []
    right, away = camera.rotation[0], camera.rotation[2] * (1, 1, 0)
    away = away / np.linalg.norm(away)
    for k in range(int(rng.choice((1, 2, 3), p=(0.6, 0.28, 0.12)))):
        body, pose = random_person(rng), random_pose(rng)
        figure = pose_figure(body, pose, yaw=rng.uniform(0, 360))
        place = right * rng.normal(0, 250) + away * rng.normal(0, 200)
        if k:
            side = rng.choice((-1, 1)) if k == 1 else -np.sign(actors[1].figure.joints[0] @ right)
            place = right * side * rng.uniform(650, 1600) + away * rng.uniform(-200, 1800)
        figure = place_figure(figure, place[:2])
        actors.append(Actor(figure, body, random_outfit(rng)))
        if pose.seat:
            stools.append(seat_props(figure, body, rng.uniform(40, 190, 3)))
    return actors, stools


def _annotate(layers, cover, camera, actor, owner):
    """What an annotator would note of a person, None when hardly anything is seen."""
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
    joints = add_thorax(figure.joints)
    keypoints, face, head = camera.project(joints), camera.project(face_world), camera.project(head_world)

    def visible(world, pixels, slack):
        cells = np.clip(np.round(pixels), 0, (width - 1, height - 1)).astype(int)
        depths = camera.to_camera(world)[:, 2]
        return visible_points(layers, pixels, depths, owner, slack) & ~cover[cells[:, 1], cells[:, 0]]

    depth = camera.to_camera(figure.joints[0])[2]
    return Seen(keypoints, visible(joints, keypoints, _FLESH), face, visible(face_world, face, 35.0),
                camera.project(mpii_world), np.concatenate([head.min(0), head.max(0)]), box, mask.astype(bool),
                1750.0 * body.scale * camera.focal / depth)
