"""Millimetres, bone lengths and places before the camera, against closed forms and the truth of rendered frames."""
import numpy as np
import pytest
from mmengine.structures import InstanceData

from mmpose_integral.apis.people import add_cameras, lengths_of, nobody, to_dicts, to_millimetres
from mmpose_integral.evaluation.functional import skeleton_length
from mmpose_integral.synthetic import make_standin

META = dict(skeleton_length={'train+val': 4500})


def in_px(keypoints, std=None):
    people = InstanceData(keypoints=keypoints, keypoint_scores=np.ones(keypoints.shape[:2]),
                          bboxes=np.arange(4. * len(keypoints)).reshape(-1, 4), bbox_scores=np.ones(len(keypoints)))
    if std is not None:
        people.keypoint_std = std
    return people


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
    people = to_millimetres(in_px(px, std), skeleton_length(mm))
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


def test_true_joints_of_rendered_frames_give_the_true_depth(tmp_path):
    make_standin(tmp_path, num_train=0, num_val=30, num_test=0, num_mpii=0, num_coco=0, image_size=64, seed=5,
                 num_workers=1, progress=False)
    with np.load(tmp_path / 'truth' / 'h80k_val.npz') as truth:
        flat, mm, depth, focal = (truth[name] for name in ('keypoints_2d', 'keypoints_mm', 'root_depth_mm', 'focal'))
    scale = focal / depth
    px = np.concatenate([flat, (mm * scale[:, None, None])[..., 2:]], axis=-1)
    people = to_millimetres(in_px(px), skeleton_length(mm))
    add_cameras(people, (64, 64), focal[0])
    error = np.abs(people.root_positions[:, 2] / depth - 1)
    assert np.median(error) < 0.02 and error.max() < 0.1  # what weak perspective leaves out, 3 to 6 m away


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
        with pytest.raises(TypeError, match='bone_length'):
            lengths_of([0], META, wrong)
    for wrong in (0, -3, 4.5, np.nan, np.inf, {0: 0}):
        with pytest.raises(ValueError, match='bone_length.*mm expected, 500 to 20000'):
            lengths_of([0], META, wrong)


def test_nobody_goes_all_the_way():
    people = to_millimetres(nobody(with_std=True), np.zeros(0))
    add_cameras(people, (64, 48), 100)
    assert people.keypoints.shape == (0, 18, 3) and people.root_positions.shape == (0, 3) and to_dicts(people) == []


@pytest.mark.parametrize('focal', [0, -5, np.nan, (1, 2, 3), (100, -1)])
def test_focal_lengths_that_cannot_be(focal):
    with pytest.raises(ValueError, match='focal_length'):
        add_cameras(to_millimetres(nobody(False), np.zeros(0)), (64, 48), focal)
