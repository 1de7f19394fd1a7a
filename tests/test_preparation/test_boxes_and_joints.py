import json

import numpy as np
import pytest
from mmpose.datasets.datasets.utils import parse_pose_metainfo

from mmpose_integral.formats.boxes import clip_boxes, load_boxes, missing_path, save_boxes
from mmpose_integral.formats.keypoints_2d import load_keypoints_2d, save_keypoints_2d
from mmpose_integral.preparation.box_selection import select_person
from mmpose_integral.preparation.joint_merging import joint_format, merge_by_score, to_h80k_joints
from mmpose_integral.structures.skeleton import JOINT_MAPS, JOINT_NAMES
from mmpose_integral.utils.files import match_rows

SIZE = (100, 80)


def test_best_score_wins_unless_a_larger_box_is_as_good():
    boxes = np.array([[10, 10, 30, 30], [5, 5, 60, 70], [0, 0, 90, 80]], dtype=np.float32)
    assert select_person(boxes, np.array([0.9, 0.5, 0.4]), SIZE) == 0
    assert select_person(boxes, np.array([0.9, 0.87, 0.4]), SIZE) == 1
    assert select_person(boxes, np.array([0.9, 0.87, 0.4]), SIZE, tie_margin=0) == 0
    assert select_person(boxes, np.array([0.29, 0.1, 0.2]), SIZE) is None
    assert select_person(np.zeros((0, 4)), np.zeros(0), SIZE) is None


def test_boxes_are_cut_at_the_border_before_they_are_compared():
    boxes = np.array([[-500, 10, 8, 30], [10, 10, 40, 40], [120, 0, 150, 30]], dtype=np.float32)
    np.testing.assert_array_equal(clip_boxes(boxes, SIZE), [[0, 10, 8, 30], [10, 10, 40, 40], [100, 0, 100, 30]])
    assert select_person(boxes, np.array([0.9, 0.9, 0.9]), SIZE) == 1
    assert select_person(boxes[2:], np.array([0.9]), SIZE) is None


def test_formats_are_told_from_mmpose_metainfo():
    for name, size in (('mpii', 16), ('coco', 17)):
        meta = parse_pose_metainfo(dict(from_file=f'configs/_base_/datasets/{name}.py'))
        assert joint_format(meta) == name and meta['num_keypoints'] == size
    with pytest.raises(ValueError, match="14 joints of dataset 'crowdpose'"):
        joint_format(parse_pose_metainfo(dict(from_file='configs/_base_/datasets/crowdpose.py')))


@pytest.mark.parametrize('name', ['mpii', 'coco'])
def test_joints_keep_their_names(name):
    """Side and limb of every mapped joint, checked by the names that mmpose gives to the source joints."""
    meta = parse_pose_metainfo(dict(from_file=f'configs/_base_/datasets/{name}.py'))
    size = meta['num_keypoints']
    keypoints = np.stack([np.arange(size), np.arange(size) + 0.5], axis=-1)[None].repeat(2, axis=0)
    mapped, scores = to_h80k_joints(keypoints, np.full((2, size), 1.25), name)
    assert mapped.shape == (2, 18, 2) and scores.shape == (2, 18)
    for k, joint in enumerate(JOINT_NAMES):
        if JOINT_MAPS[name][k] < 0:
            assert scores[1, k] == 0 and (mapped[1, k] == 0).all()
            continue
        assert scores[1, k] == 1
        source = meta['keypoint_id2name'][int(mapped[1, k, 0])]
        synonyms = dict(root='pelvis', neck='upper_neck', head='head_top')
        assert source == synonyms.get(joint, joint)
    with pytest.raises(ValueError, match='expected for format'):
        to_h80k_joints(keypoints[:, :5], np.ones((2, 5)), name)


def test_merge_takes_each_joint_from_the_surest_model():
    rng = np.random.default_rng(0)
    keypoints, scores = rng.normal(size=(3, 5, 18, 2)), rng.uniform(size=(3, 5, 18))
    scores[:, 2, 4] = 0.5
    merged, best = merge_by_score(keypoints, scores)
    for n in range(5):
        for k in range(18):
            model = max(range(3), key=lambda m, n=n, k=k: (scores[m, n, k], -m))
            np.testing.assert_array_equal(merged[n, k], keypoints[model, n, k])
            assert best[n, k] == scores[model, n, k]


def test_boxes_file_round_trip(tmp_path):
    path = tmp_path / 'h80k_val_boxes.json'
    missing = save_boxes(path, {1: dict(bbox=[1.5, 2, 30, 40], score=0.9), 2: dict(bbox=None, score=0.0)})
    assert missing == [2] and json.loads((tmp_path / 'h80k_val_boxes_missing.json').read_text()) == [2]
    assert missing_path(path).name == 'h80k_val_boxes_missing.json'
    assert json.loads(path.read_text()) == [dict(image_id=1, category_id=1, bbox=[1.5, 2, 30, 40], score=0.9)]
    assert load_boxes(path) == {1: [1.5, 2, 30, 40]}
    save_boxes(path, {2: dict(bbox=None, score=0.0)})
    assert load_boxes(path) == {}
    path.write_text('[{"image_id": 3}]')
    with pytest.raises(ValueError, match='no list of COCO detection results'):
        load_boxes(path)
    with pytest.raises(FileNotFoundError, match='detect_boxes.py'):
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
