import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mmpose_integral.synthetic.camera import Camera
from mmpose_integral.synthetic.shapes import FAR, ShapeList, Shapes, cast, image_bounds

_CAMERA = Camera(np.eye(3), np.zeros(3), 120.0, np.array([30.0, 24.0]), (64, 48))
_RAYS = np.stack([*np.meshgrid((np.arange(64) - 30) / 120, (np.arange(48) - 24) / 120), np.ones((48, 64))], axis=-1)


def _brute_depth(start, end, radius, end_radius, mapping):
    """Depth of the first of 4000 spheres that slide along a capsule, float64; FAR where a ray misses all of them."""
    share = np.linspace(0, 1, 4000)[:, None]
    centers = (start + share * (end - start)) @ mapping.T
    radii = radius + share[:, 0] * (end_radius - radius)
    rays = _RAYS @ mapping.T
    depth = np.full(rays.shape[:-1], FAR)
    for index in np.ndindex(depth.shape):
        ray = rays[index]
        a, b, c = ray @ ray, centers @ ray, (centers ** 2).sum(1) - radii ** 2
        square = b * b - a * c
        if (square > 0).any():
            depth[index] = ((b[square > 0] - np.sqrt(square[square > 0])) / a).min()
    return depth


@pytest.mark.parametrize('start, end, radius, end_radius, flat', [
    ((-300, -100, 2000), (250, 180, 2300), 150.0, 60.0, 1.0),
    ((-200, 150, 1800), (200, -150, 2200), 90.0, 90.0, 0.5),
    ((30, 10, 1500), (60, 30, 2600), 60.0, 260.0, 1.0),  # points at the lens, with the thick end behind
    ((0, 0, 2000), (20, 0, 2010), 200.0, 40.0, 1.0)])  # one end contains the other
def test_cast_capsule_agrees_with_sliding_spheres(start, end, radius, end_radius, flat):
    start, end = np.array(start, float), np.array(end, float)
    axis = Rotation.from_rotvec([0.3, 0.5, -0.2]).apply([1.0, 0, 0])
    shapes = ShapeList()
    shapes.capsule(start, end, radius, end_radius, (1, 2, 3), axis, flat)
    depth, number, _, _ = cast(shapes.build(), _CAMERA, (0, 0, 64, 48), 1)
    # The flattened capsule is a round one between the mapped centres.
    mapping = np.eye(3) + (1 / flat - 1) * np.outer(axis, axis)
    expected = _brute_depth(start, end, radius, end_radius, mapping)
    hit = expected < FAR
    assert hit.sum() > 30
    assert ((number == 0) != hit).mean() < 0.004  # in float32, a grazing ray may hit or miss
    both = hit & (number == 0)
    np.testing.assert_allclose(depth[both], expected[both], atol=25)
    assert np.median(np.abs(depth[both] - expected[both])) < 1


def test_cast_ellipsoid_and_box_agree_with_dense_sampling():
    turn = Rotation.from_rotvec([0.4, -0.3, 0.8]).as_matrix()
    shapes = ShapeList()
    shapes.ellipsoid(np.array([-200.0, 0, 2000]), turn, (150, 90, 60), (1, 1, 1))
    shapes.box(np.array([250.0, 50, 2100]), turn, (120, 70, 160), (1, 1, 1))
    depth, number, _, _ = cast(shapes.build(), _CAMERA, (0, 0, 64, 48), 1)
    steps = np.arange(1700.0, 2500.0, 1.0)
    points = _RAYS[..., None, :] * steps[:, None]
    ball = ((((points - [-200, 0, 2000]) @ turn) / (150, 90, 60)) ** 2).sum(-1) < 1
    block = (np.abs((points - [250, 50, 2100]) @ turn) < (120, 70, 160)).all(-1)
    for inside, which in ((ball, 0), (block, 1)):
        hit = inside.any(-1)
        assert ((number == which) != hit).mean() < 0.004
        both = hit & (number == which)
        np.testing.assert_allclose(depth[both], steps[inside[both].argmax(-1)], atol=3)


def test_nearer_shape_is_seen_and_bounds_contain_all_hits():
    shapes = ShapeList()
    shapes.ellipsoid(np.array([0.0, 0, 2000]), np.eye(3), (200, 200, 200), (1, 1, 1))
    shapes.capsule(np.array([-400.0, 0, 1500]), np.array([400.0, 0, 1500]), 40, 40, (1, 1, 1))
    built = shapes.build()
    oversample = 3
    _, number, _, _ = cast(built, _CAMERA, (4, 2, 60, 46), oversample)
    assert number[(24 - 2) * oversample + 1, (30 - 4) * oversample + 1] == 1
    for k, (x1, y1, x2, y2) in enumerate(image_bounds(built, _CAMERA)):
        rows, columns = np.nonzero(number == k)
        x, y = 4 - 0.5 + (columns + 0.5) / oversample, 2 - 0.5 + (rows + 0.5) / oversample
        assert x.min() >= x1 and x.max() <= x2 and y.min() >= y1 and y.max() <= y2
    sphere = image_bounds(Shapes(*(array[:1] for array in built)), _CAMERA)[0]
    half = 120 * 200 / np.sqrt(2000 ** 2 - 200 ** 2)  # a sphere on the optical axis: f r / sqrt(d^2 - r^2)
    np.testing.assert_allclose(sphere, [30 - half, 24 - half, 30 + half, 24 + half], atol=1e-9)
