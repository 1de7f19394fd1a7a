"""Averages of several models, and how sure differences are."""
import numpy as np
import pytest

from mmpose_integral.evaluation.functional import average_predictions, paired_bootstrap
from mmpose_integral.formats.predictions import load_predictions, save_predictions, to_records

N, K = 7, 18


def test_average_matches_frames_by_id_and_weighs():
    rng = np.random.default_rng(0)
    ids = np.arange(1, N + 1)
    first, second = rng.random((N, K, 3)), rng.random((N, K, 3))
    order = rng.permutation(N)
    out_ids, mean = average_predictions([ids, ids[order]], [first, second[order]], [1, 3])
    np.testing.assert_array_equal(out_ids, ids)
    np.testing.assert_allclose(mean, (first + 3 * second) / 4)


@pytest.mark.parametrize(('ids', 'weights', 'message'), [
    ([[1, 2], [1, 3]], None, 'predictions 1.*frame 2'), ([[1, 2], [1]], None, '1 against 2'),
    ([[1, 2], [1, 2]], [1, 0], 'above 0'), ([[1, 2], [1, 2]], [1], '2 numbers')])
def test_average_names_what_does_not_match(ids, weights, message):
    with pytest.raises(ValueError, match=message):
        average_predictions(list(map(np.array, ids)), [np.ones((len(i), K, 3)) for i in ids], weights)


def test_bootstrap_of_paired_frames_matches_the_normal_interval():
    """Without seeds' spread, the interval of a mean of N differences is mean +- 1.96 s / sqrt(N)."""
    rng = np.random.default_rng(1)
    hard = rng.gamma(2, 40, size=4000)  # what both methods share must cancel
    first, second = hard + rng.normal(0, 5, 4000), hard - 2 + rng.normal(0, 5, 4000)
    result = paired_bootstrap(first, second, num_resamples=1500)
    difference = second - first
    half = 1.96 * difference.std() / np.sqrt(4000)
    assert result.mean == pytest.approx(difference.mean())
    assert result.low == pytest.approx(difference.mean() - half, abs=0.12 * half)
    assert result.high == pytest.approx(difference.mean() + half, abs=0.12 * half)


def test_bootstrap_holds_the_spread_of_trainings():
    frames = np.random.default_rng(2).gamma(2, 40, size=500)
    first = np.stack([frames - 3, frames, frames + 3])
    result = paired_bootstrap(first, first - 1)
    assert result.mean == pytest.approx(-1)
    assert result.low < -3 and result.high > 1


def test_bootstrap_of_one_training_in_two_evaluations_leaves_its_seed_out():
    rng = np.random.default_rng(2)
    first = rng.gamma(2, 40, size=500) + np.array([[-3.], [0.], [3.]])
    second = first - 1 + rng.normal(0, 0.5, first.shape)
    together = paired_bootstrap(first, second, same_trainings=True)
    apart = paired_bootstrap(first, second)
    assert together.mean == apart.mean == pytest.approx(-1, abs=0.1)
    assert together.high < -0.9 and apart.high > 1
    with pytest.raises(ValueError, match='got 3 and 1'):
        paired_bootstrap(first, second[:1], same_trainings=True)


def test_bootstrap_refuses_other_frames():
    with pytest.raises(ValueError, match=r'\(1, 4\), \(1, 5\)'):
        paired_bootstrap(np.ones(4), np.ones(5))


def test_predictions_come_back_from_their_file(tmp_path):
    rng = np.random.default_rng(0)
    records = [dict(frame_id=i, path=f'Val/IMG/{i:05d}.jpg', box_found=i != 2,
                    pred=rng.random((K, 3)).astype(np.float32)) for i in (3, 1, 2)]
    save_predictions(tmp_path / 'p.npz', records, errors=np.ones((3, 17)))
    arrays = load_predictions(tmp_path / 'p.npz')
    assert arrays['errors'].shape == (3, 17)
    for read, written in zip(to_records(arrays), records, strict=True):
        assert {key: read[key] for key in ('frame_id', 'path', 'box_found')} == {
            key: written[key] for key in ('frame_id', 'path', 'box_found')}
        np.testing.assert_array_equal(read['pred'], written['pred'])


def test_bad_prediction_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'nowhere\.npz.*tools/test\.py'):
        load_predictions(tmp_path / 'nowhere.npz')
    np.savez(tmp_path / 'other.npz', frame_ids=np.arange(3))
    with pytest.raises(ValueError, match=r'other\.npz.*pred_px'):
        load_predictions(tmp_path / 'other.npz')
    (tmp_path / 'text.npz').write_text('no')
    with pytest.raises(ValueError, match=r'text\.npz'):
        load_predictions(tmp_path / 'text.npz')
