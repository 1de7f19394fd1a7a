import csv
import json

import numpy as np
import pytest
from PIL import Image

from mmpose_integral.preparation import camera_statistics as report
from mmpose_integral.visualization.camera_figure import draw_report

NUM_FRAMES = 7
SOUND = np.arange(NUM_FRAMES) != 2


@pytest.fixture
def scene():
    """Seven frames of known weak-perspective cameras, rotated by 3 degrees; frame 12 has no 2D joints."""
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
    return (ids, poses, points.copy(), scores), truth


def test_known_cameras_are_recovered(scene):
    statistics = report.fit_statistics(*scene[0], rotation=True, robust=False, truth=scene[1])
    assert statistics.degenerate.tolist() == (~SOUND).tolist()
    table = statistics.table
    np.testing.assert_allclose(table['scale'][SOUND], (1100 / scene[1]['root_depth_mm'])[SOUND])
    np.testing.assert_allclose(table['rotation_deg'][SOUND], 3)
    np.testing.assert_allclose(table['mean_residual'][SOUND], 0, atol=1e-9)
    assert np.isnan(table['mean_residual'][2]) and np.isnan(table['max_residual'][2])
    assert table['used_joints'].tolist() == [17, 17, 0, 17, 17, 17, 17]
    np.testing.assert_allclose(table['truth_scale_error_percent'][SOUND], 0, atol=1e-9)
    summary = report.summarise(statistics)
    assert summary['frames'] == NUM_FRAMES and summary['degenerate_frames'] == [12]
    assert summary['truth_mean_error_px'] == 0 and summary['inlier_share'] == 1
    assert 'torso' not in summary['inlier_share_by_joint'] and summary['inlier_share_by_joint']['head'] == 1


def test_upright_fit_also_reports_the_rotation_of_the_camera(scene):
    scene[0][-1][:, 3] = 0.2
    table = report.fit_statistics(*scene[0], score_thr=0.2).table
    assert np.nan_to_num(table['rotation_deg']).max() == 0
    np.testing.assert_allclose(table['free_rotation_deg'][SOUND], 3, atol=1e-4)
    assert 'truth_error_px' not in table and table['used_joints'][0] == 16  # without torso and the joint below 0.2


def test_outlier_affects_its_joint_the_residuals_and_the_worst_frames(scene):
    (_, _, points, _), truth = scene
    points[4, 13] += 80
    statistics = report.fit_statistics(*scene[0], rotation=True, truth=truth)
    assert report.worst_frames(statistics, 2)[0] == 4
    assert sorted(report.worst_frames(statistics, NUM_FRAMES)) == [0, 1, 3, 4, 5, 6]
    shares = report.joint_shares(statistics)
    assert shares[13] == pytest.approx(5 / 6) and np.isnan(shares[7]) and shares[3] == 1
    assert statistics.table['max_residual'][4] == pytest.approx(80 * 2**0.5, rel=0.02)
    assert statistics.table['mean_residual'][4] == pytest.approx(80 * 2**0.5 / 17, rel=0.05)
    errors = [np.hypot(*(statistics.projected[4, k, :2] - truth['keypoints_2d'][4, k])) for k in range(18)]
    assert statistics.table['truth_error_px'][4] == pytest.approx(np.mean(errors)) and max(errors) < 1


def test_table_and_truth_files(scene, tmp_path):
    (ids, *_), truth = scene
    statistics = report.fit_statistics(*scene[0], truth=truth)
    report.write_table(statistics, tmp_path / 'cameras.csv')
    with open(tmp_path / 'cameras.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert ' '.join(rows[0]) == (
        'frame_id scale rotation_deg free_rotation_deg tx ty mean_residual max_residual used_joints inliers '
        'truth_error_px truth_scale_error_percent')
    assert [row['frame_id'] for row in rows] == [str(i) for i in ids]
    assert rows[2]['scale'] == rows[2]['mean_residual'] == rows[2]['truth_error_px'] == ''
    assert rows[2]['used_joints'] == '0'
    assert float(rows[5]['tx']) == pytest.approx(statistics.table['tx'][5], rel=1e-5)
    json.dumps(report.summarise(statistics))
    np.savez(tmp_path / 'truth.npz', frame_ids=ids[::-1], subject=ids, **{k: v[::-1] for k, v in truth.items()})
    loaded = report.load_truth(tmp_path / 'truth.npz', ids[1:4])
    np.testing.assert_array_equal(loaded['keypoints_2d'], truth['keypoints_2d'][1:4])
    np.savez(tmp_path / 'less.npz', frame_ids=ids)
    with pytest.raises(ValueError, match='has no keypoints_2d, focal'):
        report.load_truth(tmp_path / 'less.npz', ids)


@pytest.mark.parametrize('with_images, with_cameras', [(True, True), (False, True), (False, False)])
def test_figure(scene, tmp_path, with_images, with_cameras):
    Image.new('RGB', (64, 48)).save(tmp_path / 'frame.jpg')
    scene[0][-1][:] *= with_cameras
    statistics = report.fit_statistics(*scene[0], truth=scene[1] if with_images else None)
    if not with_cameras:
        assert report.summarise(statistics)['mean_residual_px'] is None and report.worst_frames(statistics, 4) == []
    draw_report(statistics, scene[0][2], lambda row: tmp_path / 'frame.jpg' if with_images else None, 'Title',
                tmp_path / 'cameras.png')
    picture = np.asarray(Image.open(tmp_path / 'cameras.png').convert('RGB'))
    assert min(picture.shape[:2]) > 1000 and picture.std() > (20 if with_cameras else 1)
