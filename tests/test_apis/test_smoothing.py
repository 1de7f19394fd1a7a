import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.signal import lfilter

from mmpose_integral.apis.smoothing import OneEuroFilter, PoseSmoother, smoothing_factor
from mmpose_integral.apis.tracking import PersonTracker
from mmpose_integral.evaluation.functional import skeleton_length
from mmpose_integral.synthetic.body import people_of_split
from mmpose_integral.synthetic.camera import studio_camera
from mmpose_integral.synthetic.kinematics import pose_figure
from mmpose_integral.synthetic.poses import random_pose

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'smoothing_report.py'
RATE, CUTOFF = 30.0, 1.7


def alpha_of(rate, cutoff):
    """The paper's smoothing factor, written another way: 2 pi f / (rate + 2 pi f)."""
    return 2 * np.pi * cutoff / (rate + 2 * np.pi * cutoff)


def run(filter_, values, rate=RATE):
    return np.array([filter_(value, n / rate) for n, value in enumerate(values)])


def test_without_beta_it_is_a_first_order_low_pass():
    values = np.random.default_rng(0).normal(size=(200, 3, 2))
    alpha = alpha_of(RATE, CUTOFF)
    state = (1 - alpha) * values[:1]
    expected = lfilter([alpha], [1, alpha - 1], values, axis=0, zi=state)[0]
    np.testing.assert_allclose(run(OneEuroFilter(CUTOFF), values), expected, atol=1e-12)


def test_constant_input_stays():
    values = np.tile([[3.0, -70.0]], (50, 1))
    np.testing.assert_array_equal(run(OneEuroFilter(0.5, 3.0), values), values)


def test_a_ramp_lags_by_the_closed_form():
    slope, filter_ = 4.0, OneEuroFilter(CUTOFF)
    values = slope * np.arange(400) / RATE
    alpha = alpha_of(RATE, CUTOFF)
    lag = values - run(filter_, values)
    assert lag[-1] == pytest.approx(slope / RATE * (1 - alpha) / alpha, rel=1e-9)
    # In time that is 1 / (2 pi f), whatever the rate.
    assert lag[-1] / slope == pytest.approx(1 / (2 * np.pi * CUTOFF), rel=1e-9)


def test_noise_shrinks_as_the_closed_form_says():
    values = np.random.default_rng(1).normal(size=(4000, 50))
    alpha = alpha_of(RATE, CUTOFF)
    assert run(OneEuroFilter(CUTOFF), values)[200:].var() == pytest.approx(alpha / (2 - alpha), rel=0.03)


def test_irregular_steps_against_a_scalar_reference():
    """Algorithm 1 of the paper for one number, in plain Python."""
    rng = np.random.default_rng(2)
    times, values = np.cumsum(rng.uniform(0.005, 0.2, 80)), np.cumsum(rng.normal(size=80))
    filter_, min_cutoff, beta, d_cutoff = OneEuroFilter(0.8, 0.3, 1.3), 0.8, 0.3, 1.3
    y = speed = last = None
    for time, x in zip(times, values, strict=True):
        if last is None:
            y, speed = x, 0.0
        else:
            rate = 1 / (time - last)
            alpha = alpha_of(rate, d_cutoff)
            speed = alpha * (x - y) * rate + (1 - alpha) * speed
            alpha = alpha_of(rate, min_cutoff + beta * abs(speed))
            y = alpha * x + (1 - alpha) * y
        last = time
        assert filter_(x, time) == pytest.approx(y, abs=1e-12)


def test_beta_and_the_unit_of_speed_belong_together():
    values = np.cumsum(np.random.default_rng(3).normal(size=(60, 4)), axis=0)
    plain = run(OneEuroFilter(0.5, 2.0), values)
    filter_ = OneEuroFilter(0.5, 2.0)
    large = [filter_(250 * value, n / RATE, unit=250.0) for n, value in enumerate(values)]
    np.testing.assert_allclose(np.array(large) / 250, plain, atol=1e-12)
    fast = 40 * np.arange(60) / RATE
    lags = [abs(fast - run(OneEuroFilter(0.5, beta), fast))[-1] for beta in (0, 0.1, 1)]
    assert lags[0] > 2 * lags[1] > 4 * lags[2]


def test_what_is_not_finite_passes_and_the_rest_goes_on():
    values = np.random.default_rng(4).normal(size=(30, 3))
    holed = values.copy()
    holed[10:12, 1] = np.nan
    out, whole = run(OneEuroFilter(1.0, 0.5), holed), run(OneEuroFilter(1.0, 0.5), values)
    np.testing.assert_array_equal(out[:, [0, 2]], whole[:, [0, 2]])
    assert np.isnan(out[10:12, 1]).all()
    later = OneEuroFilter(1.0, 0.5)
    afresh = np.array([later(value, n / RATE) for n, value in enumerate(values[:, 1]) if n >= 12])
    np.testing.assert_array_equal(out[12:, 1], afresh)


