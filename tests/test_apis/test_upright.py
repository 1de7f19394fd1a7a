"""Turned crops: of shipped model and turned frames, and the choice between crops with made-up predictions."""
import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

from mmpose_integral.apis import MMPoseInferencer
from mmpose_integral.apis.pictures import Frame
from mmpose_integral.apis.upright import make_upright
from mmpose_integral.evaluation.functional import mpjpe
from mmpose_integral.models.upright_crops import UprightCrops, turned_box
from mmpose_integral.preparation.keypoints_2d import TopdownModel
from mmpose_integral.structures.skeleton import JOINT_NAMES, trunk_angle

ROOT, THORAX = JOINT_NAMES.index('root'), JOINT_NAMES.index('thorax')


class Pictures:
    is_video = False


class Video:
    is_video = True


@pytest.fixture(scope='module')
def inferencer():
    return MMPoseInferencer(pose3d='standin', device='cpu', det_model='whole_image')


def rotation(degrees):
    """Matrix (2, 2) that turns the x axis towards y, clockwise in an image."""
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[cos, -sin], [sin, cos]])


def person_of(result):
    return {key: np.array(value) for key, value in result['predictions'][0][0].items() if key != 'camera'}


@pytest.mark.parametrize('flip_test', [False, True])
def test_a_turned_picture_gives_the_turned_pose(inferencer, images, truth, flip_test, monkeypatch):
    """Exact up to the rounding of the crop's interpolation."""
    monkeypatch.setattr(inferencer.inferencer.model, 'test_cfg', dict(flip_test=flip_test))
    image, box = cv2.imread(str(images / '00003.jpg')), truth['bbox'][2]
    expected = person_of(next(inferencer(image, bboxes=box[None])))
    for turns in (1, 2, 3):
        side = image.shape[0] - 1
        image = cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE)
        box = np.array([side - box[3], box[0], side - box[1], box[2]])
        person = person_of(next(inferencer(
            image, bboxes=box[None], upright=dict(rotations=[90 * turns], min_angle=180))))
        middle, turn = np.array([side / 2, side / 2]), rotation(90 * turns).T
        np.testing.assert_allclose(person['keypoints'][:, :2], expected['keypoints'][:, :2] @ turn, atol=6)
        np.testing.assert_allclose(person['keypoints'][:, 2], expected['keypoints'][:, 2], atol=6)
        np.testing.assert_allclose(
            person['keypoints_2d'], (expected['keypoints_2d'] - middle) @ turn + middle, atol=0.6)
        swapped = expected['keypoint_std'][:, [1, 0, 2] if turns % 2 else [0, 1, 2]]
        np.testing.assert_allclose(person['keypoint_std'], swapped, rtol=0.15)
        np.testing.assert_allclose(person['bbox'][0], box, atol=1e-4)


def test_people_who_lean_come_out_right(inferencer, images, truth):
    """Frames that are turned by 45 degrees, for which the model was not trained."""
    errors, turn = {False: [], True: []}, rotation(45)
    for i in range(8):
        image = cv2.imread(str(images / f'{i + 1:05d}.jpg'))
        middle = (np.array(image.shape[1::-1]) - 1) / 2
        image = cv2.warpAffine(image, cv2.getRotationMatrix2D(middle, -45, 1), image.shape[1::-1])
        joints = (truth['keypoints_2d'][i] - middle) @ turn.T + middle
        box = np.concatenate([joints.min(0) - 5, joints.max(0) + 5])
        wanted = truth['keypoints_mm'][i] @ np.block([[turn.T, np.zeros((2, 1))], [np.zeros((1, 2)), np.eye(1)]])
        for upright in errors:
            person = person_of(next(inferencer(image, bboxes=box[None], upright=upright, focal_length=293)))
            errors[upright].append(mpjpe(person['keypoints'], wanted).mean())
    assert np.mean(errors[True]) < 0.7 * np.mean(errors[False]), errors


