"""Videos of one person of the stand-in who walks about and moves from pose to pose, with the true joints."""
from collections.abc import Iterator

import numpy as np

from ..structures.skeleton import add_thorax
from .body import Body, people_of_split
from .camera import studio_camera
from .kinematics import Figure, pose_figure
from .outfits import studio_outfit
from .poses import random_pose
from .render import Actor, draw_people, place_figure
from .sensor import expose
from .studio import studio_background
from .studio_frame import STUDIO_LIGHT

_ANGLES = ('pelvis', 'belly', 'chest', 'head', 'arms', 'legs')


def render_video(seed: int, number: int, seconds: float, fps: float,
                 size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the frames of a video, (size, size, 3) uint8 BGR, each with the true joints, (18, 3) mm in camera axes.

    The number of the video chooses a person of Val and a camera, and the random draws depend on it and on the seed.
    """
    people = people_of_split(seed, 'val')
    subject, body = people[number % len(people)]
    rng = np.random.default_rng((seed, number))
    camera, outfit = studio_camera(number % 4, size), studio_outfit(subject)
    for figure in _motion(rng, body, seconds, fps):
        image = studio_background(camera, number % 4, size)
        draw_people(image, camera, [Actor(figure, body, outfit)], [], STUDIO_LIGHT)
        yield expose(image, rng, noise=2.2), camera.to_camera(add_thorax(figure.joints))


def _ease(t: float) -> float:
    """Minimum-jerk path from 0 to 1 (Flash and Hogan, 1985), a model of how people move a hand."""
    t = min(max(t, 0.0), 1.0)
    return t ** 3 * (10 - 15 * t + 6 * t ** 2)


def _motion(rng: np.random.Generator, body: Body, seconds: float, fps: float) -> list[Figure]:
    """Figures, world mm, of a person who walks about, moves to a pose, holds it, and moves to the next."""
    pose, place, yaw = random_pose(rng), rng.uniform(-500, 500, 2), rng.uniform(0, 360)
    time, start, figures = 0.0, 0.0, []
    while time < seconds:
        move, rest = rng.uniform(0.5, 1.4), rng.uniform(0.2, 0.8)
        after, place_after = random_pose(rng), np.clip(place + rng.normal(0, 300, 2), -900, 900)
        yaw_after = yaw + rng.normal(0, 40)
        while time < min(start + move + rest, seconds):
            share = _ease((time - start) / move)
            angles = {name: getattr(pose, name) * (1 - share) + getattr(after, name) * share for name in _ANGLES}
            figure = pose_figure(body, pose._replace(planted=False, seat=False, **angles),
                                 yaw * (1 - share) + yaw_after * share)
            figures.append(place_figure(figure, place * (1 - share) + place_after * share))
            time = len(figures) / fps
        pose, place, yaw, start = after, place_after, yaw_after, start + move + rest
    return figures
