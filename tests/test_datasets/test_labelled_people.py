"""MPII and COCO in training: people with fewer than two of our joints are left out, damaged joints are masked."""
import json

import numpy as np
import pytest
from mmpose.datasets.datasets.body import CocoDataset, MpiiDataset
from mmpose.registry import DATASETS

from mmpose_integral.datasets import MixedPoseDataset

EYES_AND_EARS = [1, 2, 3, 4]  # joints of COCO that are not among ours
NOSE, LEFT_SHOULDER, RIGHT_KNEE = 0, 5, 14


def write_coco(path, people):
    """A COCO file with one image, and people given as {joint: visibility}, or {joint: (x, visibility)}."""
    annotations = []
    for number, joints in enumerate(people, 1):
        keypoints = np.zeros((17, 3))
        for joint, value in joints.items():
            x, visibility = value if isinstance(value, tuple) else (10 + joint, value)
            keypoints[joint] = x, 20, visibility
        annotations.append(dict(id=number, image_id=1, category_id=1, iscrowd=0, area=500, bbox=[5, 6, 40, 50],
                                keypoints=keypoints.flatten().tolist(), num_keypoints=len(joints)))
    path.write_text(json.dumps(dict(
        images=[dict(id=1, file_name='a.jpg', width=90, height=80)], annotations=annotations,
        categories=[dict(id=1, name='person', keypoints=[], skeleton=[])])))
    return dict(ann_file=str(path), data_prefix=dict(img='images'))


def write_mpii(path, people):
    """An MPII file; people are given as numbers of their labelled joints, all at (30, 40)."""
    path.write_text(json.dumps([dict(
        image='1.jpg', center=[30, 40], scale=0.4, joints=[[30.0, 40.0]] * 16,
        joints_vis=[int(joint in joints) for joint in range(16)]) for joints in people]))
    return dict(ann_file=str(path), data_prefix=dict(img='images'))


def test_coco_people_need_two_of_our_joints(tmp_path):
    arguments = write_coco(tmp_path / 'coco.json', [
        dict.fromkeys(EYES_AND_EARS, 2), {NOSE: 2, **dict.fromkeys(EYES_AND_EARS, 2)}, {NOSE: 2, LEFT_SHOULDER: 1},
        {RIGHT_KNEE: 1}, dict.fromkeys(range(17), 2)])
    assert len(CocoDataset(**arguments)) == 5
    dataset = DATASETS.build(dict(type='LabelledCocoDataset', **arguments))
    assert [dataset.get_data_info(i)['id'] for i in range(len(dataset))] == [3, 5]
    assert len(DATASETS.build(dict(type='LabelledCocoDataset', min_keypoints=1, **arguments))) == 4
    assert len(DATASETS.build(dict(type='LabelledCocoDataset', test_mode=True, **arguments))) == 5


def test_people_without_a_finite_box_are_left_out(tmp_path):
    arguments = write_coco(tmp_path / 'coco.json', [dict.fromkeys(range(17), 2)] * 3)
    content = json.loads((tmp_path / 'coco.json').read_text())
    content['annotations'][1]['bbox'][2] = np.nan
    (tmp_path / 'coco.json').write_text(json.dumps(content))
    dataset = DATASETS.build(dict(type='LabelledCocoDataset', **arguments))
    assert [dataset.get_data_info(i)['id'] for i in range(len(dataset))] == [1, 3]


def test_mpii_people_need_two_joints(tmp_path):
    arguments = write_mpii(tmp_path / 'mpii.json', [[0], [], [2, 9], range(16), [15]])
    assert len(MpiiDataset(**arguments)) == 5
    dataset = DATASETS.build(dict(type='ZeroBasedMpiiDataset', **arguments))
    assert [dataset.get_data_info(i)['id'] for i in range(len(dataset))] == [2, 3]
    np.testing.assert_allclose(dataset.get_data_info(0)['keypoints'][0, 0], [29, 39])


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_a_joint_that_is_not_finite_is_masked(bad, tmp_path):
    arguments = write_coco(tmp_path / 'coco.json', [
        {NOSE: (bad, 2), LEFT_SHOULDER: 2, RIGHT_KNEE: 2}, {NOSE: (bad, 2), LEFT_SHOULDER: 2}])
    convert = dict(type='KeypointConverter3D', source='coco')
    dataset = MixedPoseDataset([dict(type='LabelledCocoDataset', pipeline=[convert], **arguments)])
    assert len(dataset) == 1  # the other person has one joint left
    sample = dataset[0]
    assert np.isfinite(sample['keypoints']).all()
    assert np.flatnonzero(sample['keypoints_visible'][0, :, 0]).tolist() == [2, 11]  # right knee and left shoulder
