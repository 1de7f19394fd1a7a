"""The One-Euro filter against closed forms and a scalar reference; smoothing of tracked people; the report about it."""
import numpy as np
import pytest
from scipy.signal import lfilter

from mmpose_integral.apis.smoothing import OneEuroFilter, PoseSmoother
from mmpose_integral.cli import smoothing_report
from mmpose_integral.evaluation.functional import skeleton_length

RATE, CUTOFF = 30.0, 1.7


def alpha_of(rate, cutoff):
    """The paper's smoothing factor in another form: 2 pi f / (rate + 2 pi f)."""
    return 2 * np.pi * cutoff / (rate + 2 * np.pi * cutoff)


def run(filter_, values):
    return np.array([filter_(value, n / RATE) for n, value in enumerate(values)])


def test_without_beta_it_is_a_first_order_low_pass():
    values = np.random.default_rng(0).normal(size=(200, 3, 2))
    alpha = alpha_of(RATE, CUTOFF)
    state = (1 - alpha) * values[:1]
    expected = lfilter([alpha], [1, alpha - 1], values, axis=0, zi=state)[0]
    np.testing.assert_allclose(run(OneEuroFilter(CUTOFF), values), expected, atol=1e-12)


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


def test_values_that_are_not_finite_restart_their_element():
    values = np.random.default_rng(4).normal(size=(30, 3))
    holed = values.copy()
    holed[10:12, 1] = np.nan
    out, whole = run(OneEuroFilter(1.0, 0.5), holed), run(OneEuroFilter(1.0, 0.5), values)
    np.testing.assert_array_equal(out[:, [0, 2]], whole[:, [0, 2]])
    assert np.isnan(out[10:12, 1]).all()
    later = OneEuroFilter(1.0, 0.5)
    np.testing.assert_array_equal(out[12:, 1], [later(values[n, 1], n / RATE) for n in range(12, 30)])


@pytest.mark.parametrize('arguments', [dict(min_cutoff=0), dict(d_cutoff=-1), dict(beta=-0.1), dict(min_cutoff=np.nan)])
def test_settings_are_checked(arguments):
    for cls in (OneEuroFilter, PoseSmoother):
        with pytest.raises(ValueError, match='|'.join(arguments)):
            cls(**arguments)


@pytest.mark.parametrize('time', [1.0, 0.5, np.nan])
def test_time_must_increase(time):
    smoother, nobody = PoseSmoother(), (np.zeros((0, 4)), np.zeros((0, 18, 3)))
    smoother(*nobody, 1.0)
    with pytest.raises(ValueError, match='time_s: later than'):
        smoother(*nobody, time)


def skeleton(seed=0):
    """(18, 3) px about a root at (150, 130)."""
    joints = np.random.default_rng(seed).normal(0, 30, (18, 3))
    return joints - joints[0] + (150, 130, 0)


def box_of(keypoints):
    return np.concatenate([keypoints[..., :2].min(axis=-2) - 5, keypoints[..., :2].max(axis=-2) + 5], axis=-1)


TWO = np.stack([skeleton(1), skeleton(2) + (300, 20, 0)])


def test_poses_do_not_depend_on_the_size_of_the_picture():
    noise, results = np.random.default_rng(6).normal(0, 1.0, (40, 1, 18, 3)), []
    for zoom in (1.0, 7.5):
        smoother, frames = PoseSmoother(), []
        for n in range(40):
            keypoints = zoom * (skeleton()[None] + noise[n] + (2.0 * n, 0, 0))
            frames.append(smoother(box_of(keypoints), keypoints, n / RATE)[1] / zoom)
        results.append(np.array(frames))
    np.testing.assert_allclose(results[0], results[1], atol=1e-9)


def test_still_people_are_unchanged_and_noise_is_reduced():
    rng, still, noisy, seen, smooth = np.random.default_rng(7), PoseSmoother(), PoseSmoother(), [], []
    for n in range(60):
        given = TWO.copy()
        smoothed = still(box_of(given), given, n / RATE)[1]
        np.testing.assert_allclose(smoothed, TWO, atol=1e-9)
        given[:] = smoothed[:] = 7  # what the caller does with its arrays has no effect
        seen.append(TWO + rng.normal(0, 1.5, TWO.shape))
        smooth.append(noisy(box_of(TWO), seen[-1], n / RATE)[1])
    before, after = (np.diff(np.array(frames[20:]), axis=0).std() for frames in (seen, smooth))
    assert after < 0.3 * before


