"""Poses of people that are followed, smoothed; and the report of what that brings."""
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from smoothing_cases import CUTOFF, RATE, alpha_of, box

from mmpose_integral.apis.smoothing import OneEuroFilter, PoseSmoother
from mmpose_integral.apis.tracking import PersonTracker
from mmpose_integral.evaluation.functional import skeleton_length
from mmpose_integral.synthetic.body import people_of_split
from mmpose_integral.synthetic.camera import studio_camera
from mmpose_integral.synthetic.kinematics import pose_figure
from mmpose_integral.synthetic.poses import random_pose

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'smoothing_report.py'


@pytest.mark.parametrize('arguments', [dict(min_cutoff=0), dict(d_cutoff=-1), dict(beta=-0.1), dict(min_cutoff=np.nan)])
def test_settings_are_checked(arguments):
    with pytest.raises(ValueError, match='|'.join(arguments)):
        OneEuroFilter(**arguments)
    with pytest.raises(ValueError, match='|'.join(arguments)):
        PoseSmoother(**arguments)


@pytest.mark.parametrize('time', [1.0, 0.5, np.nan])
def test_time_must_go_on(time):
    filter_, smoother, tracker = OneEuroFilter(), PoseSmoother(), PersonTracker()
    for call in (lambda t: filter_(0.0, t), lambda t: tracker.update(np.zeros((0, 4)), t),
                 lambda t: smoother(np.zeros((0, 4)), np.zeros((0, 18, 3)), t)):
        call(1.0)
        with pytest.raises(ValueError, match='time: later than'):
            call(time)


def skeleton(seed=0, scale=0.12):
    """(18, 3) px about a root at (150, 130)."""
    from mmpose_integral.structures.skeleton import add_thorax
    rng, body = np.random.default_rng(seed), people_of_split(0, 'val')[0][1]
    joints = studio_camera(0, 256).to_camera(add_thorax(pose_figure(body, random_pose(rng)).joints))
    return scale * (joints - joints[0]) + (150, 130, 0)


def box_of(keypoints):
    return np.concatenate([keypoints[..., :2].min(axis=-2) - 5, keypoints[..., :2].max(axis=-2) + 5], axis=-1)


def test_poses_do_not_depend_on_the_size_of_the_picture():
    rng, results = np.random.default_rng(6), []
    noise = rng.normal(0, 1.0, (40, 1, 18, 3))
    for zoom in (1.0, 7.5):
        smoother, frames = PoseSmoother(), []
        for n in range(40):
            keypoints = zoom * (skeleton()[None] + noise[n] + (2.0 * n, 0, 0))
            frames.append(smoother(box_of(keypoints), keypoints, n / RATE)[1] / zoom)
        results.append(np.array(frames))
    np.testing.assert_allclose(results[0], results[1], atol=1e-9)


def test_still_people_are_passed_on_and_noise_is_not():
    rng, still, noisy = np.random.default_rng(7), PoseSmoother(), PoseSmoother()
    truth, errors, jitter = np.stack([skeleton(1), skeleton(2) + (300, 20, 0)]), [], []
    for n in range(60):
        ids, same = still(box_of(truth), truth, n / RATE)
        np.testing.assert_allclose(same, truth, atol=1e-9)
        seen = truth + rng.normal(0, 1.5, truth.shape)
        jitter.append(noisy(box_of(truth), seen, n / RATE)[1])
        errors.append(seen)
    assert ids.tolist() == [0, 1]
    before, after = (np.diff(np.array(frames[20:]), axis=0).std() for frames in (errors, jitter))
    assert after < 0.3 * before


def test_each_person_has_a_filter_of_their_own():
    rng, both, alone = np.random.default_rng(8), PoseSmoother(), PoseSmoother()
    base = np.stack([skeleton(1), skeleton(2) + (300, 20, 0)])
    for n in range(30):
        keypoints = base + rng.normal(0, 2, base.shape)
        order = rng.permutation(2) if n else np.array([0, 1])
        ids, smoothed = both(box_of(keypoints[order]), keypoints[order], n / RATE)
        np.testing.assert_array_equal(ids, order)
        np.testing.assert_array_equal(smoothed[order == 0], alone(box_of(keypoints[:1]), keypoints[:1], n / RATE)[1])


def test_a_long_gap_restarts_and_a_short_one_does_not():
    rng = np.random.default_rng(9)
    first, second = skeleton(1) + rng.normal(0, 2, (2, 18, 3))
    for gap, same in ((0.4, True), (0.6, False)):
        smoother = PoseSmoother(max_missing_s=0.5)
        smoother(box_of(first[None]), first[None], 0.0)
        smoother(np.zeros((0, 4)), np.zeros((0, 18, 3)), 0.1)
        ids, smoothed = smoother(box_of(first[None]), second[None], gap)
        assert (ids.tolist() == [0]) == same
        assert np.allclose(smoothed[0], second) != same


def test_skeletons_without_a_length_pass():
    smoother, good = PoseSmoother(), skeleton()
    for n, keypoints in enumerate((good, np.full((18, 3), np.nan), np.ones((18, 3)), good + 1)):
        smoothed = smoother([box_of(good)], keypoints[None], n / RATE)[1]
        np.testing.assert_array_equal(np.isnan(smoothed), np.isnan(keypoints)[None])
        np.testing.assert_allclose(smoothed[0], keypoints, atol=1e-9)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r'keypoints: shape \(2, 18, 3\) expected'):
        PoseSmoother()([box(0.0), box(100.0)], np.zeros((1, 18, 3)), 0.0)


def test_lengths_are_smoothed_by_their_logarithm():
    # Pose and place stand still; only the size steps: the filter of its logarithm is then all that acts.
    smoother, base = PoseSmoother(min_cutoff=CUTOFF, beta=0.0), skeleton() - (150, 130, 0)
    lengths = []
    for n in range(20):
        keypoints = base * (1.0 if n < 5 else 1.5) + (150, 130, 0)
        lengths.append(skeleton_length(smoother([box(100.0)], keypoints[None], n / RATE)[1][0]))
    alpha, steps = alpha_of(RATE, CUTOFF), np.arange(1, 16)
    expected = np.log(1.5) * (1 - (1 - alpha) ** steps)
    np.testing.assert_allclose(np.log(np.array(lengths[5:]) / lengths[0]), expected, atol=1e-9)


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('smoothing_report', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_report_measures_a_known_lag_and_jitter(tool):
    times, rate = np.arange(200) / 25, 25.0
    wave = np.zeros((1, 200, 18, 3))
    wave[0, ..., 0] = np.sin(1.3 * times)[:, None] * 1000 * np.linspace(0, 1, 18)
    late = np.zeros_like(wave)
    late[0, ..., 0] = np.sin(1.3 * (times - 0.06))[:, None] * 1000 * np.linspace(0, 1, 18)
    assert tool.lag_s(late, wave, rate) == pytest.approx(0.06, abs=0.003)
    assert tool.lag_s(wave, wave, rate) == pytest.approx(0.0, abs=0.003)


def test_the_report_runs(tool, capsys, tmp_path):
    arguments = ['--videos', '1', '--seconds', '0.6', '--fps', '10', '--size', '128', '--predictions',
                 str(tmp_path / 'p.npz'), '--min-cutoffs', '0.5', '2', '--betas', '3']
    for _ in range(2):  # the second time from the file
        tool.main(arguments)
        rows = [line for line in capsys.readouterr().out.splitlines() if '|' in line]
        assert len(rows) == 4 and rows[1].split()[0] == 'off'
