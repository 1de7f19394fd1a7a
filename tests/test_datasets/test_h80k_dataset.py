import json
import shutil

import numpy as np
import pytest
from mmpose.registry import DATASETS

from mmpose_integral.formats.h80k_index import load_index, save_index
from mmpose_integral.structures import fit_weak_perspective
from mmpose_integral.structures.skeleton import JOINT_NAMES, NUM_JOINTS
from mmpose_integral.synthetic.prepare import prepare_from_truth

INPUT_SIZE = (48, 64)
CODEC = dict(type='Integral3DLabel', input_size=INPUT_SIZE)
AUGMENT = [
    dict(type='RandomCropBox', input_size=INPUT_SIZE), dict(type='TopdownAffine3D', input_size=INPUT_SIZE),
    dict(type='RandomFlip3D', prob=0.5), dict(type='RandomChannelGain'),
    dict(type='GenerateTarget', encoder=CODEC), dict(type='PackPose3DInputs')]
LOAD = dict(type='LoadImage', color_type='color_ignore_orientation')
H80K_PIPELINE = [LOAD, dict(type='FitWeakPerspective'), dict(type='GetBBoxCenterScale'), *AUGMENT]


@pytest.fixture(scope='module')
def prepared(standin, tmp_path_factory):
    """Root of the stand-in data, and its products of the preparation from the truth; frame 3 has no box."""
    folder = tmp_path_factory.mktemp('annotations')
    prepare_from_truth(standin, folder, boxless=(3,))
    return standin, folder


def h80k_config(prepared, split):
    standin, folder = prepared
    return dict(
        type='H80KDataset', data_root=str(standin / 'h80k'), ann_file=f'{folder}/h80k_{split}.npz',
        bbox_file=f'{folder}/h80k_{split}_boxes.json',
        camera_file=f'{folder}/h80k_train_cameras.npz' if split == 'train' else None)


def h80k(prepared, split='train', pipeline=(), **kwargs):
    return DATASETS.build({**h80k_config(prepared, split), 'pipeline': list(pipeline), **kwargs})


def test_training_drops_frames_without_a_box_and_testing_uses_the_whole_image(prepared):
    train, val = h80k(prepared), h80k(prepared, 'val', test_mode=True)
    assert [train.get_data_info(i)['img_id'] for i in range(len(train))] == [1, 2, *range(4, 13)]
    assert len(val) == 8
    missing, found = val.get_data_info(2), val.get_data_info(3)
    assert not missing['box_found'] and found['box_found']
    np.testing.assert_array_equal(missing['bbox'], [[0, 0, 128, 128]])


def test_samples_carry_the_index(prepared):
    standin, folder = prepared
    index = load_index(folder / 'h80k_train.npz')
    sample = h80k(prepared).get_data_info(2)  # frame 4
    assert sample['img_path'] == str(standin / 'h80k' / 'Train' / 'IMG' / '00004.jpg')
    np.testing.assert_array_equal(sample['keypoints_mm'][0], index.keypoints_mm[3])
    rows = np.loadtxt(standin / 'h80k' / 'Train' / 'POSE' / '00004.csv', delimiter=',')
    np.testing.assert_allclose(sample['keypoints_mm'][0, :17], rows, atol=1e-3)
    np.testing.assert_allclose(sample['keypoints_mm'][0, 17], (rows[11] + rows[14]) / 2, atol=1e-3)
    assert 'keypoints_mm' not in h80k(prepared, 'test', test_mode=True).get_data_info(0)


def test_metainfo_names_the_joints_and_mirrors_them(prepared):
    info = h80k(prepared).metainfo
    assert [info['keypoint_id2name'][k] for k in range(NUM_JOINTS)] == list(JOINT_NAMES)
    mirrored = [JOINT_NAMES[k].replace('left', 'LEFT').replace('right', 'left').replace('LEFT', 'right')
                for k in range(NUM_JOINTS)]
    assert [JOINT_NAMES[k] for k in info['flip_indices']] == mirrored


@pytest.mark.parametrize('files', [{}, dict(camera_file=None, keypoints_2d_file='{}/h80k_train_keypoints_2d.npz')])
def test_cameras_are_attached_or_fitted_and_right(prepared, files):
    standin, folder = prepared
    files = {name: file and file.format(folder) for name, file in files.items()}
    dataset = h80k(prepared, pipeline=[dict(type='FitWeakPerspective')], **files)
    index = load_index(folder / 'h80k_train.npz')
    with np.load(standin / 'truth' / 'h80k_train.npz') as truth:
        camera = fit_weak_perspective(index.keypoints_mm, truth['keypoints_2d'])
        true_scale = truth['focal'] / truth['root_depth_mm']
    for i in range(len(dataset)):
        sample = dataset[i]
        row = sample['img_id'] - 1
        np.testing.assert_allclose(sample['keypoints'][0], camera.project(index.keypoints_mm)[row], atol=1e-2)
        assert abs(sample['camera'].scale[0] / true_scale[row] - 1) < 0.1
        assert sample['keypoints'][0, 0, 2] == 0