def test_the_callers_arrays_are_left_alone():
    filter_, value = OneEuroFilter(), np.zeros(3)
    filter_(value, 0.0)[:] = 7
    assert (value == 0).all() and (filter_(value, 1.0) == 0).all()


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


def box(x, y=100.0, width=60.0, height=160.0):
    return [x, y, x + width, y + height]


def test_people_keep_their_numbers_when_boxes_come_in_another_order():
    rng, tracker = np.random.default_rng(5), PersonTracker()
    boxes = np.array([box(90.0 * n, 10.0 * n) for n in range(5)])
    known = tracker.update(boxes)
    assert sorted(known) == [0, 1, 2, 3, 4]
    for _ in range(20):
        boxes = boxes + rng.normal(0, 2, boxes.shape)
        order = rng.permutation(5)
        np.testing.assert_array_equal(tracker.update(boxes[order]), known[order])


def test_two_of_one_size_cross():
    tracker = PersonTracker()
    for frame in range(60):
        boxes = np.array([box(10.0 + 7 * frame), box(433.0 - 7 * frame)])
        ids = tracker.update(boxes[::-1] if frame % 3 else boxes)
        np.testing.assert_array_equal(ids[::-1] if frame % 3 else ids, [0, 1])


def test_the_total_overlap_counts_not_the_first_comer():
    # The first box overlaps best with person 1, but so does the second, which overlaps with nobody else.
    tracker = PersonTracker(0.2)
    old = np.array([box(0.0), box(30.0)])
    tracker.update(old)
    new = np.array([box(20.0), box(42.0)])

    def iou(a, b):
        wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
        inner = max(wide, 0) * max(high, 0)
        return inner / (2 * 60 * 160 - inner)

    table = np.array([[iou(a, b) for b in old] for a in new])
    assert table[0].argmax() == table[1].argmax() == 1
    np.testing.assert_array_equal(tracker.update(new), linear_sum_assignment(-table)[1])


def test_somebody_missing_is_remembered_for_so_long():
    for missing, same in ((4, True), (5, True), (6, False)):
        tracker = PersonTracker(max_missing=6)
        tracker.update([box(0.0), box(300.0)])
        for _ in range(missing):
            assert tracker.update([box(0.0)]).tolist() == [0]
        back = tracker.update([box(301.0), box(0.0)]).tolist()
        assert back == ([1, 0] if same else [2, 0]), 'seen again 1 + missing frames later'


def test_a_walker_is_found_behind_a_tree():
    tracker = PersonTracker(max_missing=12)
    for frame in range(50):
        hidden = 20 <= frame < 30
        ids = tracker.update(np.array([box(10.0 * frame)])[int(hidden):])
        assert ids.tolist() == ([] if hidden else [0])


def test_numbers_are_never_used_again():
    tracker, seen = PersonTracker(max_missing=0), set()
    for frame in range(10):
        ids = tracker.update([box(500.0 * (frame % 2)), box(1000.0 + 300 * (frame % 2))]).tolist()
        assert not seen & set(ids) and len(set(ids)) == 2
        seen |= set(ids)
    assert tracker.update([]).shape == (0,) and tracker.update(np.zeros((0, 4))).dtype == np.int64
    tracker.reset()
    assert tracker.update([box(0.0)]).tolist() == [0]


@pytest.mark.parametrize('boxes, words', [
    ([[1, 2, 3]], r'shape \(N, 4\) expected'), ([[0, 0, np.nan, 1]], 'finite'), (np.zeros(4), r'shape \(N, 4\)')])
def test_boxes_are_checked(boxes, words):
    with pytest.raises(ValueError, match=words):
        PersonTracker().update(boxes)


def test_tracker_settings_and_empty_boxes():
    for arguments in (dict(iou_thr=0), dict(iou_thr=1.2), dict(max_missing=-1)):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            PersonTracker(**arguments)
    tracker = PersonTracker()
    flat = [[5.0, 5.0, 5.0, 5.0]]
    assert tracker.update(flat).tolist() == [0] and tracker.update(flat).tolist() == [1], 'no area, no overlap'


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


def test_smoothing_factor_of_arrays():
    cutoffs = np.array([0.5, CUTOFF])
    np.testing.assert_allclose(smoothing_factor(1 / RATE, cutoffs), alpha_of(RATE, cutoffs))


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
