"""What a crop cache has to hold, and its part of a sample's way."""
import numpy as np
import pytest
import torch
from mmpose.datasets.transforms import RandomBBoxTransform
from mmpose.registry import TRANSFORMS
from mmpose.structures.bbox import get_warp_matrix

from mmpose_integral.datasets.transforms.affine import shown_part
from mmpose_integral.preparation.person_crops import (
    Augmentation,
    clip_boxes,
    image_key,
    largest_augmentation,
    reachable_boxes,
)

INPUT_SIZE = (48, 64)


def test_reach_holds_every_crop_and_little_more():
    rng = np.random.default_rng(3)
    limits = Augmentation(1.25, 30.0, 0.02)
    center, size = np.array([[400.0, 500.0]]), np.array([[180.0, 410.0]])
    x0, y0, x1, y1 = reachable_boxes(center, size, INPUT_SIZE, limits)[0]
    seen = []
    for _ in range(3000):
        scale, angle, *shift = rng.choice([-1, 1], 4) * rng.uniform(0.7, 1, 4) ** 0.1 * [0.25, 30, 0.02, 0.02]
        box = np.array([410 * 0.75, 410.0]) * (1 + scale)
        matrix = get_warp_matrix(center[0] + shift * size[0], box, angle, INPUT_SIZE)
        seen.append(shown_part(matrix, INPUT_SIZE, (2000, 2000))[0])
    seen = np.array(seen)
    low, high = seen[:, :2].min(0), seen[:, 2:].max(0)
    assert (low >= [x0, y0]).all() and (high <= [x1, y1]).all()
    assert (low - [x0, y0]).max() < 25 and ([x1, y1] - high).max() < 25


def test_limits_come_from_the_pipeline():
    steps = [dict(type='RandomBBoxTransform3D', shift_factor=0.1, scale_factor=(0.5, 1.4), rotate_factor=20),
             dict(type='RandomFlip3D')]
    assert largest_augmentation(steps) == (1.4, 20, 0.1)
    assert largest_augmentation([dict(type='RandomBBoxReleased')]) == (1.25, 60, 0)
    assert largest_augmentation([]) == (1, 0, 0)


def test_boxes_on_the_grid_inside_the_image():
    boxes = np.array([[-20, 30, 70, 95], [-20, 30, 70, 95], [500, 500, 600, 600]])
    np.testing.assert_array_equal(clip_boxes(boxes, (200, 100)), [[0, 16, 70, 95]])  # the same twice, one outside
    crowd = np.array([[0, 0, 150, 90], [30, 10, 190, 99]])
    np.testing.assert_array_equal(clip_boxes(crowd, (200, 100)), [[0, 0, 200, 100]])
    assert len(clip_boxes(boxes[2:], (200, 100))) == 0


def test_names_of_images():
    assert image_key('data/h80k/Train/IMG/00001.jpg', 'data/h80k/') == 'Train/IMG/00001.jpg'
    with pytest.raises(ValueError, match='data_root'):
        image_key('elsewhere/a.jpg', 'data/h80k/')


def test_box_transform_draws_what_mmpose_draws():
    options = dict(shift_factor=0.02, shift_prob=1.0, scale_factor=(0.75, 1.25), rotate_factor=30, rotate_prob=0.6)
    theirs, ours = RandomBBoxTransform(**options), TRANSFORMS.build(dict(type='RandomBBoxTransform3D', **options))
    for seed in range(20):
        results = []
        for transform in (theirs, ours):
            np.random.seed(seed)
            sample = dict(bbox_center=np.float32([[50, 60]]), bbox_scale=np.float32([[30, 40]]))
            results.append(transform(sample))
        for key in ('bbox_center', 'bbox_scale', 'bbox_rotation'):
            np.testing.assert_allclose(results[0][key], results[1][key], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('gain', [None, 0.2])
def test_packed_planes_are_the_images(gain):
    image = np.random.default_rng(4).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    results, expected = dict(img=image.copy()), image
    if gain:
        np.random.seed(3)
        results = TRANSFORMS.build(dict(type='RandomChannelGain', gain=gain))(results)
        np.random.seed(3)
        gains = np.random.uniform(1 - gain, 1 + gain, size=3)
        expected = np.clip(np.floor(image * gains + 0.5), 0, 255)
        np.testing.assert_array_equal(results['img'], expected)
    inputs = TRANSFORMS.build(dict(type='PackPose3DInputs'))(results)['inputs']
    assert inputs.dtype == torch.uint8 and inputs.is_contiguous()
    np.testing.assert_array_equal(inputs.numpy(), expected.transpose(2, 0, 1))
