import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mmpose_integral.synthetic.body import random_person
from mmpose_integral.synthetic.kinematics import (
    bend,
    frame_along,
    pose_figure,
    rot_x,
    rot_y,
    rot_z,
    solve_knee,
    swing,
)
from mmpose_integral.synthetic.poses import POSE_NAMES, random_pose

# Bones that no pose may stretch: pairs of file joints.
_RIGID = ((0, 1), (1, 2), (2, 3), (0, 4), (4, 5), (5, 6), (0, 7), (7, 8), (8, 9), (8, 10), (9, 10), (8, 11), (11, 12),
          (12, 13), (8, 14), (14, 15), (15, 16))


def test_elementary_rotations_agree_with_scipy():
    for name, function in zip('xyz', (rot_x, rot_y, rot_z), strict=True):
        np.testing.assert_allclose(function(33.0), Rotation.from_euler(name, 33, degrees=True).as_matrix(), atol=1e-12)
    expected = Rotation.from_euler('ZYX', [12, 25, -7], degrees=True).as_matrix()
    np.testing.assert_allclose(bend((25, 7, 12)), expected, atol=1e-12)


@pytest.mark.parametrize('side', [1.0, -1.0])
def test_swing_goes_where_it_says(side):
    hang = np.array([0, 0, -1.0])
    np.testing.assert_allclose(swing(90, 0, 0, side) @ hang, [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(swing(0, 90, 0, side) @ hang, [0, side, 0], atol=1e-12)
    np.testing.assert_allclose(swing(0, 180, 20, side) @ hang, [0, 0, 1], atol=1e-12)
    # With the twist inward a bent forearm of a hanging arm crosses the body.
    forearm = swing(0, 0, 90, side) @ rot_y(-90) @ hang
    np.testing.assert_allclose(forearm, [0, -side, 0], atol=1e-12)


def test_swing_without_twist_is_the_shortest_rotation():
    rotation = Rotation.from_matrix(swing(30, 40, 0, 1.0))
    assert np.rad2deg(rotation.magnitude()) == pytest.approx(50)
    assert rotation.as_rotvec()[2] == pytest.approx(0, abs=1e-12)


def test_frame_along_is_right_handed_also_when_front_runs_along_the_limb():
    for front in ([1.0, 0, 0], [0, 0, -2.0]):
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


def test_random_poses_keep_bone_lengths_and_stand_on_the_floor():
    rng = np.random.default_rng(0)
    body = random_person(rng)
    lengths, seen = [], set()
    for _ in range(150):
        pose = random_pose(rng)
        seen.add(pose.name)
        figure = pose_figure(body, pose, yaw=rng.uniform(0, 360))
        lengths.append([np.linalg.norm(figure.joints[a] - figure.joints[b]) for a, b in _RIGID])
        assert figure.joints[:, 2].min() > 20
        assert figure.joints[[2, 3, 5, 6, 0, 13, 16], 2].min() < 240 * body.scale       # something touches the floor
        if pose.planted:
            np.testing.assert_allclose(figure.joints[[3, 6], 2], body.ankle_height, atol=3)
        for frame in (figure.pelvis, figure.chest, figure.head, *figure.forearms, *figure.shins, *figure.feet):
            np.testing.assert_allclose(frame.T @ frame, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(lengths, np.broadcast_to(lengths[0], np.shape(lengths)), rtol=2e-4)
    assert seen == set(POSE_NAMES)
