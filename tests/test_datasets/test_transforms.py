import cv2
import numpy as np
import pytest
import torch
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.datasets.transforms import GetBBoxCenterScale, RandomFlip, TopdownAffine
from mmpose.registry import TRANSFORMS

from mmpose_integral.codecs import Integral3DLabel
from mmpose_integral.structures import fit_weak_perspective
from mmpose_integral.structures.skeleton import JOINT_NAMES, flip_indices

INPUT_SIZE = (48, 64)
IMAGE_SIZE = (200, 150)  # w, h


def make_sample(rng, rotation=0.0):
    """A sample before the crop, with a picture that is smooth so that warps can be compared."""
    width, height = IMAGE_SIZE
    image = cv2.GaussianBlur(rng.integers(0, 255, (height, width, 3), dtype=np.uint8), (0, 0), 5)
    return dict(
        img=image, img_shape=(height, width), flip_indices=flip_indices(),
        bbox=np.array([[60, 20, 120, 130]], np.float32), bbox_center=np.array([[90, 75]], np.float32),
        bbox_scale=np.array([[70, 120]], np.float32), bbox_rotation=np.array([rotation], np.float32),
        keypoints=np.float32(np.concatenate([rng.uniform(20, 140, (1, 18, 2)), rng.normal(0, 30, (1, 18, 1))], -1)),
        keypoints_visible=rng.integers(0, 2, (1, 18, 3)).astype(np.float32),
        keypoints_mm=rng.normal(0, 300, (1, 18, 3)).astype(np.float32))


def apply(name, results, **options):
    return TRANSFORMS.build(dict(type=name, **options))(results)


def crop(results):
    return apply('TopdownAffine3D', results, input_size=INPUT_SIZE)


def flip(results):
    return apply('RandomFlip3D', results, prob=1.0)


@pytest.mark.parametrize('rotation', [0, 25, -77])
def test_crop_agrees_with_mmpose_and_scales_depth_by_box_width(rotation):
    ours = crop(make_sample(np.random.default_rng(1), rotation))
    theirs = TopdownAffine(input_size=INPUT_SIZE)(make_sample(np.random.default_rng(1), rotation))
    np.testing.assert_array_equal(ours['img'], theirs['img'])
    np.testing.assert_allclose(ours['transformed_keypoints'][..., :2], theirs['transformed_keypoints'][..., :2],
                               atol=1e-3)
    # 70x120 at aspect 48:64 becomes 90x120
    np.testing.assert_allclose(ours['input_scale'], [90, 120])
    np.testing.assert_allclose(ours['transformed_keypoints'][..., 2], ours['keypoints'][..., 2] * 48 / 90, atol=1e-4)


def test_pixels_are_moved_as_labels_are():
    sample = make_sample(np.random.default_rng(3), 20)
    sample['img'] = np.zeros_like(sample['img'])
    cv2.circle(sample['img'], (100, 60), 4, (255, 255, 255), -1)
    sample['keypoints'][0, 5] = [100, 60, 7]
    result = flip(crop(sample))
    mass = result['img'][..., 0].astype(float)
    ys, xs = np.mgrid[:INPUT_SIZE[1], :INPUT_SIZE[0]]
    centroid = [(mass * xs).sum() / mass.sum(), (mass * ys).sum() / mass.sum()]
    np.testing.assert_allclose(centroid, result['transformed_keypoints'][0, 2, :2], atol=0.15)  # 5 mirrored is 2


@pytest.mark.parametrize('rotation', [0.0, 30.0])
def test_flip_equals_mmposes_flip_of_an_image_of_the_crops_size(rotation):
    cropped = crop(make_sample(np.random.default_rng(4), rotation))
    ours = flip(dict(cropped))
    theirs = RandomFlip(prob=1.0)(dict(
        img=cropped['img'].copy(), img_shape=INPUT_SIZE[::-1], flip_indices=flip_indices(),
        keypoints=cropped['transformed_keypoints'][..., :2].copy(),
        keypoints_visible=cropped['keypoints_visible'][..., 0].copy()))
    np.testing.assert_array_equal(ours['img'], theirs['img'])
    np.testing.assert_allclose(ours['transformed_keypoints'][..., :2], theirs['keypoints'], atol=1e-4)
    np.testing.assert_array_equal(ours['keypoints_visible'][..., 0], theirs['keypoints_visible'])
    z = cropped['transformed_keypoints'][..., 2]
    np.testing.assert_array_equal(ours['transformed_keypoints'][..., 2], z[:, flip_indices()])


