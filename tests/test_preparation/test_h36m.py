"""Conversion of a Human3.6M tree to an H80K tree, with the truth of its cameras."""
import json
import os
import pickle
import shutil

import numpy as np
import pytest
from h36m_tree import CAMERAS, LENS, camera_entry, make_camera, make_tree, opencv_points
from mmpose.registry import DATASETS
from mmpose.utils import SimpleCamera

from mmpose_integral.cli.prepare import h36m_to_h80k
from mmpose_integral.formats.h80k_index import scan_split
from mmpose_integral.preparation.camera_statistics import fit_statistics, load_truth, summarise
from mmpose_integral.preparation.h36m import choose_frames, parse_image_name, project, read_annotations, read_cameras
from mmpose_integral.structures.skeleton import add_thorax


@pytest.fixture
def tree(tmp_path):
    """Folder of seven subjects, two cameras, one video of six frames each, and the joints in mm by image name."""
    return tmp_path / 'h36m', make_tree(tmp_path / 'h36m')


@pytest.fixture
def convert(tree, tmp_path):
    """Function that converts the tree to the folder ``out`` with further options."""
    return lambda *options: h36m_to_h80k.main([str(tree[0]), str(tmp_path / 'out'), '--step', '2', *options])


def test_projection_is_opencvs_apart_from_the_tangential_factor():
    joints = np.random.default_rng(1).normal((0, 0, 5000), 700, (9, 17, 3))
    np.testing.assert_allclose(project(joints, make_camera(p=(0, 0))), opencv_points(joints, p=(0, 0)), atol=1e-9)
    xy = joints[..., :2] / joints[..., 2:]
    doubled = xy * (xy @ np.array(LENS['p'])[::-1, None]) * LENS['f']
    np.testing.assert_allclose(project(joints, make_camera()) + doubled, opencv_points(joints), atol=1e-9)
    assert 0.1 < np.abs(doubled).max() < 0.5


def test_tree_truth_and_index(tree, convert, tmp_path):
    root, joints = tree
    out = tmp_path / 'out'
    assert convert() == 0
    counts, seen = dict(Train=24, Val=6, Test=12), []
    for split, count in counts.items():
        index = scan_split(out, split)
        assert not len(index.faulty) and len(index.frame_ids) == count and index.img_sizes[0].tolist() == [20, 25]
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
        for name, value in make_camera()._asdict().items():
            np.testing.assert_allclose(truth[name], np.broadcast_to(value, (count, *value.shape)))
        # Joints that mmpose takes to the world return to the camera's axes through the stored cameras.
        world = 1000 * SimpleCamera(camera_entry()).camera_to_world(expected / 1000)
        np.testing.assert_allclose(
            (world - truth['position_mm'][:, None]) @ truth['rotation'].transpose(0, 2, 1), expected, atol=0.01)
        for row, name in enumerate(truth['img_names']):
            assert (out / index.img_paths[row]).read_bytes() == (root / 'images' / name).read_bytes()
            assert (int(name[-10:-4]) - 1) % 10 == 0  # every other frame of every fifth
        if split != 'Test':
            known = load_truth(out / f'truth/h80k_{split.lower()}.npz', index.frame_ids)
            summary = summarise(fit_statistics(index.frame_ids, index.keypoints_mm, known['keypoints_2d'],
                                               np.ones((count, 18)), truth=known))
            assert summary['degenerate'] == 0 and summary['truth_mean_error_px'] < 3
            assert summary['truth_mean_abs_scale_error_percent'] < 2
    assert seen == [{1, 5, 6, 7}, {8}, {9, 11}]


@pytest.mark.filterwarnings('ignore:The metainfo config file')
def test_mmpose_reads_the_tree_of_these_tests(tree):
    root, joints = tree
    dataset = DATASETS.build(dict(
        type='Human36mDataset', data_root=str(root), ann_file='annotation_body3d/fps10/h36m_test.npz',
        camera_param_file='annotation_body3d/cameras.pkl', data_prefix=dict(img='images/')))
    sample = dataset[0]
    name = next(name for name in joints if sample['img_paths'][0].endswith(name))
    np.testing.assert_allclose(1000 * sample['keypoints_3d'][0], joints[name], atol=1e-3)
    assert len(dataset) == 24 and sample['camera_param']['id'] == CAMERAS[0]


