"""The filter by itself, against closed forms and a scalar reference."""
import numpy as np
import pytest
from scipy.signal import lfilter
from smoothing_cases import CUTOFF, RATE, alpha_of

from mmpose_integral.apis.smoothing import OneEuroFilter, smoothing_factor


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


def test_smoothing_factor_of_arrays():
    cutoffs = np.array([0.5, CUTOFF])
    np.testing.assert_allclose(smoothing_factor(1 / RATE, cutoffs), alpha_of(RATE, cutoffs))