def test_flip_twice_is_identity_and_does_not_change_its_input():
    before, untouched = crop(make_sample(np.random.default_rng(5))), crop(make_sample(np.random.default_rng(5)))
    once = flip(dict(before))
    twice = flip(dict(once))
    assert not np.allclose(once['transformed_keypoints'], before['transformed_keypoints'])
    left, right = JOINT_NAMES.index('left_wrist'), JOINT_NAMES.index('right_wrist')
    np.testing.assert_allclose(once['keypoints_mm'][0, left], before['keypoints_mm'][0, right] * [-1, 1, 1])
    for key in ('img', 'transformed_keypoints', 'keypoints', 'keypoints_visible', 'keypoints_mm', 'bbox'):
        np.testing.assert_allclose(twice[key], before[key], atol=1e-4)
        np.testing.assert_array_equal(before[key], untouched[key])
    with pytest.raises(KeyError, match='must follow TopdownAffine3D'):
        flip(make_sample(np.random.default_rng(5)))


def test_whole_chain_of_frames_and_back():
    """mm -> image px -> input px -> normalised and back to mm, through camera, crop (rotated) and codec."""
    rng = np.random.default_rng(7)
    sample = make_sample(rng, 15)
    camera = fit_weak_perspective(sample['keypoints_mm'], 80 + 0.1 * sample['keypoints_mm'][..., :2], robust=False)
    sample['keypoints'] = camera.project(sample['keypoints_mm']).astype(np.float32)
    result = crop(sample)
    codec = Integral3DLabel(INPUT_SIZE)
    back, _ = codec.decode(codec.encode(result['transformed_keypoints'])['keypoint_labels'])
    angle = np.deg2rad(15)  # the crop turned the picture by the box's rotation
    px_per_input_px = result['input_scale'][0] / INPUT_SIZE[0]
    turned = (back[0] - [24, 32, 0]) * px_per_input_px
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    image = turned @ turn.T + [*result['input_center'], 0]
    np.testing.assert_allclose(image, sample['keypoints'][0], atol=2e-2)
    mm = (image - image[0]) / 0.1
    np.testing.assert_allclose(mm, sample['keypoints_mm'][0] - sample['keypoints_mm'][0, 0], atol=0.5)


def test_camera_of_the_sample_is_preferred_to_a_fit():
    rng = np.random.default_rng(8)
    mm = rng.normal(0, 300, (1, 18, 3))
    points = 100 + 0.2 * mm[..., :2] + rng.normal(0, 1, (1, 18, 2))
    sample = dict(keypoints_mm=mm, keypoints_2d=points, keypoints_2d_score=np.ones((1, 18)))
    fitted = apply('FitWeakPerspective', dict(sample))
    np.testing.assert_allclose(fitted['keypoints'][0, :, :2], 100 + 0.2 * mm[0, :, :2], atol=3)
    np.testing.assert_allclose(fitted['keypoints'][0, :, 2], 0.2 * mm[0, :, 2], rtol=0.05, atol=0.5)
    camera = fitted['camera']._replace(scale=np.array([0.3]), rotation=np.array([[[0, -1], [1, 0]]]))
    attached = apply('FitWeakPerspective', dict(sample, camera=camera))
    expected = camera.translation + 0.3 * np.stack([-mm[0, :, 1], mm[0, :, 0]], axis=-1)
    np.testing.assert_allclose(attached['keypoints'][0, :, :2], expected, rtol=1e-5)
    np.testing.assert_allclose(attached['keypoints'][0, :, 2], 0.3 * mm[0, :, 2], rtol=1e-5)
    assert attached['keypoints_visible'].shape == (1, 18, 3) and attached['keypoints_visible'].all()


def test_frame_without_a_camera_has_no_weight():
    mm = np.ones((1, 18, 3))
    result = apply('FitWeakPerspective', dict(
        keypoints_mm=mm, keypoints_2d=mm[..., :2], keypoints_2d_score=np.zeros((1, 18))))
    assert result['keypoints_visible'].shape == (1, 18, 3) and not result['keypoints_visible'].any()
    assert np.isfinite(result['keypoints']).all()
    with pytest.raises(KeyError, match='a.jpg: .*prepare cameras'):
        apply('FitWeakPerspective', dict(img_path='a.jpg', keypoints_mm=mm))
    with pytest.raises(TypeError, match='a WeakPerspectiveCamera expected by FitWeakPerspective, got str'):
        apply('FitWeakPerspective', dict(keypoints_mm=mm, camera='camera'))


