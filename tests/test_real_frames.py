"""The chain on real frames of Human3.6M (CHALL_H80K layout), MPII and COCO, where these are available."""
import json
import shutil

import numpy as np
import pytest
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS
from PIL import Image

from mmpose_integral.codecs import Integral3DLabel
from mmpose_integral.evaluation.functional import mpjpe, rescale_to_bone_length, skeleton_length
from mmpose_integral.formats.h80k_index import save_index, scan_split
from mmpose_integral.structures import fit_perspective, fit_weak_perspective, middle_of_image, unproject
from mmpose_integral.structures.skeleton import JOINT_MAPS, add_thorax

INPUT_SIZE = (144, 192)
CODEC = dict(type='Integral3DLabel', input_size=INPUT_SIZE)
CROP = [dict(type='GetBBoxCenterScale', padding=1.25), dict(type='TopdownAffine3D', input_size=INPUT_SIZE),
        dict(type='GenerateTarget', encoder=CODEC), dict(type='PackPose3DInputs')]
LOAD = dict(type='LoadImage', color_type='color_ignore_orientation')


@pytest.fixture(scope='module')
def real_h80k(real_data, tmp_path_factory):
    """A writable copy of the two frames, with index, boxes and the detected 2D joints."""
    root = tmp_path_factory.mktemp('real') / 'h80k'
    shutil.copytree(real_data / 'real_h80k', root)
    index = scan_split(root, 'Train', 1)
    assert not len(index.faulty)
    save_index(index, root / 'train.npz')
    frames = json.loads((real_data / 'real_h80k' / 'keypoints_2d.json').read_text())['frames']
    points = {kind: add_thorax(np.array([frame[kind] for frame in frames]))
              for kind in ('keypoints_2d', 'keypoints_2d_detected')}
    np.savez(root / 'points.npz', frame_ids=index.frame_ids, keypoints_2d_score=np.ones((2, 18), np.float32),
             keypoints_2d=points['keypoints_2d_detected'].astype(np.float32))
    low, high = points['keypoints_2d'].min(1), points['keypoints_2d'].max(1)
    (root / 'boxes.json').write_text(json.dumps([
        dict(image_id=int(i), category_id=1, bbox=[*map(float, a), *map(float, b - a)], score=1.0)
        for i, a, b in zip(index.frame_ids, low, high, strict=True)]))
    return root, index, points


def test_index_of_real_frames(real_h80k):
    root, index, _ = real_h80k
    assert index.frame_ids.tolist() == [1, 2]
    for size, path in zip(index.img_sizes, index.img_paths, strict=True):
        assert size.tolist() == list(Image.open(root / path).size)
    rows = np.loadtxt(root / 'Train' / 'POSE' / '00002.csv', delimiter=',')
    np.testing.assert_allclose(index.keypoints_mm[1, :17], rows - rows[0], atol=1e-3)


def label_px(sample):
    """Labels of a packed sample in image px, (18, 2)."""
    label, _ = Integral3DLabel(INPUT_SIZE).decode(sample.gt_instance_labels.keypoint_labels.numpy())
    return label[0, :, :2] * sample.input_scale / INPUT_SIZE + sample.input_center - sample.input_scale / 2


def test_plain_fit_to_true_joints_has_small_residuals(real_h80k):
    _, index, points = real_h80k
    camera = fit_weak_perspective(index.keypoints_mm[:, :17], points['keypoints_2d'][:, :17], robust=False)
    assert (camera.residual.mean(-1) <= [1.9, 4.6]).all(), camera.residual.mean(-1)


def test_true_joints_are_decoded_by_perspective_to_a_few_mm(real_h80k):
    """The lens of these cameras is slightly distorted; weak perspective is 9 and 20 mm off."""
    root_folder, index, points = real_h80k
    focal, centre, poses = 1145.0, middle_of_image(index.img_sizes), index.keypoints_mm
    joints, length = points['keypoints_2d'], skeleton_length(poses)
    camera = fit_perspective(poses, joints, principal_point=centre, focal_length=focal, robust=False)
    z = focal * poses[..., 2] / camera.translation[:, 2:]
    decoded, root = unproject(np.concatenate([joints, z[..., None]], axis=-1), focal, centre, length)
    assert (mpjpe(decoded, poses).mean(axis=-1) < 5).all() and (camera.residual.mean(axis=-1) < 1).all()
    weak = fit_weak_perspective(poses, joints, robust=False)
    flat = np.concatenate([joints, weak.scale[:, None, None] * poses[..., 2:]], axis=-1)
    assert (mpjpe(rescale_to_bone_length(flat, length), poses).mean(axis=-1) > 8).all()
    frames = json.loads((root_folder / 'keypoints_2d.json').read_text())['frames']
    np.testing.assert_allclose(root[:, 2], [frame['root_depth_mm'] for frame in frames], rtol=0.015)


