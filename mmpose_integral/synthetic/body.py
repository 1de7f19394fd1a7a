"""The people of the stand-in data: bone lengths and girths in mm, and who belongs to which split.

A body is the average adult times one height scale, times a factor of its own a bone. People of train, val and test
are disjoint, and each split's people are scaled together so that the mean total skeleton lengths stand to each other
as the published ones do (train 1.3 % above val).
"""
import functools
from typing import NamedTuple

import numpy as np

from ..structures.bone_length import PUBLISHED_SKELETON_LENGTHS

# Split names and the number that enters every random generator: frame i of a split draws from (seed, number, i).
SPLIT_IDS = dict(train=0, val=1, test=2, mpii=3, coco=4)
PEOPLE_PER_SPLIT = dict(train=6, val=3, test=3)
SPLIT_LENGTH_MM = dict({split: round(PUBLISHED_SKELETON_LENGTHS[split], 1) for split in ('train', 'val')}, test=4494.0)
_PEOPLE_STREAM = 1000

_AVERAGE = dict(
    hip_width=118.0, thigh=440.0, shin=446.0, ankle_height=82.0, lower_spine=232.0, upper_spine=258.0,
    shoulder_width=150.0, shoulder_drop=58.0, upper_arm=280.0, forearm=252.0, hand=178.0, foot=255.0)
# Neck joint -> nose and neck joint -> head joint in the head's own axes (forward, left, up).
_NOSE, _HEAD = np.array([88.0, 0.0, 118.0]), np.array([2.0, 0.0, 205.0])


class Body(NamedTuple):
    """One person. Lengths in mm; girths are factors on the average limb radius of that height."""
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


def build_body(rng, scale):
    """Draw a person of a given height.

    Args:
        rng (np.random.Generator): source of the proportions.
        scale (float): height relative to the average adult.

    Returns:
        Body: lengths in mm.
    """
    factors = np.clip(rng.normal(1.0, 0.025, len(_AVERAGE)), 0.94, 1.06)
    lengths = {name: scale * length * factor
               for (name, length), factor in zip(_AVERAGE.items(), factors, strict=True)}
    head_size = 1.05 * (0.5 + 0.5 * scale)      # heads vary less than statures
    girth = np.clip(rng.normal(1.0, 0.09, 3), 0.85, 1.2)
    return Body(**lengths, nose=_NOSE * head_size, head=_HEAD * head_size, head_size=head_size,
                scale=float(scale), torso_girth=scale * girth[0], arm_girth=scale * girth[1],
                leg_girth=scale * girth[2])


def rescale_body(body, factor):
    """The same person, every length and girth times ``factor``."""
    return Body(*(value * factor for value in body))


def standing_length(body):
    """Total skeleton length of a person who stands straight, mm (sum over ``skeleton.PARENTS``; closed form)."""
    thorax = body.lower_spine + body.upper_spine - body.shoulder_drop
    nose = np.hypot(body.nose[0], body.nose[2] + body.shoulder_drop)
    return (2 * (body.hip_width + body.thigh + body.shin + body.shoulder_width + body.upper_arm + body.forearm)
            + body.lower_spine + thorax + body.shoulder_drop + nose + np.linalg.norm(body.head))


@functools.lru_cache(maxsize=32)
def people_of_split(seed, split):
    """The people of an H80K split.

    Args:
        seed (int): data set seed.
        split (str): 'train', 'val' or 'test'.

    Returns:
        tuple[tuple[int, Body], ...]: (subject number, body); numbers are unique over the three splits.
    """
    count = PEOPLE_PER_SPLIT[split]
    first = sum(PEOPLE_PER_SPLIT[name] for name in list(PEOPLE_PER_SPLIT)[:list(PEOPLE_PER_SPLIT).index(split)])
    rng = np.random.default_rng((seed, _PEOPLE_STREAM, SPLIT_IDS[split]))
    # Spread evenly, then jittered: a draw of three people alone would often give three alike.
    scales = 1 + np.linspace(-0.085, 0.085, count) + rng.normal(0, 0.01, count)
    bodies = [build_body(rng, float(scale)) for scale in np.clip(scales, 0.87, 1.13)]
    factor = SPLIT_LENGTH_MM[split] / np.mean([standing_length(body) for body in bodies])
    return tuple((first + k, rescale_body(body, factor)) for k, body in enumerate(bodies))


def random_person(rng):
    """A passer-by for the wild parts: any height in the range of the studio's people."""
    return build_body(rng, float(np.clip(rng.normal(1.0, 0.06), 0.85, 1.15)))
