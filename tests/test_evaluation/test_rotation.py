"""Newton's iteration against scipy, and which matrices are left to the decomposition."""
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mmpose_integral.evaluation.functional import rotation
from mmpose_integral.evaluation.functional.rotation import nearest_rotation


def spread(count, strengths, seed=0):
    """Matrices u diag(strengths) vt between random rotations, and the rotation u vt nearest to each."""
    u, v = Rotation.random(2 * count, random_state=seed).as_matrix().reshape(2, count, 3, 3)
    return u * strengths @ np.swapaxes(v, -1, -2), u @ np.swapaxes(v, -1, -2)


@pytest.mark.parametrize('strengths', [(1, 1, 1), (3e6, 2e5, 4e4), (1, 1e-2, 5e-3), (2e-9, 1e-9, 1e-10)])
def test_covariances_of_people_need_no_decomposition(monkeypatch, strengths):
    monkeypatch.setattr(rotation, '_by_decomposition', None)
    monkeypatch.setattr(rotation, 'CHUNK_FRAMES', 7)
    matrices, expected = spread(24, strengths)
    found = nearest_rotation(matrices.reshape(2, 3, 4, 3, 3))
    np.testing.assert_allclose(found.reshape(24, 3, 3), expected, atol=1e-12)


@pytest.mark.parametrize('strengths', [(1, .5, -.1), (1, .5, -.499), (1, .3, 0), (1, .3, 1e-9), (1, 1e-4, 1e-5)])
def test_mirrored_and_flat_matrices_get_it(monkeypatch, strengths):
    asked, solve = [], rotation._by_decomposition
    monkeypatch.setattr(rotation, '_by_decomposition', lambda matrices: asked.append(len(matrices)) or solve(matrices))
    matrices, expected = spread(9, strengths, seed=1)
    people, others = spread(5, (3, 2, 1), seed=2)
    found = nearest_rotation(np.concatenate([people, matrices]))
    np.testing.assert_allclose(found, np.concatenate([others, expected]), atol=1e-6)
    assert asked == [9], 'those that converge are kept'


def test_what_has_not_converged_is_not_kept(monkeypatch):
    monkeypatch.setattr(rotation, 'NUM_STEPS', 2)
    matrices, expected = spread(6, (100, 5, 1))
    np.testing.assert_allclose(nearest_rotation(matrices), expected, atol=1e-9)


def test_equals_scipy_on_noise():
    source, target = np.random.default_rng(0).normal(size=(2, 200, 18, 3))
    found = nearest_rotation(np.swapaxes(source, -1, -2) @ target)
    assert np.linalg.det(found) == pytest.approx(np.ones(200))
    for first, second, mine in zip(source, target, found, strict=True):
        expected = Rotation.align_vectors(second, first)[0].as_matrix().T
        np.testing.assert_allclose(mine, expected, atol=1e-6)
