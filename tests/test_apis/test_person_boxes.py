"""Whose boxes are used, and what the detector's are worth on rendered frames."""
import json
from urllib.error import URLError

import cv2
import numpy as np
import pytest

from mmpose_integral.apis.media import Media
from mmpose_integral.apis.person_boxes import PeopleDetector, build_detector, check_boxes, split_by_image
from mmpose_integral.synthetic import make_standin


@pytest.fixture(scope='module')
def detector():
    return build_detector(None, None, None, 'cpu', default='detector_rtmdet_nano')


def overlap(a, b):
    """IoU of two boxes, plainly."""
    sides = np.minimum(a[2:4], b[2:4]) - np.maximum(a[:2], b[:2])
    shared = max(sides[0], 0) * max(sides[1], 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def test_rendered_people_are_found_in_batches(detector, tmp_path):
    make_standin(tmp_path, num_train=0, num_val=24, num_test=0, num_mpii=0, num_coco=0, seed=11, num_workers=1,
                 progress=False)
    with np.load(tmp_path / 'truth' / 'h80k_val.npz') as truth:
        boxes = truth['bbox']
    images = [cv2.imread(str(path)) for path in sorted((tmp_path / 'h80k' / 'Val' / 'IMG').iterdir())]
    images[5] = images[5][:200]  # sizes may differ within a batch
    found = detector(images)
    hit = [any(overlap(box, one) > 0.5 for one in mine) for box, mine in zip(boxes, found, strict=True)]
    assert np.mean(hit) > 0.75  # 0.92 of 400 frames
    for image, mine in zip(images[:3], found[:3], strict=True):
        np.testing.assert_allclose(detector([image])[0], mine, atol=0.5)
    for mine in found:
        assert mine.shape[1] == 5 and (np.diff(mine[:, 4]) <= 0).all()
        assert all(overlap(mine[i], mine[j]) <= 0.31 for i in range(len(mine)) for j in range(i))
    strict = detector(images, bbox_thr=0.5)
    assert all((mine[:, 4] > 0.5).all() for mine in strict) and sum(map(len, strict)) < sum(map(len, found))


def test_the_choice_of_a_detector(tmp_path):
    assert build_detector('whole_image', None, None, 'cpu') is None is build_detector('whole-image', None, None, 'cpu')
    with pytest.raises(ValueError, match='det_weights: a.pth belong to a det_model, which is not given'):
        build_detector(None, 'a.pth', None, 'cpu')
    with pytest.raises(FileNotFoundError, match='det_model absent.py: no such config file'):
        PeopleDetector('absent.py', 'a.pth')
    (tmp_path / 'bare.py').write_text('model = dict()\n')
    with pytest.raises(ValueError, match='give det_weights'):
        PeopleDetector(str(tmp_path / 'bare.py'))


def test_without_network_the_default_says_what_to_do(monkeypatch):
    def refuse(*args, **kwargs):
        raise URLError('no route to host')

    monkeypatch.setattr('mmpose_integral.apis.person_boxes.PeopleDetector', refuse)
    with pytest.raises(OSError, match=r'rtmdet_m_640-8xb32_coco-person could not be fetched \(no route to host\). '
                                         r"Give det_model=.*det_model='whole_image'"):
        build_detector(None, None, None, 'cpu')


def test_the_callers_boxes():
    image = np.zeros((40, 60, 3), np.uint8)
    np.testing.assert_array_equal(check_boxes([[1, 2, 30, 20]], image, 'a'), [[1, 2, 30, 20, 1]])
    np.testing.assert_array_equal(check_boxes((-5, 2, 70, 20), image, 'a'), [[-5, 2, 70, 20, 1]])
    np.testing.assert_array_equal(check_boxes(np.array([[1, 2, 30, 20, .5]]), image, 'a')[:, 4], [.5])
    assert check_boxes([], image, 'a').shape == (0, 5)
    for wrong in ([[60, 0, 90, 20]], [[0, -9, 9, -1]], [[3, 3, 3, 9]]):
        with pytest.raises(ValueError, match='bboxes of a: x1 < x2'):
            check_boxes(wrong, image, 'a')


def test_boxes_by_image(tmp_path):
    image = np.zeros((40, 60, 3), np.uint8)
    one, three = Media(image), Media([image] * 3)
    box, two = [1, 2, 3, 4], [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert split_by_image(None, three) is None
    for given in (two, [two], np.array(two), [np.array(two)]):
        assert json.loads(json.dumps([np.array(b).tolist() for b in split_by_image(given, one)])) == [two]
    assert split_by_image([box], one) == [[box]] and split_by_image([two, [], [box]], three)[1] == []
    with pytest.raises(ValueError, match='one entry an image expected, 3 in all; got 2'):
        split_by_image(two, three)
