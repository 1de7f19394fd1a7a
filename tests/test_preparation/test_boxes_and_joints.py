import json

import numpy as np
import pytest
from mmpose.datasets.datasets.utils import parse_pose_metainfo

from mmpose_integral.formats.boxes import load_boxes, save_boxes
from mmpose_integral.formats.keypoints_2d import load_keypoints_2d, save_keypoints_2d
from mmpose_integral.preparation.detection import class_number, select_person
from mmpose_integral.preparation.keypoints_2d import joint_format, merge_by_score, to_h80k_joints
from mmpose_integral.structures.skeleton import JOINT_MAPS, JOINT_NAMES
from mmpose_integral.utils.files import match_rows

BOXES = np.array([[10, 10, 30, 30], [5, 5, 60, 70], [0, 0, 90, 80]])
OUTSIDE = np.array([[-500, 10, 8, 30], [10, 10, 40, 40], [120, 0, 150, 30]])


@pytest.mark.parametrize('boxes, scores, options, best', [
    (BOXES, [0.9, 0.5, 0.4], {}, 0),
    (BOXES, [0.9, 0.87, 0.4], {}, 1),  # a larger box with nearly the best score
    (BOXES, [0.9, 0.87, 0.4], dict(tie_margin=0), 0),
    (BOXES, [0.29, 0.1, 0.2], {}, None),
    (BOXES, [0.29, 0.1, 0.2], dict(score_thr=0.2), 0),
    (np.zeros((0, 4)), [], {}, None),
    (OUTSIDE, [0.9, 0.9, 0.9], {}, 1),  # the first is the largest only before it is clipped
    (OUTSIDE[2:], [0.9], {}, None)])
def test_choice_of_the_box(boxes, scores, options, best):
    assert select_person(boxes.astype(np.float32), np.array(scores), (100, 80), **options) == best


def test_class_by_name_or_number():
    assert class_number('person', ('cat', 'person')) == 1
    assert class_number('0', ('cat', 'person')) == class_number(0, ('cat', 'person')) == 0
    assert class_number('person', 'person') == 0  # the classes of some older checkpoints
    for wrong in ('dog', '2'):
        with pytest.raises(ValueError, match='2 classes .cat, person.. Give a name, or a number from 0 to 1'):
            class_number(wrong, ('cat', 'person'))


@pytest.mark.parametrize('name, size', [('mpii', 16), ('coco', 17)])
def test_mapped_joints_keep_their_names(name, size):
    """Side and limb of every mapped joint, checked by the names that mmpose gives to the source joints."""
    meta = parse_pose_metainfo(dict(from_file=f'configs/_base_/datasets/{name}.py'))
    assert joint_format(meta) == name and meta['num_keypoints'] == size
    keypoints = np.stack([np.arange(size), np.arange(size) + 0.5], axis=-1)[None].repeat(2, axis=0)
    mapped, scores = to_h80k_joints(keypoints, np.full((2, size), 1.25), name)
    assert mapped.shape == (2, 18, 2) and scores.shape == (2, 18)
    synonyms = dict(root='pelvis', neck='upper_neck', head='head_top')
    for k, joint in enumerate(JOINT_NAMES):
        present = JOINT_MAPS[name][k] >= 0
        assert scores[1, k] == present and (present or (mapped[1, k] == 0).all())
        assert not present or meta['keypoint_id2name'][int(mapped[1, k, 0])] == synonyms.get(joint, joint)
    with pytest.raises(ValueError, match='expected for format'):
        to_h80k_joints(keypoints[:, :5], np.ones((2, 5)), name)
    with pytest.raises(ValueError, match="14 joints of dataset 'crowdpose'"):
        joint_format(dict(dataset_name='crowdpose', num_keypoints=14))


def test_merge_takes_each_joint_from_the_model_with_the_highest_score():
    rng = np.random.default_rng(0)
    keypoints, scores = rng.normal(size=(3, 5, 18, 2)), rng.uniform(size=(3, 5, 18))
    scores[:, 2, 4] = 0.5
    merged, best = merge_by_score(keypoints, scores)
    for n, k in np.ndindex(5, 18):
        model = max(range(3), key=lambda m: (scores[m, n, k], -m))  # noqa: B023  used within this turn
        np.testing.assert_array_equal(merged[n, k], keypoints[model, n, k])
        assert best[n, k] == scores[model, n, k]


def test_boxes_file_round_trip(tmp_path):
    path = tmp_path / 'h80k_val_boxes.json'
    missing = save_boxes(path, {1: dict(bbox=[1.5, 2, 30, 40], score=0.9), 2: dict(bbox=None, score=0.0)})
    assert missing == [2] and json.loads((tmp_path / 'h80k_val_boxes_missing.json').read_text()) == [2]
    assert json.loads(path.read_text()) == [dict(image_id=1, category_id=1, bbox=[1.5, 2, 30, 40], score=0.9)]
    assert load_boxes(path) == {1: [1.5, 2, 30, 40]}
    save_boxes(path, {2: dict(bbox=None, score=0.0)})
    assert load_boxes(path) == {}
    path.write_text('[{"image_id": 3}]')
    with pytest.raises(ValueError, match='no list of COCO detection results'):
        load_boxes(path)
    with pytest.raises(FileNotFoundError, match='prepare boxes'):
        load_boxes(tmp_path / 'none.json')


def test_keypoints_file_round_trip_in_the_wanted_order(tmp_path):
    rng = np.random.default_rng(1)
    keypoints, scores = rng.normal(size=(4, 18, 2)).astype(np.float32), rng.uniform(size=(4, 18)).astype(np.float32)
    save_keypoints_2d(tmp_path / 'k.npz', [9, 2, 4, 7], keypoints, scores)
    read, read_scores = load_keypoints_2d(tmp_path / 'k.npz', np.array([4, 9]))
    np.testing.assert_array_equal(read, keypoints[[2, 0]])
    np.testing.assert_array_equal(read_scores, scores[[2, 0]])
    with pytest.raises(ValueError, match='no entry for 1 of 2 frames, first 5'):
        load_keypoints_2d(tmp_path / 'k.npz', np.array([4, 5]))
    np.savez(tmp_path / 'bad.npz', frame_ids=[1], keypoints_2d=np.zeros((1, 16, 2)),
             keypoints_2d_score=np.zeros((1, 16)))
    with pytest.raises(ValueError, match='18'):
        load_keypoints_2d(tmp_path / 'bad.npz', np.array([1]))


def test_match_rows():
    assert match_rows(np.array([5, 3, 8]), [8, 8, 3], 'file').tolist() == [2, 2, 1]
    assert match_rows(np.array([5]), np.array([], int), 'file').tolist() == []
