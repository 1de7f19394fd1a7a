"""Forward kinematics: pose angles + body -> 17 joints and limb frames, standing on the floor.

Frames: world x, y on the floor, z up, mm. A body part's own axes are x forward, y left, z up when the person stands
straight; limbs hang along -z. Arms and legs turn by a swing (forward, outward degrees: the length is the angle, the
direction where the limb goes) and a twist (where the elbow or knee opens to). Side 0 is left, 1 is right.
"""
import math
from typing import NamedTuple

import numpy as np

SIDES = (1.0, -1.0)                     # sign of y for left, right
_MAX_REACH = 0.995                      # of the leg: a knee never locks quite straight


class Figure(NamedTuple):
    """A posed person. Points in world mm, rotations (3, 3) with the part's own axes as columns."""
    joints: np.ndarray                  # (17, 3), rows of CHALL_H80K
    pelvis: np.ndarray
    belly: np.ndarray
    chest: np.ndarray
    head: np.ndarray
    upper_arms: list
    forearms: list
    thighs: list
    shins: list
    feet: list


def rot_x(degrees):
    """Rotation about x by degrees, (3, 3)."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def rot_y(degrees):
    """Rotation about y by degrees, (3, 3); positive bends an upright body forward."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def rot_z(degrees):
    """Rotation about z by degrees, (3, 3); positive turns left."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def bend(angles):
    """Rotation of a spine part from (flex forward, lean to the left, turn to the left) degrees."""
    flex, lean, turn = angles
    return rot_z(turn) @ rot_y(flex) @ rot_x(-lean)


def swing(forward, outward, inward_twist, side):
    """Rotation of a limb from its swing and twist, degrees; side +1 left, -1 right."""
    azimuth, elevation = side * math.degrees(math.atan2(outward, forward)), math.hypot(forward, outward)
    return rot_z(azimuth) @ rot_y(-elevation) @ rot_z(-azimuth - side * inward_twist)


def _cross(a, b):
    """Vector product of two (3,) vectors; ten times as fast as ``np.cross`` on single ones."""
    (a0, a1, a2), (b0, b1, b2) = a, b
    return np.array([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0])


def frame_along(direction, front):
    """Limb frame whose -z runs along ``direction`` and whose x is as near to ``front`` as can be."""
    up = -direction / np.linalg.norm(direction)
    x = front - up * (front @ up)
    if x @ x < 1e-12:                   # front along the limb: any perpendicular will do
        x = _cross(up, (0.3, 1.0, 0.2))
    x = x / math.sqrt(x @ x)
    return np.stack([x, _cross(up, x), up], axis=1)


def solve_knee(hip, ankle, thigh, shin, front):
    """Knee position that joins hip and ankle, bending towards ``front`` (law of cosines)."""
    reach = ankle - hip
    distance = np.clip(np.linalg.norm(reach), abs(thigh - shin) + 1.0, thigh + shin - 1e-3)
    axis = reach / np.linalg.norm(reach)
    along = (thigh ** 2 - shin ** 2 + distance ** 2) / (2 * distance)
    side = front - axis * (front @ axis)
    side = side / max(np.linalg.norm(side), 1e-9)
    return hip + along * axis + np.sqrt(max(thigh ** 2 - along ** 2, 0.0)) * side


def pose_figure(body, pose, yaw=0.0):
    """Pose a body and put it on the floor at the origin.

    Args:
        body (Body): lengths, mm.
        pose (Pose): angles, degrees.
        yaw (float): heading, degrees; 0 faces world +x.

    Returns:
        Figure: root above the origin, lowest part at z = 0.
    """
    joints = np.zeros((17, 3))
    pelvis = rot_z(yaw) @ rot_y(pose.pelvis[0]) @ rot_x(pose.pelvis[1])
    belly = pelvis @ bend(pose.belly)
    chest = belly @ bend(pose.chest)
    head = chest @ bend(pose.head)
    joints[7] = belly @ [0, 0, body.lower_spine]
    joints[8] = joints[7] + chest @ [0, 0, body.upper_spine]
    joints[9], joints[10] = joints[8] + head @ body.nose, joints[8] + head @ body.head
    upper_arms, forearms = _pose_arms(body, pose, chest, joints)
    thighs, shins = _pose_legs(body, pose, pelvis, joints)
    if pose.planted:
        _plant_feet(body, pose, joints, thighs, shins)
    joints[:, 2] -= _lowest(body, joints)
    feet = [_pose_foot(body, joints[ankle], shin) for ankle, shin in zip((6, 3), shins, strict=True)]
    return Figure(joints, pelvis, belly, chest, head, upper_arms, forearms, thighs, shins, feet)


def _pose_arms(body, pose, chest, joints):
    """Fill joints 11-16; returns the upper-arm and forearm frames, left first."""
    upper_arms, forearms = [], []
    for k, side in enumerate(SIDES):
        forward, outward, twist, elbow = pose.arms[k]
        # A raised arm lifts the collar bone: a third of what the arm rises above the horizontal, at most 25 degrees.
        lift = float(np.clip((np.hypot(forward, outward) - 60.0) / 3.0, 0.0, 25.0))
        collar = chest @ rot_x(side * lift)
        upper = chest @ swing(forward, outward, twist, side)
        lower = upper @ rot_y(-elbow)
        first = 11 + 3 * k
        joints[first] = joints[8] + collar @ [0, side * body.shoulder_width, -body.shoulder_drop]
        joints[first + 1] = joints[first] + upper @ [0, 0, -body.upper_arm]
        joints[first + 2] = joints[first + 1] + lower @ [0, 0, -body.forearm]
        upper_arms.append(upper)
        forearms.append(lower)
    return upper_arms, forearms


def _pose_legs(body, pose, pelvis, joints):
    """Fill joints 1-6; returns the thigh and shin frames, left first."""
    thighs, shins = [], []
    for k, side in enumerate(SIDES):
        forward, outward, twist, knee = pose.legs[k]
        thigh = pelvis @ swing(forward, outward, twist, side)
        shin = thigh @ rot_y(knee)
        first = 4 - 3 * k
        joints[first] = pelvis @ [0, side * body.hip_width, 0]
        joints[first + 1] = joints[first] + thigh @ [0, 0, -body.thigh]
        joints[first + 2] = joints[first + 1] + shin @ [0, 0, -body.shin]
        thighs.append(thigh)
        shins.append(shin)
    return thighs, shins


def _plant_feet(body, pose, joints, thighs, shins):
    """Move the ankles of both legs to one height, the knees by inverse kinematics (both feet on the floor)."""
    longest = _MAX_REACH * (body.thigh + body.shin)
    wanted, possible = [], []           # pelvis heights over the ankles: the straighter leg carries the body
    for hip in (4, 1):
        offset = joints[hip + 2] - joints[hip]
        flat = min(offset[:2] @ offset[:2], (0.95 * longest) ** 2)
        wanted.append(np.sqrt(max(offset @ offset - flat, 0.0)) - joints[hip, 2])
        possible.append(np.sqrt(longest ** 2 - flat) - joints[hip, 2])
    floor = -min(max(wanted), *possible)
    for k, hip in enumerate((4, 1)):
        front = thighs[k][:, 0] + 0.05 * thighs[k][:, 2]
        joints[hip + 2, 2] = floor
        joints[hip + 1] = solve_knee(joints[hip], joints[hip + 2], body.thigh, body.shin, front)
        # The clipped reach may fall short by a hair: the ankle follows the knee, so that bones keep their length.
        down = joints[hip + 2] - joints[hip + 1]
        joints[hip + 2] = joints[hip + 1] + down * (body.shin / np.linalg.norm(down))
        thighs[k] = frame_along(joints[hip + 1] - joints[hip], front)
        shins[k] = frame_along(joints[hip + 2] - joints[hip + 1], front)


def _lowest(body, joints):
    """Height of the lowest part under its joint's flesh, mm."""
    flesh = np.full(17, 0.0)
    flesh[[3, 6]] = body.ankle_height
    flesh[[2, 5]] = 58.0 * body.leg_girth
    flesh[0] = 105.0 * body.leg_girth
    flesh[[1, 4]] = 95.0 * body.leg_girth
    flesh[[12, 15]], flesh[[13, 16]], flesh[[8, 9, 10]] = 45.0, 40.0, 90.0
    return float((joints[:, 2] - flesh).min())


def _pose_foot(body, ankle, shin):
    """Foot frame: level on the floor, toes down in the air, stretched when kneeling."""
    raised = max(ankle[2] - body.ankle_height, 0.0)
    if shin[2, 2] > 0.55:               # shin within about 57 degrees of upright
        level = frame_along(np.array([0.0, 0.0, -1.0]), shin[:, 0])
        return level @ rot_y(min(raised * 0.12, 35.0))
    return shin @ rot_y(40.0)
