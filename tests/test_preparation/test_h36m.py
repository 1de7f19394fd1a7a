"""A tree of Human3.6M becomes one of H80K, with the truth of its cameras."""
import json
import os
import pickle
import shutil

import numpy as np
import pytest
from h36m_tree import CAMERAS, LENS, camera_entry, convert, h36m_to_h80k, opencv_points, read_camera, write_part
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS
from mmpose.utils import SimpleCamera

from mmpose_integral.formats.h80k_index import scan_split
from mmpose_integral.preparation.camera_statistics import fit_statistics, load_truth, summarise
from mmpose_integral.preparation.h36m import choose_frames, parse_image_name, project, read_annotations
from mmpose_integral.structures import fit_weak_perspective
from mmpose_integral.structures.skeleton import add_thorax


def test_projection_is_opencvs_but_for_the_tangential_factor():
    joints = np.random.default_rng(1).normal((0, 0, 5000), 700, (9, 17, 3))
    radial_only = read_camera(p=(0, 0))
    np.testing.assert_allclose(project(joints, radial_only), opencv_points(joints, p=(0, 0)), atol=1e-9)
    xy = joints[..., :2] / joints[..., 2:]
    doubled = xy * (xy @ np.array(LENS['p'])[::-1, None]) * LENS['f']
    np.testing.assert_allclose(project(joints, read_camera()) + doubled, opencv_points(joints), atol=1e-9)
    assert 0.1 < np.abs(doubled).max() < 0.5


def test_tree_truth_and_index(tree, tmp_path):
    root, joints = tree
    out = tmp_path / 'out'
    assert convert(root, out) == 0
    counts, seen = dict(Train=24, Val=6, Test=12), []
    for split, count in counts.items():
        index, faults = scan_split(out, split)
        assert not faults and len(index.frame_ids) == count and index.img_sizes[0].tolist() == [20, 25]
        assert (out / split / 'POSE').is_dir() == (split != 'Test')
        with np.load(out / f'truth/h80k_{split.lower()}.npz', allow_pickle=False) as file:
            truth = dict(file)
        np.testing.assert_array_equal(truth['frame_ids'], index.frame_ids)
        seen.append(set(truth['subject'].tolist()))
        expected = np.array([joints[name] for name in truth['img_names']])
        closed_form = expected - expected[:, :1]
        if split != 'Test':
            np.testing.assert_allclose(index.keypoints_mm[:, :17], closed_form, atol=2e-4)
        np.testing.assert_allclose(truth['keypoints_mm'], add_thorax(closed_form), atol=1e-3)
        np.testing.assert_allclose(truth['keypoints_2d'], opencv_points(add_thorax(expected)), atol=0.3)
        np.testing.assert_allclose(truth['root_depth_mm'], expected[:, 0, 2], rtol=1e-6)
        np.testing.assert_allclose(truth['focal'], np.mean(LENS['f']), rtol=1e-6)
        np.testing.assert_allclose(truth['bbox'][:, :2], truth['keypoints_2d'].min(axis=1))
        np.testing.assert_allclose(truth['root_mm'], expected[:, 0])
        for name, shape in dict(rotation=(3, 3), position_mm=(3,), focal_xy=(2,), principal_point=(2,), radial=(3,),
                                tangential=(2,)).items():
            assert truth[name].shape == (count, *shape)
        # Joints that mmpose takes to the world come back through the cameras that are kept.
        world = 1000 * SimpleCamera(camera_entry()).camera_to_world(expected / 1000)
        np.testing.assert_allclose(
            (world - truth['position_mm'][:, None]) @ truth['rotation'].transpose(0, 2, 1), expected, atol=0.01)
        for row, name in enumerate(truth['img_names']):
            assert (out / index.img_paths[row]).read_bytes() == (root / 'images' / name).read_bytes()
            assert (int(name[-10:-4]) - 1) % 10 == 0  # every other frame of every fifth
    assert seen == [{1, 5, 6, 7}, {8}, {9, 11}]


