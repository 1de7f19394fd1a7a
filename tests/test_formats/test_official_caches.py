"""The authors' cache files become products of the preparation; pickles of anything but plain data are refused."""
import json
import pickle
import sys

import numpy as np
import pytest
from indexes import make_index
from small_training import run_tool

from mmpose_integral.formats.boxes import load_boxes, missing_path
from mmpose_integral.formats.h80k_index import save_index
from mmpose_integral.formats.keypoints_2d import load_keypoints_2d
from mmpose_integral.formats.official_caches import import_boxes, import_keypoints_2d

NAME = 'HM36_eccv_challenge_Val_{}samples_img_res.pkl'


def make_entries(number=4):
    rng = np.random.default_rng(0)
    entries = [dict(kpts=rng.uniform(0, 1000, (18, 3)), vis=np.ones((18, 3))) for _ in range(number)]
    entries[1]['vis'][[7, 9]] = 0
    entries[1]['kpts'][7] = np.nan  # a joint that is not visible may have any value
    return entries


def dump(value, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(value, 2))  # as Python 2 wrote them
    return path


def test_joints_are_imported_by_frame_number(tmp_path):
    entries = make_entries()
    path = dump(entries, tmp_path / NAME.format(4))
    keypoints, scores = import_keypoints_2d(path, make_index(ids=(1, 2, 4), faulty=['frame 3']))
    expected = np.stack([entries[i]['kpts'][:, :2] for i in (0, 1, 3)])
    expected[1, [7, 9]] = 0
    np.testing.assert_allclose(keypoints, expected, rtol=1e-6)
    assert (scores[1, [7, 9]] == 0).all() and scores.sum() == 3 * 18 - 2


@pytest.mark.parametrize('change, message', [
    (lambda e: e.pop(), 'has 3 entries, the index of Val runs to frame 00004'),
    (lambda e: e.append(e[0]), 'has 5 entries'),
    (lambda e: e.__setitem__(2, [1]), "entry of frame 00003: a dict with 'kpts' and 'vis' expected, found list"),
    (lambda e: e[3].pop('vis'), 'entry of frame 00004: .* found keys kpts'),
    (lambda e: e[0].update(kpts=np.zeros((17, 3))), r'frame 00001: kpts of shape \(18, 3\) expected, found \(17, 3\)'),
    (lambda e: e[0].update(kpts='text'), 'kpts is no array of numbers'),
    (lambda e: e[2]['kpts'].__setitem__((5, 1), np.inf), 'frame 00003: finite joints and vis expected'),
    (lambda e: e[2]['kpts'].__setitem__((5, 1), 1e39), 'frame 00003: finite joints and vis expected')])
def test_faults_of_joints_are_named(change, message, tmp_path):
    entries = make_entries()
    change(entries)
    with pytest.raises(ValueError, match=message):
        import_keypoints_2d(dump(entries, tmp_path / NAME.format(4)), make_index([1, 2, 3, 4]))


@pytest.mark.parametrize('content, name, message', [
    (make_entries(), NAME.format(4).replace('Val', 'Train'), 'is of Train by its name, and the index is of Val'),
    (dict(a=1), 'x.pkl', 'a list with one dict per frame expected, found dict'),
    ([sys.exit], 'x.pkl', 'asks for sys.exit, which is no plain data')])
def test_other_files_are_refused(content, name, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        import_keypoints_2d(dump(content, tmp_path / name), make_index([1, 2, 3, 4]))


def test_boxes_are_clipped_at_the_border_and_none_is_invented(tmp_path):
    boxes = {1: np.array([[10.0, 20, 110, 220, 0.99]]), 2: [-5, 900, 1200.0, 1300, 0.5], 3: np.zeros((0, 5)), 4: []}
    for frame_id, box in boxes.items():
        dump(box, tmp_path / f'{frame_id:05d}.pkl')
    records = import_boxes(tmp_path, make_index([1, 2, 3, 4]))
    assert records[1] == dict(bbox=[10.0, 20.0, 100.0, 200.0], score=0.99)
    assert records[2] == dict(bbox=[0.0, 900.0, 1000.0, 102.0], score=0.5)
    assert records[3] == records[4] == dict(bbox=None, score=0.0)


@pytest.mark.parametrize('box, message', [
    (np.zeros((2, 5)), r'00001.pkl: one box .* found shape \(2, 5\)'), ([[1, 2, 3, 4]], r'found shape \(1, 4\)'),
    ([[1, 2, np.nan, 4, 1]], 'finite'), ([[50, 50, 20, 90, 1]], 'covers no pixel of the image of 1000x1002 px'),
    ([[0, 0, 1e9, 90, 1]], 'more than 10 times as large'), ([[1001, 0, 1020, 90, 1]], 'covers no pixel'),
    (dict(a=1), 'x1 y1 x2 y2 score is no array of numbers'), ('text', '00001.pkl: the box .* no array of numbers'),
    (sys.exit, '00001.pkl asks for sys.exit, which is no plain data')])
def test_faults_of_a_box_are_named(box, message, tmp_path):
    dump(box, tmp_path / '00001.pkl')
    with pytest.raises(ValueError, match=message):
        import_boxes(tmp_path, make_index(ids=(1,)))
    with pytest.raises(FileNotFoundError, match='1 of 2 frames of Val have no box file, first .*00002.pkl'):
        import_boxes(tmp_path, make_index(ids=(1, 2)))


def test_the_command_writes_our_products(tmp_path, capsys):
    save_index(make_index([1, 2, 3, 4]), tmp_path / 'annotations' / 'h80k_val.npz')
    dump(make_entries(), tmp_path / NAME.format(4))
    for frame_id in (1, 2, 3, 4):
        dump([[1, 2, 30, 40, 0.9]] if frame_id != 2 else [], tmp_path / 'det' / f'{frame_id:05d}.pkl')
    command = ['prepare official-caches', '--index', tmp_path / 'annotations' / 'h80k_val.npz']
    given = ['--keypoints-2d', tmp_path / NAME.format(4), '--boxes', tmp_path / 'det']
    assert run_tool(*command, *given) == 0
    assert '3 boxes; 1 frames without one' in capsys.readouterr().out
    boxes = tmp_path / 'annotations' / 'h80k_val_boxes.json'
    assert load_boxes(boxes, make_index([1, 2, 3, 4])) == dict.fromkeys((1, 3, 4), [1.0, 2.0, 29.0, 38.0])
    assert json.loads(missing_path(boxes).read_text()) == [2]
    keypoints, _ = load_keypoints_2d(tmp_path / 'annotations' / 'h80k_val_keypoints_2d.npz', make_index([4, 1]))
    np.testing.assert_allclose(keypoints[1], make_entries()[0]['kpts'][:, :2], rtol=1e-6)
    assert '--overwrite replaces it' in run_tool(*command, *given)
    assert run_tool(*command, *given, '--overwrite') == 0
    assert run_tool(*command) == 2  # nothing to import
