"""The perspective camera against known cameras and scipy's solver, its focal length, and frames without a camera."""
import numpy as np
import pytest
from scipy.optimize import least_squares

from mmpose_integral.structures import _perspective_solver as solver
from mmpose_integral.structures import (
    estimate_focal_length,
    fit_perspective,
    fit_weak_perspective,
    middle_of_image,
    perspective,
    unproject,
)
from mmpose_integral.structures.bone_length import skeleton_length

FOCAL, CENTRE, NUM_JOINTS = 1145.0, np.array([500.0, 480.0]), 18


def make_frames(batch, seed=0, noise=0.0, wrong=0, focal=FOCAL, depth=(4000, 6000)):
    """Random bodies at known positions: joints in mm and px, position in mm, px without errors, wrong joints."""
    rng = np.random.default_rng(seed)
    keypoints_3d = rng.normal(0, (250, 500, 250), (*batch, NUM_JOINTS, 3))
    keypoints_3d -= keypoints_3d[..., :1, :]
    position = rng.uniform((-1400, -300, depth[0]), (1400, 300, depth[1]), (*batch, 3))
    points = keypoints_3d + position[..., None, :]
    clean = CENTRE + focal * points[..., :2] / points[..., 2:]
    gross = rng.permuted(np.arange(NUM_JOINTS) < wrong + np.zeros(clean.shape[:-1]), axis=-1)
    shift = rng.uniform(60, 300, clean.shape) * rng.choice([-1, 1], clean.shape)
    return keypoints_3d, clean + rng.normal(0, noise, clean.shape) + gross[..., None] * shift, position, clean, gross


def error(camera, keypoints_3d, keypoints_2d):
    return np.linalg.norm(camera.project(keypoints_3d)[..., :2] - keypoints_2d, axis=-1).mean()


@pytest.mark.parametrize('batch', [(), (7,), (3, 5), (0,)])
@pytest.mark.parametrize('robust', [False, True])
def test_exact_positions_of_any_batch_shape(batch, robust):
    keypoints_3d, keypoints_2d, position, *_ = make_frames(batch)
    camera = fit_perspective(keypoints_3d, keypoints_2d, principal_point=CENTRE, focal_length=FOCAL, robust=robust)
    assert camera.translation.shape == (*batch, 3) and camera.residual.shape == (*batch, NUM_JOINTS)
    assert camera.inlier.all() and camera.focal_length == FOCAL
    np.testing.assert_allclose(camera.translation, position, rtol=1e-6)
    projected = camera.project(keypoints_3d)
    np.testing.assert_allclose(projected[..., :2], keypoints_2d, atol=1e-3)
    np.testing.assert_allclose(projected[..., 2], FOCAL * keypoints_3d[..., 2] / position[..., 2:], atol=1e-4)


def test_plain_fit_equals_scipy():
    keypoints_3d, keypoints_2d, position, *_ = make_frames((5,), noise=8)
    weights = np.random.default_rng(1).uniform(0.1, 1, (5, NUM_JOINTS))
    weights[:, 3] = 0
    keypoints_2d[:, 3] = np.nan
    camera = fit_perspective(keypoints_3d, keypoints_2d, weights, principal_point=CENTRE, focal_length=FOCAL,
                             robust=False)
    used = np.arange(NUM_JOINTS) != 3
    for i in range(5):
        def residual(t, i=i):
            points = keypoints_3d[i, used] + t
            miss = CENTRE + FOCAL * points[:, :2] / points[:, 2:] - keypoints_2d[i, used]
            return (miss * np.sqrt(weights[i, used])[:, None]).ravel()
        expected = least_squares(residual, position[i], x_scale=[100, 100, 1000], xtol=1e-14, ftol=1e-14, gtol=1e-14)
        np.testing.assert_allclose(camera.translation[i], expected.x, rtol=1e-5)
    assert np.isnan(camera.residual[:, 3]).all() and not camera.inlier[:, 3].any()


@pytest.mark.parametrize('wrong', [3, 5])
def test_gross_errors_have_no_effect_and_are_named(wrong):
    keypoints_3d, keypoints_2d, position, clean, gross = make_frames((400,), noise=6, wrong=wrong)
    known = dict(principal_point=CENTRE, focal_length=FOCAL)
    camera = fit_perspective(keypoints_3d, keypoints_2d, **known)
    good = fit_perspective(keypoints_3d, keypoints_2d, np.where(gross, 0, 1), **known, robust=False)
    assert error(camera, keypoints_3d, clean) < 1.1 * error(good, keypoints_3d, clean) < 3
    assert error(camera, keypoints_3d, clean) < 0.3 * error(
        fit_perspective(keypoints_3d, keypoints_2d, **known, robust=False), keypoints_3d, clean)
    assert camera.inlier[gross].mean() < 0.05 and camera.inlier[~gross].mean() > 0.98
    assert error(camera, keypoints_3d, clean) < 0.3 * error(
        fit_weak_perspective(keypoints_3d, keypoints_2d), keypoints_3d, clean)  # its model does not fit


