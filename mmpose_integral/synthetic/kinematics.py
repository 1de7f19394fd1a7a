"""Forward kinematics: pose angles and a body -> 17 joints and the frames of the limbs, standing on the floor.

Frames: world in mm, x and y on the floor, z up. The own axes of a body part are x forward, y left, z up when the person
stands straight; limbs hang along -z. Arms and legs turn by a swing and a twist. The length of the vector (forward,
outward) is the swing's angle in degrees, and its direction is where the limb goes. The twist says where the elbow or
knee opens to. Index 0 is left, 1 is right.
"""
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .body import Body
from .poses import Pose

SIDES = (1.0, -1.0)  # sign of y for left, right
_MAX_REACH = 0.995  # share of the leg's length that hip and ankle may be apart, so that a knee is never quite straight


class Figure(NamedTuple):
    """A posed person. Points in world mm; rotations (3, 3) have the part's own axes as columns."""
    joints: np.ndarray  # (17, 3), rows of CHALL_H80K
    pelvis: np.ndarray
    belly: np.ndarray
    chest: np.ndarray
    head: np.ndarray
    forearms: list[np.ndarray]
    thighs: list[np.ndarray]
    shins: list[np.ndarray]
    feet: list[np.ndarray]


def rot_x(degrees: float) -> np.ndarray:
    """Rotation about x, (3, 3)."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def rot_y(degrees: float) -> np.ndarray:
    """Rotation about y, (3, 3); positive bends an upright body forward."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def rot_z(degrees: float) -> np.ndarray:
    """Rotation about z, (3, 3); positive turns left."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def bend(angles: Sequence[float] | np.ndarray) -> np.ndarray:
    """Rotation of a part of the spine from degrees of (flex forward, lean to the left, turn to the left)."""
    flex, lean, turn = angles
    return rot_z(turn) @ rot_y(flex) @ rot_x(-lean)


def swing(forward: float, outward: float, inward_twist: float, side: float) -> np.ndarray:
    """Rotation of a limb from its swing and twist, degrees; side +1 left, -1 right."""
    azimuth, elevation = side * math.degrees(math.atan2(outward, forward)), math.hypot(forward, outward)
    return rot_z(azimuth) @ rot_y(-elevation) @ rot_z(-azimuth - side * inward_twist)


def frame_along(direction: np.ndarray, front: np.ndarray) -> np.ndarray:
    """Limb frame whose -z runs along ``direction`` and whose x is as near to ``front`` as possible."""
    up = -direction / np.linalg.norm(direction)
    x = front - up * (front @ up)
    if x @ x < 1e-12:  # front runs along the limb: take any perpendicular
        x = np.cross(up, (0.3, 1.0, 0.2))
    x = x / math.sqrt(x @ x)
    return np.stack([x, np.cross(up, x), up], axis=1)


def solve_knee(hip: np.ndarray, ankle: np.ndarray, thigh: float, shin: float, front: np.ndarray) -> np.ndarray:
    """Position of the knee that joins hip and ankle and bends towards ``front`` (law of cosines)."""
    reach = ankle - hip
    distance = np.clip(np.linalg.norm(reach), abs(thigh - shin) + 1.0, thigh + shin - 1e-3)
    axis = reach / np.linalg.norm(reach)
    along = (thigh ** 2 - shin ** 2 + distance ** 2) / (2 * distance)
    side = front - axis * (front @ axis)
    side = side / max(np.linalg.norm(side), 1e-9)
    return hip + along * axis + np.sqrt(max(thigh ** 2 - along ** 2, 0.0)) * side


def pose_figure(body: Body, pose: Pose, yaw: float = 0.0) -> Figure:
    """Pose a body and put it on the floor at the origin.

    Args:
        body: Lengths, mm.
        pose: Angles, degrees.
        yaw: Heading, degrees; 0 faces world +x.

    Returns:
        Figure with the root above the origin and the lowest part at z = 0.
    """
    joints = np.zeros((17, 3))
    pelvis = rot_z(yaw) @ rot_y(pose.pelvis[0]) @ rot_x(pose.pelvis[1])
    belly = pelvis @ bend(pose.belly)
    chest = belly @ bend(pose.chest)
    head = chest @ bend(pose.head)
    joints[7] = belly @ [0, 0, body.lower_spine]
    joints[8] = joints[7] + chest @ [0, 0, body.upper_spine]
    joints[9], joints[10] = joints[8] + head @ body.nose, joints[8] + head @ body.head
    forearms = _pose_arms(body, pose, chest, joints)
    thighs, shins = _pose_legs(body, pose, pelvis, joints)
    if pose.planted:
        _plant_feet(body, joints, thighs, shins)
    joints[:, 2] -= _lowest(body, joints)
    feet = [_pose_foot(body, joints[ankle], shin) for ankle, shin in zip((6, 3), shins, strict=True)]
    return Figure(joints, pelvis, belly, chest, head, forearms, thighs, shins, feet)


def _pose_arms(body: Body, pose: Pose, chest: np.ndarray, joints: np.ndarray) -> list[np.ndarray]:
    """Fill joints 11-16; return the frames of the forearms, left first."""
    forearms = []
    for k, side in enumerate(SIDES):
        forward, outward, twist, elbow = pose.arms[k]
        # A raised arm lifts the collar bone: by a third of its angle above 60 degrees, at most 25 degrees.
        lift = float(np.clip((np.hypot(forward, outward) - 60.0) / 3.0, 0.0, 25.0))
        collar = chest @ rot_x(side * lift)
        upper = chest @ swing(forward, outward, twist, side)
        lower = upper @ rot_y(-elbow)
        first = 11 + 3 * k
        joints[first] = joints[8] + collar @ [0, side * body.shoulder_width, -body.shoulder_drop]
        joints[first + 1] = joints[first] + upper @ [0, 0, -body.upper_arm]
        joints[first + 2] = joints[first + 1] + lower @ [0, 0, -body.forearm]
        forearms.append(lower)
    return forearms


def _pose_legs(body: Body, pose: Pose, pelvis: np.ndarray,
               joints: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Fill joints 1-6; return the frames of the thighs and of the shins, left first."""
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


