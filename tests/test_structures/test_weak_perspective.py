"""The camera fit against known cameras and scipy's solvers, and frames that determine no camera."""
import numpy as np
import pytest
from scipy.optimize import least_squares

from mmpose_integral.structures import _weak_perspective_solver as solver
from mmpose_integral.structures import fit_weak_perspective, weak_perspective

NUM_JOINTS = 18
with_and_without_rotation = pytest.mark.parametrize('rotation', [False, True])
plain_and_robust = pytest.mark.parametrize('robust', [False, True])


def make_frames(batch, seed=0, rotation=True, noise=0.0, num_joints=NUM_JOINTS):
    """Random bodies (mm) seen by known weak-perspective cameras: keypoints_3d, keypoints_2d, scale, angle, t."""
    rng = np.random.default_rng(seed)
    keypoints_3d = rng.normal(0, (250, 500, 250), (*batch, num_joints, 3))
    scale, t = rng.uniform(0.1, 0.4, batch), rng.uniform(100, 900, (*batch, 2))
    angle = rng.uniform(-np.pi, np.pi, batch) if rotation else np.zeros(batch)
    matrix = rotation_matrix(angle)
    keypoints_2d = scale[..., None, None] * np.einsum('...ij,...kj->...ki', matrix, keypoints_3d[..., :2])
    keypoints_2d += t[..., None, :] + rng.normal(0, noise, keypoints_2d.shape)
    return keypoints_3d, keypoints_2d, scale, angle, t


def rotation_matrix(angle):
    return np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], -1).reshape(*np.shape(angle), 2, 2)


def replace_joints(keypoints_2d, count, seed=0, low=60, high=300):
    """Displace ``count`` random joints per frame by ``low`` to ``high`` px; return the new array and (..., K) bool."""
    rng = np.random.default_rng(seed)
    wrong = rng.permuted(np.arange(keypoints_2d.shape[-2]) < count + np.zeros((*keypoints_2d.shape[:-1], )), axis=-1)
    length, angle = rng.uniform(low, high, wrong.shape), rng.uniform(-np.pi, np.pi, wrong.shape)
    shift = np.stack([length * np.cos(angle), length * np.sin(angle)], axis=-1)
    return keypoints_2d + shift * wrong[..., None], wrong


def scipy_camera(keypoints_3d, keypoints_2d, weights, rotation, **kwargs):
    """(a, b, tx, ty) of one frame by scipy; a robust ``loss`` there acts on whole joints, as ours does."""
    def residual(p):
        a, b = p[0], p[1] if rotation else 0.0
        matrix = np.array([[a, -b], [b, a]])
        error = (keypoints_3d[:, :2] @ matrix.T + p[-2:] - keypoints_2d) * np.sqrt(weights)[:, None]
        return error.ravel() if 'loss' not in kwargs else np.linalg.norm(error, axis=1)

    start = np.array([0.2, *([0.0] if rotation else []), *keypoints_2d.mean(axis=0)])
    p = least_squares(residual, start, x_scale=[0.1] * (len(start) - 2) + [100, 100], xtol=1e-14, ftol=1e-14,
                      gtol=1e-14, **kwargs).x
    return np.array([p[0], p[1] if rotation else 0.0, *p[-2:]])


def distance(camera, keypoints_3d, keypoints_2d):
    """Mean distance of the projected joints from 2D joints, px, per frame."""
    return np.linalg.norm(camera.project(keypoints_3d)[..., :2] - keypoints_2d, axis=-1).mean(axis=-1)


@pytest.mark.parametrize('batch', [(), (7,), (3, 5), (0,), (1, 1, 4)])
@plain_and_robust
@with_and_without_rotation
def test_recovers_exact_cameras_of_any_batch_shape(batch, robust, rotation):
    keypoints_3d, keypoints_2d, scale, angle, t = make_frames(batch, rotation=rotation)
    camera = fit_weak_perspective(keypoints_3d, keypoints_2d, rotation=rotation, robust=robust)
    assert camera.scale.shape == batch and camera.residual.shape == (*batch, NUM_JOINTS)
    np.testing.assert_allclose(camera.scale, scale, rtol=1e-9)
    np.testing.assert_allclose(camera.rotation, rotation_matrix(angle), atol=1e-9)
    np.testing.assert_allclose(camera.translation, t, rtol=1e-9)
    np.testing.assert_allclose(camera.residual, 0, atol=1e-6)
    assert camera.inlier.dtype == bool and camera.inlier.all()
    projected = camera.project(keypoints_3d)
    np.testing.assert_allclose(projected[..., :2], keypoints_2d, rtol=1e-9)
    np.testing.assert_allclose(projected[..., 2], scale[..., None] * keypoints_3d[..., 2], rtol=1e-9)


