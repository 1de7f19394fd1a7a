"""Camera fits find the camera that projected the joints, and do not depend on the choice of units, origin and order."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from poses import BODY, NUM_JOINTS, array, bodies, masks, numbers, orders

from mmpose_integral.structures import estimate_focal_length, fit_perspective, fit_weak_perspective, unproject
from mmpose_integral.structures.bone_length import skeleton_length

FOCAL, CENTRE = 1145.0, np.array([500.0, 480.0])
positions = st.tuples(numbers(-1400, 1400), numbers(-300, 300), numbers(4000, 6000)).map(np.array)
junk = st.sampled_from([np.nan, np.inf, -1e30, 0.0])


def project(pose, position, focal=FOCAL, centre=CENTRE):
    """Joints in px as a pinhole camera sees them, with the textbook formula."""
    points = pose + position
    return centre + focal * points[:, :2] / points[:, 2:]


@given(bodies, numbers(0.0625, 2), array(2, 2000), numbers(-3, 3), masks, junk, st.booleans(), st.booleans())
def test_the_weak_fit_recovers_a_camera(pose, scale, shift, angle, weights, value, turned, robust):
    angle *= turned
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = scale * pose[:, :2] @ matrix.T + shift
    points[weights == 0] = value  # joints of weight 0 may be anywhere
    camera = fit_weak_perspective(pose, points, weights, rotation=turned, robust=robust)
    assert camera.scale == pytest.approx(scale, rel=1e-6)
    np.testing.assert_allclose(camera.translation, shift, atol=1e-4)
    np.testing.assert_allclose(camera.rotation, matrix, atol=1e-6)
    np.testing.assert_array_equal(camera.inlier, weights > 0)


@given(bodies, positions, masks, junk, st.booleans())
def test_the_perspective_fit_recovers_a_position(pose, position, weights, value, robust):
    points = project(pose, position)
    points[weights == 0] = value
    camera = fit_perspective(pose, points, weights, principal_point=CENTRE, focal_length=FOCAL, robust=robust)
    np.testing.assert_allclose(camera.translation, position, rtol=1e-5, atol=1e-2)
    np.testing.assert_array_equal(camera.inlier, weights > 0)
    length = skeleton_length(pose)
    found, root = unproject(camera.project(pose), FOCAL, CENTRE, length)
    np.testing.assert_allclose(found, pose, atol=0.1)
    np.testing.assert_allclose(root, position, atol=0.5)


@given(bodies, array((NUM_JOINTS, 2), 8), numbers(0.25, 4), array(2, 1000), orders, st.booleans())
def test_the_weak_fit_follows_the_image(pose, noise, factor, shift, order, robust):
    points = 0.2 * pose[:, :2] + noise
    plain = fit_weak_perspective(pose, points, robust=robust)
    moved = fit_weak_perspective(pose[order], factor * points[order] + shift, robust=robust)
    assert moved.scale == pytest.approx(factor * plain.scale, rel=1e-5)
    np.testing.assert_allclose(moved.translation, factor * plain.translation + shift, rtol=1e-6, atol=1e-3)
    np.testing.assert_allclose(moved.residual, factor * plain.residual[order], rtol=1e-5, atol=1e-3)
    np.testing.assert_array_equal(moved.inlier, plain.inlier[order])
    larger = fit_weak_perspective(factor * pose, points, robust=robust)
    assert larger.scale == pytest.approx(plain.scale / factor, rel=1e-5)


@given(bodies, positions, array((NUM_JOINTS, 2), 8), numbers(0.25, 4), array(2, 1000), orders, st.booleans())
def test_the_perspective_fit_follows_the_image(pose, position, noise, factor, shift, order, robust):
    points = project(pose, position) + noise
    plain = fit_perspective(pose, points, principal_point=CENTRE, focal_length=FOCAL, robust=robust)
    moved = fit_perspective(pose[order], factor * points[order] + shift, principal_point=factor * CENTRE + shift,
                            focal_length=factor * FOCAL, robust=robust)
    np.testing.assert_allclose(moved.translation, plain.translation, rtol=1e-5, atol=1e-2)
    np.testing.assert_allclose(moved.residual, factor * plain.residual[order], rtol=1e-4, atol=1e-3)


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), numbers(700, 2000))
def test_the_focal_length_is_found(seed, focal):
    rng = np.random.default_rng(seed)
    poses = BODY + rng.normal(0, 50, (12, *BODY.shape))
    poses -= poses[:, :1]
    places = rng.uniform((-1400, -300, 4000), (1400, 300, 6000), (12, 3))
    points = np.stack([project(pose, place, focal) for pose, place in zip(poses, places, strict=True)])
    found = estimate_focal_length(poses, points, principal_point=CENTRE)
    assert found.value == pytest.approx(focal, rel=1e-3)
    assert found.interval[0] <= found.value * 1.001 and found.interval[1] >= found.value * 0.999
