"""Random poses: a mixture of everyday actions, with noise of the joint angles inside human limits.

Angles are degrees; :mod:`kinematics` defines them. A row of ``arms`` is (swing forward, swing outward, forearm opens
inward, elbow), a row of ``legs`` (swing forward, swing outward, toes inward, knee). Row 0 is left, row 1 right.
"""
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Pose(NamedTuple):
    """Angles of a pose, degrees."""
    name: str
    pelvis: np.ndarray  # (2,) pitch forward, roll
    belly: np.ndarray  # (3,) flex forward, lean left, turn left
    chest: np.ndarray  # (3,)
    head: np.ndarray  # (3,)
    arms: np.ndarray  # (2, 4)
    legs: np.ndarray  # (2, 4)
    planted: bool = False  # whether both feet are on the floor
    seat: bool = False  # whether a stool is drawn under the hips


_ARM_LIMITS = np.array([[-45, -12, -60, 2], [178, 165, 100, 148]], float)
_LEG_LIMITS = np.array([[-30, -22, -95, 2], [140, 65, 35, 150]], float)
_ARM_ACTIONS = dict(  # mean and standard deviation of an arm's four angles
    hang=((4, 9, 15, 16), (9, 4, 14, 11)),
    up=((150, 12, 10, 18), (18, 14, 30, 16)),
    forward=((84, 4, 10, 14), (16, 12, 30, 14)),
    side=((8, 88, 10, 14), (16, 16, 35, 16)),
    diagonal=((75, 65, 10, 20), (25, 25, 30, 20)),
    point=((78, 30, 0, 5), (22, 28, 25, 4)),
    hip=((-14, 38, 38, 92), (6, 6, 8, 8)),
    phone=((38, 22, 18, 140), (9, 8, 8, 5)),
    carry=((18, 6, 22, 84), (10, 5, 14, 16)),
    wave=((20, 88, -75, 80), (15, 12, 15, 22)),
    back=((-34, 12, 10, 14), (7, 6, 14, 10)),
    head=((95, 70, 60, 128), (12, 10, 10, 9)))


def _arms(rng: np.random.Generator, left: str, right: str) -> np.ndarray:
    return np.stack([rng.normal(*_ARM_ACTIONS[left]), rng.normal(*_ARM_ACTIONS[right])])


def _pick(rng: np.random.Generator, names: Sequence[str], weights: Sequence[float]) -> str:
    return str(rng.choice(names, p=np.divide(weights, sum(weights))))


def _any_arms(rng: np.random.Generator) -> np.ndarray:
    """Two arms with unrelated actions; hanging is most common."""
    names = tuple(_ARM_ACTIONS)
    weights = (5, 1.5, 1.2, 1.2, 1, 1, 1, 0.8, 1.2, 0.7, 0.5, 0.4)
    return _arms(rng, _pick(rng, names, weights), _pick(rng, names, weights))


def _upright(pelvis: np.ndarray, legs: np.ndarray) -> np.ndarray:
    """Legs that hang straight down although the pelvis is tilted."""
    return legs + np.array([[pelvis[0], -pelvis[1], 0, 0], [pelvis[0], pelvis[1], 0, 0]])


