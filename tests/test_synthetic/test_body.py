import numpy as np
import pytest

from mmpose_integral.structures.skeleton import BONES, add_thorax
from mmpose_integral.synthetic.body import (
    PEOPLE_PER_SPLIT,
    SPLIT_LENGTH_MM,
    people_of_split,
    random_person,
    standing_length,
)
from mmpose_integral.synthetic.kinematics import pose_figure
from mmpose_integral.synthetic.poses import Pose


def _straight():
    return Pose('straight', np.zeros(2), np.zeros(3), np.zeros(3), np.zeros(3), np.zeros((2, 4)), np.zeros((2, 4)))


@pytest.mark.parametrize('seed', [0, 5])
def test_people_are_disjoint_and_their_mean_lengths_are_set(seed):
    people = {split: people_of_split(seed, split) for split in PEOPLE_PER_SPLIT}
    numbers = [number for split in people for number, _ in people[split]]
    assert sorted(numbers) == list(range(12))
    bodies = [body for split in people for _, body in people[split]]
    assert len({body.thigh for body in bodies}) == 12
    for split, pairs in people.items():
        assert len(pairs) == PEOPLE_PER_SPLIT[split]
        mean = np.mean([standing_length(body) for _, body in pairs])
        assert mean == pytest.approx(SPLIT_LENGTH_MM[split], rel=1e-9)
        assert all(0.85 < body.scale < 1.15 for _, body in pairs)


def test_standing_length_is_the_sum_over_the_skeleton():
    body = random_person(np.random.default_rng(3))
    joints = add_thorax(pose_figure(body, _straight()).joints)
    total = sum(np.linalg.norm(joints[child] - joints[parent]) for parent, child in BONES)
    assert standing_length(body) == pytest.approx(total, rel=1e-9)


def test_straight_pose_has_human_proportions():
    body = random_person(np.random.default_rng(4))
    joints = pose_figure(body, _straight(), yaw=0).joints
    stature = joints[10, 2] + 60 * body.scale          # crown over the head joint
    assert 0.5 < joints[0, 2] / stature < 0.58         # hips a little above the middle
    assert joints[3, 2] == pytest.approx(body.ankle_height)
    span = body.shoulder_width * 2 + 2 * (body.upper_arm + body.forearm + body.hand)
    assert 0.9 < span / stature < 1.12                 # arm span about equals stature
    assert joints[4, 1] > 0 > joints[1, 1]             # facing +x, the left hip lies at +y
    assert joints[9, 0] > 50                           # the nose points forward