def _plant_feet(body: Body, joints: np.ndarray, thighs: list[np.ndarray], shins: list[np.ndarray]) -> None:
    """Move both ankles to one height, and the knees by inverse kinematics, so that both feet are on the floor."""
    longest = _MAX_REACH * (body.thigh + body.shin)
    wanted, possible = [], []  # heights of the pelvis above the ankles; the straighter leg carries the body
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
        # The clipped distance can be slightly too short. The ankle moves, so that the shin keeps its length.
        down = joints[hip + 2] - joints[hip + 1]
        joints[hip + 2] = joints[hip + 1] + down * (body.shin / np.linalg.norm(down))
        thighs[k] = frame_along(joints[hip + 1] - joints[hip], front)
        shins[k] = frame_along(joints[hip + 2] - joints[hip + 1], front)


def _lowest(body: Body, joints: np.ndarray) -> float:
    """Height of the lowest part, mm, including the flesh below the joints."""
    flesh = np.zeros(17)
    flesh[[3, 6]] = body.ankle_height
    flesh[[2, 5]] = 58.0 * body.leg_girth
    flesh[0] = 105.0 * body.leg_girth
    flesh[[1, 4]] = 95.0 * body.leg_girth
    flesh[[12, 15]], flesh[[13, 16]], flesh[[8, 9, 10]] = 45.0, 40.0, 90.0
    return float((joints[:, 2] - flesh).min())


def _pose_foot(body: Body, ankle: np.ndarray, shin: np.ndarray) -> np.ndarray:
    """Frame of a foot: level on the floor, toes down in the air, stretched when kneeling."""
    raised = max(ankle[2] - body.ankle_height, 0.0)
    if shin[2, 2] > 0.55:  # the shin is within about 57 degrees of upright
        level = frame_along(np.array([0.0, 0.0, -1.0]), shin[:, 0])
        return level @ rot_y(min(raised * 0.12, 35.0))
    return shin @ rot_y(40.0)
