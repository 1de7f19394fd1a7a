"""People keep their track ids from frame to frame."""
import itertools

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from mmpose_integral.apis.tracking import PersonTracker


def box(x, y=100.0, width=60.0, height=160.0):
    return [x, y, x + width, y + height]


def start_tracking(iou_thr=0.3, max_missing_s=15):
    """Function from the boxes of the next frame, one per second, to their track ids."""
    tracker, times = PersonTracker(iou_thr, max_missing_s), itertools.count()
    return lambda boxes: tracker.update(boxes, next(times))


def test_ids_do_not_depend_on_the_order_of_the_boxes():
    rng, track = np.random.default_rng(5), start_tracking()
    boxes = np.array([box(90.0 * n, 10.0 * n) for n in range(5)])
    known = track(boxes)
    assert sorted(known) == [0, 1, 2, 3, 4]
    for _ in range(20):
        boxes = boxes + rng.normal(0, 2, boxes.shape)
        order = rng.permutation(5)
        np.testing.assert_array_equal(track(boxes[order]), known[order])


def test_two_people_of_one_size_cross():
    track = start_tracking()
    for frame in range(60):
        boxes = np.array([box(10.0 + 7 * frame), box(433.0 - 7 * frame)])
        ids = track(boxes[::-1] if frame % 3 else boxes)
        np.testing.assert_array_equal(ids[::-1] if frame % 3 else ids, [0, 1])


def test_the_total_overlap_is_maximised():
    # Both new boxes overlap most with person 1, and the second overlaps with no other.
    track = start_tracking(0.2)
    old, new = np.array([box(0.0), box(30.0)]), np.array([box(20.0), box(42.0)])
    track(old)
    shared = np.maximum(60 - np.abs(new[:, None, 0] - old[None, :, 0]), 0)
    table = shared / (120 - shared)  # IoU of boxes that differ in x only
    assert table[0].argmax() == table[1].argmax() == 1
    np.testing.assert_array_equal(track(new), linear_sum_assignment(-table)[1])


@pytest.mark.parametrize('missing, same', [(4, True), (5, True), (6, False)])
def test_a_missing_person_is_remembered_for_a_time(missing, same):
    track = start_tracking(max_missing_s=6)
    track([box(0.0), box(300.0)])
    for _ in range(missing):
        assert track([box(0.0)]).tolist() == [0]
    assert track([box(301.0), box(0.0)]).tolist() == ([1, 0] if same else [2, 0])


def test_a_walking_person_is_found_again_after_an_occlusion():
    track = start_tracking(max_missing_s=12)
    for frame in range(50):
        hidden = 20 <= frame < 30
        ids = track(np.array([box(10.0 * frame)])[int(hidden):])
        assert ids.tolist() == ([] if hidden else [0])


def test_ids_are_never_used_again():
    track, seen = start_tracking(max_missing_s=0), set()
    for frame in range(10):
        ids = track([box(500.0 * (frame % 2)), box(1000.0 + 300 * (frame % 2))]).tolist()
        assert not seen & set(ids) and len(set(ids)) == 2
        seen |= set(ids)
    assert track([]).shape == (0,) and track(np.zeros((0, 4))).dtype == np.int64


def test_settings_and_boxes_are_checked():
    for arguments in (dict(iou_thr=0), dict(iou_thr=1.2), dict(max_missing_s=-1)):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            start_tracking(**arguments)
    for boxes in ([[1, 2, 3]], [[0, 0, np.nan, 1]], np.zeros(4)):
        with pytest.raises(ValueError, match=r'bboxes: \(N, 4\) finite numbers expected'):
            start_tracking()(boxes)


def test_boxes_without_area_overlap_with_none():
    track = start_tracking()
    assert [track([[5.0, 5.0, 5.0, 5.0]]).tolist() for _ in range(2)] == [[0], [1]]