def test_the_focal_length_of_mpi_inf_3dhp_fits_its_frames(real_data):
    """Their cameras have about 1500 px; 20 % more or less fits worse."""
    for frame in json.loads((real_data / 'real_3dhp' / 'frames.json').read_text())['frames']:
        points, poses = np.array(frame['keypoints_2d']), np.array(frame['keypoints_mm'])
        size = Image.open(real_data / 'real_3dhp' / frame['file']).size
        residuals = {focal: np.nanmean(fit_perspective(
            poses, points[:, :2], points[:, 2], principal_point=middle_of_image(size), focal_length=focal,
            robust=False).residual) for focal in (1200, 1500, 1800)}
        assert residuals[1500] < 2 and min(residuals, key=residuals.get) == 1500, residuals


def test_robust_fit_from_detected_joints_is_nearer_to_the_truth(real_h80k):
    _, index, points = real_h80k
    errors = {}
    for robust in (False, True):
        camera = fit_weak_perspective(index.keypoints_mm, points['keypoints_2d_detected'], robust=robust)
        labels = camera.project(index.keypoints_mm)[..., :2]
        errors[robust] = np.linalg.norm(labels - points['keypoints_2d'], axis=-1).mean(-1)
    assert errors[True][1] < errors[False][1]


def test_labels_of_real_frames_lie_on_the_true_joints(real_h80k):
    root, _, points = real_h80k
    init_default_scope('mmpose')
    dataset = DATASETS.build(dict(
        type='H80KDataset', data_root=str(root), ann_file='train.npz', bbox_file='boxes.json',
        keypoints_2d_file='points.npz', pipeline=[LOAD, dict(type='FitWeakPerspective'), *CROP]))
    for i, limit in enumerate((3.0, 6.0)):
        error = np.linalg.norm(label_px(dataset[i]['data_samples']) - points['keypoints_2d'][i], axis=-1)
        assert error.mean() < limit, error.round(1)


@pytest.mark.parametrize('source, dataset_type, ann_file, boxes', [
    ('mpii', 'ZeroBasedMpiiDataset', 'mpii_train.json', [dict(type='GetBBoxFromKeypoints')]),
    ('coco', 'CocoDataset', 'person_keypoints.json', [])])
def test_wild_frames_keep_their_joints_and_get_no_depth(real_data, source, dataset_type, ann_file, boxes):
    init_default_scope('mmpose')
    root, joint_map = real_data / f'real_{source}', np.array(JOINT_MAPS[source])
    content = json.loads((root / ann_file).read_text())
    if source == 'mpii':
        people = [(np.array(row['joints']) - 1, np.array(row['joints_vis']) > 0) for row in content]
    else:
        triples = [np.array(row['keypoints']).reshape(17, 3) for row in content['annotations'] if row['num_keypoints']]
        people = [(triple[:, :2], triple[:, 2] > 0) for triple in triples]
    dataset = DATASETS.build(dict(
        type=dataset_type, data_root=str(root), ann_file=ann_file, data_prefix=dict(img='images/'),
        pipeline=[LOAD, dict(type='KeypointConverter3D', source=source), *boxes, *CROP]))
    assert len(dataset) == len(people) >= 2
    for k, (points, visible) in enumerate(people):
        sample = dataset[k]['data_samples']
        weights = sample.gt_instance_labels.keypoint_weights[0].numpy()
        shown = (joint_map >= 0) & visible[joint_map]
        np.testing.assert_allclose(label_px(sample)[shown], points[joint_map[shown]], atol=0.05)
        np.testing.assert_array_equal(weights[:, 0] > 0, shown)
        assert not weights[:, 2].any()
