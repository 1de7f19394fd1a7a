"""The files are read by the very classes that read the real data sets."""
import json

import cv2
import mmdet.datasets
import numpy as np
import pytest
from mmpose.datasets.datasets import CocoDataset, MpiiDataset
from scipy.io import loadmat

from mmpose_integral.synthetic.formats import coco_row, mpii_headbox, mpii_row, pose_csv
from mmpose_integral.synthetic.wild_frame import Seen


def _person():
    """A person with every joint at a place of its own; joint 3 (right ankle) outside the 60 x 50 image."""
    keypoints = np.stack([np.arange(18) + 10.25, np.arange(18) + 20.5], axis=1)
    keypoints[3] = (-4.0, 20.0)
    mask = np.zeros((50, 60), bool)
    mask[20:40, 10:30] = True
    return Seen(keypoints, np.arange(18) % 2 == 0, np.array([(5.0, 6), (7, 8), (9, 10), (70, 12)]),
                np.array([True, False, True, True]), np.array([(1.0, 2), (3, 4), (5, 6)]),
                np.array([8.0, 9, 18, 22]), np.array([9.5, 19.5, 29.5, 39.5]), mask, 40.0)


def test_pose_csv_has_17_rows_of_four_decimals():
    points = np.arange(54).reshape(18, 3) / 7
    lines = pose_csv(points).splitlines()
    assert len(lines) == 17 and lines[0] == '0.0000,0.1429,0.2857'
    np.testing.assert_allclose(np.loadtxt(lines, delimiter=','), points[:17], atol=5e-5)


def test_mpii_row_counts_from_one_and_maps_joints():
    person = _person()
    row = mpii_row(person, '000000007.jpg', (50, 60))
    joints, seen = np.array(row['joints']), np.array(row['joints_vis'])
    assert joints.shape == (16, 2) and row['image'] == '000000007.jpg'
    np.testing.assert_allclose(joints[1], person.keypoints[2] + 1)      # right knee
    np.testing.assert_allclose(joints[13], person.keypoints[11] + 1)    # left shoulder
    np.testing.assert_allclose(joints[[7, 8, 9]], person.mpii_head + 1)
    assert seen[0] == 0 and (joints[0] == -1).all() and seen[1:].all()
    np.testing.assert_allclose(mpii_headbox(person), [[9, 10], [19, 23]])


def test_coco_row_flags_hidden_and_outside():
    person = _person()
    row = coco_row(person, 3, 31, (50, 60))
    points = np.array(row['keypoints']).reshape(17, 3)
    np.testing.assert_allclose(points[0], [*person.keypoints[9], 1])    # nose: joint 9 is not visible
    np.testing.assert_allclose(points[15], [*person.keypoints[6], 2])   # left ankle
    assert (points[16] == 0).all() and (points[4] == 0).all()           # right ankle and right ear outside
    assert points[1, 2] == 2 and points[2, 2] == 1
    assert row['bbox'] == [10, 20, 20, 20] and row['area'] == 400
    assert row['num_keypoints'] == 15 and row['iscrowd'] == 0 and row['category_id'] == 1
    outline = np.array(row['segmentation'][0]).reshape(-1, 2)
    np.testing.assert_allclose(cv2.contourArea(outline.astype(np.float32)), 19 * 19)


def test_h80k_tree(standin):
    for split, count in (('Train', 12), ('Val', 8), ('Test', 6)):
        names = sorted(path.name for path in (standin / 'h80k' / split / 'IMG').iterdir())
        assert names == [f'{k + 1:05d}.jpg' for k in range(count)]
        image = cv2.imread(str(standin / 'h80k' / split / 'IMG' / names[-1]))
        assert image.shape == (128, 128, 3)
        with np.load(standin / 'truth' / f'h80k_{split.lower()}.npz', allow_pickle=False) as truth:
            assert truth['frame_ids'].tolist() == list(range(1, count + 1))
            assert truth['keypoints_2d'].shape == (count, 18, 2) and truth['keypoints_mm'].shape == (count, 18, 3)
            assert truth['bbox'].shape == (count, 4) and truth['focal'].shape == (count,)
            points = truth['keypoints_mm']
        if split == 'Test':
            assert not (standin / 'h80k' / split / 'POSE').exists()
            continue
        for k in range(count):
            rows = np.loadtxt(standin / 'h80k' / split / 'POSE' / f'{k + 1:05d}.csv', delimiter=',')
            assert rows.shape == (17, 3) and (rows[0] == 0).all()
            np.testing.assert_allclose(rows, points[k, :17], atol=1e-3)