def test_coarse_2d_joints_of_people_who_lean(inferencer, images, truth, tmp_path):
    """A model as the source of the camera fit gives the joints of the inferencer, with its config's ``upright``."""
    inner, errors = inferencer.inferencer, {}
    image, joints = cv2.imread(str(images / '00001.jpg')), truth['keypoints_2d'][0]
    middle = (np.array(image.shape[1::-1]) - 1) / 2
    image = cv2.warpAffine(image, cv2.getRotationMatrix2D(middle, -45, 1), image.shape[1::-1])
    joints = (joints - middle) @ rotation(45).T + middle
    x1, y1, x2, y2 = np.concatenate([joints.min(0) - 5, joints.max(0) + 5])
    for upright in (False, dict(compare=False)):
        config = tmp_path / 'model.py'
        Config(dict(inner.cfg.to_dict(), upright=upright)).dump(config)
        model = TopdownModel(config, inner.weights, 'cpu')
        (found, ), (scores, ) = model.predict([model.prepare(1, image, [x1, y1, x2 - x1, y2 - y1])])
        person = person_of(next(inferencer(image, bboxes=[[x1, y1, x2, y2]], upright=upright)))
        np.testing.assert_allclose(found, person['keypoints_2d'], atol=1e-2)
        np.testing.assert_array_equal(scores, 1)
        errors[bool(upright)] = np.linalg.norm(found - joints, axis=-1).mean()
    assert errors[True] < 0.7 * errors[False], errors


def test_only_people_who_lean_take_a_second_pass(inferencer, images, monkeypatch):
    sizes, model = [], inferencer.inferencer.model
    step = model.test_step
    monkeypatch.setattr(model, 'test_step', lambda data: sizes.append(len(data['inputs'])) or step(data))
    call, boxes = dict(inputs=str(images / '00003.jpg')), [[60, 40, 150, 200], [50, 60, 180, 190]]
    angles = [trunk_angle(np.array(person['keypoints'])) for person in
              next(inferencer(**call, bboxes=boxes))['predictions'][0]]
    limit = float(np.mean(np.abs(angles)))  # between the two
    for upright, expected in ((False, [2]), (dict(min_angle=limit), [2, 1]), (dict(min_angle=179.9), [2]),
                              (dict(min_angle=0), [2, 2]), (dict(rotations=(0, 90), min_angle=179.9), [2, 2])):
        sizes.clear()
        next(inferencer(**call, bboxes=boxes, upright=upright))
        assert sizes == expected, upright


def test_the_config_sets_the_default(inferencer, images, monkeypatch):
    inner, seen = inferencer.inferencer, []
    monkeypatch.setattr('mmpose_integral.apis.integral_pose3d_inferencer.make_upright',
                        lambda media, upright, thr: seen.append(upright))
    config, options = dict(min_angle=7), dict(pose3d_weights=inner.weights, device='cpu', det_model='whole_image')
    model = Config(dict(inner.cfg, upright=config))
    built, off = MMPoseInferencer(pose3d=model, **options), MMPoseInferencer(pose3d=model, upright=False, **options)
    for model, call in ((built, {}), (built, dict(upright=False)), (off, {}), (inferencer, {})):
        next(model(str(images / '00001.jpg'), **call))
    assert seen == [config, False, False, False]


def test_a_pipeline_that_loses_the_rotation_is_refused(inferencer, images, monkeypatch):
    pack = inferencer.inferencer.pipeline.transforms[-1]
    monkeypatch.setattr(pack, 'meta_keys', [key for key in pack.meta_keys if key != 'input_rotation'])
    with pytest.raises(ValueError, match="upright: the config's test pipeline does not rotate crops"):
        next(inferencer(str(images / '00001.jpg'), upright=dict(rotations=[90])))


def test_angle_of_the_trunk():
    for degrees in (-170, -90, -10, 0, 45, 135):
        pose = np.zeros((18, 3))
        pose[THORAX, :2] = rotation(degrees) @ [0, -50]
        assert trunk_angle(pose) == pytest.approx(degrees)
    pose[THORAX] = [10, 10, 60]  # it points away from the camera
    assert trunk_angle(pose) == 0 == trunk_angle(np.zeros((18, 3)))


def test_box_of_a_turned_crop():
    box = np.float32([10, 20, 30, 100])  # 20 x 80 px around (20, 60)
    assert turned_box(box, 0) is box
    np.testing.assert_allclose(turned_box(box, -90), [-20, 50, 60, 70], atol=1e-4)
    np.testing.assert_allclose(turned_box(box, 180), box, atol=1e-4)
    np.testing.assert_allclose(turned_box(box, 45), [-5, 35, 45, 85], atol=1e-4)


