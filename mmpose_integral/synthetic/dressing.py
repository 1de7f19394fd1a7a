"""Shapes of a posed figure: flesh, clothes, face, hands and shoes; and of a stool.

All offsets are mm for the average adult, in the part's own axes (x forward, y left, z up), and are scaled with the
body.
"""
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from .body import Body
from .kinematics import SIDES, Figure, rot_y, rot_z
from .outfits import Outfit
from .shapes import ShapeList

# Materials; shading.py has a texture for all but the first.
PLAIN, SHIRT, FACE, TROUSERS, SHIRT_SLEEVE = range(5)
# Share of the upper arm under a sleeve and of the thigh under a trouser leg; long ones cover the whole limb.
_SLEEVE, _TROUSER = dict(none=0.0, short=0.53, elbow=1.0), dict(short=0.5, knee=0.75)
_CLOTH = 5.0  # mm that cloth adds to the radius of a limb
_SOCK, _SOLE, _WATCH = np.array([225.0, 225, 225]), np.array([185.0, 187, 189]), np.array([30.0, 30, 34])


def dress(shapes: ShapeList, figure: Figure, body: Body, outfit: Outfit, owner: int) -> None:
    """Add the shapes of a person, world mm, to a list; ``owner`` is the number of the person in the image."""
    draw = partial(shapes.capsule, owner=owner), partial(shapes.ellipsoid, owner=owner)
    _torso(*draw, figure, body, outfit)
    _head(*draw, figure, body, outfit)
    for k in range(2):
        _arm(draw[0], figure, body, outfit, k)
        _leg(*draw, figure, body, outfit, k)
        _shoe(draw[0], figure, body, outfit, k)


def add_stool(shapes: ShapeList, figure: Figure, body: Body, color: Sequence[float] | np.ndarray) -> None:
    """Add the boxes of a stool under a sitting person; ``color`` is BGR, 0-255."""
    hips, knees = figure.joints[[1, 4]].mean(0), figure.joints[[2, 5]].mean(0)
    turn, wood = rot_z(np.rad2deg(np.arctan2(*(knees - hips)[[1, 0]]))), np.array(color, float)
    top = max(min(hips[2], figure.joints[0, 2]) - 92 * body.leg_girth, 60.0)
    half = (top - 44) / 2  # of the legs
    center = np.array([hips[0], hips[1], 0.0]) + turn @ [60.0, 0, 0]
    shapes.box(center + [0, 0, top - 22], turn, (225, 225, 22), wood)
    for x in (-195, 195):
        for y in (-195, 195):
            shapes.box(center + turn @ [x, y, 0] + [0, 0, half], turn, (20, 20, half), wood * 0.8)


def head_center(figure: Figure, body: Body) -> np.ndarray:
    """Centre of the skull, (3,) world mm."""
    return figure.joints[8] + figure.head @ (np.array([8.0, 0.0, 148.0]) * body.head_size)


def _torso(capsule: Callable, ellipsoid: Callable, figure: Figure, body: Body, outfit: Outfit) -> None:
    g, joints, chest, pelvis = body.torso_girth, figure.joints, figure.chest, figure.pelvis
    root, torso, neck = joints[0], joints[7], joints[8]
    shirt, trousers = outfit.shirt, outfit.trousers
    hips, seat = body.hip_width + 42 * body.leg_girth, 88 * body.leg_girth
    ellipsoid(root + pelvis @ [0, 0, 42 * g], pelvis, (110 * g, hips, 92 * g), trousers, TROUSERS)
    # The seat runs from hip to hip, a little behind, so that trunk and thighs join without a step.
    left, right = (root + pelvis @ [-10, side * 0.62 * body.hip_width, 0] for side in SIDES)
    capsule(left, right, seat, seat, trousers, material=TROUSERS)
    for side in SIDES:
        ellipsoid(root + pelvis @ [-32 * g, side * 0.52 * body.hip_width, -12 * g], pelvis, (78 * g, 82 * g, 92 * g),
                  trousers, TROUSERS)
    capsule(root + pelvis @ [0, 0, 92 * g], torso + figure.belly @ [2, 0, 0], 132 * g, 142 * g, shirt,
            figure.belly[:, 0], 0.74, SHIRT)
    top = neck + chest @ [-6, 0, -body.shoulder_drop - 72 * g]
    capsule(torso + chest @ [2, 0, 10], top, 143 * g, 160 * g, shirt, chest[:, 0], 0.72, SHIRT)
    ellipsoid(0.5 * (joints[11] + joints[14]) + chest @ [-4, 0, -8], chest,
              (72 * g, body.shoulder_width + 18 * body.arm_girth, 68 * g), shirt, SHIRT)
    for side, shoulder in zip(SIDES, (joints[11], joints[14]), strict=True):  # trapezius
        capsule(neck + chest @ [-14, side * 22, -16], shoulder + chest @ [-6, 0, 6], 52 * g, 46 * g, shirt,
                material=SHIRT)