@pytest.mark.parametrize('seed', [1, 2, 3])
@pytest.mark.parametrize(('focal', 'wrong'), [(1145.0, 0), (1145.0, 3), (800.0, 2)])
def test_focal_length_of_400_frames_with_noise(focal, wrong, seed):
    depth = (3.5 * focal, 5.2 * focal)  # people of equal size in the image
    keypoints_3d, keypoints_2d, position, *_ = make_frames((400,), seed, noise=6, wrong=wrong, focal=focal, depth=depth)
    estimate = estimate_focal_length(keypoints_3d, keypoints_2d, principal_point=CENTRE)
    assert abs(estimate.value / focal - 1) < 0.03
    assert estimate.interval[0] < estimate.value < estimate.interval[1] < 1.2 * estimate.interval[0]
    camera = fit_perspective(keypoints_3d, keypoints_2d, principal_point=CENTRE)
    assert camera.focal_length == estimate.value and isinstance(camera.focal_length, float)
    assert np.median(np.abs(camera.translation[:, 2] / position[:, 2] - 1)) < 0.03


def test_a_random_choice_of_frames_without_degenerate_ones_is_used(monkeypatch):
    keypoints_3d, keypoints_2d, *_ = make_frames((60,), noise=2)
    weights = np.ones((60, NUM_JOINTS))
    keypoints_2d[1::2], weights[1::2, 2:] = 512.0, 0  # every second frame determines no camera
    used = []
    monkeypatch.setattr(perspective.solver, 'FocalProfile', lambda frames, weak: used.append((frames, weak)) or 1 / 0)
    for limit, seed in ((12, 0), (12, 1), (1000, 0)):
        with pytest.raises(ZeroDivisionError):
            estimate_focal_length(keypoints_3d, keypoints_2d, weights, principal_point=CENTRE, max_frames=limit,
                                  seed=seed)
    few, others, all_frames = (frames.points[:, 0, 0] for frames, _ in used)
    good = keypoints_2d[::2, 0, 0]
    assert 8 <= len(few) <= 12 and len(all_frames) == 30 and set(all_frames) == set(good)
    assert set(few) <= set(good) and set(few) != set(others) and list(few) != sorted(few)
    assert all(weak.known.all() and len(weak.scale) == len(frames.points) for frames, weak in used)


def make_profile(weights):
    """Six exact frames, one of which has a joint 200 px off, and the profile of their focal length."""
    keypoints_3d, keypoints_2d, position, *_ = make_frames((6,))
    keypoints_2d[2, 5] += 200
    frames = solver.Frames(keypoints_3d, keypoints_2d, weights, np.full(6, FOCAL), np.tile(CENTRE, (6, 1)))
    return frames, position, solver.FocalProfile(
        frames, fit_weak_perspective(keypoints_3d, keypoints_2d, weights, degenerate='mark'))


def test_costs_are_the_weights_of_joints_that_no_camera_explains():
    weights = np.linspace(0.5, 1, NUM_JOINTS)
    _, _, profile = make_profile(np.tile(weights, (6, 1)))
    profile.width = 5.0
    np.testing.assert_allclose(profile.costs(FOCAL), weights[5] * (np.arange(6) == 2), atol=0.01)
    assert (profile.costs(1.3 * FOCAL) > 0.05).all()


def test_size_of_a_body_is_its_rms_radius_in_the_image():
    weights = np.ones((6, NUM_JOINTS))
    weights[:, 3:9] = 0
    frames, position, _ = make_profile(weights)
    expected = [np.linalg.norm(pose[weights[0] > 0, :2].std(axis=0)) * FOCAL / depth
                for pose, depth in zip(frames.poses, position[:, 2], strict=True)]
    frames.poses[:, 4] = np.nan  # absent
    np.testing.assert_allclose(solver._body_size(frames, position), expected)


def test_minimum_of_a_curve_over_the_logarithm_of_the_focal_length():
    profile = object.__new__(solver.FocalProfile)
    profile.grid = 1000 * np.geomspace(1, 3, 13)
    distance = np.log(profile.grid / np.array([[1470.0], [500], [9000], [1700]]))
    found = profile._minima(7 * distance**2 * np.array([[1], [1], [1], [-1]]) + 3)
    # The true minimum, the ends of the grid, and the lowest inner point of a curve that has no minimum.
    np.testing.assert_allclose(found, [1470, 1000, 3000, profile.grid[-2]], rtol=1e-9)


def test_interval_covers_the_truth_as_often_as_it_says():
    covered = []
    for seed in range(20):
        low, high = estimate_focal_length(*make_frames((100,), seed, noise=6)[:2], principal_point=CENTRE).interval
        covered.append(low < FOCAL < high)
    assert sum(covered) >= 16  # 19 expected; fewer than 16 have a probability of 0.3 %


def test_a_focal_length_that_the_frames_do_not_determine_is_refused():
    keypoints_3d, *_ = make_frames((60,))
    flat = CENTRE + 0.2 * keypoints_3d[..., :2] + np.random.default_rng(0).normal(0, 6, (60, NUM_JOINTS, 2))
    with pytest.raises(ValueError, match=r'do not determine it \(95 % interval .*give focal_length='):
        fit_perspective(keypoints_3d, flat, principal_point=CENTRE)  # as from infinitely far away
    with pytest.raises(ValueError, match='9 of 9 frames determine a camera, at least 10'):
        estimate_focal_length(*make_frames((9,))[:2], principal_point=CENTRE)


