"""MediaPipe's landmarks and our joints."""
import numpy as np

from mmpose_integral.structures.landmarks import LANDMARK_NAMES, landmark_weights
from mmpose_integral.structures.skeleton import JOINT_NAMES, add_thorax, flip_indices

NOSE, SHOULDERS, HIPS, EARS = 0, (11, 12), (23, 24), (7, 8)


def test_joints_of_a_made_up_person():
    landmarks = np.random.default_rng(0).normal(size=(2, 33, 3))
    joints = landmark_weights() @ landmarks
    middle = {name: landmarks[:, pair].mean(1) for name, pair in (('s', SHOULDERS), ('h', HIPS), ('e', EARS))}
    expected = dict(
        root=middle['h'], torso=(middle['h'] + middle['s']) / 2, nose=landmarks[:, NOSE],
        neck=middle['s'] + 0.4 * (middle['e'] - middle['s']), head=middle['e'] + 0.5 * (middle['e'] - middle['s']),
        left_shoulder=landmarks[:, 11], right_elbow=landmarks[:, 14], left_wrist=landmarks[:, 15],
        right_hip=landmarks[:, 24], left_knee=landmarks[:, 25], right_ankle=landmarks[:, 28])
    for name, value in expected.items():
        np.testing.assert_allclose(joints[:, JOINT_NAMES.index(name)], value, atol=1e-12, err_msg=name)
    np.testing.assert_allclose(add_thorax(joints[:, :17]), joints, atol=1e-12)


def test_left_and_right_are_mirror_images():
    other = {'left': 'right', 'right': 'left'}
    twins = [LANDMARK_NAMES.index('_'.join(other.get(word, word) for word in name.split('_')))
             for name in LANDMARK_NAMES]
    np.testing.assert_array_equal(landmark_weights()[flip_indices()], landmark_weights()[:, twins])