@with_and_without_rotation
def test_plain_fit_equals_scipy_least_squares(rotation):
    keypoints_3d, keypoints_2d, *_ = make_frames((6,), rotation=rotation, noise=8.0)
    weights = np.random.default_rng(1).uniform(0.1, 1, (6, NUM_JOINTS))
    weights[:, 3] = 0
    camera = fit_weak_perspective(keypoints_3d, keypoints_2d, weights, rotation=rotation, robust=False)
    for i in range(6):
        expected = scipy_camera(keypoints_3d[i], keypoints_2d[i], weights[i], rotation)
        found = [*(camera.scale[i] * camera.rotation[i][:, 0]), *camera.translation[i]]
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize('loss', ['soft_l1', 'cauchy'])
@with_and_without_rotation
def test_robust_fit_is_as_close_to_the_truth_as_scipy_robust_losses(rotation, loss):
    keypoints_3d, clean, *_ = make_frames((12,), rotation=False, noise=0.0)
    noisy, _ = replace_joints(clean + np.random.default_rng(2).normal(0, 3, clean.shape), 3)
    camera = fit_weak_perspective(keypoints_3d, noisy, rotation=rotation)
    ours, theirs = distance(camera, keypoints_3d, clean), []
    for i in range(12):
        a, b, *t = scipy_camera(keypoints_3d[i], noisy[i], np.ones(NUM_JOINTS), rotation, loss=loss, f_scale=4.0)
        fitted = keypoints_3d[i, :, :2] @ np.array([[a, -b], [b, a]]).T + t
        theirs.append(np.linalg.norm(fitted - clean[i], axis=-1).mean())
    assert ours.mean() <= np.mean(theirs) + 0.05
    assert (ours <= np.array(theirs) + 1.0).all()


@with_and_without_rotation
@pytest.mark.parametrize('count', [0, 2, 4, 5])
def test_robust_fit_ignores_gross_errors_and_names_them(rotation, count):
    keypoints_3d, clean, scale, *_ = make_frames((400,), rotation=rotation)
    noisy, wrong = replace_joints(clean + np.random.default_rng(3).normal(0, 2, clean.shape), count)
    robust = fit_weak_perspective(keypoints_3d, noisy, rotation=rotation)
    plain = fit_weak_perspective(keypoints_3d, noisy, rotation=rotation, robust=False)

    error = distance(robust, keypoints_3d, clean)
    assert np.quantile(error, 0.99) < 2.5  # noise of 2 px spread over 13 or more good joints
    assert np.quantile(np.abs(robust.scale / scale - 1), 0.99) < 0.02
    if count:
        assert distance(plain, keypoints_3d, clean).mean() > 5 * error.mean()
    assert not robust.inlier[wrong].any()
    assert robust.inlier[~wrong].mean() > 0.97
    np.testing.assert_allclose(robust.residual.mean(axis=-1), distance(robust, keypoints_3d, noisy))
    assert plain.inlier.all()


@plain_and_robust
def test_absent_joints_change_nothing(robust):
    keypoints_3d, keypoints_2d, *_ = make_frames((9,), noise=3.0)
    keep = np.array([0, 2, 3, 5, 6, 8, 10, 11, 13, 14, 16])
    weights = np.zeros((9, NUM_JOINTS), np.float32)
    weights[:, keep] = np.random.default_rng(5).uniform(0.2, 1, (9, len(keep)))
    keypoints_2d[:, 7], keypoints_2d[:, 9], keypoints_3d[:, 12] = np.nan, 1e6, np.inf
    camera = fit_weak_perspective(keypoints_3d, keypoints_2d, weights, robust=robust, rotation=True)
    subset = fit_weak_perspective(keypoints_3d[:, keep], keypoints_2d[:, keep], weights[:, keep], robust=robust,
                                  rotation=True)
    np.testing.assert_allclose(camera.translation, subset.translation, rtol=1e-5)
    np.testing.assert_allclose(camera.scale, subset.scale, rtol=1e-5)
    absent = np.setdiff1d(np.arange(NUM_JOINTS), keep)
    assert np.isnan(camera.residual[:, absent]).all() and not camera.inlier[:, absent].any()
    assert np.isfinite(camera.residual[:, keep]).all()