def _trunk(rng: np.random.Generator, flex: float = 2.0, flex_std: float = 4.0,
           turn_std: float = 9.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Angles of belly, chest and head."""
    belly = rng.normal((flex, 0, 0), (flex_std, 3, turn_std * 0.6))
    chest = rng.normal((flex, 0, 0), (flex_std, 4, turn_std))
    head = rng.normal((4, 0, 0), (12, 7, 26))
    return belly, chest, head


def _standing(rng: np.random.Generator, name: str, arms: np.ndarray, **trunk: float) -> Pose:
    legs = np.stack([rng.normal((2, 6, -8, 5), (4, 4, 6, 4)) for _ in range(2)])
    if rng.random() < 0.35:  # the weight is on one leg, and the other is a little bent
        legs[0] += (14, 4, -6, 22)
    pelvis = rng.normal((1, 0), (4, 3))
    return Pose(name, pelvis, *_trunk(rng, **trunk), arms, _upright(pelvis, legs), planted=True)


def _stand(rng: np.random.Generator) -> Pose:
    return _standing(rng, 'stand', _arms(rng, 'hang', 'hang'))


def _gesture(rng: np.random.Generator) -> Pose:
    return _standing(rng, 'gesture', _any_arms(rng), turn_std=13)


def _reach(rng: np.random.Generator) -> Pose:
    how = _pick(rng, ('up', 'forward', 'side', 'diagonal'), (1.3, 1, 1, 1))
    both = rng.random() < 0.55
    return _standing(rng, 'reach', _arms(rng, how, how if both else 'hang'), flex_std=7)


def _point(rng: np.random.Generator) -> Pose:
    return _standing(rng, 'point', _arms(rng, 'point', _pick(rng, ('hang', 'hip', 'carry'), (3, 1, 1))), turn_std=14)


def _cross(rng: np.random.Generator) -> Pose:
    arms = np.array([(34, 6, 78, 108), (26, 6, 74, 100)], float) + rng.normal(0, 4, (2, 4))
    return _standing(rng, 'arms crossed', arms)


def _turn(rng: np.random.Generator) -> Pose:
    pose = _standing(rng, 'turn', _any_arms(rng))
    way = rng.choice((-1, 1)) * rng.uniform(0.6, 1.2)
    return pose._replace(belly=pose.belly + (0, 0, 16 * way), chest=pose.chest + (0, 0, 24 * way),
                         head=pose.head + (0, 0, 22 * way))


def _walk(rng: np.random.Generator) -> Pose:
    phase, stride = rng.uniform(0, 2 * np.pi), rng.uniform(14, 32)
    leg_means, arm_means = [], []
    for angle in (phase, phase + np.pi):
        knee = 8 + 52 * (stride / 32) * max(np.cos(angle), 0.0) ** 2 + 6 * max(np.sin(angle), 0.0)
        leg_means.append((stride * np.sin(angle) + 4, 2, -5, knee))
        arm_means.append((-0.9 * stride * np.sin(angle) + 4, 7, 18, 24 + 10 * max(-np.sin(angle), 0.0)))
    arms = np.array(arm_means) + rng.normal(0, 5, (2, 4))
    if rng.random() < 0.3:
        arms[0] = rng.normal(*_ARM_ACTIONS[_pick(rng, ('carry', 'phone', 'wave'), (1, 1, 0.6))])
    swing = np.array([0, 0, 7 * np.sin(phase)])
    belly, chest, head = _trunk(rng, flex=3, turn_std=4)
    pelvis = rng.normal((4, 0), (3, 2))
    legs = np.array(leg_means) + rng.normal(0, 2.5, (2, 4))
    return Pose('walk', pelvis, belly, chest + swing, head, arms, _upright(pelvis, legs))


def _lunge(rng: np.random.Generator) -> Pose:
    legs = np.array([(62, 8, -4, 78), (-22, 8, -6, 18)], float) + rng.normal(0, 7, (2, 4))
    return Pose('lunge', rng.normal((8, 0), (8, 4)), *_trunk(rng, flex=6), _any_arms(rng), legs, planted=True)


def _sit(rng: np.random.Generator) -> Pose:
    legs = np.array([(80, 10, -5, 84), (80, 10, -5, 84)], float) + rng.normal(0, (7, 7, 7, 15), (2, 4))
    if rng.random() < 0.15:  # one leg over the other
        legs[0], legs[1] = (98, -14, 5, 72), (80, 4, 0, 88)
    arms = _arms(rng, 'carry', 'carry') if rng.random() < 0.45 else _any_arms(rng)
    return Pose('sit', rng.normal((-4, 0), (7, 2)), *_trunk(rng, flex=7, flex_std=8), arms, legs, seat=True)


def _sit_floor(rng: np.random.Generator) -> Pose:
    how = _pick(rng, ('stretched', 'knees up', 'tailor'), (1, 1, 1))
    base = {'stretched': (89, 12, -10, 12), 'knees up': (134, 10, -6, 112), 'tailor': (90, 48, -86, 127)}[how]
    legs = np.stack([rng.normal(base, (3, 5, 5, 6)) for _ in range(2)])
    if how == 'stretched' and rng.random() < 0.5:
        legs[0] = rng.normal((134, 10, -6, 112), (3, 5, 5, 5))
    arms = _arms(rng, 'back', 'back') if rng.random() < 0.4 else _any_arms(rng)
    return Pose('sit on floor', rng.normal((-10, 0), (4, 2)), *_trunk(rng, flex=8, flex_std=8), arms, legs)


def _crouch(rng: np.random.Generator) -> Pose:
    depth = rng.uniform(0.4, 1.0)
    legs = np.array([(108, 18, -14, 138)] * 2, float) * (depth, 1, 1, depth) + rng.normal(0, (5, 6, 5, 5), (2, 4))
    arms = _arms(rng, 'forward', 'forward') if rng.random() < 0.4 else _any_arms(rng)
    return Pose('crouch', rng.normal((22 * depth, 0), (6, 3)), *_trunk(rng, flex=12 * depth), arms, legs,
                planted=True)


def _kneel(rng: np.random.Generator) -> Pose:
    legs = np.array([(4, 5, 0, 96), (4, 5, 0, 96)], float) + rng.normal(0, 4, (2, 4))
    if rng.random() < 0.6:
        legs[0] = rng.normal((88, 8, -4, 92), (5, 6, 5, 6))
    elif rng.random() < 0.5:  # sitting on the heels
        legs[:, 0], legs[:, 3] = rng.normal(66, 5, 2), rng.normal(144, 4, 2)
    return Pose('kneel', rng.normal((3, 0), (4, 2)), *_trunk(rng, flex=4, flex_std=7), _any_arms(rng), legs)


def _bend(rng: np.random.Generator) -> Pose:
    pitch, flex = rng.uniform(20, 65), rng.uniform(6, 24)
    legs = np.stack([rng.normal((pitch + 4, 7, -6, 14), (4, 4, 5, 9)) for _ in range(2)])
    arms = np.stack([rng.normal((pitch + 1.7 * flex, 8, 15, 16), (18, 7, 14, 12)) for _ in range(2)])
    if rng.random() < 0.35:
        arms[0] = _any_arms(rng)[0]
    return Pose('bend', rng.normal((pitch, 0), (3, 3)), *_trunk(rng, flex=flex), arms, legs, planted=True)


def _lie(rng: np.random.Generator) -> Pose:
    how = _pick(rng, ('back', 'front', 'side'), (2, 1, 1))
    pelvis = rng.normal({'back': (-90, 0), 'front': (90, 0), 'side': (0, 90)}[how], 3)
    # on the back: stretched, foot on the floor, leg in the air
    shapes = {'back': ((0, 8, -15, 6), (50, 8, -4, 100), (80, 8, -5, 15)),
              'front': ((0, 8, -5, 8), (0, 6, 0, 80)), 'side': ((10, 2, 0, 15), (55, 2, 0, 80))}[how]
    legs = np.stack([rng.normal(shapes[rng.integers(len(shapes))], (7, 4, 6, 8)) for _ in range(2)])
    names = {'back': ('hang', 'hip', 'side', 'up', 'head', 'phone'), 'front': ('hang', 'up', 'diagonal', 'head'),
             'side': ('hang', 'forward', 'carry', 'up')}[how]
    arms = _arms(rng, *rng.choice(names, 2))
    return Pose('lie', pelvis, *_trunk(rng, flex=-6 if how == 'front' else 3), arms, legs)


def _all_fours(rng: np.random.Generator) -> Pose:
    plank = rng.random() < 0.3
    leg = (4, 4, 0, 6) if plank else (85, 8, -3, 92)
    legs, arms = rng.normal(leg, (6, 4, 4, 6), (2, 4)), rng.normal((85, 8, 10, 10), (10, 6, 10, 8), (2, 4))
    belly, chest, head = _trunk(rng)
    return Pose('all fours', rng.normal((80, 0), (6, 3)), belly, chest, head - (20, 0, 0), arms, legs)


def _acrobat(rng: np.random.Generator) -> Pose:
    """A gymnast at any angle to the floor."""
    arms = rng.uniform(_ARM_LIMITS[0], _ARM_LIMITS[1], (2, 4))
    legs = rng.uniform((-30, -15, -40, 2), (120, 55, 20, 130), (2, 4))
    pelvis = np.array([rng.uniform(-180, 180), rng.normal(0, 25)])
    return Pose('acrobat', pelvis, *_trunk(rng, flex_std=10, turn_std=14), arms, legs)


_ACTIONS = (_stand, _gesture, _reach, _point, _cross, _turn, _walk, _lunge, _sit, _sit_floor, _crouch, _kneel, _bend,
            _lie, _all_fours, _acrobat)
EVERYDAY = (10, 20, 12, 6, 4, 7, 15, 4, 12, 3, 6, 5, 7, 0, 0, 0)  # weights of the actions
PHOTOGRAPHED = (8, 16, 10, 5, 3, 6, 13, 7, 12, 8, 7, 6, 7, 10, 4, 10)  # with sports, and people on the floor


def random_pose(rng: np.random.Generator, weights: Sequence[float] = EVERYDAY) -> Pose:
    """Draw a pose from the mixture, mirrored at random, with angles inside human limits."""
    pose = _ACTIONS[int(rng.choice(len(_ACTIONS), p=np.divide(weights, sum(weights))))](rng)
    arms, legs = np.clip(pose.arms, *_ARM_LIMITS), np.clip(pose.legs, *_LEG_LIMITS)
    belly = np.clip(pose.belly, (-15, -15, -30), (45, 15, 30))
    chest = np.clip(pose.chest, (-15, -15, -35), (40, 15, 35))
    head = np.clip(pose.head, (-30, -20, -60), (40, 20, 60))
    pelvis = pose.pelvis
    if rng.random() < 0.5:
        arms, legs = arms[::-1], legs[::-1]
        pelvis, flip = pelvis * (1, -1), np.array([1, -1, -1])
        belly, chest, head = belly * flip, chest * flip, head * flip
    return pose._replace(pelvis=pelvis, belly=belly, chest=chest, head=head, arms=arms, legs=legs)
