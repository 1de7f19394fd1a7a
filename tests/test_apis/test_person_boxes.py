"""Boxes of the caller and of the detector, which is compared with the truth of rendered frames."""
from urllib.error import URLError

import cv2
import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from mmpose_integral.apis.media import Media
from mmpose_integral.apis.people_detector import PeopleDetector
from mmpose_integral.apis.person_boxes import boxes_by_frame, build_detector, check_boxes

IMAGE = np.zeros((40, 60, 3), np.uint8)


def overlap(first, second):
    return box_iou(*(torch.from_numpy(np.float64(boxes)[:, :4]) for boxes in (first, second))).numpy()


def test_rendered_people_are_found_in_batches(images, truth):
    detector = build_detector(None, None, None, 'cpu', default='detector_rtmdet_nano')
    photos = [cv2.imread(str(path)) for path in sorted(images.iterdir())]
    photos[5] = photos[5][:200]  # sizes may differ within a batch
    found = detector(photos)
    hit = [(overlap([box], mine) > 0.5).any() for box, mine in zip(truth['bbox'], found, strict=True)]
    assert np.mean(hit) > 0.75  # 0.92 of 400 frames
    for image, mine in zip(photos[:3], found[:3], strict=True):
        np.testing.assert_allclose(detector([image])[0], mine, atol=0.5)
    for mine in found:
        assert mine.shape[1] == 5 and (np.diff(mine[:, 4]) <= 0).all()
        assert (np.triu(overlap(mine, mine), 1) <= 0.31).all()
    strict = detector(photos, bbox_thr=0.5)
    assert all((mine[:, 4] > 0.5).all() for mine in strict) and sum(map(len, strict)) < sum(map(len, found))


def test_the_choice_of_a_detector(tmp_path):
    assert build_detector('whole_image') is None is build_detector('whole-image')
    (tmp_path / 'bare.py').write_text('model = dict()\n')
    with pytest.raises(ValueError, match='give det_weights'):
        PeopleDetector(str(tmp_path / 'bare.py'))


def test_without_network_the_default_detector_names_the_remedy(monkeypatch):
    def refuse(*args, **kwargs):
        raise URLError('no route to host')

    monkeypatch.setattr('mmpose_integral.apis.people_detector.PeopleDetector', refuse)
    with pytest.raises(OSError, match=r'rtmdet_m_640-8xb32_coco-person could not be fetched \(no route to host\). '
                                      r"Give det_model=.*det_model='whole_image'"):
        build_detector(None, None, None, 'cpu')


@pytest.mark.parametrize('given, expected', [
    ([[1, 2, 30, 20]], [[1, 2, 30, 20, 1]]), ((-5, 2, 70, 20), [[-5, 2, 70, 20, 1]]),
    (torch.tensor([[1, 2, 30, 20, .5]]), [[1, 2, 30, 20, .5]]), ([], np.zeros((0, 5)))])
def test_boxes_get_a_score(given, expected):
    np.testing.assert_array_equal(check_boxes(given, IMAGE, 'a'), expected)


@pytest.mark.parametrize('wrong', [[[60, 0, 90, 20]], [[0, -9, 9, -1]], [[3, 3, 3, 9]]])
def test_boxes_outside_the_image_are_refused(wrong):
    with pytest.raises(ValueError, match='bboxes of a: x1 < x2'):
        check_boxes(wrong, IMAGE, 'a')


def test_boxes_by_image():
    one, three = Media(IMAGE), Media([IMAGE] * 3)
    box, two = [1, 2, 3, 4], [[1, 2, 3, 4], [5, 6, 7, 8]]

    def first(given, media):
        return np.array(next(boxes_by_frame(given, media))).tolist()

    assert all(first(given, one) == two for given in (two, [two], np.array(two), [np.array(two)]))
    boxes = boxes_by_frame([two, [], [box]], three)
    assert first([box], one) == [box] and [next(boxes) for _ in range(3)] == [two, [], [box]]
    with pytest.raises(ValueError, match='one entry per image expected, 3 in total; got 2'):
        first(two, three)
