import contextlib
import json

import numpy as np
import pytest
from indexes import make_index
from mmpose.datasets.datasets.utils import parse_pose_metainfo

from mmpose_integral.formats.boxes import load_boxes, missing_path, origin_path, save_boxes
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
    missing = save_boxes(path, {1: dict(bbox=[1.5, 2, 30, 40], score=0.9), 2: dict(bbox=None, score=0.0)},
                         make_index([1, 2]))
    assert missing == [2] and json.loads((tmp_path / 'h80k_val_boxes_missing.json').read_text()) == [2]
    assert json.loads(path.read_text()) == [dict(image_id=1, category_id=1, bbox=[1.5, 2, 30, 40], score=0.9)]
    assert load_boxes(path, make_index([1, 2])) == {1: [1.5, 2, 30, 40]}
    save_boxes(path, {2: dict(bbox=None, score=0.0)}, make_index([2]))
    assert load_boxes(path, make_index([2])) == {}
    path.write_text('[{"image_id": 3}]')
    with pytest.raises(ValueError, match='no list of COCO detection results'):
        load_boxes(path, make_index([3]))
    with pytest.raises(FileNotFoundError, match='prepare boxes'):
        load_boxes(tmp_path / 'none.json', make_index([3]))


@pytest.mark.parametrize('box', [
    [1, 2, np.nan, 40], [np.inf, 2, 30, 40], [1, 2, 0, 40], [1, 2, 30, -40], [1, 2, 1e9, 40], [1e39, 2, 30, 40],
    [1000, 2, 30, 40], [-50, 2, 50.5, 40], [1, 1003, 30, 40]])
def test_a_box_that_no_person_can_be_cropped_with_is_named(box, tmp_path):
    """The image of 1000 x 1002 px has to contain 1 px of the box at least."""
    path, index = tmp_path / 'boxes.json', make_index([1, 2, 3])
    records = [dict(image_id=number, bbox=[1.0, 2.0, 30.0, 40.0], score=0.9) for number in (1, 2, 3)]
    records += [dict(image_id=3, bbox=[1.0, 2.0, 0.0, 40.0], score=0.1)]  # not used, because of its score
    path.write_text(json.dumps(records))
    assert set(load_boxes(path, index)) == {1, 2, 3}
    path.write_text(json.dumps([*records, dict(image_id=2, bbox=box, score=0.95)]))
    with pytest.raises(ValueError, match=r'boxes.json: frame 00002 has the box \[x, .*1 such frames.*1000x1002'):
        load_boxes(path, index)


@pytest.mark.parametrize('record, message', [
    (dict(image_id='3', bbox=[1, 2, 3, 4], score=1), "image_id '3'"), (dict(image_id=3, bbox=[1, 2], score=1), 'bbox'),
    (dict(image_id=3, bbox=[1, 2, 3, '4'], score=1), "'4'"), (dict(image_id=3, bbox=[1, 2, True, 4], score=1), 'True'),
    (dict(image_id=3, bbox=[1, 2, 3, 4], score=np.nan), 'finite score, nan'), ([], 'TypeError'),
    (dict(image_id=3, bbox=[10**400, 2, 3, 4], score=1), 'OverflowError')])
def test_records_of_another_kind_are_refused(record, message, tmp_path):
    (tmp_path / 'boxes.json').write_text(json.dumps([record]))
    with pytest.raises(ValueError, match=f'boxes.json is no list of COCO detection results .*{message}'):
        load_boxes(tmp_path / 'boxes.json', make_index([3]))