def test_weights_are_relative_and_broadcast():
    keypoints_3d, keypoints_2d, *_ = make_frames((4,), noise=5.0)
    weights = np.linspace(0.2, 1, NUM_JOINTS)
    camera = fit_weak_perspective(keypoints_3d, keypoints_2d, weights, rotation=True)
    factors = np.array([[1], [1e-60], [1], [1e-60]])  # of each frame
    tiny = fit_weak_perspective(keypoints_3d, keypoints_2d, weights * factors, rotation=True)
    np.testing.assert_allclose(camera.scale, tiny.scale, rtol=1e-5)


def test_width_of_the_kernel_is_that_of_rousseeuw_and_leroy():
    squared = np.random.default_rng(0).exponential(size=(NUM_JOINTS, NUM_JOINTS - 2)).astype(np.float32)
    used = np.arange(NUM_JOINTS)[:, None] < np.arange(3, NUM_JOINTS + 1)  # 3 to 18 joints
    found = solver.squared_width(squared, used)
    for frame, count in enumerate(range(3, NUM_JOINTS + 1)):
        median = np.sort(squared[:count, frame])[(count + 2 + 1) // 2 - 1]  # two joints determine a camera
        deviation = (1 + 5 / (count - 2)) * np.sqrt(median / (2 * np.log(2)))
        assert found[frame] == pytest.approx((4.685 * deviation)**2, rel=1e-4)


def test_three_joints_are_enough_and_never_outliers():
    keypoints_3d, keypoints_2d, *_ = make_frames((200,), noise=10.0, num_joints=3)
    camera = fit_weak_perspective(keypoints_3d, keypoints_2d, rotation=True)
    assert camera.inlier.all() and np.isfinite(camera.scale).all()


def set_entries(array, index, value):
    array[index] = value


# Name, reason in the message, and the change of keypoints_3d, keypoints_2d and weights that leaves no camera.
DEGENERATE = {
    'few': ('fewer than 3', lambda p3, p2, w: set_entries(w, slice(2, None), 0)),
    'nothing': ('fewer than 3', lambda p3, p2, w: set_entries(w, ..., 0)),
    'line_3d': ('3D joints.*one line', lambda p3, p2, w: set_entries(p3, np.s_[:, 1], 2 * p3[:, 0])),
    'line_2d': ('2D joints lie on one line', lambda p3, p2, w: set_entries(p2, np.s_[:, 1], 3 * p2[:, 0] + 400)),
    'point_3d': ('3D joints.*one point', lambda p3, p2, w: set_entries(p3, np.s_[:, :2], 12.3)),
    'point_2d': ('coincide', lambda p3, p2, w: set_entries(p2, ..., 512.1)),
    'infinite': ('not finite', lambda p3, p2, w: set_entries(p2, (4, 1), np.inf)),
    'nan_depth': ('not finite', lambda p3, p2, w: set_entries(p3, (4, 2), np.nan)),
    'negative_weight': ('negative', lambda p3, p2, w: set_entries(w, 4, -1)),
    'nan_weight': ('not finite', lambda p3, p2, w: set_entries(w, 4, np.nan)),
    'mirrored': ('not positive', lambda p3, p2, w: set_entries(p2, ..., 1000 - p2))}


def degenerate_frame(kind):
    keypoints_3d, keypoints_2d, *_ = make_frames((), rotation=False)
    weights = np.ones(NUM_JOINTS)
    DEGENERATE[kind][1](keypoints_3d, keypoints_2d, weights)
    return keypoints_3d, keypoints_2d, weights


@plain_and_robust
@pytest.mark.parametrize('kind', DEGENERATE)
def test_degenerate_frames_raise_or_are_marked(kind, robust):
    arrays = [*make_frames((2, 3), rotation=False)[:2], np.ones((2, 3, NUM_JOINTS))]
    for values, bad in zip(arrays, degenerate_frame(kind), strict=True):
        values[1, 1] = bad
    with pytest.raises(ValueError, match=rf'1 of 6 frames .*index \(1, 1\): .*{DEGENERATE[kind][0]}'):
        fit_weak_perspective(*arrays, robust=robust)
    camera = fit_weak_perspective(*arrays, robust=robust, degenerate='mark')
    expected = np.zeros((2, 3), bool)
    expected[1, 1] = True
    for values in camera[:4]:
        np.testing.assert_array_equal(np.isnan(values).reshape(2, 3, -1).all(axis=-1), expected)
        np.testing.assert_array_equal(np.isnan(values).reshape(2, 3, -1).any(axis=-1), expected)
    np.testing.assert_array_equal(~camera.inlier.any(axis=-1), expected)
    assert np.isnan(camera.project(arrays[0])[1, 1]).all()


def test_errors_of_a_single_frame_and_of_a_flat_batch():
    with pytest.raises(ValueError, match='1 of 1 frames determine no camera: fewer'):
        fit_weak_perspective(*degenerate_frame('few'))
    keypoints_3d, keypoints_2d, weights = (np.stack([value] * 5) for value in degenerate_frame('infinite'))
    with pytest.raises(ValueError, match='5 of 5 frames .* first at index 0: '):
        fit_weak_perspective(keypoints_3d, keypoints_2d, weights)


def test_joints_turned_by_180_degrees_need_a_camera_that_rotates():
    camera = fit_weak_perspective(*degenerate_frame('mirrored'), rotation=True)
    np.testing.assert_allclose(camera.rotation, -np.eye(2), atol=1e-9)


@plain_and_robust
def test_result_does_not_depend_on_the_chunks(monkeypatch, robust):
    keypoints_3d, keypoints_2d, *_ = make_frames((4, 13), noise=3.0)
    keypoints_2d, _ = replace_joints(keypoints_2d, 3)
    whole, again = (fit_weak_perspective(keypoints_3d, keypoints_2d, robust=robust, rotation=True) for _ in range(2))
    monkeypatch.setattr(weak_perspective, 'CHUNK_FRAMES', 5)
    pieces = fit_weak_perspective(keypoints_3d, keypoints_2d, robust=robust, rotation=True)
    for one, two, three in zip(whole, again, pieces, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_allclose(one, three, rtol=1e-5, atol=1e-5)


def test_arguments_are_not_changed_and_determine_the_float_type():
    wide = make_frames((3,), noise=3.0)[:2]
    narrow = [values.astype(np.float32) for values in wide]
    copies = [values.copy() for values in narrow]
    camera, exact = fit_weak_perspective(*narrow, rotation=True), fit_weak_perspective(*wide, rotation=True)
    assert all(np.array_equal(value, copy) for value, copy in zip(narrow, copies, strict=True))
    assert {values.dtype for values in (*camera[:4], camera.project(narrow[0]))} == {np.dtype(np.float32)}
    assert {values.dtype for values in exact[:4]} == {np.dtype(np.float64)}
    np.testing.assert_allclose(camera.scale, exact.scale, rtol=1e-5)
    integers = [values.astype(int) for values in wide]
    assert fit_weak_perspective(*integers, degenerate='mark').scale.dtype == np.float64


@pytest.mark.parametrize('shapes, match', [
    (((4, 18, 2), (4, 18, 2), None), 'keypoints_3d'), (((18, 3), (17, 2), None), 'keypoints_2d'),
    (((4, 18, 3), (18, 2), None), 'keypoints_2d'), (((4, 18, 3), (4, 18, 2), (4, 17)), 'weights')])
def test_wrong_shapes_are_refused(shapes, match):
    arrays = [None if shape is None else np.ones(shape) for shape in shapes]
    with pytest.raises(ValueError, match=f'{match}: shape'):
        fit_weak_perspective(*arrays)


def test_unknown_mode_and_bad_projection_are_refused():
    keypoints_3d, keypoints_2d, *_ = make_frames(())
    with pytest.raises(ValueError, match="degenerate: 'raise' or 'mark'"):
        fit_weak_perspective(keypoints_3d, keypoints_2d, degenerate='ignore')
    with pytest.raises(ValueError, match='keypoints_3d: shape'):
        fit_weak_perspective(keypoints_3d, keypoints_2d, rotation=True).project(keypoints_2d)
