"""People keep their numbers from frame to frame."""
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from smoothing_cases import box

from mmpose_integral.apis.tracking import PersonTracker


def test_people_keep_their_numbers_when_boxes_come_in_another_order():
    rng, tracker = np.random.default_rng(5), PersonTracker()
    boxes = np.array([box(90.0 * n, 10.0 * n) for n in range(5)])
    known = tracker.update(boxes)
    assert sorted(known) == [0, 1, 2, 3, 4]
    for _ in range(20):
        boxes = boxes + rng.normal(0, 2, boxes.shape)
        order = rng.permutation(5)
        np.testing.assert_array_equal(tracker.update(boxes[order]), known[order])


def test_two_of_one_size_cross():
    tracker = PersonTracker()
    for frame in range(60):
        boxes = np.array([box(10.0 + 7 * frame), box(433.0 - 7 * frame)])
        ids = tracker.update(boxes[::-1] if frame % 3 else boxes)
        np.testing.assert_array_equal(ids[::-1] if frame % 3 else ids, [0, 1])


def test_the_total_overlap_counts_not_the_first_comer():
    # The first box overlaps best with person 1, but so does the second, which overlaps with nobody else.
    tracker = PersonTracker(0.2)
    old = np.array([box(0.0), box(30.0)])
    tracker.update(old)
    new = np.array([box(20.0), box(42.0)])

    def iou(a, b):
        wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
        inner = max(wide, 0) * max(high, 0)
        return inner / (2 * 60 * 160 - inner)

    table = np.array([[iou(a, b) for b in old] for a in new])
    assert table[0].argmax() == table[1].argmax() == 1
    np.testing.assert_array_equal(tracker.update(new), linear_sum_assignment(-table)[1])


def test_somebody_missing_is_remembered_for_so_long():
    for missing, same in ((4, True), (5, True), (6, False)):
        tracker = PersonTracker(max_missing=6)
        tracker.update([box(0.0), box(300.0)])
        for _ in range(missing):
            assert tracker.update([box(0.0)]).tolist() == [0]
        back = tracker.update([box(301.0), box(0.0)]).tolist()
        assert back == ([1, 0] if same else [2, 0]), 'seen again 1 + missing frames later'


def test_a_walker_is_found_behind_a_tree():
    tracker = PersonTracker(max_missing=12)
    for frame in range(50):
        hidden = 20 <= frame < 30
        ids = tracker.update(np.array([box(10.0 * frame)])[int(hidden):])
        assert ids.tolist() == ([] if hidden else [0])


def test_numbers_are_never_used_again():
    tracker, seen = PersonTracker(max_missing=0), set()
    for frame in range(10):
        ids = tracker.update([box(500.0 * (frame % 2)), box(1000.0 + 300 * (frame % 2))]).tolist()
        assert not seen & set(ids) and len(set(ids)) == 2
        seen |= set(ids)
    assert tracker.update([]).shape == (0,) and tracker.update(np.zeros((0, 4))).dtype == np.int64
    tracker.reset()
    assert tracker.update([box(0.0)]).tolist() == [0]


@pytest.mark.parametrize('boxes, words', [
    ([[1, 2, 3]], r'shape \(N, 4\) expected'), ([[0, 0, np.nan, 1]], 'finite'), (np.zeros(4), r'shape \(N, 4\)')])
def test_boxes_are_checked(boxes, words):
    with pytest.raises(ValueError, match=words):
        PersonTracker().update(boxes)


def test_tracker_settings_and_empty_boxes():
    for arguments in (dict(iou_thr=0), dict(iou_thr=1.2), dict(max_missing=-1)):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            PersonTracker(**arguments)
    tracker = PersonTracker()
    flat = [[5.0, 5.0, 5.0, 5.0]]
    assert tracker.update(flat).tolist() == [0] and tracker.update(flat).tolist() == [1], 'no area, no overlap'