@pytest.mark.filterwarnings('ignore:The metainfo config file')
def test_mmpose_reads_the_tree_of_these_tests(tree):
    root, joints = tree
    init_default_scope('mmpose')
    dataset = DATASETS.build(dict(
        type='Human36mDataset', data_root=str(root), ann_file='annotation_body3d/fps10/h36m_test.npz',
        camera_param_file='annotation_body3d/cameras.pkl', data_prefix=dict(img='images/')))
    sample = dataset[0]
    name = next(name for name in joints if sample['img_paths'][0].endswith(name))
    np.testing.assert_allclose(1000 * sample['keypoints_3d'][0], joints[name], atol=1e-3)
    assert len(dataset) == 24 and sample['camera_param']['id'] == CAMERAS[0]


def test_camera_fit_is_scored_against_the_truth(tree, tmp_path):
    root, _ = tree
    assert convert(root, tmp_path / 'out') == 0
    index, _ = scan_split(tmp_path / 'out', 'Train')
    truth = load_truth(tmp_path / 'out/truth/h80k_train.npz', index.frame_ids)
    statistics = fit_statistics(index.frame_ids, index.keypoints_mm, truth['keypoints_2d'],
                                np.ones((len(index.frame_ids), 18)), truth=truth)
    np.testing.assert_allclose(statistics.camera.scale, truth['focal'] / truth['root_depth_mm'], rtol=0.05)
    summary = summarise(statistics)
    assert summary['degenerate'] == 0 and summary['truth_mean_error_px'] < 3
    assert abs(summary['truth_mean_scale_error_percent']) < 2


def test_a_stopped_run_goes_on_and_a_finished_one_does_nothing(tree, tmp_path, monkeypatch, capsys):
    root, _ = tree
    out, put, calls = tmp_path / 'out', h36m_to_h80k.put_image, []

    def stop_at_the_tenth(*args):
        calls.append(args)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return put(*args)

    monkeypatch.setattr(h36m_to_h80k, 'put_image', stop_at_the_tenth)
    with pytest.raises(KeyboardInterrupt):
        convert(root, out)
    (out / 'Train/IMG/.00010.77.jpg').write_bytes(b'half')
    assert convert(root, out) == 0
    assert len(calls) == 10 + 42 - 9 and not (out / 'Train/IMG/.00010.77.jpg').exists()
    assert 'Train: 24 frames of S1, S5, S6, S7, 15 written now' in capsys.readouterr().out
    written = {path: path.stat().st_mtime_ns for path in out.rglob('*') if path.is_file()}
    assert len(written) == 42 + 30 + 3 + 1
    assert convert(root, out) == 0 and len(calls) == 10 + 42 - 9
    assert {path: path.stat().st_mtime_ns for path in out.rglob('*') if path.is_file()} == written

    assert convert(root, out, '--max-frames', '5') == 1
    assert 'made with other settings: max_frames (was None, is 5)' in capsys.readouterr().err
    (out / 'annotations').mkdir()
    assert convert(root, out, '--max-frames', '5', '--fresh') == 0
    assert len(list((out / 'Train/IMG').iterdir())) == 5 and not (out / 'annotations').exists()


@pytest.mark.parametrize('how', ['copy', 'hardlink', 'symlink'])
def test_images_are_copied_or_linked(tree, tmp_path, how):
    assert convert(tree[0], tmp_path / 'out', '--images', how, '--train-subjects', '--test-subjects') == 0
    image = tmp_path / 'out/Val/IMG/00001.jpg'
    assert image.is_symlink() == (how == 'symlink') and image.stat().st_nlink == 1 + (how == 'hardlink')
    assert scan_split(tmp_path / 'out', 'Val')[1] == [] and not (tmp_path / 'out/Train').exists()


