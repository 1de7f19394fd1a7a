"""Rotations nearest to 3x3 matrices against known ones and against scipy."""
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mmpose_integral.evaluation.functional.mpjpe import nearest_rotation


@pytest.mark.parametrize('strengths', [
    (1, 1, 1), (3e6, 2e5, 4e4), (1, 1e-4, 1e-5), (2e-9, 1e-9, 1e-10), (1, .5, -.1), (1, .5, -.499), (1, .3, 0)])
def test_known_rotations_are_found_also_for_mirrored_and_flat_poses(strengths):
    u, v = Rotation.random(48, random_state=0).as_matrix().reshape(2, 24, 3, 3)
    found = nearest_rotation((u * strengths @ np.swapaxes(v, -1, -2)).reshape(2, 3, 4, 3, 3))
    np.testing.assert_allclose(found.reshape(24, 3, 3), u @ np.swapaxes(v, -1, -2), atol=1e-9)


def test_equals_scipy_on_noise():
    source, target = np.random.default_rng(0).normal(size=(2, 200, 18, 3))
    found = nearest_rotation(np.swapaxes(source, -1, -2) @ target)
    assert np.linalg.det(found) == pytest.approx(np.ones(200))
    for first, second, mine in zip(source, target, found, strict=True):
        expected = Rotation.align_vectors(second, first)[0].as_matrix().T
        np.testing.assert_allclose(mine, expected, atol=1e-6)
