"""The files are read by the classes that read the real datasets."""
import json

import cv2
import mmdet.datasets
import numpy as np
import pytest
from mmpose.datasets.datasets import CocoDataset, MpiiDataset
from scipy.io import loadmat

from mmpose_integral.synthetic.formats import coco_row, mpii_headbox, mpii_row
from mmpose_integral.synthetic.wild_frame import VisiblePerson


@pytest.fixture
def person():
    """A person with every joint at another place; joint 3 (right ankle) is outside the 60 x 50 image."""
    keypoints = np.stack([np.arange(18) + 10.25, np.arange(18) + 20.5], axis=1)
    keypoints[3] = (-4.0, 20.0)
    mask = np.zeros((50, 60), bool)
    mask[20:40, 10:30] = True
    return VisiblePerson(
        keypoints, np.arange(18) % 2 == 0, face=np.array([(5.0, 6), (7, 8), (9, 10), (70, 12)]),
        face_visible=np.array([True, False, True, True]), mpii_head=np.array([(1.0, 2), (3, 4), (5, 6)]),
        head_box=np.array([8.0, 9, 18, 22]), box=np.array([9.5, 19.5, 29.5, 39.5]), mask=mask, stature=40.0)


def test_mpii_row_counts_from_one_and_maps_joints(person):
    row = mpii_row(person, '000000007.jpg', (50, 60))
    joints, seen = np.array(row['joints']), np.array(row['joints_vis'])
    assert joints.shape == (16, 2) and row['image'] == '000000007.jpg'
    np.testing.assert_allclose(joints[1], person.keypoints[2] + 1)  # right knee
    np.testing.assert_allclose(joints[13], person.keypoints[11] + 1)  # left shoulder
    np.testing.assert_allclose(joints[[7, 8, 9]], person.mpii_head + 1)
    assert seen[0] == 0 and (joints[0] == -1).all() and seen[1:].all()
    np.testing.assert_allclose(mpii_headbox(person), [[9, 10], [19, 23]])


def test_coco_row_flags_hidden_and_outside(person):
    row = coco_row(person, 3, 31, (50, 60))
    points = np.array(row['keypoints']).reshape(17, 3)
    np.testing.assert_allclose(points[0], [*person.keypoints[9], 1])  # nose: joint 9 is not visible
    np.testing.assert_allclose(points[15], [*person.keypoints[6], 2])  # left ankle
    assert (points[[16, 4]] == 0).all()  # right ankle and right ear are outside
    assert points[1, 2] == 2 and points[2, 2] == 1
    assert row['bbox'] == [10, 20, 20, 20] and row['area'] == 400
    assert row['num_keypoints'] == 15 and row['iscrowd'] == 0 and row['category_id'] == 1
    outline = np.array(row['segmentation'][0]).reshape(-1, 2)
    np.testing.assert_allclose(cv2.contourArea(outline.astype(np.float32)), 19 * 19)


def test_h80k_tree_and_truth(standin):
    subjects = []
    for split, count in (('Train', 12), ('Val', 8), ('Test', 6)):
        folder = standin / 'h80k' / split
        names = sorted(path.name for path in (folder / 'IMG').iterdir())
        assert names == [f'{k + 1:05d}.jpg' for k in range(count)]
        assert cv2.imread(str(folder / 'IMG' / names[-1])).shape == (128, 128, 3)
        with np.load(standin / 'truth' / f'h80k_{split.lower()}.npz', allow_pickle=False) as file:
            truth = dict(file)
        assert {name: array.shape for name, array in truth.items()} == dict(
            frame_ids=(count, ), keypoints_2d=(count, 18, 2), keypoints_mm=(count, 18, 3), root_depth_mm=(count, ),
            subject=(count, ), focal=(count, ), bbox=(count, 4), pose=(count, ))
        assert truth['frame_ids'].tolist() == list(range(1, count + 1))
        points, who = truth['keypoints_mm'], truth['subject']
        subjects += sorted(set(who.tolist()))
        thighs = np.linalg.norm(points[:, 1] - points[:, 2], axis=-1)
        np.testing.assert_allclose(thighs, [thighs[who == number].mean() for number in who], rtol=1e-4)
        assert (folder / 'POSE').exists() == (split != 'Test')
        for k in range(count) if split != 'Test' else ():
            rows = np.loadtxt(folder / 'POSE' / f'{k + 1:05d}.csv', delimiter=',')
            assert rows.shape == (17, 3) and (rows[0] == 0).all()
            np.testing.assert_allclose(rows, points[k, :17], atol=1e-3)
    assert subjects == list(range(12))  # no person is in two splits


