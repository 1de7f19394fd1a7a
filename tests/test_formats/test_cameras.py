"""The file of cameras: written cameras are read for the wanted frames, and faults are named."""
import numpy as np
import pytest
from indexes import make_index

from mmpose_integral.formats.cameras import load_cameras, save_cameras
from mmpose_integral.structures import fit_perspective, fit_weak_perspective


@pytest.fixture
def saved(tmp_path):
    """Cameras of frames 3, 7, 8 and 11, the last of which has none."""
    rng = np.random.default_rng(0)
    points = rng.normal(0, 300, (4, 18, 3))
    weights = np.ones((4, 18))
    weights[3] = 0
    camera = fit_weak_perspective(points, 50 + 0.2 * points[..., :2], weights, rotation=True, degenerate='mark')
    path = tmp_path / 'cameras.npz'
    save_cameras(path, make_index([3, 7, 8, 11]), camera)
    return path, camera


def test_cameras_are_read_in_the_wanted_order(saved):
    path, camera = saved
    loaded = load_cameras(path, make_index([11, 3, 8]))
    for field, before in zip(loaded, camera, strict=True):
        np.testing.assert_array_equal(field, before[[3, 0, 2]])
    assert np.isnan(loaded.scale[0]) and loaded.scale[1] == pytest.approx(0.2)


def test_perspective_cameras_are_read_with_their_focal_length(tmp_path):
    rng = np.random.default_rng(1)
    poses, centre = rng.normal(0, 300, (3, 18, 3)), rng.uniform(400, 600, (3, 2))
    points = poses + [100.0, 50, 4000]
    camera = fit_perspective(poses, centre[:, None] + 900 * points[..., :2] / points[..., 2:], principal_point=centre,
                             focal_length=900)
    save_cameras(tmp_path / 'cameras.npz', make_index([2, 5, 6]), camera)
    loaded = load_cameras(tmp_path / 'cameras.npz', make_index([6, 2]))
    assert loaded.focal_length == 900 and loaded.known.tolist() == [True, True]
    np.testing.assert_array_equal(loaded.principal_point, centre[[2, 0]])
    np.testing.assert_array_equal(loaded.project(poses[[2, 0]]), camera.project(poses)[[2, 0]])
    np.testing.assert_array_equal(loaded.frames(slice(1, 2)).translation, camera.translation[:1])
    arrays = dict(np.load(tmp_path / 'cameras.npz'))
    del arrays['focal_length']
    np.savez(tmp_path / 'changed.npz', **arrays)
    with pytest.raises(ValueError, match='no focal_length; make it with'):
        load_cameras(tmp_path / 'changed.npz', make_index([6]))


def test_faults_are_named(saved, tmp_path):
    path, _ = saved
    with pytest.raises(ValueError, match='cameras.npz has no entry for 1 of 2 frames, first 4'):
        load_cameras(path, make_index([3, 4]))
    with pytest.raises(FileNotFoundError, match='prepare cameras'):
        load_cameras(tmp_path / 'absent.npz', make_index([3]))
    with pytest.raises(ValueError, match='cameras.npz is of Val, and the index is of Train; give the two of one split'):
        load_cameras(path, make_index([3, 7], 'Train'))
    arrays = dict(np.load(path))
    for changes, message in [
            (dict(model=np.array('fisheye')), "model 'fisheye', one of .'weak', 'perspective'. expected"),
            (dict(scale=np.ones(3)), r'scale of shape \(4,\) expected, got \(3,\)'),
            (dict(translation=np.ones((4, 3))), r'translation of shape \(4, 2\) expected, got \(4, 3\)')]:
        np.savez(tmp_path / 'changed.npz', **{**arrays, **changes})
        with pytest.raises(ValueError, match=message):
            load_cameras(tmp_path / 'changed.npz', make_index([3]))


def test_cameras_are_of_the_same_images_and_poses(saved, tmp_path):
    _, camera = saved
    images, poses = np.arange(8).reshape(4, 2), np.arange(8, 16).reshape(4, 2)
    index = make_index([3, 7, 8, 11], img_states=images, pose_states=poses)
    save_cameras(tmp_path / 'a.npz', index, camera)
    np.testing.assert_array_equal(load_cameras(tmp_path / 'a.npz', index).scale, camera.scale)
    for name, field in (('images', 'img_states'), ('poses', 'pose_states')):
        with pytest.raises(ValueError, match=f'a.npz was made from other {name} .* make it with .* prepare cameras'):
            load_cameras(tmp_path / 'a.npz', index._replace(**{field: getattr(index, field) + 1}))
