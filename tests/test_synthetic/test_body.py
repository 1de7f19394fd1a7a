import numpy as np
import pytest

from mmpose_integral.structures.bone_length import skeleton_length
from mmpose_integral.structures.skeleton import add_thorax
from mmpose_integral.synthetic.body import SPLIT_LENGTH_MM, people_of_split, random_person, standing_length
from mmpose_integral.synthetic.kinematics import pose_figure
from mmpose_integral.synthetic.poses import Pose


def _standing_joints(body):
    pose = Pose('straight', np.zeros(2), np.zeros(3), np.zeros(3), np.zeros(3), np.zeros((2, 4)), np.zeros((2, 4)))
    return pose_figure(body, pose, yaw=0).joints


@pytest.mark.parametrize('seed', [0, 5])
def test_people_are_disjoint_and_their_mean_lengths_are_set(seed):
    people = {split: people_of_split(seed, split) for split in ('train', 'val', 'test')}
    assert [len(pairs) for pairs in people.values()] == [6, 3, 3]
    numbers, bodies = zip(*sum(people.values(), ()), strict=True)
    assert numbers == tuple(range(12)) and len({body.thigh for body in bodies}) == 12
    assert all(0.85 < body.scale < 1.15 for body in bodies)
    for split, pairs in people.items():
        mean = np.mean([standing_length(body) for _, body in pairs])
        assert mean == pytest.approx(SPLIT_LENGTH_MM[split], rel=1e-9)


def test_standing_length_is_the_sum_over_the_skeleton():
    body = random_person(np.random.default_rng(3))
    assert standing_length(body) == pytest.approx(skeleton_length(add_thorax(_standing_joints(body))), rel=1e-9)


def test_straight_pose_has_human_proportions():
    body = random_person(np.random.default_rng(4))
    joints = _standing_joints(body)
    stature = joints[10, 2] + 60 * body.scale  # the crown is above the head joint
    assert 0.5 < joints[0, 2] / stature < 0.58  # the hips are a little above the middle
    assert joints[3, 2] == pytest.approx(body.ankle_height)
    span = body.shoulder_width * 2 + 2 * (body.upper_arm + body.forearm + body.hand)
    assert 0.9 < span / stature < 1.12  # the arm span is about the stature
    assert joints[4, 1] > 0 > joints[1, 1]  # the left hip is at +y for a person who faces +x
    assert joints[9, 0] > 50  # the nose points forward