def test_truth_keeps_subjects_apart(standin):
    subjects = []
    for split in ('train', 'val', 'test'):
        with np.load(standin / 'truth' / f'h80k_{split}.npz') as truth:
            subjects.append(set(truth['subject'].tolist()))
            points, who = truth['keypoints_mm'], truth['subject']
        for number in subjects[-1]:
            thigh = np.linalg.norm(points[who == number, 1] - points[who == number, 2], axis=-1)
            np.testing.assert_allclose(thigh, thigh[0], rtol=1e-4)
    assert not (subjects[0] & subjects[1] or subjects[0] & subjects[2] or subjects[1] & subjects[2])


@pytest.mark.parametrize('part', ['train', 'val'])
def test_mmpose_reads_mpii(standin, part):
    folder = standin / 'mpii'
    extra = dict(headbox_file=str(folder / 'annotations' / 'mpii_gt_val.mat'), test_mode=True) if part == 'val' else {}
    dataset = MpiiDataset(ann_file=str(folder / 'annotations' / f'mpii_{part}.json'),
                          data_prefix=dict(img=str(folder / 'images')), **extra)
    rows = json.loads((folder / 'annotations' / f'mpii_{part}.json').read_text())
    assert len(dataset) == len(rows) > 0
    for info, row in zip((dataset[k] for k in range(len(dataset))), rows, strict=True):
        image = cv2.imread(info['img_path'])
        inside = np.array(row['joints_vis']) > 0
        joints = info['keypoints'][0][inside]
        assert (joints >= 0.5).all() and (joints <= (image.shape[1] + 0.5, image.shape[0] + 0.5)).all()
        if inside.all():                # the square box of MpiiDataset holds the joints once it is padded as usual
            x1, y1, x2, y2 = info['bbox'][0]
            middle, half = np.array([(x1 + x2) / 2, (y1 + y2) / 2]), 1.25 * (x2 - x1) / 2
            assert (np.abs(joints - 1 - middle) < half).all()
        if part == 'val':
            assert 3 < info['head_size'].item() < 60


def test_mpii_ground_truth_mat_matches_the_val_rows(standin):
    folder = standin / 'mpii' / 'annotations'
    rows, mat = json.loads((folder / 'mpii_val.json').read_text()), loadmat(folder / 'mpii_gt_val.mat')
    assert mat['headboxes_src'].shape == (2, 2, len(rows))
    assert mat['pos_gt_src'].shape == (16, 2, len(rows)) and mat['jnt_missing'].shape == (16, len(rows))
    np.testing.assert_allclose(mat['pos_gt_src'][..., 0], rows[0]['joints'])
    for k, row in enumerate(rows):
        (x1, y1), (x2, y2) = mat['headboxes_src'][..., k]
        top = row['joints'][9]
        if row['joints_vis'][9]:
            assert x1 - 2 < top[0] < x2 + 2 and y1 - 2 < top[1] < y2 + 2


@pytest.mark.parametrize('part', ['train', 'val'])
def test_mmpose_and_mmdet_read_coco(standin, part):
    folder = standin / 'coco'
    file, prefix = str(folder / 'annotations' / f'person_keypoints_{part}2017.json'), str(folder / f'{part}2017')
    pose = CocoDataset(ann_file=file, data_prefix=dict(img=prefix))
    detection = mmdet.datasets.CocoDataset(ann_file=file, data_prefix=dict(img=prefix),
                                           metainfo=dict(classes=('person',)))
    rows = json.loads(open(file).read())
    assert len(detection) == len(rows['images']) > 0
    assert len(pose) == sum(row['num_keypoints'] > 0 for row in rows['annotations']) > 0
    assert sum(len(detection.get_data_info(k)['instances']) for k in range(len(detection))) == len(rows['annotations'])
    info = pose[0]
    image = cv2.imread(info['img_path'])
    assert image.shape[:2] == (rows['images'][0]['height'], rows['images'][0]['width'])
    x1, y1, x2, y2 = info['bbox'][0]
    assert 0 <= x1 < x2 <= image.shape[1] and 0 <= y1 < y2 <= image.shape[0]
    assert info['keypoints'].shape == (1, 17, 2)
