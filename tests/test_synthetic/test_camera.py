import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mmpose_integral.synthetic.camera import NUM_STUDIO_CAMERAS, jitter_rotation, look_at, studio_camera, wild_camera


@pytest.mark.parametrize('index', range(NUM_STUDIO_CAMERAS))
def test_studio_cameras_look_down_a_little_from_head_height(index):
    camera = studio_camera(index, 1000)
    assert camera.focal == pytest.approx(1145)
    assert 1200 <= camera.position[2] <= 1800
    np.testing.assert_allclose(camera.rotation @ camera.rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(camera.rotation) == pytest.approx(1)
    assert 0 < np.rad2deg(np.arcsin(-camera.rotation[2, 2])) < 15  # world z of the viewing direction
    assert camera.to_camera(np.array([0, 0, 900.0]))[2] > 4000
    top, foot = camera.project(np.array([[0, 0, 1700.0], [0, 0, 0]]))
    assert top[1] < foot[1]  # up in the world is up in the image


def test_projection_agrees_with_opencv():
    rng = np.random.default_rng(1)
    camera = wild_camera(rng, (320, 240))
    points = rng.normal(0, 500, (9, 3))
    shift = -camera.rotation @ camera.position
    expected, _ = cv2.projectPoints(points, cv2.Rodrigues(camera.rotation)[0], shift, camera.matrix, None)
    np.testing.assert_allclose(camera.project(points), expected[:, 0], atol=1e-6)


def test_roll_turns_the_image():
    straight, rolled = (look_at((0, -4000, 1500), (0, 0, 900), roll) for roll in (0, 10))
    angle = Rotation.from_matrix(rolled @ straight.T).as_rotvec(degrees=True)
    np.testing.assert_allclose(np.abs(angle), [0, 0, 10], atol=1e-9)


def test_jitter_is_a_small_rotation():
    rng = np.random.default_rng(2)
    turns = np.array([jitter_rotation(rng) for _ in range(20)])
    np.testing.assert_allclose(turns @ turns.transpose(0, 2, 1), np.broadcast_to(np.eye(3), turns.shape), atol=1e-12)
    assert (np.rad2deg(Rotation.from_matrix(turns).magnitude()) < 3.5).all()
