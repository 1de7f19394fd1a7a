"""One frame of the H80K part: person, pose, camera, picture and truth."""
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np

from ..structures.skeleton import add_thorax
from .backgrounds import wild_background
from .body import PART_IDS, people_of_split
from .body import random_person as draw_person
from .camera import NUM_STUDIO_CAMERAS, Camera, jitter_rotation, studio_camera
from .dressing import add_stool
from .kinematics import Figure, pose_figure
from .outfits import random_outfit, studio_outfit
from .poses import Pose, random_pose
from .render import Actor, draw_people, place_figure, visible_box
from .sensor import expose
from .shading import Light
from .studio import studio_background

STUDIO_LIGHT = Light(np.array([0.28, 0.2, 0.94]) / np.linalg.norm([0.28, 0.2, 0.94]), key=0.75, ambient=0.64)
_STOOL_COLOR = (70.0, 96.0, 130.0)
_REACH = 1000.0  # mm from the room's middle, along each wall
_MARGIN = 0.02  # share of the image that stays free around the joints


class StudioTruth(NamedTuple):
    """Truth of a frame. Camera axes, mm; px with pixel centres at integers."""
    keypoints_mm: np.ndarray  # (18, 3) root-relative
    keypoints_2d: np.ndarray  # (18, 2) px
    root_depth_mm: float
    subject: int  # -1 for a person of this frame alone
    focal: float
    pose: str


class StagedFrame(NamedTuple):
    """Everything that determines the picture of a frame."""
    actor: Actor
    camera: Camera
    camera_index: int
    pose: Pose
    truth: StudioTruth


def stage_frame(seed: int, split: str, index: int, image_size: int,
                random_person: bool = False) -> tuple[StagedFrame, np.random.Generator]:
    """Draw the content of a frame, without a picture.

    Args:
        seed: Seed of the data set.
        split: 'train', 'val' or 'test'.
        index: 0-based number of the frame. The frame depends only on (seed, split, index) and the image size.
        image_size: Side of the image, px.
        random_person: Whether to draw a person and clothes for this frame, in place of one of the split's people.

    Returns:
        The content, and the generator for the random parts of the picture.
    """
    rng = np.random.default_rng((seed, PART_IDS[split], index))
    people = people_of_split(seed, split)
    # the people take turns, so that even a small split has its people's mean length
    subject, body = people[index % len(people)]
    outfit = studio_outfit(subject)
    if random_person:
        own = np.random.default_rng((seed, PART_IDS[split], index, 2))
        subject, body, outfit = -1, draw_person(own), random_outfit(own)
    pose = random_pose(rng)
    figure = pose_figure(body, pose, yaw=rng.uniform(0, 360))
    camera_index = int(rng.integers(NUM_STUDIO_CAMERAS))
    camera = studio_camera(camera_index, image_size)
    camera = camera._replace(rotation=jitter_rotation(rng) @ camera.rotation)
    figure = _place_in_view(rng, figure, camera)
    joints = add_thorax(figure.joints)
    local = camera.to_camera(joints)
    truth = StudioTruth(local - local[0], camera.project(joints), float(local[0, 2]), subject, camera.focal, pose.name)
    return StagedFrame(Actor(figure, body, outfit), camera, camera_index, pose, truth), rng


def _place_in_view(rng: np.random.Generator, figure: Figure, camera: Camera) -> Figure:
    """Move a figure to where the camera sees all of it; the room's middle if twelve draws fail."""
    for _ in range(12):
        placed = place_figure(figure, (rng.uniform(-_REACH, _REACH), rng.uniform(-_REACH, _REACH)))
        pixels = camera.project(placed.joints)
        free = _MARGIN * camera.size[0] + 60 * camera.focal / 4500
        if (pixels > free).all() and (pixels < camera.size[0] - 1 - free).all():
            return placed
    return figure


def render_frame(seed: int, split: str, index: int, image_size: int,
                 random_background: bool = False,
                 random_person: bool = False) -> tuple[np.ndarray, StudioTruth, np.ndarray | None]:
    """Draw the frame of :func:`stage_frame`, in the studio or over a background of the MPII and COCO parts.

    Returns:
        Picture, (image_size, image_size, 3) uint8 BGR; its truth; and the person's :func:`visible_box`.
    """
    stage, rng = stage_frame(seed, split, index, image_size, random_person)
    actor, camera = stage.actor, stage.camera
    if random_background:
        image = wild_background(np.random.default_rng((seed, PART_IDS[split], index, 1)), camera)
    else:
        image = studio_background(camera, stage.camera_index, image_size)
    stool = partial(add_stool, figure=actor.figure, body=actor.body, color=_STOOL_COLOR)
    layers = draw_people(image, camera, [actor], [stool] if stage.pose.seat else [], STUDIO_LIGHT)
    return expose(image, rng, noise=2.2), stage.truth, visible_box(layers, 0)


def encode_jpeg(image: np.ndarray, quality: int = 92) -> bytes:
    """JPEG bytes of a BGR image."""
    return cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