def test_a_stopped_run_continues_and_a_finished_one_does_nothing(convert, tmp_path, monkeypatch, capsys):
    out, put, calls = tmp_path / 'out', h36m_to_h80k.put_image, []

    def stop_at_the_tenth(*args):
        calls.append(args)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return put(*args)

    monkeypatch.setattr(h36m_to_h80k, 'put_image', stop_at_the_tenth)
    with pytest.raises(KeyboardInterrupt):
        convert()
    (out / 'Train/IMG/.00010.77.jpg').write_bytes(b'half')
    assert convert() == 0
    assert len(calls) == 10 + 42 - 9 and not (out / 'Train/IMG/.00010.77.jpg').exists()
    assert 'Train: 24 frames of S1, S5, S6, S7, 15 written now' in capsys.readouterr().out
    written = {path: path.stat().st_mtime_ns for path in out.rglob('[!.]*') if path.is_file()}
    assert len(written) == 42 + 30 + 3 + 1
    assert convert() == 0 and len(calls) == 10 + 42 - 9
    assert {path: path.stat().st_mtime_ns for path in out.rglob('[!.]*') if path.is_file()} == written

    with pytest.raises(ValueError, match=r'made with other settings: max_frames \(was None, is 5\)'):
        convert('--max-frames', '5')
    (out / 'annotations').mkdir()
    assert convert('--max-frames', '5', '--fresh') == 0
    assert len(list((out / 'Train/IMG').iterdir())) == 5 and not (out / 'annotations').exists()


@pytest.mark.parametrize('how, links_work', [('copy', True), ('hardlink', True), ('symlink', True),
                                             ('hardlink', False)])
def test_images_are_copied_or_linked(convert, tmp_path, monkeypatch, capsys, how, links_work):
    def refuse(*_):
        raise OSError('another file system')

    if not links_work:
        monkeypatch.setattr(os, 'link', refuse)
    assert convert('--images', how, '--train-subjects', '--test-subjects') == 0
    image = tmp_path / 'out/Val/IMG/00001.jpg'
    assert image.is_symlink() == (how == 'symlink')
    assert image.stat().st_nlink == 1 + (how == 'hardlink' and links_work)
    assert not len(scan_split(tmp_path / 'out', 'Val').faulty) and not (tmp_path / 'out/Train').exists()
    assert ('copied because they cannot be linked' in capsys.readouterr().out) != links_work


def test_choice_of_frames(tree):
    frames = read_annotations(tree[0] / 'annotation_body3d/fps10/h36m_train.npz', {1, 8})
    assert set(frames.subjects.tolist()) == {1, 8} and len(frames.names) == 24
    thinned = choose_frames(frames, step=4)
    assert [name[-10:] for name in thinned.names.tolist()] == ['000001.jpg', '000021.jpg'] * 4
    drawn = [choose_frames(frames, max_frames=7, seed=seed).names.tolist() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2] and drawn[0] == sorted(drawn[0]) and len(set(drawn[0])) == 7


def test_names_as_bytes_or_objects(tree):
    path = tree[0] / 'annotation_body3d/fps10/h36m_test.npz'
    arrays, before = dict(np.load(path)), read_annotations(path, {9}).names.tolist()
    for kind in ('S', object):
        np.savez(path, **{**arrays, 'imgname': arrays['imgname'].astype(kind)})
        assert read_annotations(path, {9}).names.tolist() == before


def test_image_names():
    assert parse_image_name('S11/S11_Walk_Dog_1.60457274/S11_Walk_Dog_1.60457274_000126.jpg') == (
        11, '60457274', 'S11_Walk_Dog_1.60457274', 126)
    good = 'S5_SittingDown.54138969_002061.jpg'
    assert parse_image_name(good)[0] == 5
    for name in ('S1_Directions_000001.jpg', 'a.png', f'../{good}', f'/{good}'):
        with pytest.raises(ValueError, match='image name .* expected'):
            parse_image_name(name)