def _head(capsule: Callable, ellipsoid: Callable, figure: Figure, body: Body, outfit: Outfit) -> None:
    head, center, size, skin = figure.head, head_center(figure, body), body.head_size, outfit.skin

    def at(x: float, y: float, z: float) -> np.ndarray:
        return center + head @ (np.array([x, y, z]) * size)

    def ball(place: Sequence[float], radii: Sequence[float], color: np.ndarray, material: int = PLAIN) -> None:
        ellipsoid(at(*place), head, np.array(radii) * size, color, material)

    capsule(figure.joints[8] + figure.chest @ [-8, 0, -30], at(-22, 0, -52), 60 * size, 54 * size, skin)  # neck
    ball((0, 0, 0), (94, 75, 112), skin, FACE)
    ball((26, 0, -58), (62, 56, 60), skin, FACE)  # jaw
    capsule(at(84, 0, 8), at(104, 0, -26), 9 * size, 17 * size, skin * 0.97)  # nose
    for side in SIDES:
        ball((-2, side * 76, -10), (20, 9, 30), skin * 0.92)
    if outfit.hair_style == 'cap':
        ball((-10, 0, 26), (97, 84, 98), outfit.second)
        capsule(at(76, 0, 52), at(132, 0, 40), 62 * size, 48 * size, outfit.second * 0.85, head[:, 2], 0.16)
    elif outfit.hair_style != 'bald':
        # Two shells around the top and the back of the skull leave the face free.
        ball((-17, 0, 20), (92, 84, 106), outfit.hair)
        ball((-38, 0, -22), (66, 74, 74), outfit.hair)
    if outfit.hair_style == 'long':
        capsule(at(-52, 0, 10), at(-74, 0, -150), 72 * size, 62 * size, outfit.hair * 0.95, head[:, 0], 0.6)
    elif outfit.hair_style == 'bun':
        ball((-112, 0, 34), (42, 42, 42), outfit.hair * 1.05)


def _arm(capsule: Callable, figure: Figure, body: Body, outfit: Outfit, k: int) -> None:
    g, skin, long = body.arm_girth, outfit.skin, outfit.sleeve == 'long'
    shoulder, elbow, wrist = figure.joints[11 + 3 * k:14 + 3 * k]
    color, thick, material = (outfit.shirt, _CLOTH * g, SHIRT_SLEEVE) if long else (skin, 0.0, PLAIN)
    capsule(shoulder, elbow, 54 * g + thick, 42 * g + thick, color, material=material)
    capsule(elbow, wrist, 43 * g + thick, 29 * g + thick, color, material=material)
    if not long and _SLEEVE[outfit.sleeve]:
        cuff = shoulder + (elbow - shoulder) * _SLEEVE[outfit.sleeve]
        capsule(shoulder, cuff, 62 * g, 57 * g, outfit.shirt, material=SHIRT_SLEEVE)
    if outfit.watch and k == 0:
        capsule(wrist + 0.1 * (elbow - wrist), wrist + 0.19 * (elbow - wrist), 33 * g + thick, 33 * g + thick, _WATCH)
    # The palm faces the thigh and the thumb points forward, as in arms that hang at rest.
    hand, length = figure.forearms[k] @ rot_z(-12 * SIDES[k]), body.hand
    knuckles = wrist + hand @ [0, 0, -0.5 * length]
    tip = wrist + hand @ rot_y(-18) @ [0, 0, -0.98 * length]
    for point in (knuckles, tip):  # no part of a hand is below the floor
        point[2] = max(point[2], 18.0)
    capsule(wrist, knuckles, 27 * g, 42 * g, skin, hand[:, 1], 0.5)
    capsule(knuckles, tip, 40 * g, 22 * g, skin * 0.98, hand[:, 1], 0.42)
    capsule(wrist + hand @ [16, 0, -0.12 * length], wrist + hand @ [54 * g, 0, -0.5 * length], 15 * g, 12 * g,
            skin * 1.03)  # thumb


def _leg(capsule: Callable, ellipsoid: Callable, figure: Figure, body: Body, outfit: Outfit, k: int) -> None:
    g, long = body.leg_girth, outfit.trouser == 'long'
    hip, knee, ankle = figure.joints[4 - 3 * k:7 - 3 * k]
    thigh, shin = figure.thighs[k], figure.shins[k]
    color, thick = (outfit.trousers, _CLOTH * g) if long else (outfit.skin, 0.0)
    top = hip + thigh @ [4, -10 * SIDES[k], 0]
    capsule(top, knee, 80 * g + thick, 55 * g + thick, color)
    color = color if outfit.sock is None else outfit.sock
    capsule(knee, ankle, 54 * g + thick, (52 if long else 38) * g, color)
    ellipsoid(knee + shin @ [-17 * g, 0, -0.3 * body.shin], shin,
              (49 * g + thick, 51 * g + thick, 0.3 * body.shin), color)  # calf
    if not long:
        capsule(top, hip + (knee - hip) * _TROUSER[outfit.trouser], 88 * g, 78 * g, outfit.trousers)
        if outfit.sock is None:
            capsule(knee + (ankle - knee) * 0.86, ankle, 38 * g, 40 * g, _SOCK)


def _shoe(capsule: Callable, figure: Figure, body: Body, outfit: Outfit, k: int) -> None:
    ankle, size, shoe = figure.joints[6 - 3 * k], body.foot / 255.0, outfit.shoe
    splay = figure.feet[k] @ rot_z(7 * SIDES[k])

    def at(x: float, z: float) -> np.ndarray:
        return ankle + splay @ np.array([x * size, 0, z - body.ankle_height])

    capsule(at(-38, 46), at(8, 62), 42 * size, 46 * size, shoe)
    capsule(at(-30, 30), at(150, 26), 44 * size, 46 * size, shoe, splay[:, 2], 0.62)
    capsule(at(-36, 9), at(154, 9), 45 * size, 48 * size, _SOLE, splay[:, 2], 0.2)
