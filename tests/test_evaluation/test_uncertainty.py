"""Probabilities of small errors and factors of standard deviations, against scipy and drawn errors."""
import numpy as np
import pytest
from scipy import stats

from mmpose_integral.deployment import onnx_runtime
from mmpose_integral.evaluation.functional.uncertainty import (
    SCORE_RADIUS_MM,
    calibrate,
    probability_within,
    std_factors,
)
from mmpose_integral.structures.bone_length import skeleton_length


def test_probability_of_equal_axes_is_maxwells():
    std = np.geomspace(5, 400, 20)[:, None] * np.ones(3)
    for radius in (75, 20):
        exact = stats.maxwell.cdf(radius / std[:, 0])
        np.testing.assert_allclose(probability_within(std, radius), exact, atol=0.015)
    assert (np.diff(probability_within(std[8:])) < 0).all()  # smaller ones round to a probability of 1


@pytest.mark.parametrize('std', [(30, 40, 60), (20, 20, 80), (60, 50, 45), (5, 5, 70)])
def test_unequal_axes_are_close_to_drawn_errors(std):
    errors = np.random.default_rng(0).normal(0, std, (200_000, 3))
    share = (np.linalg.norm(errors, axis=1) <= SCORE_RADIUS_MM).mean()
    assert probability_within(np.array(std, float)) == pytest.approx(share, abs=0.02)


def test_the_runtime_without_torch_has_the_same_function():
    std = np.random.default_rng(0).uniform(1, 200, (7, 18, 3))
    np.testing.assert_allclose(onnx_runtime.probability_within(std), probability_within(std), rtol=1e-12)
    assert onnx_runtime.SCORE_RADIUS_MM == SCORE_RADIUS_MM


def test_factors_give_the_share_for_each_joint_and_axis():
    rng = np.random.default_rng(0)
    true, stds = rng.uniform(0.3, 3, (18, 3)), rng.uniform(1, 9, (3000, 18, 3))
    factors = std_factors(rng.normal(0, true * stds), stds)
    np.testing.assert_array_equal(factors[0], 1)
    np.testing.assert_allclose(factors[1:], true[1:], rtol=0.08)
    heavy = stats.t.rvs(3, size=stds.shape, random_state=0) * stds
    inside = np.abs(heavy[:, 1:]) <= (std_factors(heavy, stds, 0.6827) * stds)[:, 1:]
    np.testing.assert_allclose(inside.mean(0), 0.6827, atol=1e-3)
    expected = stats.t.ppf(0.875, 3) / stats.norm.ppf(0.875)
    assert std_factors(heavy, stds)[1:].mean() == pytest.approx(expected, rel=0.01)


def test_calibrated_scores_are_probabilities_in_mm_at_the_scale_of_each_person():
    rng = np.random.default_rng(0)
    keypoints, std = rng.normal(500, 80, (3, 18, 3)), rng.uniform(1, 9, (3, 18, 3))
    keypoints[2] = 4.0  # a skeleton without length
    factors = rng.uniform(0.5, 2, (18, 3))
    found, scores = calibrate(keypoints, std, factors, 4500.0)
    np.testing.assert_allclose(found, std * factors)
    for i in range(2):
        scale = 4500 / skeleton_length(keypoints[i])
        np.testing.assert_allclose(scores[i], probability_within(std[i] * factors * scale))
    assert (scores[2] == 0).all() and scores.shape == (3, 18)


def test_a_skeleton_without_length_has_scores_of_zero():
    std, scores = calibrate(np.zeros((1, 18, 3)), np.ones((1, 18, 3)), np.full((18, 3), 2.0), 4500)
    assert (std == 2).all() and (scores == 0).all()