def test_projection_agrees_with_real_frames(real_data):
    """Human3.6M's own 2D joints of two frames of camera 54138969, which have three decimals."""
    source = real_data / 'real_h80k'
    for frame, stem in zip(json.loads((source / 'keypoints_2d.json').read_text())['frames'], ('00001', '00002'),
                           strict=True):
        points, depth = np.array(frame['keypoints_2d']), frame['root_depth_mm']
        root = np.array([*(points[0] - LENS['c']) / LENS['f'] * depth, depth])
        for _ in range(50):  # the position of the root, by repeated projection
            root[:2] -= (project(root, make_camera()) - points[0]) / LENS['f'] * depth
        joints = root + np.loadtxt(source / f'Train/POSE/{stem}.csv', delimiter=',')
        np.testing.assert_allclose(project(joints, make_camera()), points, atol=0.002)


def test_a_folder_of_other_origin_is_not_changed(convert, tmp_path):
    image = tmp_path / 'out/Train/IMG/00001.jpg'
    image.parent.mkdir(parents=True)
    image.write_bytes(b'precious')
    for options in ([], ['--fresh']):
        with pytest.raises(ValueError, match='holds data of another origin'):
            convert(*options)
    assert image.read_bytes() == b'precious'


@pytest.mark.parametrize('name, change, message', [
    ('S', lambda S: S[:-1], r'h36m_train\.npz: S of shape \(60, 17, 4\) expected .*got \(59, 17, 4\)'),
    ('S', lambda S: S * 1000, r'the root of S1.* m away, 0\.5 to 50 expected; S must be in metres'),
    ('S', lambda S: S - (0.4, 0, 0, 0), r'annotated 2D joints are .* px off the projected 3D joints'),
    ('S', lambda S: S * np.nan, r'48 frames have joints that are not finite'),
    ('imgname', lambda names: np.char.replace(names, '_Walk', '/Walk'), r"h36m_train\.npz: image name 'S1/")])
def test_wrong_annotations(tree, convert, tmp_path, name, change, message):
    path = tree[0] / 'annotation_body3d/fps10/h36m_train.npz'
    arrays = dict(np.load(path))
    np.savez(path, **{**arrays, name: change(arrays[name])})
    with pytest.raises(ValueError, match=message):
        convert('--val-subjects')
    assert not (tmp_path / 'out').exists()


def test_wrong_cameras(tree, convert):
    path = tree[0] / 'annotation_body3d/cameras.pkl'
    cameras = pickle.loads(path.read_bytes())
    path.write_bytes(pickle.dumps({key: cameras[key] for key in cameras if key != ('S8', CAMERAS[1])}))
    with pytest.raises(ValueError, match=rf'cameras\.pkl has no camera {CAMERAS[1]} of S8'):
        convert()
    for content in (dict(a=1), [1], {('S1', '5'): dict(R=np.eye(3))}, {('S1', '5'): camera_entry(k=(1, 2))},
                    {('S1', '5'): {**camera_entry(), 'R': np.ones((3, 3))}}):
        path.write_bytes(pickle.dumps(content))
        with pytest.raises(ValueError, match=r"cameras\.pkl: a dict of \('S1', '54138969'\) to R, T"):
            read_cameras(path)
    path.write_bytes(pickle.dumps({**cameras, 'extra': os.system}))
    with pytest.raises(ValueError, match='system, which is no plain data'):
        convert()
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r'cameras\.pkl: no such file of cameras; make it with'):
        convert()


def test_missing_images(tree, convert, tmp_path):
    shutil.rmtree(tree[0] / f'images/S11/S11_Walk_Dog_1.{CAMERAS[0]}')
    with pytest.raises(FileNotFoundError, match='3 of 12 images do not exist'):
        convert()
    assert convert('--skip-missing') == 0
    index = scan_split(tmp_path / 'out', 'Test')
    assert not len(index.faulty) and index.frame_ids.tolist() == list(range(1, 10))


def test_missing_subjects_annotations_and_too_many_frames(tree, convert, monkeypatch):
    (tree[0] / 'annotation_body3d/fps10/h36m_test.npz').unlink()
    with pytest.raises(ValueError, match='no frames of S9, S11; preprocess these'):
        convert()
    with pytest.raises(FileNotFoundError, match=r'fps50 has neither h36m_train\.npz nor h36m_test\.npz'):
        convert('--fps', '50')
    monkeypatch.setattr(h36m_to_h80k, 'MAX_FRAMES', 23)
    with pytest.raises(ValueError, match='Train would have 24 frames; file names have five digits, so at most 23 fit'):
        convert('--test-subjects')
    for options in (['--val-subjects', '8', 'S1'], ['--step', '0']):
        with pytest.raises(SystemExit):
            convert(*options)
