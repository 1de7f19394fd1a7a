"""The codec of volumes whose depth is in mm: its scale, and what the decoders make of it."""
import numpy as np
import pytest
from mmpose.registry import KEYPOINT_CODECS
from scipy.optimize import brentq

from mmpose_integral.codecs import MetricDepthLabel
from mmpose_integral.evaluation.functional import mpjpe, px_to_mm, skeleton_length
from mmpose_integral.structures.skeleton import PARENTS, add_thorax
from mmpose_integral.synthetic.body import random_person
from mmpose_integral.synthetic.kinematics import pose_figure
from mmpose_integral.synthetic.poses import random_pose

SIZE, LENGTH = 256, 4502.881


@pytest.fixture
def codec():
    return KEYPOINT_CODECS.build(dict(type='MetricDepthLabel', input_size=(SIZE, SIZE), depth_range_mm=2000))


@pytest.fixture(scope='module')
def people():
    """Poses (200, 18, 3) of people of ``LENGTH``, mm, camera axes, root at the origin."""
    rng = np.random.default_rng(0)
    joints = np.stack([pose_figure(random_person(rng), random_pose(rng), rng.uniform(0, 360)).joints
                       for _ in range(200)])[..., [0, 2, 1]] * [1, -1, 1]  # z up -> y down
    joints = add_thorax(joints - joints[:, :1])
    return joints * (LENGTH / skeleton_length(joints))[:, None, None]


def scale_of(xy, z, length=LENGTH):
    """The scale, mm per px, by a loop over the bones and bisection."""
    def too_long(scale):
        return sum(np.linalg.norm([*(xy[k] - xy[p]) * scale, z[k] - z[p]]) for k, p in enumerate(PARENTS)) - length

    return brentq(too_long, 1e-6, 1e6, xtol=1e-12)


def test_depth_in_mm_becomes_px_at_the_scale_of_an_average_person(codec, people):
    poses = people[:5] * [1, 1, 0.8]
    poses[4, 8] = poses[4, 17]  # a bone of length zero
    encoded = (poses * [0.1, 0.1, 1] + [128, 128, 0]) / [SIZE, SIZE, 2000] + [0, 0, 0.5]
    decoded, scores = codec.decode(encoded.astype(np.float32))
    std = codec.decode_std(np.ones((5, 18, 3), np.float32), encoded)
    for pose, one, deviation in zip(poses, decoded, std, strict=True):
        scale = scale_of(pose[:, :2] * 0.1, pose[:, 2])
        np.testing.assert_allclose(one, pose * [0.1, 0.1, 1 / scale] + [128, 128, 0], atol=1e-3)
        np.testing.assert_allclose(deviation, np.broadcast_to([SIZE, SIZE, 2000 / scale], (18, 3)), rtol=1e-5)
    assert decoded.dtype == np.float32 and scores.shape == (5, 18)
    depths = px_to_mm(decoded, LENGTH).keypoints[..., 2]
    np.testing.assert_allclose(depths, poses[..., 2], atol=0.01)  # those of the volume
    np.testing.assert_allclose(px_to_mm(decoded, LENGTH * 0.8).keypoints[..., 2], depths * 0.8, atol=0.01)


def test_round_trip(codec, people):
    keypoints = (people[:20] * np.random.default_rng(1).uniform(0.05, 0.2, (20, 1, 1)) + [100, 120, 0])
    for one in keypoints.astype(np.float32)[:, None]:
        labels = codec.encode(one)['keypoint_labels']
        mm = one[..., 2] * LENGTH / skeleton_length(one)
        np.testing.assert_allclose((labels[..., 2] - 0.5) * 2000, mm, atol=0.01)
        np.testing.assert_allclose(codec.decode(labels)[0], one, atol=1e-3)


@pytest.mark.filterwarnings('error')
def test_poses_without_a_scale_stay_finite(codec):
    point = np.full((1, 18, 3), 0.5, np.float32)  # a flat volume
    np.testing.assert_array_equal(codec.decode(point)[0], np.full((1, 18, 3), [128, 128, 0]))
    deep = np.tile(np.linspace(0.1, 0.9, 18, dtype=np.float32)[None, :, None], 3)
    deep[..., 2] = 0.5 + 0.45 * (-1.0)**np.arange(18)  # many bones of 1800 mm along z
    decoded = codec.decode(deep)[0]
    np.testing.assert_allclose(np.abs(decoded[0, :, 2]), 0.75 * SIZE, rtol=1e-5)
    narrow = MetricDepthLabel((192, SIZE)).decode(deep)[0]
    np.testing.assert_allclose(np.abs(narrow[0, :, 2]), 0.75 * 192, rtol=1e-5)
    labels = codec.encode(np.zeros((1, 18, 3), np.float32), np.zeros((1, 18)))  # a sample without joints
    assert labels['keypoint_weights'].sum() == 0


@pytest.mark.parametrize('name', ['depth_range_mm', 'bone_length'])
def test_arguments_are_checked(name):
    with pytest.raises(ValueError, match=f'{name}: a positive number of mm'):
        MetricDepthLabel((SIZE, SIZE), **{name: 0})


def test_true_projections_are_decoded_within_a_few_millimetres(codec, people):
    """The authors multiply the rays by the true depth of the root plus z, without any error; see docs/3dmppe.md."""
    rng, focal, middle = np.random.default_rng(2), 1145.0, 499.5
    root = np.stack([*rng.uniform(-1000, 1000, (2, 200)), rng.uniform(3500, 6000, 200)], -1)
    points = people + root[:, None]
    image = points[..., :2] / points[..., 2:] * focal + middle
    theirs = np.concatenate([(image - middle) / focal * points[..., 2:], points[..., 2:]], -1)
    np.testing.assert_allclose(theirs - theirs[:, :1], people, atol=1e-6)
    low, high = image.min(1), image.max(1)
    side = (high - low).max(-1)[:, None, None] * 1.25
    crop = (image - (low + high)[:, None] / 2) / side * SIZE + SIZE / 2
    decoded, _ = codec.decode(np.concatenate([crop / SIZE, people[..., 2:] / 2000 + 0.5], -1))
    px = np.concatenate([image, decoded[..., 2:] * side / SIZE], -1)
    errors = {f'f x {factor}': mpjpe(px_to_mm(px, LENGTH, np.array([factor * focal, middle, middle])).keypoints,
                                     people).mean() for factor in (0.8, 1, 1.2)}
    errors['weak perspective'] = mpjpe(px_to_mm(px, LENGTH).keypoints, people).mean()
    depth = focal * px_to_mm(px, LENGTH, np.array([focal, middle, middle])).mm_per_px / root[:, 2] - 1
    print({name: f'{error:.1f} mm' for name, error in errors.items()},
          f'depth of the root: median {np.median(np.abs(depth)):.1%}, largest {np.abs(depth).max():.1%}')
    assert errors['f x 1'] < 3 and max(errors['f x 0.8'], errors['f x 1.2']) < 9 < 15 < errors['weak perspective']
    assert np.median(np.abs(depth)) < 0.005 and np.abs(depth).max() < 0.1
