import numpy as np
import pytest

from mmpose_integral.synthetic.studio import studio_background
from mmpose_integral.synthetic.studio_frame import render_frame, stage_frame


@pytest.fixture(scope='module')
def truths():
    return [stage_frame(0, 'train', index, 256)[0].truth for index in range(240)]


def test_true_2d_is_the_projection_of_mm_and_root_depth():
    for index in range(20):
        stage, _ = stage_frame(1, 'val', index, 200)
        truth, camera = stage.truth, stage.camera
        ray = np.append((truth.keypoints_2d[0] - camera.center) / camera.focal, 1.0)
        points = truth.keypoints_mm + ray * truth.root_depth_mm
        pixels = truth.focal * points[:, :2] / points[:, 2:] + camera.center
        np.testing.assert_allclose(pixels, truth.keypoints_2d, atol=1e-6)
        assert (truth.keypoints_mm[0] == 0).all()
        assert truth.focal == pytest.approx(1.145 * 200)


def test_people_face_every_way(truths):
    points = np.array([truth.keypoints_mm for truth in truths])
    front = np.cross(points[:, 4] - points[:, 1], points[:, 8] - points[:, 0])
    angles = np.arctan2(front[:, 0], -front[:, 2])
    counts = np.histogram(angles, bins=8, range=(-np.pi, np.pi))[0]
    assert counts.min() > 0.4 * len(truths) / 8


def test_left_is_left(truths):
    """A person who faces the camera has the left hip and shoulder at the image's right, one seen from behind not."""
    for truth in truths:
        points = truth.keypoints_mm
        if abs(points[9, 2] - points[8, 2]) < 70 or truth.pose in ('bend', 'turn', 'crouch', 'sit on floor'):
            continue
        front, across = np.sign(points[8, 2] - points[9, 2]), points[11, 0] - points[14, 0]
        if abs(across) > 150:
            assert front * across > 0, truth.pose


def test_person_is_inside_the_frame_and_small(truths):
    pixels = np.array([truth.keypoints_2d for truth in truths])
    assert pixels.min() > 0 and pixels.max() < 255
    height = np.ptp(pixels[..., 1], axis=1) / 256
    assert 0.3 < height.mean() < 0.5
    assert pixels[:, 0, 0].std() > 20                          # off-centre, so that a box matters
    depth = np.array([truth.root_depth_mm for truth in truths])
    assert 4000 < depth.mean() < 6000 and depth.min() > 3000


def same_exposure(background, image):
    """The background at the picture's exposure: the median ratio of the two, since most pixels are room."""
    gain = np.median(image / np.maximum(background, 1.0))
    return background * gain


def test_pixels_at_visible_joints_are_not_background():
    changed = []
    for index in range(12):
        image, truth, box = render_frame(0, 'train', index, 160)
        stage, _ = stage_frame(0, 'train', index, 160)
        empty = same_exposure(studio_background(stage.camera, stage.camera_index, 160), image)
        cells = np.round(truth.keypoints_2d).astype(int)
        difference = np.abs(image - empty).sum(2)
        changed.append(difference[cells[:, 1], cells[:, 0]] > 40)
        assert (truth.keypoints_2d > box[:2]).all() and (truth.keypoints_2d < box[2:]).all()
        assert np.median(difference) < 30                      # most of the picture is the room, as it was
    assert np.mean(changed) > 0.85


@pytest.mark.parametrize('split', ['train', 'val', 'test'])
def test_backs_are_dark_and_fronts_are_not(split):
    """Mean brightness of the trunk, between shoulders and hips, of people seen from the front or from behind."""
    front, back = [], []
    down, across = (grid[..., None] for grid in np.meshgrid([0.3, 0.5, 0.7], [0.25, 0.5, 0.75], indexing='ij'))
    for index in range(90):
        truth = stage_frame(0, split, index, 160)[0].truth
        points, pixels = truth.keypoints_mm, truth.keypoints_2d
        ahead = np.cross(points[4] - points[1], points[8] - points[0])
        if abs(ahead[2]) < 0.8 * np.linalg.norm(ahead):
            continue
        left, right = (pixels[shoulder] * (1 - down) + pixels[hip] * down for shoulder, hip in ((11, 4), (14, 1)))
        x, y = np.moveaxis(np.round(left * (1 - across) + right * across).astype(int), -1, 0)
        (front if ahead[2] < 0 else back).append(render_frame(0, split, index, 160)[0][y, x].mean())
    assert len(front) > 5 and len(back) > 5
    assert np.median(front) > 1.8 * np.median(back), (front, back)


def test_frame_depends_on_seed_split_and_index_alone():
    first, again = render_frame(3, 'val', 5, 96), render_frame(3, 'val', 5, 96)
    np.testing.assert_array_equal(first[0], again[0])
    for other in (render_frame(4, 'val', 5, 96), render_frame(3, 'test', 5, 96), render_frame(3, 'val', 6, 96)):
        assert np.abs(first[1].keypoints_mm - other[1].keypoints_mm).max() > 1


def test_scene_is_the_same_at_every_size():
    small, large = (stage_frame(0, 'test', 2, size)[0].truth for size in (128, 512))
    np.testing.assert_allclose(small.keypoints_mm, large.keypoints_mm)
    np.testing.assert_allclose((small.keypoints_2d + 0.5) / 128, (large.keypoints_2d + 0.5) / 512, atol=1e-3)
