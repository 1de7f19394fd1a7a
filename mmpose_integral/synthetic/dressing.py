"""From a posed figure to the shapes that draw it: flesh, clothes, face, hands and shoes.

All offsets are mm for the average adult in the part's own axes (x forward, y left, z up) and grow with the body.
"""
import numpy as np

from .kinematics import SIDES, rot_y, rot_z

# Material numbers that shading.py gives a texture.
PLAIN, SHIRT, FACE, TROUSERS, SHOE, SHIRT_SLEEVE = range(6)


def dress(shapes, figure, body, outfit, owner):
    """Add a person to a shape list.

    Args:
        shapes (ShapeList): collects the shapes, world mm.
        figure (Figure): posed joints and frames, world mm.
        body (Body): girths.
        outfit (Outfit): colours.
        owner (int): number of the person in the image.
    """
    _torso(shapes, figure, body, outfit, owner)
    _head(shapes, figure, body, outfit, owner)
    for k in range(2):
        _arm(shapes, figure, body, outfit, owner, k)
        _leg(shapes, figure, body, outfit, owner, k)


def head_center(figure, body):
    """Centre of the skull, (3,) world mm."""
    return figure.joints[8] + figure.head @ (np.array([8.0, 0.0, 148.0]) * body.head_size)


def _torso(shapes, figure, body, outfit, owner):
    g, joints, chest, pelvis = body.torso_girth, figure.joints, figure.chest, figure.pelvis
    root, torso, neck = joints[0], joints[7], joints[8]
    shirt, trousers = outfit.shirt, outfit.trousers
    hips = body.hip_width + 42.0 * body.leg_girth
    shapes.ellipsoid(root + pelvis @ [0, 0, 42 * g], pelvis, (108 * g, hips, 92 * g), trousers, TROUSERS, owner)
    # Seat: from hip to hip, a little behind, so that trunk and thighs join without a step.
    left, right = (root + pelvis @ [-10, side * 0.62 * body.hip_width, 0] for side in SIDES)
    shapes.capsule(left, right, 88 * body.leg_girth, 88 * body.leg_girth, trousers, None, 1.0, TROUSERS, owner)
    for side in SIDES:
        shapes.ellipsoid(root + pelvis @ [-42 * g, side * 0.55 * body.hip_width, -16 * g], pelvis,
                         (72 * g, 72 * g, 84 * g), trousers, TROUSERS, owner)
    shapes.capsule(root + pelvis @ [0, 0, 75 * g], torso + figure.belly @ [2, 0, 0], 140 * g, 142 * g, shirt,
                   figure.belly[:, 0], 0.74, SHIRT, owner)
    top = neck + chest @ [-6, 0, -body.shoulder_drop - 72 * g]
    shapes.capsule(torso + chest @ [2, 0, 10], top, 143 * g, 160 * g, shirt, chest[:, 0], 0.72, SHIRT, owner)
    shoulder_line = 0.5 * (joints[11] + joints[14])
    shapes.ellipsoid(shoulder_line + chest @ [-4, 0, -8], chest,
                     (72 * g, body.shoulder_width + 18 * body.arm_girth, 68 * g), shirt, SHIRT, owner)
    for k, joint in enumerate((11, 14)):     # trapezius
        inner = neck + chest @ [-14, SIDES[k] * 22, -16]
        shapes.capsule(inner, joints[joint] + chest @ [-6, 0, 6], 52 * g, 46 * g, shirt, None, 1.0, SHIRT, owner)


def _head(shapes, figure, body, outfit, owner):
    head, center, size = figure.head, head_center(figure, body), body.head_size
    skin, hair = outfit.skin, outfit.hair

    def at(x, y, z):
        return center + head @ (np.array([x, y, z]) * size)

    shapes.capsule(figure.joints[8] + figure.chest @ [-8, 0, -30], at(-22, 0, -52), 60 * size, 54 * size,
                   skin, None, 1.0, PLAIN, owner)
    shapes.ellipsoid(at(0, 0, 0), head, np.array([94, 75, 112]) * size, skin, FACE, owner)
    shapes.ellipsoid(at(26, 0, -58), head, np.array([62, 56, 60]) * size, skin, FACE, owner)        # jaw
    shapes.capsule(at(84, 0, 8), at(104, 0, -26), 9 * size, 17 * size, skin * 0.97, None, 1.0, PLAIN, owner)
    for side in SIDES:
        shapes.ellipsoid(at(-2, side * 76, -10), head, np.array([20, 9, 30]) * size, skin * 0.92, PLAIN, owner)
    style = outfit.hair_style
    if style == 'bald':
        return
    if style == 'cap':
        shapes.ellipsoid(at(-10, 0, 26), head, np.array([97, 84, 98]) * size, outfit.second, PLAIN, owner)
        shapes.capsule(at(76, 0, 52), at(132, 0, 40), 62 * size, 48 * size, outfit.second * 0.85,
                       head[:, 2], 0.16, PLAIN, owner)
        return
    shapes.ellipsoid(at(-17, 0, 20), head, np.array([92, 84, 106]) * size, hair, PLAIN, owner)
    shapes.ellipsoid(at(-38, 0, -22), head, np.array([66, 74, 74]) * size, hair, PLAIN, owner)
    if style == 'long':
        shapes.capsule(at(-52, 0, 10), at(-74, 0, -150), 72 * size, 62 * size, hair * 0.95, head[:, 0], 0.6, PLAIN,
                       owner)
    elif style == 'bun':
        shapes.ellipsoid(at(-112, 0, 34), head, np.array([42, 42, 42]) * size, hair * 1.05, PLAIN, owner)


