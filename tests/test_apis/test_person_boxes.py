"""Boxes of the caller and of the detector, which is compared with the truth of rendered frames."""
import contextlib
from types import SimpleNamespace
from urllib.error import URLError

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData
from mmpose.apis import inference_topdown, init_model
from small_training import REPO, save_random_weights
from torchvision.ops import box_iou

from mmpose_integral.apis import MMPoseInferencer
from mmpose_integral.apis.media import Media
from mmpose_integral.apis.people_detector import PeopleDetector
from mmpose_integral.apis.person_boxes import JointBoxes, boxes_by_frame, build_detector, check_boxes
from mmpose_integral.deployment.onnx_runtime import read_boxes
from mmpose_integral.formats.boxes import usable_boxes

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


@pytest.mark.parametrize('box, good', [
    ((0, 0, 60, 40), True), ((-5, -5, 1, 1), True), ((59, 39, 90, 90), True), ((-270, -280, 330, 320), True),
    ((1.01, 5, 2.01, 20), True),  # 1 px, of which floating-point numbers leave 0.99999...
    ((0, 0, np.nan, 20), False), ((0, 0, np.inf, 20), False), ((-np.inf, 0, np.inf, 40), False),
    ((0, 0, 1e39, 20), False), ((5, 5, 5, 20), False), ((9, 9, 5, 20), False), ((-5, -5, 0.9, 20), False),
    ((0, 39.5, 60, 80), False), ((-271, 0, 330, 40), False), ((0, -1e6, 60, 1e6), False)])
def test_a_usable_box_is_finite_in_the_image_and_not_far_larger(box, good):
    """By the rule of the data set, of the inferencer and of the runtime without torch; the image has 60 x 40 px."""
    assert usable_boxes([box], (60, 40)).tolist() == [good]
    with np.errstate(over='ignore'):
        for check in (lambda: check_boxes([box], IMAGE, 'a'), lambda: read_boxes([box], 60, 40)):
            with contextlib.nullcontext() if good else pytest.raises(ValueError, match='no side above 10 times'):
                np.testing.assert_array_equal(check(), np.float32([[*box, 1]]))


def test_detections_that_no_person_can_be_cropped_with_are_dropped():
    detector = PeopleDetector.__new__(PeopleDetector)
    found = InstanceData(bboxes=torch.tensor([[5.0, 5, 5, 20], [1, 2, 30, 20], [70, 5, 90, 20]]),
                         scores=torch.tensor([0.9, 0.8, 0.7]), labels=torch.zeros(3))
    detector.cat_ids, detector.inferencer = 0, lambda images, **options: dict(
        predictions=[SimpleNamespace(pred_instances=found)])
    np.testing.assert_allclose(detector([IMAGE]), [[[1, 2, 30, 20, 0.8]]], rtol=1e-6)


def test_a_score_is_finite():
    with pytest.raises(ValueError, match='bboxes of a: '):
        check_boxes([[0, 0, 30, 30, np.nan]], IMAGE, 'a')


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


KEYPOINTS_2D = REPO / 'configs' / 'quickstart' / 'keypoints_2d_r18_mpii.py'


@pytest.fixture(scope='module')
def pose_2d(tmp_path_factory):
    return str(save_random_weights(KEYPOINTS_2D, tmp_path_factory.mktemp('pose_2d') / 'pose.pth', large_head=True))


def test_a_config_can_take_boxes_around_2d_joints(images, pose_2d, tmp_path):
    """As configs/official does; the joints are those of mmpose's own inference in a box that is 1.1 times as large."""
    config, image = tmp_path / 'config.py', cv2.imread(str(images / '00001.jpg'))
    config.write_text(f"_base_ = '{REPO}/configs/quickstart/integral_r18_standin.py'\n"
                      f"joint_boxes = dict(model='{KEYPOINTS_2D}', weights='{pose_2d}', padding=1.1)\n")
    weights = REPO / 'mmpose_integral/assets/integral_r18_standin.pth'
    inferencer = MMPoseInferencer(pose3d=str(config), pose3d_weights=str(weights), device='cpu')
    boxes = [[60, 20, 180, 240], [10, 30, 90, 200]]
    people = next(inferencer(image, bboxes=boxes))['predictions'][0]
    cfg = Config.fromfile(KEYPOINTS_2D)
    step = next(step for step in cfg.test_dataloader.dataset.pipeline if step.type == 'GetBBoxCenterScale')
    step.padding = 1.1
    found = inference_topdown(init_model(cfg, pose_2d, device='cpu'), image, np.array(boxes, np.float32))
    for person, sample in zip(people, found, strict=True):
        joints = sample.pred_instances.keypoints[sample.pred_instances.keypoint_scores > 0]
        np.testing.assert_allclose(person['bbox'][0], [*joints.min(0), *joints.max(0)], atol=1e-3)
    assert next(inferencer(image, bboxes=[[]]))['predictions'][0] == []


def test_without_network_the_2d_model_of_the_boxes_names_the_remedy(monkeypatch):
    def refuse(*args, **kwargs):
        raise URLError('no route to host')

    monkeypatch.setattr('mmpose_integral.apis.person_boxes.TopdownModel', refuse)
    options = Config.fromfile(REPO / 'configs/official/integral_r152_train_288x384.py').joint_boxes
    with pytest.raises(OSError, match=r'td-hm_hrnet-w32_8xb64-210e_mpii-256x256, .*no route.*joint_boxes = None'):
        JointBoxes(**options, device='cpu')
