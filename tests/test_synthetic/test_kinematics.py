import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mmpose_integral.synthetic.body import random_person
from mmpose_integral.synthetic.kinematics import bend, frame_along, pose_figure, rot_x, rot_y, rot_z, solve_knee, swing
from mmpose_integral.synthetic.poses import EVERYDAY, PHOTOGRAPHED, random_pose

# Bones that no pose may stretch, between the joints of a pose file.
_RIGID = np.array([
    (0, 1), (1, 2), (2, 3), (0, 4), (4, 5), (5, 6), (0, 7), (7, 8), (8, 9), (8, 10), (9, 10), (8, 11), (11, 12),
    (12, 13), (8, 14), (14, 15), (15, 16)])
_ACTIONS = {'stand', 'gesture', 'reach', 'point', 'arms crossed', 'turn', 'walk', 'lunge', 'sit', 'sit on floor',
            'crouch', 'kneel', 'bend'}


def test_rotations_agree_with_scipy():
    for name, function in zip('xyz', (rot_x, rot_y, rot_z), strict=True):
        np.testing.assert_allclose(function(33.0), Rotation.from_euler(name, 33, degrees=True).as_matrix(), atol=1e-12)
    expected = Rotation.from_euler('ZYX', [12, 25, -7], degrees=True).as_matrix()
    np.testing.assert_allclose(bend((25, 7, 12)), expected, atol=1e-12)
    # A swing without twist is the shortest rotation: its axis is horizontal.
    rotation = Rotation.from_matrix(swing(30, 40, 0, 1.0))
    assert np.rad2deg(rotation.magnitude()) == pytest.approx(50)
    assert rotation.as_rotvec()[2] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize('side', [1.0, -1.0])
def test_directions_of_a_swing(side):
    hang = np.array([0, 0, -1.0])
    np.testing.assert_allclose(swing(90, 0, 0, side) @ hang, [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(swing(0, 90, 0, side) @ hang, [0, side, 0], atol=1e-12)
    np.testing.assert_allclose(swing(0, 180, 20, side) @ hang, [0, 0, 1], atol=1e-12)
    # With the twist inward, the bent forearm of a hanging arm crosses the body.
    np.testing.assert_allclose(swing(0, 0, 90, side) @ rot_y(-90) @ hang, [0, -side, 0], atol=1e-12)


@pytest.mark.parametrize('front', [[1.0, 0, 0], [0, 0, -2.0]], ids=['across', 'along the limb'])
def test_frame_along_is_right_handed(front):
    frame = frame_along(np.array([0, 0, -3.0]), np.array(front))
    np.testing.assert_allclose(frame.T @ frame, np.eye(3), atol=1e-12)
    assert np.linalg.det(frame) == pytest.approx(1)
    np.testing.assert_allclose(frame[:, 2], [0, 0, 1], atol=1e-12)


def test_solve_knee_keeps_both_bones_and_bends_forward():
    hip, ankle = np.array([0, 0, 800.0]), np.array([120.0, 30, 0])
    knee = solve_knee(hip, ankle, 440.0, 430.0, np.array([1.0, 0, 0]))
    assert np.linalg.norm(knee - hip) == pytest.approx(440)
    assert np.linalg.norm(ankle - knee) == pytest.approx(430)
    assert knee[0] > 60


@pytest.mark.parametrize('weights, further', [(EVERYDAY, set()), (PHOTOGRAPHED, {'lie', 'all fours', 'acrobat'})])
def test_random_poses_keep_bone_lengths_and_are_on_the_floor(weights, further):
    rng = np.random.default_rng(0)
    body = random_person(rng)
    poses = [random_pose(rng, weights) for _ in range(200)]
    assert {pose.name for pose in poses} == _ACTIONS | further
    figures = [pose_figure(body, pose, yaw=rng.uniform(0, 360)) for pose in poses]
    joints = np.array([figure.joints for figure in figures])
    lengths = np.linalg.norm(np.subtract(*joints[:, _RIGID.T].swapaxes(0, 1)), axis=-1)
    np.testing.assert_allclose(lengths, np.broadcast_to(lengths[0], lengths.shape), rtol=2e-4)
    assert joints[..., 2].min() > 20
    assert joints[..., 2].min(1).max() < 240 * body.scale  # some part touches the floor
    lying = joints[[pose.name in ('lie', 'all fours') for pose in poses]]
    assert (np.abs(lying[:, 8, 2] - lying[:, 0, 2]) < 0.6 * np.linalg.norm(lying[:, 8] - lying[:, 0], axis=-1)).all()
    planted = [pose.planted for pose in poses]
    np.testing.assert_allclose(joints[planted][:, [3, 6], 2], body.ankle_height, atol=3)
    frames = np.array([[figure.pelvis, figure.chest, figure.head, *figure.forearms, *figure.shins, *figure.feet]
                       for figure in figures]).reshape(-1, 3, 3)
    np.testing.assert_allclose(frames.swapaxes(1, 2) @ frames, np.broadcast_to(np.eye(3), frames.shape), atol=1e-9)
