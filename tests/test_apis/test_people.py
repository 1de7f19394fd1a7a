"""Millimetres, bone lengths and positions before the camera, against closed forms and the truth of rendered frames."""
import numpy as np
import pytest
from mmengine.structures import InstanceData

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


def test_weak_perspective_people_are_recovered_exactly():
    rng = np.random.default_rng(0)
    mm = rng.normal(0, 300, (5, 18, 3))
    mm -= mm[:, :1]
    roots = np.stack([rng.uniform(-900, 900, 5), rng.uniform(-500, 500, 5), rng.uniform(2000, 6000, 5)], axis=1)
    (fx, fy), centre = (1100.0, 1100.0), np.array([480.0, 300.0])
    scale = fx / roots[:, 2]  # px per mm at the root's depth
    px = mm * scale[:, None, None]
    px[..., :2] += (roots[:, :2] / roots[:, 2:] * (fx, fy) + centre)[:, None]
    std = rng.uniform(1, 9, (5, 18, 3))
    people = to_millimetres(in_px(px, keypoint_std=std), skeleton_length(mm))
    np.testing.assert_allclose(people.keypoints, mm, atol=1e-6)
    np.testing.assert_allclose(people.keypoints_2d, px[..., :2])
    np.testing.assert_allclose(people.keypoint_std, std / scale[:, None, None])
    add_cameras(people, (961, 601), (fx, fy))
    np.testing.assert_allclose(people.root_positions, roots, rtol=1e-9)  # the default point is the image's middle
    add_cameras(people, (640, 480), fx, centre)
    np.testing.assert_allclose(people.root_positions, roots, rtol=1e-9)
    persons = to_dicts(people)
    assert persons[3]['camera']['root_position'] == pytest.approx(roots[3].tolist())
    assert persons[3]['camera']['scale'] == pytest.approx(scale[3]) and persons[3]['bbox'] == [[12, 13, 14, 15]]


def test_true_joints_of_rendered_frames_give_the_true_depth(truth):
    mm, depth, scale = truth['keypoints_mm'], truth['root_depth_mm'], truth['focal'] / truth['root_depth_mm']
    px = np.concatenate([truth['keypoints_2d'], (mm * scale[:, None, None])[..., 2:]], axis=-1)
    people = to_millimetres(in_px(px), skeleton_length(mm))
    add_cameras(people, (256, 256), truth['focal'][0])
    error = np.abs(people.root_positions[:, 2] / depth - 1)
    assert np.median(error) < 0.02 and error.max() < 0.1  # the error of weak perspective 3 to 6 m away


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
    add_cameras(people, (64, 48), 100)
    assert people.keypoints.shape == (0, 18, 3) and people.root_positions.shape == (0, 3) and to_dicts(people) == []


def test_impossible_cameras_are_refused():
    for focal in (0, -5, np.nan, (1, 2, 3), (100, -1)):
        with pytest.raises(ValueError, match='focal_length: a positive number of px'):
            add_cameras(nobody(), (64, 48), focal)
    for point in (3, (1, np.nan)):
        with pytest.raises(ValueError, match=r'principal_point: \(cx, cy\) px expected'):
            add_cameras(nobody(), (64, 48), 100, point)