@pytest.mark.parametrize(('source', 'count'), [('mpii', 16), ('coco', 17)])
def test_converter_maps_by_name_and_masks_depth(source, count):
    info = parse_pose_metainfo(dict(from_file=f'configs/_base_/datasets/{source}.py'))
    keypoints = np.arange(count * 2, dtype=np.float32).reshape(1, count, 2)
    visible = np.ones((1, count), np.float32)
    visible[0, info['keypoint_name2id']['left_knee']] = 0
    result = apply('KeypointConverter3D', dict(
        keypoints=keypoints, keypoints_visible=visible, flip_indices=list(range(count))), source=source)
    renamed = dict(root='pelvis', neck='upper_neck', head='head_top')
    for k, name in enumerate(JOINT_NAMES):
        theirs = info['keypoint_name2id'].get(name, info['keypoint_name2id'].get(renamed.get(name)))
        present = theirs is not None
        weight = float(present and name != 'left_knee')
        np.testing.assert_array_equal(result['keypoints_visible'][0, k], [weight, weight, 0], err_msg=name)
        if present:
            np.testing.assert_array_equal(result['keypoints'][0, k], [*keypoints[0, theirs], 0], err_msg=name)
    assert list(result['flip_indices']) == flip_indices()


def test_converter_refuses_other_joint_sets():
    sample = dict(keypoints=np.zeros((1, 16, 2)), keypoints_visible=np.ones((1, 16)))
    for source, message in (('coco', 'joints of coco'), ('mpi', "'mpi'")):
        with pytest.raises(ValueError, match=message):
            apply('KeypointConverter3D', sample, source=source)


def test_box_from_visible_joints():
    sample = make_sample(np.random.default_rng(9))
    sample['keypoints_visible'][:] = 0
    sample['keypoints_visible'][0, 3] = 1  # the annotated box serves for a single joint
    np.testing.assert_allclose(apply('GetBBoxFromKeypoints', dict(sample))['bbox'], [[60, 20, 120, 130]])
    del sample['bbox']
    with pytest.raises(KeyError, match='1 visible joints'):
        apply('GetBBoxFromKeypoints', dict(sample))
    sample['keypoints_visible'][0, 2:5, :2] = 1
    sample['keypoints'][0, 2:5, :2] = [[10, 40], [30, 20], [25, 90]]
    result = GetBBoxCenterScale(padding=1.25)(apply('GetBBoxFromKeypoints', sample))
    np.testing.assert_allclose(result['bbox'], [[10, 20, 30, 90]])
    np.testing.assert_allclose(result['bbox_center'], [[20, 55]])
    np.testing.assert_allclose(result['bbox_scale'], [[25, 87.5]])


def test_channel_gains_are_independent_and_in_their_range():
    image = np.full((6, 5, 3), 100, np.uint8)
    np.random.seed(0)
    means = np.array([apply('RandomChannelGain', dict(img=image), gain=0.2)['img'].mean((0, 1)) for _ in range(300)])
    assert means.min() >= 79 and means.max() <= 121 and (np.ptp(means, axis=0) > 35).all()
    assert np.abs(np.corrcoef(means.T)[0, 1]) < 0.2


@pytest.mark.parametrize('gain', [None, 0.2])
def test_packed_planes_are_those_of_the_image(gain):
    image = np.random.default_rng(4).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    results, expected = dict(img=image.copy()), image
    if gain:
        np.random.seed(3)
        results = apply('RandomChannelGain', results, gain=gain)
        np.random.seed(3)
        gains = np.random.uniform(1 - gain, 1 + gain, size=3)
        expected = np.clip(np.floor(image * gains + 0.5), 0, 255)
    inputs = apply('PackPose3DInputs', results)['inputs']
    assert inputs.dtype == torch.uint8 and inputs.is_contiguous()
    np.testing.assert_array_equal(inputs.numpy(), expected.transpose(2, 0, 1))


@pytest.mark.parametrize('rotation', [None, 20.0])
def test_turned_crops_show_an_upright_trunk(rotation):
    rng = np.random.default_rng(5)
    keypoints = rng.uniform(80, 160, (1, 18, 3)) * (1, 1, 0.05)
    results = dict(img=np.zeros((240, 240, 3), np.uint8), keypoints=keypoints, keypoints_visible=np.ones((1, 18)),
                   bbox_center=np.array([[120.0, 120]]), bbox_scale=np.array([[200.0, 200]]))
    if rotation is not None:
        results['bbox_rotation'] = np.array([rotation], np.float32)
    for name in ('TurnUpright', 'TopdownAffine3D'):
        size = dict(input_size=(96, 96)) if name == 'TopdownAffine3D' else {}
        results = TRANSFORMS.build(dict(type=name, **size))(results)
    root, thorax = results['transformed_keypoints'][0, [0, 17], :2]
    lean = np.degrees(np.arctan2(*((thorax - root) * (1, -1))))
    assert lean == pytest.approx(-(rotation or 0), abs=1e-3)