@pytest.mark.parametrize('source', ['keypoints', 'image'])
def test_other_box_sources(prepared, source):
    pipeline = [dict(type='FitWeakPerspective')] + [dict(type='GetBBoxFromKeypoints')] * (source == 'keypoints')
    sample = h80k(prepared, box_source=source, bbox_file=None, pipeline=pipeline)[2]
    assert sample['img_id'] == 3 and sample['box_found'] == (source == 'keypoints')
    points = sample['keypoints'][0, :, :2]
    expected = [*points.min(0), *points.max(0)] if source == 'keypoints' else [0, 0, 128, 128]
    np.testing.assert_allclose(sample['bbox'], [expected], atol=1e-3)


def test_frames_without_2d_joints_keep_the_whole_image_as_box(prepared, tmp_path):
    """As predict_keypoints_2d.py writes them where no person was detected."""
    _, folder = prepared
    with np.load(folder / 'h80k_train_keypoints_2d.npz') as file:
        arrays = dict(file)
    arrays['keypoints_2d_score'][2] = 0
    np.savez(tmp_path / 'some.npz', **arrays)
    dataset = h80k(prepared, box_source='keypoints', bbox_file=None, camera_file=None,
                   keypoints_2d_file=str(tmp_path / 'some.npz'),
                   pipeline=[dict(type='FitWeakPerspective'), dict(type='GetBBoxFromKeypoints')])
    sample = dataset[2]
    assert not sample['box_found'] and not sample['keypoints_visible'].any() and dataset[3]['box_found']
    np.testing.assert_array_equal(sample['bbox'], [[0, 0, 128, 128]])


def test_boxes_around_joints_that_are_not_in_the_image_are_not_used(prepared, tmp_path):
    _, folder = prepared
    with np.load(folder / 'h80k_train_keypoints_2d.npz') as file:
        arrays = dict(file)
    arrays['keypoints_2d'][1] += 500  # the images have 128 px
    np.savez(tmp_path / 'k.npz', **arrays)
    files = dict(bbox_file=None, box_source='keypoints_2d', keypoints_2d_file=str(tmp_path / 'k.npz'))
    assert h80k(prepared, **files).get_data_info(1)['img_id'] == 3
    kept = h80k(prepared, **files, test_mode=True).get_data_info(1)
    assert not kept['box_found'] and kept['bbox'].tolist() == [[0, 0, 128, 128]]


def test_products_are_of_the_images_and_poses_of_the_index(prepared, tmp_path):
    """After images have changed and were indexed again, the products have to be made again."""
    _, folder = prepared
    index = load_index(folder / 'h80k_train.npz')
    joints = dict(keypoints_2d_file=f'{folder}/h80k_train_keypoints_2d.npz')
    for field, options, message in (
            ('img_states', {}, 'cameras.npz was made from other images'),
            ('img_states', dict(camera_file=None), 'boxes.json was made from other images'),
            ('img_states', dict(camera_file=None, **joints), 'keypoints_2d.npz was made from other images'),
            ('pose_states', {}, 'cameras.npz was made from other poses')):
        save_index(index._replace(**{field: getattr(index, field) + 1}), tmp_path / 'train.npz')
        with pytest.raises(ValueError, match=message):
            h80k(prepared, ann_file=str(tmp_path / 'train.npz'), **options)
    assert len(h80k(prepared, ann_file=str(tmp_path / 'train.npz'), camera_file=None, **joints)) == 11  # poses changed
    save_index(index._replace(img_states=None, pose_states=None), tmp_path / 'train.npz')  # of an earlier version
    assert len(h80k(prepared, ann_file=str(tmp_path / 'train.npz'), **joints)) == 11


