"""Averages of several models, confidence intervals of differences, and the files of predictions."""
import numpy as np
import pytest

from mmpose_integral.evaluation.functional import average_predictions, paired_bootstrap
from mmpose_integral.formats.predictions import load_predictions, save_predictions, to_records

N, K = 7, 18


def test_average_matches_frames_by_id_and_weighs():
    rng = np.random.default_rng(0)
    ids, order = np.arange(1, N + 1), rng.permutation(N)
    first, second = rng.random((2, N, K, 3)).astype(np.float32)
    for weights in ([1, 3], None):
        out_ids, mean = average_predictions([ids, ids[order]], [first, second[order]], weights)
        np.testing.assert_array_equal(out_ids, ids)
        np.testing.assert_allclose(mean, (first + 3 * second) / 4 if weights else (first + second) / 2, rtol=1e-6)
        assert mean.dtype == np.float64


@pytest.mark.parametrize(('ids', 'weights', 'message'), [
    ([[1, 2], [1, 3]], None, 'predictions 1.*frame 2'), ([[1, 2], [1]], None, '1 and 2'),
    ([[1, 2], [1, 2]], [1, 0], 'above 0'), ([[1, 2], [1, 2]], [1], '2 numbers'), ([], None, 'got none')])
def test_average_names_what_does_not_match(ids, weights, message):
    with pytest.raises(ValueError, match=message):
        average_predictions(list(map(np.array, ids)), [np.ones((len(i), K, 3)) for i in ids], weights)


def test_bootstrap_of_paired_frames_matches_the_normal_interval():
    """Without the spread of seeds, the interval of a mean of N differences is mean +- 1.96 s / sqrt(N)."""
    rng = np.random.default_rng(1)
    hard = rng.gamma(2, 40, size=4000)  # the part that both methods share must cancel
    first, second = hard + rng.normal(0, 5, 4000), hard - 2 + rng.normal(0, 5, 4000)
    result = paired_bootstrap(first, second)
    difference = second - first
    half = 1.96 * difference.std() / np.sqrt(4000)
    assert result.mean == pytest.approx(difference.mean())
    assert result.low == pytest.approx(difference.mean() - half, abs=0.08 * half)
    assert result.high == pytest.approx(difference.mean() + half, abs=0.08 * half)


def test_bootstrap_contains_the_spread_of_trainings_unless_both_use_the_same():
    rng = np.random.default_rng(2)
    first = rng.gamma(2, 40, size=500) + np.array([[-3.], [0.], [3.]])
    second = first - 1 + rng.normal(0, 0.5, first.shape)
    together = paired_bootstrap(first, second, same_trainings=True)
    apart = paired_bootstrap(first, second)
    assert together.mean == apart.mean == pytest.approx(-1, abs=0.1)
    assert together.high < -0.9 and apart.low < -3 and apart.high > 1
    with pytest.raises(ValueError, match='got 3 and 1'):
        paired_bootstrap(first, second[:1], same_trainings=True)
    with pytest.raises(ValueError, match=r'\(1, 4\), \(1, 5\)'):
        paired_bootstrap(np.ones(4), np.ones(5))


def test_predictions_come_back_from_their_file(tmp_path):
    rng = np.random.default_rng(0)
    records = [dict(frame_id=i, path=f'Val/IMG/{i:05d}.jpg', box_found=i != 2,
                    pred=rng.random((K, 3)).astype(np.float32)) for i in (3, 1, 2)]
    save_predictions(tmp_path / 'p.npz', records, errors=np.ones((3, 17)))
    arrays = load_predictions(tmp_path / 'p.npz')
    assert arrays['errors'].shape == (3, 17) and 'std_px' not in arrays
    for read, written in zip(to_records(arrays), records, strict=True):
        np.testing.assert_array_equal(read.pop('pred'), written.pop('pred'))
        assert read == written


def test_bad_prediction_files_are_named(tmp_path):
    np.savez(tmp_path / 'other.npz', frame_ids=np.arange(3))
    (tmp_path / 'text.npz').write_text('no')
    for name, error, match in (('nowhere', FileNotFoundError, r'nowhere\.npz.*mmpose-integral test'),
                               ('other', ValueError, r'other\.npz.*pred_px'), ('text', ValueError, r'text\.npz')):
        with pytest.raises(error, match=match):
            load_predictions(tmp_path / f'{name}.npz')