def test_each_person_has_an_own_filter():
    rng, both, alone = np.random.default_rng(8), PoseSmoother(), PoseSmoother()
    for n in range(30):
        keypoints = TWO + rng.normal(0, 2, TWO.shape)
        order = rng.permutation(2) if n else np.array([0, 1])
        ids, smoothed = both(box_of(keypoints[order]), keypoints[order], n / RATE)
        np.testing.assert_array_equal(ids, order)
        np.testing.assert_array_equal(smoothed[order == 0], alone(box_of(keypoints[:1]), keypoints[:1], n / RATE)[1])


@pytest.mark.parametrize('gap, same', [(0.4, True), (0.6, False)])
def test_only_a_long_gap_restarts_the_filter(gap, same):
    first, second = skeleton(1) + np.random.default_rng(9).normal(0, 2, (2, 18, 3))
    smoother = PoseSmoother(max_missing_s=0.5)
    smoother(box_of(first[None]), first[None], 0.0)
    smoother(np.zeros((0, 4)), np.zeros((0, 18, 3)), 0.1)
    ids, smoothed = smoother(box_of(first[None]), second[None], gap)
    assert (ids.tolist() == [0]) == same and np.allclose(smoothed[0], second) != same


def test_skeletons_without_a_length_are_unchanged():
    smoother, good = PoseSmoother(), skeleton()
    for n, keypoints in enumerate((good, np.full((18, 3), np.nan), np.ones((18, 3)), good + 1)):
        smoothed = smoother([box_of(good)], keypoints[None], n / RATE)[1]
        np.testing.assert_allclose(smoothed[0], keypoints, atol=1e-9)


def test_the_number_of_boxes_must_be_that_of_the_poses():
    with pytest.raises(ValueError, match=r'keypoints: shape \(2, 18, 3\) expected'):
        PoseSmoother()(box_of(TWO), TWO[:1], 0.0)


def test_lengths_are_smoothed_by_their_logarithm():
    # Pose and position are constant, and the size changes in one step, so that only the filter of the logarithm acts.
    smoother, base = PoseSmoother(min_cutoff=CUTOFF, beta=0.0), skeleton() - (150, 130, 0)
    lengths = []
    for n in range(20):
        keypoints = base * (1.0 if n < 5 else 1.5) + (150, 130, 0)
        lengths.append(skeleton_length(smoother([[100.0, 100.0, 160.0, 260.0]], keypoints[None], n / RATE)[1][0]))
    expected = np.log(1.5) * (1 - (1 - alpha_of(RATE, CUTOFF)) ** np.arange(1, 16))
    np.testing.assert_allclose(np.log(np.array(lengths[5:]) / lengths[0]), expected, atol=1e-9)


def test_the_report_measures_a_known_lag():
    times, rate = np.arange(200) / 25, 25.0
    wave, late = np.zeros((2, 1, 200, 18, 3))
    for video, delay in ((wave, 0.0), (late, 0.06)):
        video[0, ..., 0] = np.sin(1.3 * (times - delay))[:, None] * 1000 * np.linspace(0, 1, 18)
    assert smoothing_report.lag_s(late, wave, rate) == pytest.approx(0.06, abs=0.003)
    assert smoothing_report.lag_s(wave, wave, rate) == pytest.approx(0.0, abs=0.003)


def test_the_report_runs(capsys, tmp_path):
    arguments = ['--videos', '1', '--seconds', '0.6', '--fps', '10', '--size', '128', '--predictions',
                 str(tmp_path / 'p.npz'), '--min-cutoffs', '0.5', '2', '--betas', '3']
    for _ in range(2):  # the second time from the file
        assert smoothing_report.main(arguments) == 0
        rows = [line for line in capsys.readouterr().out.splitlines() if '|' in line]
        assert len(rows) == 4 and rows[1].split()[0] == 'off'