class Scene:
    """A model of one person per frame that sees the trunk's true angle and scores the crops by ``score(lean)``."""

    def __init__(self, score):
        self.score, self.truth, self.calls = score, [], []

    def predict(self, people, crops):
        self.calls.append([round(crop.angle) for crop in crops])
        samples = []
        for i, (angle, _) in zip(people, crops, strict=True):
            pose = np.zeros((1, 18, 3))
            pose[0, THORAX, :2] = rotation(self.truth[i]) @ [0, -50]
            sample = PoseDataSample(metainfo=dict(input_rotation=angle))
            sample.pred_instances = InstanceData(
                keypoints=pose, keypoint_scores=np.full((1, 18), self.score(self.truth[i] - angle)))
            samples.append(sample)
        return samples

    def frame(self, turner, times, *truth, box=(0, 0, 50, 50)):
        """Passes for frames of one person each: the angles of the crops by pass, and those that were kept."""
        self.truth, self.calls = list(truth), []
        frames = [Frame(np.zeros((9, 9, 3), np.uint8), 'a', time_s) for time_s in times]
        kept = turner.predict(self.predict, frames, [np.array([[*box, 1.0]])] * len(times))
        return [call for call in self.calls if call], [round(sample.input_rotation) for sample in kept]


def test_the_better_crop_is_kept():
    upright, lying = Scene(lambda lean: -abs(lean)), Scene(abs)
    passes, kept = upright.frame(make_upright(Pictures, True), [0, 0, 0], 10, 70, -120)
    assert (passes, kept) == ([[0, 0, 0], [70, -120]], [0, 70, -120])
    assert lying.frame(make_upright(Pictures, True), [0, 0], 10, 70) == ([[0, 0], [70]], [0, 0])
    assert lying.frame(make_upright(Pictures, dict(compare=False)), [0, 0], 10, 70) == ([[0, 0], [70]], [0, 70])
    passes, kept = upright.frame(make_upright(Pictures, dict(rotations=(0, 90, 180))), [0, 0], 100, -150)
    assert (passes, kept) == ([[0, 0], [90, 90], [180, 180], [-150]], [90, -150])
    assert make_upright(Pictures, False) is None is make_upright(Pictures, None)


def test_other_rotations_are_for_people_with_a_low_score():
    scene, angles = Scene(lambda lean: -abs(lean)), (0, 90, 180)
    turner = make_upright(Pictures, dict(rotations=angles, sure=-30, min_angle=180))
    assert scene.frame(turner, [0, 0, 0], 10, 100, 150) == ([[0, 0, 0], [90, 90], [180, 180]], [0, 90, 180])
    turner = make_upright(Pictures, dict(rotations=angles, margin=15, min_angle=180))
    assert scene.frame(turner, [0, 0], 50, 55)[1] == [0, 90]  # the leans are 50 and -40, then 55 and -35 degrees


def test_the_score_of_a_crop_comes_before_those_of_the_joints():
    scene = Scene(abs)
    predict = scene.predict

    def with_crop_scores(people, crops):
        samples = predict(people, crops)
        for sample in samples:
            sample.pred_instances.crop_scores = -sample.pred_instances.keypoint_scores.mean(1)
        return samples

    scene.predict = with_crop_scores
    assert scene.frame(make_upright(Pictures, True), [0], 70) == ([[0], [70]], [70])


def test_crops_around_the_circle_of_a_person():
    scene, boxes, radius = Scene(lambda lean: -abs(lean)), [], 40
    predict = scene.predict

    def with_circles(people, crops):
        boxes.extend(crop.box for crop in crops)
        samples = predict(people, crops)
        for i, sample in zip(people, samples, strict=True):
            sample.pred_instances.person_circles = np.array([[70 + i, 90, radius]])
        return samples

    scene.predict = with_circles
    assert scene.frame(make_upright(Pictures, True), [0, 0], 3, -70) == ([[0, 0], [3, -70]], [3, -70])
    assert boxes[:2] == [None, None]
    np.testing.assert_array_equal(boxes[2:], [[30, 50, 110, 130], [31, 50, 111, 130]])
    turner, scene.score = make_upright(Video, True), abs
    for time_s in (0.0, 0.1):  # the crop around the circle has the lower score, so that the next frame begins again
        assert scene.frame(turner, [time_s], 10) == ([[0], [10]], [0])
    scene.score = lambda lean: -abs(lean)
    radius = 0.5  # the network found no circle
    assert scene.frame(make_upright(Pictures, True), [0, 0], 3, -70) == ([[0, 0], [-70]], [0, -70])