def test_images_that_have_changed_since_they_were_indexed_are_said(prepared, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr('mmpose_integral.datasets.h80k_dataset.print_log', lambda text, *_: said.append(text))
    options = dict(camera_file=None, keypoints_2d_file=f'{prepared[1]}/h80k_train_keypoints_2d.npz')
    root = shutil.copytree(prepared[0] / 'h80k', tmp_path / 'h80k')  # keeps the times
    h80k(prepared, data_root=str(root), **options)
    assert said == []
    (root / 'Train/IMG/00002.jpg').touch()
    assert len(h80k(prepared, data_root=str(root), **options)) == 11
    assert len(said) == 1
    assert '1 of its 12 images are not the same' in said[0] and 'IMG/00002.jpg has changed' in said[0]


@pytest.mark.parametrize('options, message', [
    (dict(box_source='boxes'), "'boxes'"), (dict(bbox_file=None), 'prepare boxes'),
    (dict(box_source='keypoints', camera_file=None), 'fit_cameras.py'),
    (dict(box_source='keypoints_2d'), 'prepare keypoints-2d'),
    (dict(split='val', bbox_file='{}/h80k_train_boxes.json'), 'h80k_train_boxes.json is of Train, .* index is of Val'),
    (dict(split='val', bbox_file='{}/copy.json'), 'different splits'),
    (dict(bbox_file='{}/nan.json'), r'nan.json: frame 00002 has the box'),
    (dict(bbox_file='{}/none.json'), 'no frame is left'),
    (dict(camera_file='{}/h80k_val_cameras.npz'), 'h80k_val_cameras.npz is of Val, and the index is of Train'),
    (dict(keypoints_2d_file='{}/h80k_test_keypoints_2d.npz'), 'h80k_test_keypoints_2d.npz is of Test')])
def test_bad_arguments_and_files_are_named(prepared, options, message):
    (prepared[1] / 'none.json').write_text('[]')
    (prepared[1] / 'copy.json').write_text((prepared[1] / 'h80k_train_boxes.json').read_text())
    (prepared[1] / 'nan.json').write_text('[{"image_id": 2, "bbox": [1, 2, NaN, 4], "score": 1}]')
    with pytest.raises(ValueError, match=message):
        h80k(prepared, **{name: value and value.format(prepared[1]) for name, value in options.items()})


def mixed(prepared):
    standin, _ = prepared
    wild = [[LOAD, dict(type='KeypointConverter3D', source=source), *boxes, dict(type='GetBBoxCenterScale'),
             *AUGMENT]
            for source, boxes in (('mpii', [dict(type='GetBBoxFromKeypoints')]), ('coco', []))]
    return DATASETS.build(dict(type='MixedPoseDataset', datasets=[
        dict(h80k_config(prepared, 'train'), pipeline=H80K_PIPELINE),
        dict(type='ZeroBasedMpiiDataset', data_root=str(standin / 'mpii'), ann_file='annotations/mpii_train.json',
             data_prefix=dict(img='images/'), pipeline=wild[0]),
        dict(type='CocoDataset', data_root=str(standin / 'coco'), data_prefix=dict(img='train2017/'),
             ann_file='annotations/person_keypoints_train2017.json', pipeline=wild[1])]))


def test_mpii_and_coco_samples_never_train_depth(prepared):
    dataset = mixed(prepared)
    folder = prepared[0]
    mpii = json.loads((folder / 'mpii' / 'annotations' / 'mpii_train.json').read_text())
    coco = json.loads((folder / 'coco' / 'annotations' / 'person_keypoints_train2017.json').read_text())
    people = [sum(sum(person['joints_vis']) >= 2 for person in mpii),
              sum(person['num_keypoints'] > 0 for person in coco['annotations'])]
    assert dataset.lens == [11, *people]  # one of the twelve frames has no box
    kinds = set()
    for i in range(len(dataset)):
        sample = dataset[i]['data_samples']
        labels, weights = (sample.gt_instance_labels[f'keypoint_{name}'] for name in ('labels', 'weights'))
        assert labels.shape == weights.shape == (1, NUM_JOINTS, 3) and weights[..., :2].any()
        assert list(sample.metainfo['flip_indices']) == dataset.metainfo['flip_indices']
        kinds.add((sample.metainfo['dataset_name'], bool(weights[..., 2].any())))
    assert kinds == {('h80k', True), ('mpii', False), ('coco', False)}


def test_augmentation_is_a_function_of_seed_epoch_and_index(prepared):
    dataset = mixed(prepared)

    def draw(index, epoch, seed):
        return dataset[seed, epoch, index]['data_samples'].gt_instance_labels.keypoint_labels.numpy()

    first = draw(4, 1, 7)
    np.random.seed(99)
    np.testing.assert_array_equal(draw(4, 1, 7), first)
    assert min(np.abs(draw(4, 2, 7) - first).max(), np.abs(draw(4, 1, 8) - first).max()) > 1e-3


def test_mpii_joints_become_zero_based(standin):
    ours, theirs = (DATASETS.build(dict(
        type=name, data_root=str(standin / 'mpii'), ann_file='annotations/mpii_train.json',
        data_prefix=dict(img='images/'))).get_data_info(0) for name in ('ZeroBasedMpiiDataset', 'MpiiDataset'))
    np.testing.assert_allclose(ours['keypoints'], theirs['keypoints'] - 1)
    np.testing.assert_allclose(ours['bbox_center'], theirs['bbox_center'])
