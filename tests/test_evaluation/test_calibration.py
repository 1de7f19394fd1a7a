"""Standard deviations against errors: normal samples of known factor, scipy's own fit, and the tool on a file."""
import json

import numpy as np
import pytest
import torch
from scipy import stats
from small_training import run_tool

from mmpose_integral.evaluation import H80KMetric
from mmpose_integral.evaluation.functional import calibrate_poses, calibration, skeleton_length
from mmpose_integral.evaluation.functional.calibration import normal_coverage, rank_correlation
from mmpose_integral.evaluation.functional.uncertainty import probability_within
from mmpose_integral.evaluation.metrics.frame_records import make_record
from mmpose_integral.formats.predictions import load_predictions, save_predictions, to_records


def normal_errors(factor, shape=(400, 50), seed=0):
    """Standard deviations between 5 and 80, and normal errors ``factor`` times as large."""
    rng = np.random.default_rng(seed)
    stds = rng.uniform(5, 80, shape)
    return rng.normal(0, 1, shape) * stds * factor, stds


@pytest.mark.parametrize('factor', [0.4, 1.0, 2.5])
def test_the_factor_of_normal_errors_is_found(factor):
    errors, stds = normal_errors(factor)
    result = calibration(errors, stds, num_bins=8)
    assert result.factor == pytest.approx(factor, rel=0.02)
    assert result.factor == pytest.approx(stats.norm.fit((errors / stds).ravel(), floc=0)[1], rel=1e-9)  # likeliest
    assert len(result.bin_std) == len(result.bin_error) == 8
    np.testing.assert_allclose(result.bin_error / result.bin_std, factor, rtol=0.08)
    assert (np.diff(result.bin_std) > 0).all()
    np.testing.assert_allclose(result.coverage_scaled, stats.chi(1).cdf(result.levels), atol=0.01)
    np.testing.assert_allclose(result.coverage, stats.chi(1).cdf(result.levels / factor), atol=0.01)
    np.testing.assert_allclose(normal_coverage(result.levels), stats.chi(1).cdf(result.levels))


