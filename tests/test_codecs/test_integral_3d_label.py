import numpy as np
import pytest
from mmpose.registry import KEYPOINT_CODECS

from mmpose_integral.codecs import Integral3DLabel

WIDTH, HEIGHT = 48, 64


@pytest.fixture
def codec():
    return KEYPOINT_CODECS.build(dict(type='Integral3DLabel', input_size=(WIDTH, HEIGHT)))


def test_encode_is_the_stated_formula(codec):
    keypoints = np.array([[[12.0, 16.0, 0.0], [48.0, -32.0, 24.0]]], dtype=np.float32)
    encoded = codec.encode(keypoints)
    np.testing.assert_allclose(encoded['keypoint_labels'], [[[0.25, 0.25, 0.5], [1.0, -0.5, 1.0]]])
    np.testing.assert_array_equal(encoded['keypoint_weights'], np.ones((1, 2, 3)))
    decoded = codec.decode(encoded['keypoint_labels'], np.full((1, 2, 3), 0.1, np.float32))
    without_std = codec.decode(encoded['keypoint_labels'])
    assert {values.dtype for values in (*encoded.values(), *decoded, *without_std)} == {np.dtype(np.float32)}
    assert codec.encode(keypoints.astype(np.float64))['keypoint_labels'].dtype == np.float32


def test_depth_range_replaces_the_width(codec):
    deep = Integral3DLabel((WIDTH, HEIGHT), depth_range=HEIGHT)
    keypoints = np.array([[[12.0, 16.0, 24.0], [48.0, -32.0, -32.0]]], dtype=np.float32)
    labels = deep.encode(keypoints)['keypoint_labels']
    np.testing.assert_array_equal(labels[..., :2], codec.encode(keypoints)['keypoint_labels'][..., :2])
    np.testing.assert_allclose(labels[..., 2], [[24 / 64 + 0.5, 0.0]])  # -H/2 is the first cell
    np.testing.assert_allclose(deep.decode(labels)[0], keypoints, atol=1e-5)
    np.testing.assert_allclose(deep.decode_std(np.ones((1, 1, 3)), labels[:, :1])[0, 0], [WIDTH, HEIGHT, HEIGHT])


def test_round_trip_also_outside_the_crop(codec):
    keypoints = np.random.default_rng(0).normal(20, 60, (1, 18, 3)).astype(np.float32)
    decoded, scores = codec.decode(codec.encode(keypoints)['keypoint_labels'])
    np.testing.assert_allclose(decoded, keypoints, atol=1e-4)
    np.testing.assert_array_equal(scores, np.ones((1, 18)))


@pytest.mark.parametrize('per_coordinate', [False, True])
def test_weights_follow_visibility(codec, per_coordinate):
    visible = np.array([[1, 0, 2]], dtype=np.float32)
    expected = np.repeat([[[1.], [0.], [1.]]], 3, axis=2)
    if per_coordinate:
        visible = np.repeat(visible[..., None], 3, axis=2)
        visible[..., 2] = expected[..., 2] = 0
    weights = codec.encode(np.zeros((1, 3, 3), np.float32), visible)['keypoint_weights']
    np.testing.assert_array_equal(weights, expected)


def test_score_of_spike_and_of_flat_volume(codec):
    std = np.stack([np.zeros((1, 2, 3)), np.full((1, 2, 3), 0.2887)]).reshape(2, 2, 3)
    keypoints, scores = codec.decode(np.full((2, 2, 3), 0.5), std)
    np.testing.assert_allclose(scores, [[1, 1], [np.exp(-4)] * 2], rtol=1e-3)
    np.testing.assert_allclose(keypoints[0, 0], [WIDTH / 2, HEIGHT / 2, 0])
    px = codec.decode_std(std, np.full((2, 2, 3), 0.5))
    np.testing.assert_allclose(px[1, 0], 0.2887 * np.array([WIDTH, HEIGHT, WIDTH]))


def test_bad_shapes_are_named(codec):
    with pytest.raises(ValueError, match='KeypointConverter3D'):
        codec.encode(np.zeros((1, 3, 2)))
    with pytest.raises(ValueError, match=r'keypoints: shape \(1, K, 3\) expected, got \(4, 3\)'):
        codec.encode(np.zeros((4, 3)))
    with pytest.raises(ValueError, match='keypoints_visible'):
        codec.encode(np.zeros((1, 3, 3)), np.ones((1, 4)))
    with pytest.raises(ValueError, match='depth_range: a positive number'):
        Integral3DLabel((WIDTH, HEIGHT), depth_range=0)
    for size in ((0, 4), (4, ), (4, 4, 4)):
        with pytest.raises(ValueError, match='input_size: two positive numbers'):
            Integral3DLabel(size)


def test_2d_codec_encodes_and_decodes_two_coordinates():
    codec = KEYPOINT_CODECS.build(dict(type='Integral2DLabel', input_size=(64, 96)))
    keypoints = np.random.default_rng(0).uniform(0, 64, (1, 5, 2)).astype(np.float32)
    encoded = codec.encode(keypoints, np.array([[1, 1, 0, 1, 1]]))
    assert encoded['keypoint_weights'].sum(1).tolist() == [[4, 4, 0]]
    decoded, scores = codec.decode(encoded['keypoint_labels'], np.full((1, 5, 3), [0.2, 0.1, 9.0]))
    np.testing.assert_allclose(decoded, keypoints, atol=1e-4)
    np.testing.assert_allclose(scores, np.exp(-4 * (0.15**2) * 12), rtol=1e-5)
    for shape in ((1, 5, 3), (5, 2)):
        with pytest.raises(ValueError, match=r'keypoints: shape \(1, K, 2\) expected'):
            codec.encode(np.zeros(shape))
