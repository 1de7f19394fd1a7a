"""Frames like photographs: truth and picture belong together, and people, views and scenes differ."""
import numpy as np
import pytest

from mmpose_integral.synthetic.photo_frame import render_photo

SIZE = 96


@pytest.fixture(scope='module')
def frames():
    return [render_photo(4, 'train', index, SIZE) for index in range(40)]


def test_the_truth_is_seen_in_the_picture(frames):
    for image, truth, box in frames:
        ray = np.append((truth.keypoints_2d[0] - (SIZE - 1) / 2) / truth.focal, 1.0)
        points = truth.keypoints_mm + ray * truth.root_depth_mm
        pixels = truth.focal * points[:, :2] / points[:, 2:] + (SIZE - 1) / 2
        np.testing.assert_allclose(pixels, truth.keypoints_2d, atol=1e-6)
        assert image.shape == (SIZE, SIZE, 3) and points[:, 2].min() >= 500
        x1, y1, x2, y2 = box
        assert -0.5 <= x1 < x2 <= SIZE - 0.5 and -0.5 <= y1 < y2 <= SIZE - 0.5
        inside = ((pixels > box[:2] - 2) & (pixels < box[2:] + 2)).all(1)
        assert inside.mean() > 0.2  # the others are behind the border of the image or other people


def test_views_differ(frames):
    trunks = np.array([truth.keypoints_mm[8] for _, truth, _ in frames])
    lean = np.degrees(np.arctan2(np.hypot(trunks[:, 0], trunks[:, 2]), -trunks[:, 1]))  # from the image's vertical
    distances = np.array([truth.root_depth_mm for _, truth, _ in frames])
    assert np.std(lean) > 15 and distances.min() < 2500 and distances.max() > 3500
    cut = [((truth.keypoints_2d < 0) | (truth.keypoints_2d > SIZE)).any() for _, truth, _ in frames]
    assert 0.05 < np.mean(cut) < 0.8


def test_the_number_of_a_frame_determines_it(frames):
    again, other = render_photo(4, 'train', 7, SIZE), render_photo(4, 'val', 7, SIZE)
    np.testing.assert_array_equal(again[0], frames[7][0])
    np.testing.assert_array_equal(again[1].keypoints_mm, frames[7][1].keypoints_mm)
    assert (other[1].keypoints_mm != frames[7][1].keypoints_mm).any()
