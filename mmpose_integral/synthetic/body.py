"""Bodies of the stand-in people: bone lengths in mm, girths, and the people of each split.

A body is the average adult times one height scale, times one random factor per bone. No person is in two splits. The
people of a split are scaled together, so that the ratio of the mean total skeleton lengths is the published one (train
1.3 % above val).
"""
import functools
from typing import NamedTuple

import numpy as np

from ..structures.bone_length import PUBLISHED_SKELETON_LENGTHS

# Number of each part in the seeds of the random generators: frame i of a part draws from (seed, number, i).
PART_IDS = dict(train=0, val=1, test=2, mpii=3, coco=4)
SUBJECTS = dict(train=range(6), val=range(6, 9), test=range(9, 12))
SPLIT_LENGTH_MM = dict({split: round(PUBLISHED_SKELETON_LENGTHS[split], 1) for split in ('train', 'val')}, test=4494.0)
_PEOPLE_STREAM = 1000  # takes the place of a part's number where people are drawn

_AVERAGE = dict(
    hip_width=118.0, thigh=440.0, shin=446.0, ankle_height=82.0, lower_spine=232.0, upper_spine=258.0,
    shoulder_width=150.0, shoulder_drop=58.0, upper_arm=280.0, forearm=252.0, hand=178.0, foot=255.0)
# From the neck joint to the nose and to the head joint, in the head's own axes (forward, left, up).
_NOSE, _HEAD = np.array([88.0, 0.0, 118.0]), np.array([2.0, 0.0, 205.0])


class Body(NamedTuple):
    """One person. Lengths in mm; girths are factors of the average limb radius at that height."""
    hip_width: float
    thigh: float
    shin: float
    ankle_height: float
    lower_spine: float
    upper_spine: float
    shoulder_width: float
    shoulder_drop: float
    upper_arm: float
    forearm: float
    hand: float
    foot: float
    nose: np.ndarray
    head: np.ndarray
    head_size: float
    scale: float
    torso_girth: float
    arm_girth: float
    leg_girth: float


def _draw_body(rng: np.random.Generator, scale: float) -> Body:
    """Draw the proportions of a person whose height is ``scale`` times that of the average adult."""
    factors = np.clip(rng.normal(1.0, 0.025, len(_AVERAGE)), 0.94, 1.06)
    lengths = {name: scale * length * factor
               for (name, length), factor in zip(_AVERAGE.items(), factors, strict=True)}
    head_size = 1.05 * (0.5 + 0.5 * scale)  # heads vary less than statures
    torso, arm, leg = np.clip(rng.normal(1.0, 0.09, 3), 0.85, 1.2)
    return Body(**lengths, nose=_NOSE * head_size, head=_HEAD * head_size, head_size=head_size, scale=scale,
                torso_girth=scale * torso, arm_girth=scale * arm, leg_girth=scale * leg)


def standing_length(body: Body) -> float:
    """Total skeleton length of a person who stands straight, mm (sum over ``skeleton.PARENTS``, closed form)."""
    thorax = body.lower_spine + body.upper_spine - body.shoulder_drop
    nose = np.hypot(body.nose[0], body.nose[2] + body.shoulder_drop)
    return (2 * (body.hip_width + body.thigh + body.shin + body.shoulder_width + body.upper_arm + body.forearm)
            + body.lower_spine + thorax + body.shoulder_drop + nose + np.linalg.norm(body.head))


@functools.lru_cache(maxsize=32)
def people_of_split(seed: int, split: str) -> tuple[tuple[int, Body], ...]:
    """Person numbers and bodies of the people of an H80K split, from the seed of the data set."""
    subjects = SUBJECTS[split]
    rng = np.random.default_rng((seed, _PEOPLE_STREAM, PART_IDS[split]))
    # Heights are spread evenly before the jitter, because three random heights alone are often alike.
    scales = 1 + np.linspace(-0.085, 0.085, len(subjects)) + rng.normal(0, 0.01, len(subjects))
    bodies = [_draw_body(rng, float(scale)) for scale in np.clip(scales, 0.87, 1.13)]
    factor = SPLIT_LENGTH_MM[split] / np.mean([standing_length(body) for body in bodies])
    return tuple((subject, Body._make(value * factor for value in body))
                 for subject, body in zip(subjects, bodies, strict=True))


def random_person(rng: np.random.Generator) -> Body:
    """A person of the MPII and COCO parts; the height is in the range of the studio's people."""
    return _draw_body(rng, float(np.clip(rng.normal(1.0, 0.06), 0.85, 1.15)))
