"""Codecs and crop: the way there and back returns the joints, and one factor scales x, y and z."""
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmpose.structures.bbox import get_warp_matrix
from poses import array, bodies, numbers

from mmpose_integral.codecs import Integral3DLabel, MetricDepthLabel
from mmpose_integral.datasets.transforms import TopdownAffine3D

sizes = st.tuples(st.integers(16, 512), st.integers(16, 512))


@given(sizes, array((1, 18, 3), 2000), st.none() | numbers(32, 1000), array((1, 18), 1))
def test_the_codec_returns_what_it_encodes(size, keypoints, depth_range, visible):
    codec = Integral3DLabel(size, depth_range)
    encoded = codec.encode(keypoints.astype(np.float32), visible)
    decoded, scores = codec.decode(encoded['keypoint_labels'])
    np.testing.assert_allclose(decoded, keypoints, atol=2e-3)
    np.testing.assert_array_equal(encoded['keypoint_weights'], np.repeat((visible > 0)[..., None], 3, axis=2))
    assert scores.min() == scores.max() == 1


@given(sizes, bodies, numbers(0.015625, 0.125), array(2, 100))
def test_the_codec_of_metric_depth_returns_what_it_encodes(size, pose, scale, shift):
    keypoints = scale * pose[None]
    keypoints[..., :2] += shift
    codec = MetricDepthLabel(size)
    codec.largest_depth_px = 1e6  # the limit is for wrong predictions
    decoded, _ = codec.decode(codec.encode(keypoints)['keypoint_labels'])
    np.testing.assert_allclose(decoded, keypoints, atol=1e-2)


@given(sizes, array((1, 2), 1000), st.tuples(numbers(8, 2000), numbers(8, 2000)), numbers(-180, 180),
       array((1, 18, 3), 2000))
def test_the_crop_scales_all_axes_by_one_factor(size, centre, box, degrees, keypoints):
    points = np.concatenate([np.append(centre, [[0]], axis=1), keypoints[0]])
    results = TopdownAffine3D(size).transform(dict(
        img=np.zeros((8, 8, 3), np.uint8), bbox_center=centre.astype(np.float32), bbox_scale=np.float32([box]),
        bbox_rotation=np.float32([degrees]), keypoints=points[None].astype(np.float32)))
    width, height = size
    factor = width / results['input_scale'][0]
    atol = 0.02 * max(1, factor)  # of float32, far outside the image
    assert np.all(results['input_scale'] >= np.float32(box) * (1 - 1e-6))
    assert results['input_scale'][0] / results['input_scale'][1] == pytest.approx(width / height, rel=1e-4)
    found = results['transformed_keypoints'][0].astype(np.float64)
    np.testing.assert_allclose(found[0], [width / 2, height / 2, 0], atol=atol)  # the centre of the box
    distances = [np.linalg.norm(joints[:, None] - joints[None], axis=-1) for joints in (points, found)]
    np.testing.assert_allclose(distances[1], factor * distances[0], rtol=1e-3, atol=atol)
    np.testing.assert_allclose(found[:, 2], factor * points[:, 2], rtol=1e-4, atol=atol)
    inverse = get_warp_matrix(results['input_center'], results['input_scale'], results['input_rotation'],
                              output_size=size, inv=True)
    back = cv2.transform(found[None, :, :2], inverse)[0]
    np.testing.assert_allclose(back, points[:, :2], atol=atol / factor + 0.05)
