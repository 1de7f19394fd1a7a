"""The heads from feature maps to image px, the flip test, the losses of a batch, and a small training."""
import cv2
import numpy as np
import pytest
import torch
from mmpose.registry import MODELS
from mmpose.structures.bbox import get_warp_matrix
from model_parts import DEPTH, HEAD, HEIGHT, JOINTS, REGRESSION, WIDTH, estimator, feature_maps, make_samples

from mmpose_integral.models.losses import CoordinateL1Loss
from mmpose_integral.ops import argmax_3d, remove_background, soft_argmax_3d
from mmpose_integral.structures.skeleton import flip_indices


@pytest.fixture
def head():
    torch.manual_seed(0)
    head = MODELS.build(HEAD)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return head.eval()


def test_forward_is_layers_then_integral_joint_major(head):
    feats, joint = feature_maps(), 11
    volume = head.final_layer(head.deconv_layers(feats[-1]))
    assert volume.shape == (2, JOINTS * DEPTH, 16, 8)
    alone = soft_argmax_3d(volume[:, joint * DEPTH:(joint + 1) * DEPTH].unsqueeze(1), 'reference')
    torch.testing.assert_close(head(feats)[:, joint], alone[:, 0])
    assert {name.split('.')[0] for name in head.state_dict()} == {'deconv_layers', 'final_layer'}


def test_new_head_is_nearly_flat_and_decodes_to_the_middle():
    head = MODELS.build(HEAD)
    head.init_weights()
    mean = head(feature_maps())
    cells = torch.tensor([8., 16., 6.])
    torch.testing.assert_close(mean, ((cells - 1) / (2 * cells)).expand_as(mean), atol=1e-3, rtol=0)
    assert 5e-4 < head.final_layer.weight.std() < 2e-3


@pytest.mark.parametrize(('switch', 'decode'), [
    (dict(debias=True), lambda volume: soft_argmax_3d(remove_background(volume))), (dict(argmax=True), argmax_3d)])
def test_head_switches_change_the_coordinates_only(head, switch, decode):
    other, feats = MODELS.build(dict(HEAD, **switch)).eval(), feature_maps()
    other.load_state_dict(head.state_dict())
    torch.testing.assert_close(other(feats), decode(head.logits(feats)))
    assert not torch.allclose(other(feats), head(feats))
    mean, std = other(feats, return_std=True)
    assert mean.shape == std.shape == (2, JOINTS, 3)


def test_old_name_of_argmax_still_works():
    with pytest.warns(DeprecationWarning, match='peak is now called argmax'):
        assert MODELS.build(dict(HEAD, peak=True)).argmax


def test_regression_head_is_pooling_and_one_layer_and_starts_in_the_middle():
    head, feats = MODELS.build(REGRESSION), feature_maps()
    head.init_weights()
    expected = (feats[0].mean((2, 3)) @ head.fc.weight.T + head.fc.bias).view(2, JOINTS, 3)
    torch.testing.assert_close(head(feats), expected)
    assert (head(feats) - 0.5).abs().max() < 0.1
    assert isinstance(head.loss_module, CoordinateL1Loss)


def test_predictions_are_converted_to_image_px_in_all_axes(head):
    model, feats, samples = MODELS.build(estimator(HEAD)), feature_maps(), make_samples(2)
    mean, std = (values.detach().numpy() for values in head(feats, return_std=True))
    predictions = model.add_pred_to_datasample(head.predict(feats, samples), None, samples)
    for i, sample in enumerate(predictions):
        width, height = sample.metainfo['input_scale']
        expected = mean[i] * [width, height, width] + [100 - width / 2, 80 - height / 2, -width / 2]
        np.testing.assert_allclose(sample.pred_instances.keypoints[0], expected, atol=1e-3)
        np.testing.assert_allclose(sample.pred_instances.keypoint_std[0], std[i] * [width, height, width], atol=1e-4)
        assert sample.pred_instances.keypoint_scores.shape == (1, JOINTS)


