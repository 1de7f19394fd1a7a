"""The head on landmarks: its first estimate against numpy in float64, mirrored inputs, and what is trained."""
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample
from scipy.special import softmax

from mmpose_integral.structures.landmarks import LANDMARK_NAMES, landmark_weights
from mmpose_integral.structures.skeleton import flip_indices

SHARPNESS, INPUT_SIZE = 5.0, (40, 56)
CONFIG = dict(type='Landmark3DHead', hidden_channels=32, std_channels=5, sharpness=SHARPNESS,
              decoder=dict(type='Integral3DLabel', input_size=INPUT_SIZE))


@pytest.fixture
def head():
    torch.manual_seed(0)
    model = MODELS.build(CONFIG)
    model.init_weights()
    return model.eval()


def features(count=3, seed=0):
    """Heat maps with a blob per landmark, and world landmarks of people of about 1.7 m, who are 20 px high."""
    rng = np.random.default_rng(seed)
    world = rng.normal(0, (0.3, 0.5, 0.3), (count, 39, 3))
    middle = rng.uniform((17, 24), (22, 31), (count, 1, 2))
    px = middle + 12 * (world[..., :2] - world[:, 23:25, :2].mean(1, keepdims=True))
    rows, columns = np.mgrid[:14, :10] * 4 + 1.5
    distance = (columns - px[..., 0, None, None]) ** 2 + (rows - px[..., 1, None, None]) ** 2
    heatmaps = 4 - distance / 20 + rng.normal(0, 0.1, distance.shape)
    return heatmaps, world


def tensors(heatmaps, world):
    return torch.tensor(heatmaps, dtype=torch.float32), torch.tensor(world, dtype=torch.float32).reshape(-1, 117, 1, 1)


def test_the_first_estimate_is_that_of_numpy(head):
    heatmaps, world = features()
    rows, columns = np.mgrid[:14, :10] * 4 + 1.5
    shares = softmax(SHARPNESS * heatmaps[:, :33], axis=(2, 3))
    px = np.stack([(shares * columns).sum((2, 3)), (shares * rows).sum((2, 3))], axis=-1)
    from_hips = (world - world[:, 23:25].mean(1, keepdims=True))[:, :33]
    joints, deep = landmark_weights() @ px, landmark_weights() @ from_hips
    expected = np.concatenate([joints, np.zeros((3, 18, 1))], axis=-1) / (40, 56, 1)
    for person in range(3):  # the scale by least squares
        flat, metres = joints[person] - joints[person, 0], deep[person, :, :2]
        scale = np.linalg.lstsq(metres.reshape(-1, 1), flat.ravel(), rcond=None)[0][0]
        expected[person, :, 2] = scale * deep[person, :, 2] / 40 + 0.5
    np.testing.assert_allclose(head(tensors(heatmaps, world)).detach().numpy(), expected, atol=1e-5)


def test_a_mirrored_input_gives_the_mirrored_estimate(head):
    heatmaps, world = features()
    swap = [LANDMARK_NAMES.index(name.replace('left', '#').replace('right', 'left').replace('#', 'right'))
            for name in LANDMARK_NAMES] + list(range(33, 39))
    mirrored = heatmaps[:, swap, :, ::-1].copy(), world[:, swap] * (-1, 1, 1)
    plain, other = head(tensors(heatmaps, world)), head(tensors(*mirrored))[:, flip_indices()]
    other[..., 0] = 1 - 1 / INPUT_SIZE[0] - other[..., 0]
    torch.testing.assert_close(other, plain, atol=1e-5, rtol=0)


def test_the_score_of_a_crop_is_the_mean_maximum_of_the_heat_maps(head):
    heatmaps, world = features()
    feats, mirrored = tensors(heatmaps, world), tensors(heatmaps[..., ::-1] + 1, world)
    samples = [PoseDataSample(metainfo=dict(flip_indices=flip_indices())) for _ in heatmaps]
    expected = heatmaps[:, :33].max((2, 3)).mean(1, keepdims=True)
    for given, options in ((feats, {}), ([feats, mirrored], dict(flip_test=True))):
        with torch.no_grad():
            preds = head.predict(given, samples, options)
        np.testing.assert_allclose([pred.crop_scores for pred in preds], expected, rtol=1e-5)


def test_the_circle_around_a_person_is_that_of_numpy(head):
    heatmaps, world = features()
    feats, mirrored = tensors(heatmaps, world), tensors(heatmaps[..., ::-1] + 1, world)
    rows, columns = np.mgrid[:14, :10] * 4 + 1.5
    shares = softmax(SHARPNESS * heatmaps[:, 33:35], axis=(2, 3))
    centre, point = np.moveaxis(np.stack([(shares * columns).sum((2, 3)), (shares * rows).sum((2, 3))], axis=-1), 1, 0)
    expected = np.concatenate([centre, np.hypot(*(point - centre).T)[:, None]], axis=1)
    samples = [PoseDataSample(metainfo=dict(flip_indices=flip_indices())) for _ in heatmaps]
    for given, options in ((feats, {}), ([feats, mirrored], dict(flip_test=True))):
        with torch.no_grad():
            preds = head.predict(given, samples, options)
        np.testing.assert_allclose(np.concatenate([pred.person_circles for pred in preds]), expected, rtol=1e-4)


def test_the_correction_and_the_standard_deviations_are_trained(head):
    feats = tensors(*features())
    labels = torch.full((3, 18, 3), 0.4)
    samples = []
    for label in labels:
        sample = PoseDataSample()
        sample.gt_instance_labels = InstanceData(
            keypoint_labels=label[None], keypoint_weights=torch.ones(1, 18, 3))
        samples.append(sample)
    head.train()
    losses = head.loss(feats, samples)
    assert set(losses) == {'loss_kpt', 'loss_std', 'outside_x', 'outside_y', 'outside_z'}
    (losses['loss_kpt'] + losses['loss_std']).backward()
    assert all(parameter.grad is not None for parameter in head.parameters())
    optimizer = torch.optim.Adam(head.parameters(), 2e-3)
    head.eval()
    for _ in range(300):
        optimizer.zero_grad()
        now = head.loss(feats, samples)
        (now['loss_kpt'] + now['loss_std']).backward()
        optimizer.step()
    assert now['loss_kpt'] < 0.3 * losses['loss_kpt'] and now['loss_std'] < losses['loss_std']
    mean, std = head(feats, return_std=True)
    assert mean.shape == std.shape == (3, 18, 3) and (std > 0).all()


def test_a_frozen_backbone_has_nothing_to_train():
    frozen = MODELS.build(dict(type='BlazePoseBackbone', outputs=('heatmaps', 'world_landmarks'), frozen=True))
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    usual = MODELS.build(dict(type='BlazePoseBackbone'))
    assert all(parameter.requires_grad for parameter in usual.parameters())
