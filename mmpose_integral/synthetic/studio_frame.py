"""One frame of the H80K part: who, which pose, which camera, the picture, and the truth that goes with it."""
from typing import NamedTuple

import cv2
import numpy as np

from ..structures.skeleton import add_thorax
from .body import SPLIT_IDS, people_of_split
from .camera import NUM_STUDIO_CAMERAS, jitter_rotation, studio_camera
from .kinematics import pose_figure, rot_z
from .outfits import studio_outfit
from .poses import random_pose
from .render import Actor, draw_people, place_figure, visible_box
from .sensor import expose
from .shading import Light
from .studio import studio_background

STUDIO_LIGHT = Light(np.array([0.28, 0.2, 0.94]) / np.linalg.norm([0.28, 0.2, 0.94]), key=0.75, ambient=0.64)
_REACH = 1000.0                         # mm from the room's middle, along each wall
_MARGIN = 0.02                          # share of the image that stays free around the joints


class StudioTruth(NamedTuple):
    """What is known of a frame. Camera axes, mm; px with pixel centres at integers."""
    keypoints_mm: np.ndarray            # (18, 3) root-relative
    keypoints_2d: np.ndarray            # (18, 2) px
    root_depth_mm: float
    subject: int
    focal: float
    pose: str


class StudioSet(NamedTuple):
    """All that is needed to draw a frame."""
    actor: Actor
    camera: object
    camera_index: int
    pose: object
    truth: StudioTruth


def stage_frame(seed, split, index, image_size):
    """Draw the content of a frame, without a picture.

    Args:
        seed (int): data set seed.
        split (str): 'train', 'val' or 'test'.
        index (int): 0-based frame number; the frame depends on (seed, split, index) and the size alone.
        image_size (int): side, px.

    Returns:
        tuple[StudioSet, np.random.Generator]: the set, and the generator for what else is random in the picture.
    """
    rng = np.random.default_rng((seed, SPLIT_IDS[split], index))
    people = people_of_split(seed, split)
    rank = index % len(people)          # in turn: a small split, too, has its people's mean length
    subject, body = people[rank]
    pose = random_pose(rng)
    figure = pose_figure(body, pose, yaw=rng.uniform(0, 360))
    camera_index = int(rng.integers(NUM_STUDIO_CAMERAS))
    camera = studio_camera(camera_index, image_size)
    camera = camera._replace(rotation=jitter_rotation(rng) @ camera.rotation)
    figure = _place_in_view(rng, figure, camera)
    local = camera.to_camera(add_thorax(figure.joints))
    truth = StudioTruth(local - local[0], camera.project(add_thorax(figure.joints)), float(local[0, 2]), subject,
                        camera.focal, pose.name)
    actor = Actor(figure, body, studio_outfit(subject, split, rank))
    return StudioSet(actor, camera, camera_index, pose, truth), rng


def _place_in_view(rng, figure, camera):
    """Somewhere on the mat where the camera sees all of the person; the mat's middle if no draw succeeds."""
    for _ in range(12):
        placed = place_figure(figure, (rng.uniform(-_REACH, _REACH), rng.uniform(-_REACH, _REACH)))
        pixels = camera.project(placed.joints)
        free = _MARGIN * camera.size[0] + 60 * camera.focal / 4500
        if (pixels > free).all() and (pixels < camera.size[0] - 1 - free).all():
            return placed
    return figure


def seat_props(figure, body, color=(70, 96, 130)):
    """A stool under a sitting person: returns a function that adds its boxes to a ShapeList."""
    def add(shapes):
        hips, knees = figure.joints[[1, 4]].mean(0), figure.joints[[2, 5]].mean(0)
        heading = np.rad2deg(np.arctan2(*(knees - hips)[[1, 0]]))
        turn, wood = rot_z(heading), np.array(color, float)
        top = max(min(hips[2], figure.joints[0, 2]) - 92 * body.leg_girth, 60.0)
        half = (top - 44) / 2           # of the legs
        center = np.array([hips[0], hips[1], 0.0]) + turn @ [60.0, 0, 0]
        shapes.box(center + [0, 0, top - 22], turn, (225, 225, 22), wood)
        for x in (-195, 195):
            for y in (-195, 195):
                shapes.box(center + turn @ [x, y, 0] + [0, 0, half], turn, (20, 20, half), wood * 0.8)
    return add


def render_frame(seed, split, index, image_size):
    """Picture and truth of a frame.

    Args:
        seed, split, index, image_size: see :func:`stage_frame`.

    Returns:
        tuple: (image_size, image_size, 3) uint8 BGR, StudioTruth, (4,) visible box x1, y1, x2, y2 px.
    """
    stage, rng = stage_frame(seed, split, index, image_size)
    image = studio_background(stage.camera, stage.camera_index, image_size)
    props = [seat_props(stage.actor.figure, stage.actor.body)] if stage.pose.seat else []
    layers = draw_people(image, stage.camera, [stage.actor], props, STUDIO_LIGHT)
    return expose(image, rng, noise=2.2), stage.truth, visible_box(layers, 0)


def encode_jpeg(image, quality=92):
    """JPEG bytes of a BGR image."""
    return cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