def test_a_video_takes_the_circle_of_the_last_frame():
    scene, boxes, circle = Scene(lambda lean: -abs(lean)), [], [70, 90, 40]
    predict = scene.predict

    def with_circles(people, crops):
        boxes.extend(crop.box for crop in crops)
        samples = predict(people, crops)
        for sample in samples:
            sample.pred_instances.person_circles = np.array([circle])
        return samples

    scene.predict = with_circles
    turner = make_upright(Video, dict(rotations=(0, 90), sure=-30))
    assert scene.frame(turner, [0.0], 5) == ([[0], [5]], [5])
    circle = [72, 91, 38]
    assert scene.frame(turner, [0.1], 8, box=[3, -2, 55, 48]) == ([[5]], [5])  # 4 and -2 px further
    np.testing.assert_array_equal(boxes[2], [34, 48, 114, 128])
    assert scene.frame(turner, [0.2], 80, box=[3, -2, 55, 48]) == ([[8], [0], [90], [80]], [80])  # not recognised
    np.testing.assert_array_equal(boxes[3], [34, 53, 110, 129])
    assert boxes[4:6] == [None, None]
    np.testing.assert_array_equal(boxes[6], boxes[3])
    assert scene.frame(turner, [0.3], 85, box=[3, -2, 55, 48]) == ([[80]], [80])


def test_the_crop_of_the_last_frame_is_kept_if_no_other_is_better():
    scene, turner = Scene(lambda lean: -abs(lean)), make_upright(Video, dict(rotations=(0, 90), sure=-10))
    assert scene.frame(turner, [0.0], 40) == ([[0], [90], [40]], [40])
    assert scene.frame(turner, [0.1], 60) == ([[40], [0], [90], [60]], [60])
    scene.score = lambda lean: -90 if 40 < lean < 70 else -20  # the second crop of the person scores low
    assert scene.frame(turner, [0.2], 60) == ([[60], [0], [90], [60]], [60])
    scene.score = lambda lean: -20 if lean == 5 else -90
    assert scene.frame(turner, [0.3], 65) == ([[60], [0], [90], [65]], [60])
    assert turner.predict(scene.predict, [], []) == []


def test_a_video_takes_the_angle_of_the_last_frame():
    scene, turner = Scene(lambda lean: -abs(lean)), make_upright(Video, True)
    assert scene.frame(turner, [0.0], 70) == ([[0], [70]], [70])  # a new person
    assert scene.frame(turner, [0.1], 80) == ([[70]], [70])
    assert scene.frame(turner, [0.2, 0.3], 85, 90) == ([[80, 80]], [80, 80])  # a batch
    assert scene.frame(turner, [0.4], 5) == ([[90]], [90])
    assert scene.frame(turner, [0.5], 40) == ([[0]], [0])  # 5 degrees are not turned
    assert scene.frame(turner, [0.6], 40) == ([[40]], [40])
    assert scene.frame(turner, [2.0], 30) == ([[0], [30]], [30])  # lost in between, so that the angle is unknown


def test_in_a_video_a_rejected_angle_is_checked_again():
    scene, turner = Scene(abs), make_upright(Video, True)
    assert scene.frame(turner, [0.0], 70) == ([[0], [70]], [0])
    assert scene.frame(turner, [0.1], 60) == ([[0], [60]], [0])


@pytest.mark.parametrize('options, message', [
    (dict(min_angle=-1), 'min_angle of 0 to 180 degrees expected, got -1'), (dict(rotations=()), 'at least one angle'),
    (dict(rotations=[np.nan]), 'at least one angle'), (dict(sure=np.nan), 'sure, a number'),
    (dict(margin=np.nan), 'margin, a number')])
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=f'upright: .*{message}'):
        UprightCrops(**options)