def test_images_that_cannot_be_linked_are_copied(tree, tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise OSError('another file system')

    monkeypatch.setattr(os, 'link', refuse)
    assert convert(tree[0], tmp_path / 'out', '--images', 'hardlink') == 0
    assert (tmp_path / 'out/Val/IMG/00001.jpg').stat().st_nlink == 1
    assert 'copied because they cannot be linked' in capsys.readouterr().out


def test_choice_of_frames(tree):
    root, _ = tree
    frames = read_annotations(root / 'annotation_body3d/fps10/h36m_train.npz', {1, 8})
    assert set(frames.subjects.tolist()) == {1, 8} and len(frames.names) == 24
    thinned = choose_frames(frames, step=4)
    assert thinned.numbers.tolist() == [1, 21] * 4
    drawn = [choose_frames(frames, max_frames=7, seed=seed).names.tolist() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2] and drawn[0] == sorted(drawn[0]) and len(set(drawn[0])) == 7


@pytest.mark.parametrize('kind', ['S', object])
def test_names_as_bytes_or_objects(tree, kind):
    path = tree[0] / 'annotation_body3d/fps10/h36m_test.npz'
    arrays = dict(np.load(path))
    before = read_annotations(path, {9}).names.tolist()
    np.savez(path, **{**arrays, 'imgname': arrays['imgname'].astype(kind)})
    assert read_annotations(path, {9}).names.tolist() == before


def test_image_names():
    assert parse_image_name('S11/S11_Walk_Dog_1.60457274/S11_Walk_Dog_1.60457274_000126.jpg') == (
        11, '60457274', 'S11_Walk_Dog_1.60457274', 126)
    assert parse_image_name('S5_SittingDown.54138969_002061.jpg')[0] == 5
    for name in ('S1_Directions_000001.jpg', 'a.png', '../S1_Directions.54138969_000001.jpg',
                 '/S1_Directions.54138969_000001.jpg'):
        with pytest.raises(ValueError, match='image name .* expected'):
            parse_image_name(name)


def undistort(points, depths_mm):
    """Where the roots (N, 2) px of camera 54138969 are at depths (N,): (N, 3) mm, by repeated projection."""
    roots = np.concatenate([points, np.ones((len(points), 1))], axis=1)
    roots[:, :2] = (points - LENS['c']) / LENS['f']
    for _ in range(50):
        roots[:, :2] -= (project(roots, read_camera()) - points) / LENS['f']
    return roots * depths_mm[:, None]


def test_real_frames_come_back(real_data, tmp_path):
    # Both frames are of camera 54138969, of subjects 1 and 5; their places in the world do not matter here.
    source = real_data / 'real_h80k'
    poses = np.stack([np.loadtxt(source / f'Train/POSE/{stem}.csv', delimiter=',') for stem in ('00001', '00002')])
    frames = json.loads((source / 'keypoints_2d.json').read_text())['frames']
    points = np.array([frame['keypoints_2d'] for frame in frames])
    depths = np.array([frame['root_depth_mm'] for frame in frames])
    names = ['S1/S1_Directions_1.54138969/S1_Directions_1.54138969_000001.jpg',
             'S5/S5_SittingDown.54138969/S5_SittingDown.54138969_002061.jpg']
    root, out = tmp_path / 'h36m', tmp_path / 'out'
    write_part(root, 'train', names, poses + undistort(points[:, 0], depths)[:, None], points)
    (root / 'annotation_body3d/cameras.pkl').write_bytes(pickle.dumps(
        {(subject, '54138969'): camera_entry() for subject in ('S1', 'S5')}))
    for name, stem in zip(names, ('00001', '00002'), strict=True):
        (root / 'images' / name).parent.mkdir(parents=True)
        shutil.copy(source / f'Train/IMG/{stem}.jpg', root / 'images' / name)

    assert convert(root, out, '--train-subjects', '1', '5', '--val-subjects', '--test-subjects') == 0
    index, faults = scan_split(out, 'Train')
    assert not faults and len(index.frame_ids) == 2
    expected = scan_split(source, 'Train')[0]
    np.testing.assert_allclose(index.keypoints_mm, expected.keypoints_mm, atol=2e-4)
    np.testing.assert_array_equal(index.img_sizes, expected.img_sizes)
    truth = np.load(out / 'truth/h80k_train.npz')
    # Their own 2D joints have three decimals and are met to the last: lens and distortion are Human3.6M's.
    np.testing.assert_allclose(truth['keypoints_2d'][:, :17], points, atol=0.002)
    camera = fit_weak_perspective(index.keypoints_mm, truth['keypoints_2d'])
    np.testing.assert_allclose(camera.scale, truth['focal'] / depths, rtol=0.015)