def test_result_does_not_depend_on_the_chunks_and_cameras_can_be_picked(monkeypatch):
    keypoints_3d, keypoints_2d, *_ = make_frames((13,), noise=4, wrong=3)
    focal, centre = np.linspace(900, 1300, 13), np.linspace(450, 550, 26).reshape(13, 2)
    known = dict(principal_point=centre, focal_length=focal)
    whole = fit_perspective(keypoints_3d, keypoints_2d, **known)
    monkeypatch.setattr(perspective, 'CHUNK_FRAMES', 5)
    pieces = fit_perspective(keypoints_3d, keypoints_2d, **known)
    for one, two in zip(whole, pieces, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6)
    rows = np.array([3, 0, 11])
    picked = whole.frames(rows)
    np.testing.assert_array_equal(picked.project(keypoints_3d[rows]), whole.project(keypoints_3d)[rows])
    np.testing.assert_array_equal(picked.residual, whole.residual[rows])
    common = fit_perspective(keypoints_3d, keypoints_2d, principal_point=CENTRE, focal_length=FOCAL)
    assert common.frames(rows).focal_length == FOCAL and common.frames(rows).principal_point.tolist() == CENTRE.tolist()
    assert common.known.all() and common.frames(rows).known.shape == (3,)


def test_joints_at_or_behind_the_camera_have_no_place_in_the_image():
    camera = fit_perspective(*make_frames((2,))[:2], principal_point=CENTRE, focal_length=FOCAL)
    joints = np.zeros((2, 3, 3))
    joints[:, 1, 2], joints[:, 2, 2] = -camera.translation[:, 2], -camera.translation[:, 2] - 0.5
    projected = camera.project(joints)
    assert np.isfinite(projected[:, 0]).all() and np.isnan(projected[:, 1:, :2]).all()
    with pytest.raises(ValueError, match=r'keypoints_3d: shape \(..., K, 3\) expected, got \(3,\)'):
        camera.project(joints[0, 0])
    assert middle_of_image((1000, 801)).tolist() == [499.5, 400]


def test_unproject_inverts_project():
    keypoints_3d, _, position, *_ = make_frames((4, 3))
    camera = fit_perspective(*make_frames((4, 3))[:2], principal_point=CENTRE, focal_length=FOCAL)
    keypoints_mm, root_mm = unproject(camera.project(keypoints_3d), FOCAL, CENTRE, skeleton_length(keypoints_3d))
    np.testing.assert_allclose(keypoints_mm, keypoints_3d, atol=1e-3)
    np.testing.assert_allclose(root_mm, position, rtol=1e-6)
    half, near = unproject(camera.project(keypoints_3d), FOCAL, CENTRE, skeleton_length(keypoints_3d) / 2)
    np.testing.assert_allclose([half * 2, keypoints_mm][0], keypoints_mm)
    np.testing.assert_allclose(near * 2, root_mm)


def test_degenerate_frames_are_refused_or_marked():
    keypoints_3d, keypoints_2d, position, *_ = make_frames((4,))
    keypoints_2d[1] = 7.0  # all on one point
    keypoints_3d[2, 4, 2] = -9000  # behind the camera
    weights = np.ones((4, NUM_JOINTS))
    weights[3, 2:] = 0
    known = dict(principal_point=CENTRE, focal_length=FOCAL)
    with pytest.raises(ValueError, match='fit_perspective: 3 of 4 frames .*first at index 1: all 2D joints coincide.*'
                                         '1 x fewer than 3 joints.*1 x a joint would be at or behind the camera'):
        fit_perspective(keypoints_3d, keypoints_2d, weights, **known)
    camera = fit_perspective(keypoints_3d, keypoints_2d, weights, **known, degenerate='mark')
    assert not camera.inlier[1:].any()
    assert np.isnan(camera.translation[1:]).all() and np.isnan(camera.residual[1:]).all()
    np.testing.assert_allclose(camera.translation[0], position[0], rtol=1e-6)


@pytest.mark.parametrize(('change', 'message'), [
    (dict(focal_length=-1), 'focal_length: a positive'), (dict(degenerate='drop'), "'raise' or 'mark'"),
    (dict(weights=np.ones(5)), 'weights: shape')])
def test_bad_arguments_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        fit_perspective(*make_frames((2,))[:2], **dict(dict(principal_point=CENTRE, focal_length=FOCAL), **change))


@pytest.mark.parametrize('value', [-2000.0, np.nan])
def test_a_skeleton_behind_the_camera_cannot_be_unprojected(value):
    keypoints = np.random.default_rng(0).normal(500, 100, (2, NUM_JOINTS, 3))
    keypoints[..., 2] -= 500
    keypoints[1, 5, 2] = value
    with pytest.raises(ValueError, match='1 skeleton.*reach behind the camera, first at index 1; .*1145 px'):
        unproject(keypoints, FOCAL, CENTRE, 4500.0)