def _arm(shapes, figure, body, outfit, owner, k):
    g, side = body.arm_girth, SIDES[k]
    shoulder, elbow, wrist = figure.joints[11 + 3 * k:14 + 3 * k]
    lower = figure.forearms[k]
    long = outfit.sleeve == 1.0
    cloth, skin, extra = outfit.shirt, outfit.skin, 5.0 * g
    arm_color = cloth if long else skin
    thick = extra if long else 0.0
    material = SHIRT_SLEEVE if long else PLAIN
    shapes.capsule(shoulder, elbow, 54 * g + thick, 42 * g + thick, arm_color, None, 1.0, material, owner)
    shapes.capsule(elbow, wrist, 43 * g + thick, 29 * g + thick, arm_color, None, 1.0, material, owner)
    if outfit.sleeve and not long:
        end = shoulder + (elbow - shoulder) * outfit.sleeve * 1.9
        shapes.capsule(shoulder, end, 62 * g, 57 * g, cloth, None, 1.0, SHIRT_SLEEVE, owner)
    if outfit.watch and k == 0:
        place = wrist + 0.1 * (elbow - wrist)
        shapes.capsule(place, place + 0.09 * (elbow - wrist), 33 * g + thick, 33 * g + thick, np.array([30., 30, 34]),
                       None, 1.0, PLAIN, owner)
    # The palm is flat across its own x axis turned inward, thumb forward, as arms hang at rest.
    hand = lower @ rot_z(-12 * side)
    length = body.hand
    knuckles = wrist + hand @ [0, 0, -0.5 * length]
    tip = wrist + hand @ rot_y(-18) @ [0, 0, -0.98 * length]
    shapes.capsule(wrist, knuckles, 27 * g, 42 * g, skin, hand[:, 1], 0.5, PLAIN, owner)
    shapes.capsule(knuckles, tip, 40 * g, 22 * g, skin * 0.98, hand[:, 1], 0.42, PLAIN, owner)
    shapes.capsule(wrist + hand @ [16, 0, -0.12 * length], wrist + hand @ [54 * g, 0, -0.5 * length], 15 * g, 12 * g,
                   skin * 1.03, None, 1.0, PLAIN, owner)


def _leg(shapes, figure, body, outfit, owner, k):
    g = body.leg_girth
    first = 4 - 3 * k
    hip, knee, ankle = figure.joints[first:first + 3]
    thigh, shin, foot = figure.thighs[k], figure.shins[k], figure.feet[k]
    long = outfit.trouser == 1.0
    cloth, skin = outfit.trousers, outfit.skin
    color, thick = (cloth, 5 * g) if long else (skin, 0.0)
    top = hip + thigh @ [4, -10 * SIDES[k], 0]
    shapes.capsule(top, knee, 80 * g + thick, 55 * g + thick, color, None, 1.0, PLAIN, owner)
    shapes.capsule(knee, ankle, 54 * g + thick, (38 + 14 * long) * g, color, None, 1.0, PLAIN, owner)
    shapes.ellipsoid(knee + shin @ [-17 * g, 0, -0.3 * body.shin], shin,
                     np.array([49 * g + thick, 51 * g + thick, 0.3 * body.shin]), color, PLAIN, owner)
    if not long:
        end = hip + (knee - hip) * outfit.trouser * 1.6
        shapes.capsule(top, end, 88 * g, 78 * g, cloth, None, 1.0, PLAIN, owner)
        low = knee + (ankle - knee) * 0.86
        shapes.capsule(low, ankle, 38 * g, 40 * g, np.array([225., 225, 225]), None, 1.0, PLAIN, owner)      # sock
    size, shoe = body.foot / 255.0, outfit.shoe
    drop = -body.ankle_height
    splay = foot @ rot_z(7 * SIDES[k])

    def at(x, z):
        return ankle + splay @ np.array([x * size, 0, drop + z])

    shapes.capsule(at(-38, 44), at(8, 62), 42 * size, 46 * size, shoe, None, 1.0, PLAIN, owner)
    shapes.capsule(at(-30, 30), at(150, 26), 44 * size, 46 * size, shoe, splay[:, 2], 0.62, PLAIN, owner)
    shapes.capsule(at(-36, 9), at(154, 9), 44 * size, 48 * size, np.array([205., 208, 210]) * 0.9, splay[:, 2], 0.2,
                   PLAIN, owner)        # sole