def test_boxes_belong_to_one_index(tmp_path):
    """By their origin, or, for files of earlier versions without one, by the frames with and without a box."""
    path = tmp_path / 'boxes.json'
    states = np.array([[900, 10], [800, 20]])
    index = make_index([1, 2], img_states=states)
    save_boxes(path, {1: dict(bbox=[1, 2, 30, 40], score=0.9), 2: dict(bbox=None, score=0.0)}, index)
    sound = {1: [1.0, 2.0, 30.0, 40.0]}
    assert load_boxes(path, index) == load_boxes(path, make_index([1, 2])) == sound
    for other, message in (
            (make_index([1, 2], 'Train', img_states=states), 'boxes.json is of Val, and the index is of Train'),
            (make_index([1, 2], img_states=states + [[0, 0], [0, 1]]), 'other images .* or delete .*boxes_origin.json'),
            (make_index([1, 2, 3]), 'neither a box nor an entry in boxes_missing.json for 1 frames, first 3'),
            (make_index([2, 3]), 'box for frame 1, which the index of Val lacks')):
        with pytest.raises(ValueError, match=message):
            load_boxes(path, other)
    assert load_boxes(path, make_index([2], faulty=['H80K Val: IMG/00001.jpg is not a JPEG image'])) == {}
    with pytest.raises(ValueError, match='box for frame 1'):
        load_boxes(path, make_index([2], faulty=['H80K Val: IMG/00003.jpg is not a JPEG image']))
    origin_path(path).unlink()
    with pytest.raises(ValueError, match='first 3; the boxes belong to another split'):
        load_boxes(path, make_index([1, 2, 3], 'Train'))
    missing_path(path).unlink()
    assert load_boxes(path, make_index([1, 2, 3], 'Train')) == sound


def test_keypoints_file_round_trip_in_the_wanted_order(tmp_path):
    rng = np.random.default_rng(1)
    keypoints, scores = rng.normal(size=(4, 18, 2)).astype(np.float32), rng.uniform(size=(4, 18)).astype(np.float32)
    save_keypoints_2d(tmp_path / 'k.npz', make_index([9, 2, 4, 7]), keypoints, scores)
    read, read_scores = load_keypoints_2d(tmp_path / 'k.npz', make_index([4, 9]))
    np.testing.assert_array_equal(read, keypoints[[2, 0]])
    np.testing.assert_array_equal(read_scores, scores[[2, 0]])
    with pytest.raises(ValueError, match='no entry for 1 of 2 frames, first 5'):
        load_keypoints_2d(tmp_path / 'k.npz', make_index([4, 5]))
    np.savez(tmp_path / 'bad.npz', frame_ids=[1], keypoints_2d=np.zeros((1, 16, 2)),
             keypoints_2d_score=np.zeros((1, 16)))
    for wrong, message in ((make_index([4, 9], 'Train'), 'k.npz is of Val, and the index is of Train'),
                           (make_index([4, 9], img_states=np.ones((2, 2), int)), None)):
        with pytest.raises(ValueError, match=message) if message else contextlib.nullcontext():
            load_keypoints_2d(tmp_path / 'k.npz', wrong)
    with pytest.raises(ValueError, match='18'):
        load_keypoints_2d(tmp_path / 'bad.npz', make_index([1]))


def test_only_joints_that_were_not_predicted_may_have_any_value(tmp_path):
    keypoints, scores = np.ones((3, 18, 2), np.float32), np.ones((3, 18), np.float32)
    keypoints[0, 4], scores[0, 4] = np.nan, 0
    for place, value in (((1, 4, 0), np.inf), (None, None), ((2, 5), np.nan)):
        wrong = keypoints.copy(), scores.copy()
        if place:
            wrong[len(place) < 3][place] = value
        save_keypoints_2d(tmp_path / 'k.npz', make_index([7, 8, 9]), *wrong)
        with pytest.raises(ValueError, match=f'k.npz: frame 0000{7 + place[0]} has .* not finite .1 such') if place \
                else contextlib.nullcontext():
            load_keypoints_2d(tmp_path / 'k.npz', make_index([7, 8, 9]))


def test_match_rows():
    assert match_rows(np.array([5, 3, 8]), [8, 8, 3], 'file').tolist() == [2, 2, 1]
    assert match_rows(np.array([5]), np.array([], int), 'file').tolist() == []