@pytest.mark.parametrize('degrees', [-120., 35.])
def test_predictions_for_a_rotated_crop_are_rotated_back(head, degrees):
    model, feats = MODELS.build(estimator(HEAD)), feature_maps()
    mean, std = (values.detach().numpy() for values in head(feats, return_std=True))
    samples = make_samples(2)
    for sample in samples:
        sample.set_metainfo(dict(input_rotation=degrees))
    for i, sample in enumerate(model.add_pred_to_datasample(head.predict(feats, samples), None, samples)):
        scale = sample.metainfo['input_scale']
        crop_to_image = get_warp_matrix(np.array([100., 80.]), scale, degrees, (WIDTH, HEIGHT), inv=True)
        pose = sample.pred_instances.keypoints[0]
        expected = cv2.transform(mean[None, i, :, :2] * [WIDTH, HEIGHT], crop_to_image)[0]
        np.testing.assert_allclose(pose[:, :2], expected, atol=1e-3)
        np.testing.assert_allclose(pose[:, 2], (mean[i, :, 2] - 0.5) * scale[0], atol=1e-3)
        matrix = crop_to_image[:, :2] * [WIDTH, HEIGHT]  # of errors that are independent along the crop's axes
        covariance = np.einsum('ac,kc,bc->kab', matrix, np.square(std[i, :, :2]), matrix)
        np.testing.assert_allclose(sample.pred_instances.keypoint_std[0, :, :2],
                                   np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)), rtol=1e-3)


@pytest.mark.parametrize('degrees', [0., -120.])
def test_circles_around_people_are_converted_to_image_px(head, degrees):
    model, samples = MODELS.build(estimator(HEAD)), make_samples(2)
    predictions, circle = head.predict(feature_maps(), samples), np.float32([[11, 23, 7]])
    for pred, sample in zip(predictions, samples, strict=True):
        pred.person_circles = circle.copy()
        sample.set_metainfo(dict(input_rotation=degrees))
    for sample in model.add_pred_to_datasample(predictions, None, samples):
        matrix = get_warp_matrix(
            np.array([100., 80.]), sample.metainfo['input_scale'], degrees, (WIDTH, HEIGHT), inv=True)
        (x, y, radius), = sample.pred_instances.person_circles
        expected = cv2.transform(np.float64([[[11, 23], [11 + 7, 23]]]), matrix)[0]
        np.testing.assert_allclose([x, y], expected[0], atol=1e-3)
        assert radius == pytest.approx(np.linalg.norm(expected[1] - expected[0]), rel=1e-4)


def test_flip_test_averages_mirrored_coordinates(head):
    feats, feats_flip = feature_maps(), feature_maps()
    merged = head.predict([feats, feats_flip], make_samples(2), dict(flip_test=True))
    plain, flipped = head.predict(feats, make_samples(2)), head.predict(feats_flip, make_samples(2))
    for one, two, both in zip(plain, flipped, merged, strict=True):
        mirrored = two.keypoints[:, flip_indices()].copy()
        mirrored[..., 0] = WIDTH - 1 - mirrored[..., 0]
        np.testing.assert_allclose(both.keypoints, (one.keypoints + mirrored) / 2, atol=1e-4)
        variance = (one.keypoint_std**2 + two.keypoint_std[:, flip_indices()]**2) / 2
        variance += ((one.keypoints - mirrored) / 2)**2  # of a mixture
        np.testing.assert_allclose(both.keypoint_std, np.sqrt(variance), atol=1e-4)


def test_loss_reports_the_share_of_labels_outside_the_volume_per_axis(head):
    first, second = samples = make_samples(2)
    first.gt_instance_labels.keypoint_weights[0, :9] = 0
    second.gt_instance_labels.keypoint_weights[..., 2] = 0
    first.gt_instance_labels.keypoint_labels[0, :12, 0] = 1.2  # 3 of these joints have a weight
    second.gt_instance_labels.keypoint_labels[0, 4, 1] = -0.1
    first.gt_instance_labels.keypoint_labels[0, 8:11, 2] = -0.01  # 2 of these joints have a weight
    second.gt_instance_labels.keypoint_labels[0, :, 2] = 2.0  # without a weight
    losses = head.loss(feature_maps(), samples)
    shares = [losses[f'outside_{axis}'].item() for axis in 'xyz']
    assert shares == pytest.approx([3 / 27, 1 / 27, 2 / 9])  # 27 joints have x and y, 9 have z
    assert losses['loss_kpt'].requires_grad


def test_model_overfits_eight_frames(one_thread):
    torch.manual_seed(0)
    model = MODELS.build(estimator(dict(HEAD, deconv_out_channels=(16, 16, 16), deconv_kernel_sizes=(4, 4, 4))))
    model.init_weights()
    inputs, samples = torch.randn(8, 3, HEIGHT, WIDTH), make_samples(8)
    for sample in samples:  # keep the labels where an integral can reach them
        sample.gt_instance_labels.keypoint_labels.mul_(0.6).add_(0.2)
    optimizer, history = torch.optim.Adam(model.parameters(), lr=1e-2), []
    for _ in range(220):
        loss = model.train().loss(inputs, samples)['loss_kpt']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    assert history[-1] < 0.15 * history[0], history[::20]
