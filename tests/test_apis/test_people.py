"""Millimetres, bone lengths and positions before the camera, against closed forms and the truth of rendered frames."""
import cv2
import numpy as np
import pytest
from mmengine.structures import InstanceData
from scipy.optimize import least_squares

from mmpose_integral.apis.intrinsics import find_intrinsics
from mmpose_integral.apis.people import add_cameras, lengths_of, merge_people, to_dicts, to_millimetres
from mmpose_integral.evaluation.functional import skeleton_length

META = dict(skeleton_length={'train+val': 4500})


def in_px(keypoints, **fields):
    return InstanceData(keypoints=keypoints, keypoint_scores=np.ones(keypoints.shape[:2]),
                        bboxes=np.arange(4. * len(keypoints)).reshape(-1, 4), bbox_scores=np.ones(len(keypoints)),
                        **fields)


def nobody():
    sample = merge_people([], 'grey.jpg', np.zeros((48, 64, 3), np.uint8))
    return to_millimetres(sample.pred_instances, np.zeros(0))


def make_people(count=5, seed=0):
    """Poses (N, 18, 3) mm relative to the root, and positions of the roots (N, 3) mm."""
    rng = np.random.default_rng(seed)
    mm = rng.normal(0, 300, (count, 18, 3))
    return mm - mm[:, :1], rng.uniform((-900, -500, 3000), (900, 500, 6000), (count, 3))


def test_weak_perspective_people_are_recovered_exactly():
    (mm, roots), focal, centre = make_people(), 1100.0, np.array([480.0, 300.0])
    scale = focal / roots[:, 2]  # px per mm at the root's depth
    px = mm * scale[:, None, None]
    px[..., :2] += (roots[:, :2] / roots[:, 2:] * focal + centre)[:, None]
    std = np.random.default_rng(1).uniform(1, 9, (5, 18, 3))
    people = to_millimetres(in_px(px, keypoint_std=std), skeleton_length(mm))
    np.testing.assert_allclose(people.keypoints, mm, atol=1e-6)
    np.testing.assert_allclose(people.keypoints_2d, px[..., :2])
    np.testing.assert_allclose(people.keypoint_std, std / scale[:, None, None])
    add_cameras(people, find_intrinsics((961, 601), focal_length=focal))
    persons = to_dicts(people)
    assert persons[3]['camera']['focal_length_source'] == 'argument'
    assert persons[3]['camera']['scale'] == pytest.approx(scale[3]) and persons[3]['bbox'] == [[12, 13, 14, 15]]
    for i in range(5):  # scipy places the root where the projection fits best
        def miss(root, i=i):
            points = mm[i] + root
            return (focal * points[:, :2] / points[:, 2:] + centre - px[i, :, :2]).ravel()
        best = least_squares(miss, roots[i], x_scale=[100, 100, 1000], xtol=1e-13, ftol=1e-13, gtol=1e-13).x
        np.testing.assert_allclose(persons[i]['camera']['root_position'], best, rtol=1e-4)


def test_perspective_people_are_recovered_exactly_with_any_lens():
    mm, roots = make_people()
    matrix, lens = np.array([[1100.0, 0, 470], [0, 1050, 310], [0, 0, 1]]), np.array([0.08, -0.12, 0.001, -0.002, 0.03])
    points, _ = cv2.projectPoints((mm + roots[:, None]).reshape(-1, 3), np.zeros(3), np.zeros(3), matrix, lens)
    px = np.concatenate([points.reshape(5, 18, 2), 1100 * mm[..., 2:] / roots[:, None, 2:]], axis=-1)
    intrinsics = find_intrinsics((960, 640), None, (1100, 1050), (470, 310), lens)
    people = to_millimetres(in_px(px), skeleton_length(mm), intrinsics)
    add_cameras(people, intrinsics)
    np.testing.assert_allclose(people.keypoints, mm, atol=0.5)  # OpenCV inverts the distortion in a few steps
    np.testing.assert_allclose(people.root_positions, roots, rtol=1e-3)
    np.testing.assert_allclose(people.px_per_mm, 1100 / roots[:, 2], rtol=1e-3)
    without = to_millimetres(in_px(px), skeleton_length(mm), find_intrinsics((960, 640), None, 1100, (470, 310)))
    assert np.abs(without.keypoints - mm).max() > 10


def test_true_joints_of_rendered_frames_give_the_true_position(truth):
    mm, depth, focal = truth['keypoints_mm'], truth['root_depth_mm'], float(truth['focal'][0])
    z = focal * mm[..., 2:] / depth[:, None, None]
    px, intrinsics = np.concatenate([truth['keypoints_2d'], z], axis=-1), find_intrinsics((256, 256), None, focal)
    errors = {}
    for perspective in (True, False):
        people = to_millimetres(in_px(px), skeleton_length(mm), intrinsics if perspective else None)
        add_cameras(people, intrinsics)
        errors[perspective] = np.abs(people.root_positions[:, 2] / depth - 1)
        projected = focal * (people.keypoints + people.root_positions[:, None])
        projected = projected[..., :2] / projected[..., 2:] * focal + intrinsics.principal_point
        miss = np.linalg.norm(projected - px[..., :2], axis=-1)
        assert miss.max() < 1e-6 if perspective else miss.mean() < 2
    assert errors[True].mean() < 0.003 and errors[False].mean() < 0.03


def test_lengths_by_person():
    np.testing.assert_allclose(lengths_of([4, 7, 9], META), 4500)
    np.testing.assert_allclose(lengths_of([4, 7, 9], META, 4000.5), 4000.5)
    np.testing.assert_allclose(lengths_of([4, 7, 9], META, {7: 4200}, {9: 1800}), [4500, 4200, 1800 * 2.62])
    np.testing.assert_allclose(lengths_of([0, 1], META, None, 1650), 1650 * 2.62)
    assert lengths_of([], META).shape == (0, )
    with pytest.raises(ValueError, match='person 7 has both bone_length 4200 and body_height 1700'):
        lengths_of([4, 7], META, {7: 4200}, 1700)
    with pytest.raises(ValueError, match='500 to 2500, got 172'):
        lengths_of([0], META, None, {0: 172})
    for wrong in ('4500', [4500], True, {0: 'x'}, {'a': 4500}, {True: 4500}):
        with pytest.raises(TypeError, match='bone_length.*mm, or a dict|bone_length: a dict from the person'):
            lengths_of([0], META, wrong)
    for wrong in (0, -3, 4.5, np.nan, np.inf, {0: 0}):
        with pytest.raises(ValueError, match='bone_length.*mm expected, 500 to 20000'):
            lengths_of([0], META, wrong)


def test_an_image_without_people_gives_an_empty_list():
    people = nobody()
    add_cameras(people, find_intrinsics((64, 48), None, 100))
    assert people.keypoints.shape == (0, 18, 3) and people.root_positions.shape == (0, 3) and to_dicts(people) == []
