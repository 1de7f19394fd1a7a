import csv
import json

import numpy as np
import pytest
from PIL import Image

from mmpose_integral.preparation.camera_statistics import (
    COLUMNS,
    TRUTH_COLUMNS,
    fit_statistics,
    joint_shares,
    load_truth,
    summarise,
    worst_frames,
    write_table,
)
from mmpose_integral.visualization.camera_figure import draw_report

NUM_FRAMES = 7


@pytest.fixture
def scene():
    """Seven frames seen by known weak-perspective cameras, turned by 3 degrees; frame 12 has no 2D at all."""
    rng = np.random.default_rng(0)
    poses = rng.normal(0, 400, (NUM_FRAMES, 18, 3))
    poses -= poses[:, :1]
    scales, angle = rng.uniform(0.1, 0.3, NUM_FRAMES), np.radians(3)
    shifts = rng.uniform(200, 600, (NUM_FRAMES, 1, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = scales[:, None, None] * poses[..., :2] @ turn.T + shifts
    scores = np.full((NUM_FRAMES, 18), 0.8)
    scores[:, 7] = 0
    scores[2] = 0
    ids = np.arange(10, 10 + NUM_FRAMES)
    truth = dict(keypoints_2d=points, focal=np.full(NUM_FRAMES, 1100.0), root_depth_mm=1100 / scales)
    return ids, poses, points, scores, scales, truth


def test_known_cameras_are_recovered(scene):
    ids, poses, points, scores, scales, truth = scene
    statistics = fit_statistics(ids, poses, points, scores, rotation=True, robust=False, truth=truth)
    sound = np.arange(NUM_FRAMES) != 2
    assert statistics.degenerate.tolist() == (~sound).tolist()
    table = statistics.table
    np.testing.assert_allclose(table['scale'][sound], scales[sound])
    np.testing.assert_allclose(table['rotation_deg'][sound], 3)
    np.testing.assert_allclose(table['mean_residual'][sound], 0, atol=1e-9)
    assert np.isnan(table['mean_residual'][2]) and np.isnan(table['max_residual'][2])
    assert table['used_joints'].tolist() == [17, 17, 0, 17, 17, 17, 17]
    np.testing.assert_allclose(table['truth_scale_error_percent'][sound], 0, atol=1e-9)
    summary = summarise(statistics)
    assert summary['frames'] == NUM_FRAMES and summary['degenerate_frames'] == [12]
    assert summary['truth_mean_error_px'] == 0 and summary['inlier_share'] == 1
    assert 'torso' not in summary['inlier_share_by_joint'] and summary['inlier_share_by_joint']['head'] == 1


def test_upright_fit_still_reports_the_roll_of_the_camera(scene):
    ids, poses, points, scores, _, _ = scene
    table = fit_statistics(ids, poses, points, scores).table
    assert np.nan_to_num(table['rotation_deg']).max() == 0
    np.testing.assert_allclose(np.delete(table['free_rotation_deg'], 2), 3, atol=1e-4)
    assert 'truth_error_px' not in table


def test_outlier_shows_in_the_joints_the_residual_and_the_worst_frames(scene):
    ids, poses, points, scores, _, truth = scene
    points = points.copy()
    points[4, 13] += 80
    statistics = fit_statistics(ids, poses, points, scores, rotation=True, truth=truth)
    assert worst_frames(statistics, 2)[0] == 4 and 2 not in worst_frames(statistics, NUM_FRAMES)
    shares = joint_shares(statistics)
    assert shares[13] == pytest.approx(5 / 6) and np.isnan(shares[7]) and shares[3] == 1
    assert statistics.table['max_residual'][4] == pytest.approx(80 * 2**0.5, rel=0.02)
    assert statistics.table['mean_residual'][4] == pytest.approx(80 * 2**0.5 / 17, rel=0.05)
    assert statistics.table['truth_error_px'][4] < 1
    np.testing.assert_allclose(
        statistics.table['truth_error_px'][4],
        np.mean([np.hypot(*(statistics.projected[4, k, :2] - truth['keypoints_2d'][4, k])) for k in range(18)]))


def test_score_threshold_takes_joints_out(scene):
    ids, poses, points, scores, _, _ = scene
    scores[:, 3] = 0.2
    assert fit_statistics(ids, poses, points, scores, score_thr=0.2).table['used_joints'][0] == 16


def test_table_and_truth_files(scene, tmp_path):
    ids, poses, points, scores, _, truth = scene
    statistics = fit_statistics(ids, poses, points, scores, truth=truth)
    write_table(statistics, tmp_path / 'cameras.csv')
    with open(tmp_path / 'cameras.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS + TRUTH_COLUMNS
    assert [row['frame_id'] for row in rows] == [str(i) for i in ids]
    assert rows[2]['scale'] == '' and rows[2]['used_joints'] == '0'
    assert float(rows[5]['tx']) == pytest.approx(statistics.table['tx'][5], rel=1e-5)
    json.dumps(summarise(statistics))
    np.savez(tmp_path / 'truth.npz', frame_ids=ids[::-1], subject=ids, **{k: v[::-1] for k, v in truth.items()})
    loaded = load_truth(tmp_path / 'truth.npz', ids[1:4])
    np.testing.assert_array_equal(loaded['keypoints_2d'], truth['keypoints_2d'][1:4])
    np.savez(tmp_path / 'less.npz', frame_ids=ids)
    with pytest.raises(ValueError, match='has no keypoints_2d, focal'):
        load_truth(tmp_path / 'less.npz', ids)


@pytest.mark.parametrize('with_images', [True, False])
def test_figure(scene, tmp_path, with_images):
    ids, poses, points, scores, _, truth = scene
    Image.new('RGB', (64, 48)).save(tmp_path / 'frame.jpg')
    statistics = fit_statistics(ids, poses, points, scores, truth=truth if with_images else None)
    draw_report(statistics, points, lambda row: tmp_path / 'frame.jpg' if with_images else None, 'Title',
                tmp_path / 'cameras.png')
    picture = np.asarray(Image.open(tmp_path / 'cameras.png').convert('RGB'))
    assert min(picture.shape[:2]) > 1000 and picture.std() > 20


def test_figure_and_summary_without_any_camera(scene, tmp_path):
    ids, poses, points, scores, _, _ = scene
    statistics = fit_statistics(ids, poses, points, np.zeros_like(scores))
    assert summarise(statistics)['mean_residual_px'] is None and worst_frames(statistics, 4) == []
    draw_report(statistics, points, lambda row: None, 'Title', tmp_path / 'cameras.png')
    assert (tmp_path / 'cameras.png').stat().st_size > 10000