@pytest.mark.parametrize('part', ['train', 'val'])
def test_mmpose_reads_mpii(standin, part):
    folder = standin / 'mpii' / 'annotations'
    extra = dict(headbox_file=str(folder / 'mpii_gt_val.mat'), test_mode=True) if part == 'val' else {}
    dataset = MpiiDataset(ann_file=str(folder / f'mpii_{part}.json'),
                          data_prefix=dict(img=str(standin / 'mpii' / 'images')), **extra)
    rows = json.loads((folder / f'mpii_{part}.json').read_text())
    assert len(dataset) == len(rows) > 0
    for k, row in enumerate(rows):
        info, inside = dataset[k], np.array(row['joints_vis']) > 0
        joints, image = info['keypoints'][0][inside], cv2.imread(info['img_path'])
        assert (joints >= 0.5).all() and (joints <= np.array(image.shape[1::-1]) + 0.5).all()
        if inside.all():  # the square box of MpiiDataset contains the joints once it is padded as usual
            x1, y1, x2, y2 = info['bbox'][0]
            middle, half = np.array([(x1 + x2) / 2, (y1 + y2) / 2]), 1.25 * (x2 - x1) / 2
            assert (np.abs(joints - 1 - middle) < half).all()
        if part == 'val':
            assert 3 < info['head_size'].item() < 60


def test_mpii_ground_truth_mat_matches_the_val_rows(standin):
    folder = standin / 'mpii' / 'annotations'
    rows, mat = json.loads((folder / 'mpii_val.json').read_text()), loadmat(folder / 'mpii_gt_val.mat')
    np.testing.assert_allclose(mat['pos_gt_src'].transpose(2, 0, 1), [row['joints'] for row in rows])
    np.testing.assert_array_equal(1 - mat['jnt_missing'].T, [row['joints_vis'] for row in rows])
    assert mat['headboxes_src'].shape == (2, 2, len(rows))
    for row, (low, high) in zip(rows, mat['headboxes_src'].transpose(2, 0, 1), strict=True):
        top = np.array(row['joints'][9])
        assert not row['joints_vis'][9] or ((low - 2 < top) & (top < high + 2)).all()


@pytest.mark.parametrize('part', ['train', 'val'])
def test_mmpose_and_mmdet_read_coco(standin, part):
    folder = standin / 'coco'
    file, prefix = folder / 'annotations' / f'person_keypoints_{part}2017.json', dict(img=str(folder / f'{part}2017'))
    pose = CocoDataset(ann_file=str(file), data_prefix=prefix)
    detection = mmdet.datasets.CocoDataset(ann_file=str(file), data_prefix=prefix, metainfo=dict(classes=('person', )))
    rows = json.loads(file.read_text())
    assert len(detection) == len(rows['images']) > 0
    assert len(pose) == sum(row['num_keypoints'] > 0 for row in rows['annotations']) > 0
    assert sum(len(detection.get_data_info(k)['instances']) for k in range(len(detection))) == len(rows['annotations'])
    info = pose[0]
    height, width = cv2.imread(info['img_path']).shape[:2]
    assert (height, width) == (rows['images'][0]['height'], rows['images'][0]['width'])
    x1, y1, x2, y2 = info['bbox'][0]
    assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
    assert info['keypoints'].shape == (1, 17, 2)