def test_bins_and_coverage_by_hand():
    stds = np.array([[4.0, 1], [2, 3]])
    errors = np.array([[-12.0, 1], [0, -6]])
    result = calibration(errors, stds, num_bins=2)
    np.testing.assert_allclose(result.bin_std, [np.sqrt(2.5), np.sqrt(12.5)])
    np.testing.assert_allclose(result.bin_error, [np.sqrt(0.5), np.sqrt(90)])
    np.testing.assert_allclose(result.factor, np.sqrt((9 + 1 + 0 + 4) / 4))
    whole = np.isin(result.levels, (0, 1, 2, 3))
    np.testing.assert_allclose(result.coverage[whole], [0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(result.coverage_scaled[whole], [0.25, 0.5, 1, 1])  # ratios 3, 1, 0, 2 over 1.87
    assert result.rank_correlation == pytest.approx(0.8)  # ranks 4 1 2 3 against 4 2 1 3: 1 - 6 * 2 / 60


def test_rank_correlation_equals_scipy_with_ties_and_is_nan_for_a_constant():
    first, second = np.random.default_rng(1).integers(0, 9, (2, 6, 40)).astype(float)
    expected = [stats.spearmanr(*pair).statistic for pair in zip(first, second, strict=True)]
    np.testing.assert_allclose(rank_correlation(first, second), expected)
    errors, stds = normal_errors(1.0)
    assert calibration(errors, stds).rank_correlation > 0.4
    assert np.isnan(calibration(errors, np.full(errors.shape, 3.0)).rank_correlation)


@pytest.mark.parametrize('errors, stds, bins, match', [
    (np.ones(3), np.ones(4), 2, r'equal shapes expected, got \(3,\) and \(4,\)'),
    (np.array([1, np.nan, 2]), np.ones(3), 2, 'errors: 1 of 3 are not finite, first at flat index 1'),
    (np.ones(3), np.array([1, 1, 0]), 2, 'stds: 1 of 3 are not finite and above 0, first at flat index 2'),
    (np.ones(3), np.ones(3), 4, 'num_bins: 1 to 3 expected'), (np.ones(3), np.ones(3), 0, 'num_bins: 1 to 3')])
def test_bad_values_are_named(errors, stds, bins, match):
    with pytest.raises(ValueError, match=match):
        calibration(errors, stds, bins)


def make_people(count, factor, seed=0):
    """Predictions in px, their standard deviations in px, true poses in mm, and the predictions' bone lengths.

    The root is predicted without error, so that the errors of the others are the drawn ones.
    """
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, (150, 350, 150), (count, 18, 3))
    stds = rng.uniform(5, 60, truth.shape)
    stds[:, 5] *= 2
    errors = rng.normal(0, 1, truth.shape) * stds * factor
    errors[:, 0] = 0
    px_per_mm = rng.uniform(0.05, 0.5, (count, 1, 1))
    pred = truth + errors
    pred_px = (pred - pred[:, :1]) * px_per_mm + rng.uniform(100, 900, (count, 1, 3))
    return pred_px, stds * px_per_mm, truth, skeleton_length(pred)


def test_px_become_mm_by_the_scale_of_each_person():
    pred_px, std_px, truth, lengths = make_people(700, [0.5, 1.0, 2.0])
    result = calibrate_poses(pred_px, std_px, truth, lengths, num_bins=5)
    assert list(result.axes) == ['all', 'x', 'y', 'z']
    assert [result.axes[name].factor for name in 'xyz'] == pytest.approx([0.5, 1.0, 2.0], rel=0.03)
    assert result.axes['all'].factor == pytest.approx(np.sqrt((0.25 + 1 + 4) / 3), rel=0.03)
    np.testing.assert_allclose(result.joint_factors, np.sqrt(5.25 / 3), rtol=0.1)
    assert result.joint_factors.shape == result.joint_rank_correlations.shape == (16,)
    assert (result.joint_rank_correlations > 0.1).all() and result.frame_rank_correlation > 0.1
    mm_per_px = (lengths / skeleton_length(pred_px))[:, None, None]
    errors = np.linalg.norm((pred_px - pred_px[:, :1]) * mm_per_px - truth + truth[:, :1], axis=-1)[:, 1:17]
    spread = np.linalg.norm(std_px * mm_per_px, axis=-1)[:, 1:17]
    person = [stats.spearmanr(*pair).statistic for pair in zip(spread, errors, strict=True)]
    assert result.person_rank_correlation == pytest.approx(np.mean(person))
    likely = probability_within((std_px * mm_per_px)[:, 1:17])
    order = np.array_split(np.argsort(likely, axis=None), 5)
    np.testing.assert_allclose(result.score_bins, [[values.ravel()[part].mean() for part in order]
                                                   for values in (likely, errors <= 75)])
    certain = np.argsort(spread.mean(axis=1))[:175]
    assert result.quarter_errors[0] == pytest.approx(errors[certain].mean())
    assert result.quarter_errors.mean() == pytest.approx(errors.mean())
    # A length that is wrong by a tenth causes errors that no standard deviation contains.
    assert calibrate_poses(pred_px, std_px, truth, 1.1 * lengths).axes['x'].factor > 0.6
    with pytest.raises(ValueError, match=r'\(N, 18, 3\) expected, got \(700, 18, 3\), \(699, 18, 3\)'):
        calibrate_poses(pred_px, std_px[1:], truth, lengths)


def make_sample(number, pred, std, truth):
    """A data sample as mmengine's evaluator passes it to a metric."""
    pred_instances = dict(keypoints=pred[None]) if std is None else dict(keypoints=pred[None], keypoint_std=std[None])
    return dict(img_id=number, img_path=f'Val/IMG/{number:05d}.jpg', box_found=True, pred_instances=pred_instances,
                gt_instances=dict(keypoints_mm=truth[None]))


def evaluate(path, pred, std, truth):
    metric = H80KMetric(bone_lengths=(4500.0,), outfile=str(path))
    stds = [None] * len(pred) if std is None else std
    metric.process(None, [make_sample(i + 1, *one) for i, one in enumerate(zip(pred, stds, truth, strict=True))][::-1])
    metric.evaluate(len(pred))


def test_predictions_contain_std_and_truth_and_old_files_still_load(tmp_path):
    pred, std, truth, _ = make_people(6, 1.0)
    evaluate(tmp_path / 'new.npz', pred, std, truth + 7)
    new = load_predictions(tmp_path / 'new.npz')
    np.testing.assert_allclose(new['std_px'], std, rtol=1e-6)
    np.testing.assert_allclose(new['gt_mm'], truth - truth[:, :1], atol=1e-3)
    save_predictions(tmp_path / 'again.npz', to_records(new))
    np.testing.assert_array_equal(load_predictions(tmp_path / 'again.npz')['std_px'], new['std_px'])
    np.savez(tmp_path / 'old.npz', **{key: value for key, value in new.items() if key not in ('std_px', 'gt_mm')})
    old = load_predictions(tmp_path / 'old.npz')
    assert 'std' not in to_records(old)[0] and np.array_equal(old['pred_px'], new['pred_px'])
    np.savez(tmp_path / 'bad.npz', **dict(new, std_px=new['std_px'][:, :17]))
    with pytest.raises(ValueError, match=r'std_px of shape \(6, 18, 3\) expected, got \(6, 17, 3\)'):
        load_predictions(tmp_path / 'bad.npz')
    with pytest.raises(ValueError, match=r'keypoint_std of shape \(1, 18, 3\) expected, got \(1, 18, 2\)'):
        make_record(make_sample(1, pred[0], std[0][:, :2], truth[0]), 'Metric')


def test_tool_draws_and_writes_the_figures_or_says_what_a_file_lacks(tmp_path, capsys):
    pred, std, truth, lengths = make_people(300, 0.5)
    truth *= (4500 / lengths)[:, None, None]  # so that the one length of H80KMetric is right for all
    evaluate(tmp_path / 'val.npz', pred, std, truth)
    run_tool('plot-calibration', tmp_path / 'val.npz', '--out', tmp_path / 'a.png', '--json', tmp_path / 'a.json')
    figures = json.loads((tmp_path / 'a.json').read_text())
    one = figures['axes']['all']
    assert one['factor'] == pytest.approx(0.5, rel=0.02) and set(one['coverage']) == {'1.0', '2.0'}
    assert one['coverage']['1.0']['scaled'] == pytest.approx(0.683, abs=0.01)
    assert one['coverage']['1.0']['predicted'] == pytest.approx(0.954, abs=0.01)  # 1 std is 2 of the true ones
    assert len(figures['joints']) == 16 and 'root' not in figures['joints']
    assert 'all: factor 0.5' in capsys.readouterr().out
    run_tool('plot-calibration', tmp_path / 'val.npz', '--out', tmp_path / 'b.png', '--bins', 3)
    assert (tmp_path / 'a.png').read_bytes() != (tmp_path / 'b.png').read_bytes()
    scores = np.array([figures['scores'][name] for name in ('predicted', 'within_75_mm')])
    assert (scores[1] >= scores[0]).all() and scores[1, 0] > scores[0, 0] + 0.1  # too large standard deviations
    evaluate(tmp_path / 'without.npz', pred, None, truth)  # a head without a volume
    message = run_tool('plot-calibration', tmp_path / 'without.npz', '--out', tmp_path / 'c.png')
    assert 'have no std_px; expected are those of mmpose-integral test' in message and not (tmp_path / 'c.png').exists()
    assert 'no such file' in run_tool('plot-calibration', tmp_path / 'none.npz')


def test_stored_factors_calibrate_and_are_not_applied_twice(tmp_path, capsys):
    pred, std, truth, lengths = make_people(400, [0.5, 1.0, 2.0])
    truth *= (4500 / lengths)[:, None, None]
    evaluate(tmp_path / 'val.npz', pred, std, truth)
    checkpoint = tmp_path / 'epoch_1.pth'
    meta = dict(dataset_meta=dict(camera=dict(model='weak')))
    torch.save(dict(state_dict=dict(a=torch.ones(2)), optimizer=dict(lr=3), meta=meta), checkpoint)
    store = 'plot-calibration', tmp_path / 'val.npz', '--out', tmp_path / 'a.png', '--store', checkpoint
    assert run_tool(*store) == 0 and 'calibrated now' in capsys.readouterr().out
    loaded = torch.load(checkpoint)
    factors = np.array(loaded['meta']['dataset_meta']['std_factors'])
    np.testing.assert_allclose(factors[1:], np.tile([0.5, 1, 2], (17, 1)), rtol=0.25)
    assert loaded['optimizer'] == dict(lr=3) and loaded['meta']['dataset_meta']['camera'] == dict(model='weak')
    # Predictions of the calibrated model: they name their factors, and storing again leaves them.
    arrays = load_predictions(tmp_path / 'val.npz')
    np.savez(tmp_path / 'val.npz', **dict(arrays, std_px=arrays['std_px'] * factors, std_factors=factors))
    assert run_tool(*store, '--json', tmp_path / 'a.json') == 0
    np.testing.assert_allclose(torch.load(checkpoint)['meta']['dataset_meta']['std_factors'], factors, rtol=1e-5)
    figures = json.loads((tmp_path / 'a.json').read_text())
    for name in 'xyz':
        assert figures['axes'][name]['coverage']['1.0']['predicted'] == pytest.approx(0.683, abs=0.005)
    np.testing.assert_allclose(figures['scores']['predicted'], figures['scores']['within_75_mm'], atol=0.06)
    torch.save(dict(state_dict=dict(a=torch.ones(2))), checkpoint)
    assert 'a checkpoint with dataset_meta expected' in run_tool(*store)
