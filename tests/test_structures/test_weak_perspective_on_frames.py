"""The camera fit on real frames and on the stand-in, where the true 2D joints are known."""
import json

import numpy as np
import pytest

from mmpose_integral.structures import fit_weak_perspective
from mmpose_integral.structures.skeleton import add_thorax


@pytest.fixture
def real_frames(real_data):
    """True 3D (mm) and 2D, and detected 2D (px), of two real frames: (2, 18, 3), (2, 18, 2), (2, 18, 2)."""
    frames = json.loads((real_data / 'real_h80k' / 'keypoints_2d.json').read_text())['frames']
    poses = [np.loadtxt(real_data / 'real_h80k' / 'Train' / 'POSE' / f'0000{i}.csv', delimiter=',', ndmin=2)
             for i in (1, 2)]
    arrays = [np.stack(poses), *(np.array([frame[name] for frame in frames], dtype=float)
                                 for name in ('keypoints_2d', 'keypoints_2d_detected'))]
    return [add_thorax(values) for values in arrays]


def error(camera, keypoints_3d, true_2d):
    """Mean distance of the projected from the true joints per frame, px."""
    return np.linalg.norm(camera.project(keypoints_3d)[..., :2] - true_2d, axis=-1).mean(axis=-1)


@pytest.mark.parametrize('joints', [17, 18])
@pytest.mark.parametrize('rotation', [False, True])
def test_plain_fit_of_real_frames_has_small_residuals(real_frames, rotation, joints):
    keypoints_3d, true_2d, _ = (values[:, :joints] for values in real_frames)
    camera = fit_weak_perspective(keypoints_3d, true_2d, rotation=rotation, robust=False)
    assert camera.residual[0].mean() <= 1.9  # standing, 5.2 m away
    assert camera.residual[1].mean() <= 4.6  # sitting near the camera, feet towards it


@pytest.mark.parametrize('rotation', [False, True])
def test_robust_fit_is_nearer_the_truth_where_a_detected_wrist_is_wrong(real_frames, rotation):
    keypoints_3d, true_2d, detected = real_frames
    robust = fit_weak_perspective(keypoints_3d, detected, rotation=rotation)
    plain = fit_weak_perspective(keypoints_3d, detected, rotation=rotation, robust=False)
    assert error(robust, keypoints_3d, true_2d)[1] < error(plain, keypoints_3d, true_2d)[1] - 0.2
    assert abs(error(robust, keypoints_3d, true_2d) - error(plain, keypoints_3d, true_2d))[0] < 0.1


@pytest.mark.parametrize('rotation', [False, True])
@pytest.mark.parametrize('share', [0.1, 0.2])
def test_robust_fit_beats_the_plain_one_on_the_standin_with_wrong_joints(standin, share, rotation):
    truth = [np.load(standin / 'truth' / f'h80k_{split}.npz') for split in ('train', 'val', 'test')]
    keypoints_3d, true_2d = (np.concatenate([part[name] for part in truth])
                             for name in ('keypoints_mm', 'keypoints_2d'))
    rng = np.random.default_rng(0)
    size = np.ptp(true_2d, axis=1).max(axis=1)[:, None, None]  # of the person, px
    detected = true_2d + rng.normal(0, 0.01, true_2d.shape) * size
    wrong = rng.permuted(np.tile(np.arange(18) < round(share * 18), (len(detected), 1)), axis=1)
    detected[wrong] = (true_2d.mean(axis=1, keepdims=True) + rng.uniform(-0.7, 0.7, true_2d.shape) * size)[wrong]
    robust = fit_weak_perspective(keypoints_3d, detected, rotation=rotation)
    plain = fit_weak_perspective(keypoints_3d, detected, rotation=rotation, robust=False)
    ideal = fit_weak_perspective(keypoints_3d, true_2d, rotation=rotation, robust=False)
    errors = {name: error(camera, keypoints_3d, true_2d) / size[:, 0, 0]
              for name, camera in dict(robust=robust, plain=plain, ideal=ideal).items()}
    assert errors['robust'].mean() < 0.5 * errors['plain'].mean()
    assert np.abs(robust.scale / ideal.scale - 1).mean() < 0.5 * np.abs(plain.scale / ideal.scale - 1).mean()
    assert errors['robust'].mean() < errors['ideal'].mean() + 0.005
