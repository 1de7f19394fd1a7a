import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

from mmpose_integral.models.losses import CoordinateL1Loss
from mmpose_integral.ops import soft_argmax_3d
from mmpose_integral.structures.skeleton import flip_indices

WIDTH, HEIGHT, DEPTH, JOINTS = 32, 64, 6, 18
CODEC = dict(type='Integral3DLabel', input_size=(WIDTH, HEIGHT))
HEAD = dict(type='Integral3DHead', in_channels=7, num_joints=JOINTS, depth_bins=DEPTH, deconv_out_channels=(5, 4),
            deconv_kernel_sizes=(4, 4), decoder=CODEC)


@pytest.fixture
def head():
    torch.manual_seed(0)
    head = MODELS.build(HEAD)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return head.eval()


def make_samples(count, seed=0, weights=None):
    generator = torch.Generator().manual_seed(seed)
    samples = []
    for i in range(count):
        sample = PoseDataSample(metainfo=dict(
            flip_indices=flip_indices(), input_center=np.array([100., 80.]), input_scale=np.array([64., 128.]),
            input_size=(WIDTH, HEIGHT), img_id=i))
        labels = InstanceData(keypoint_labels=torch.rand(1, JOINTS, 3, generator=generator),
                              keypoint_weights=torch.ones(1, JOINTS, 3))
        if weights is not None:
            labels.keypoint_weights = weights[i:i + 1]
        sample.gt_instance_labels = labels
        sample.gt_instances = InstanceData(bboxes=np.zeros((1, 4)), bbox_scores=np.ones(1))
        samples.append(sample)
    return samples


def test_forward_is_layers_then_integral_joint_major(head):
    feats = (torch.randn(2, 7, 4, 2),)
    volume = head.final_layer(head.deconv_layers(feats[-1]))
    assert volume.shape == (2, JOINTS * DEPTH, 16, 8)
    joint = 11
    alone = soft_argmax_3d(volume[:, joint * DEPTH:(joint + 1) * DEPTH].unsqueeze(1), 'reference')
    torch.testing.assert_close(head(feats)[:, joint], alone[:, 0])


def test_state_dict_is_layers_only(head):
    names = {name.split('.')[0] for name in head.state_dict()}
    assert names == {'deconv_layers', 'final_layer'}


def test_new_head_is_nearly_flat_and_decodes_to_the_middle():
    head = MODELS.build(HEAD)
    head.init_weights()
    mean = head((torch.randn(3, 7, 4, 2),))
    cells = torch.tensor([8., 16., 6.])
    torch.testing.assert_close(mean, ((cells - 1) / (2 * cells)).expand_as(mean), atol=1e-3, rtol=0)
    assert 5e-4 < head.final_layer.weight.std() < 2e-3


def test_predictions_reach_the_image_in_all_axes(head):
    """A crop of 64x128 image px around (100, 80), twice the input's size."""
    model = MODELS.build(dict(type='Integral3DEstimator', backbone=dict(type='ResNet', depth=18), head=HEAD))
    feats = (torch.randn(2, 7, 4, 2),)
    mean, std = (t.detach().numpy() for t in head(feats, return_std=True))
    predictions = model.add_pred_to_datasample(head.predict(feats, make_samples(2)), None, make_samples(2))
    for i, sample in enumerate(predictions):
        expected = mean[i] * [64, 128, 64] + [100 - 32, 80 - 64, -32]
        np.testing.assert_allclose(sample.pred_instances.keypoints[0], expected, atol=1e-3)
        np.testing.assert_allclose(sample.pred_instances.keypoint_std[0], std[i] * [64, 128, 64], atol=1e-4)
        assert sample.pred_instances.keypoint_scores.shape == (1, JOINTS)


def test_flip_test_averages_mirrored_coordinates(head):
    feats, feats_flip = (torch.randn(2, 7, 4, 2),), (torch.randn(2, 7, 4, 2),)
    merged = head.predict([feats, feats_flip], make_samples(2), dict(flip_test=True))
    plain = head.predict(feats, make_samples(2))
    flipped = head.predict(feats_flip, make_samples(2))
    for one, two, both in zip(plain, flipped, merged, strict=True):
        mirrored = two.keypoints[:, flip_indices()].copy()
        mirrored[..., 0] = WIDTH - 1 - mirrored[..., 0]
        np.testing.assert_allclose(both.keypoints, (one.keypoints + mirrored) / 2, atol=1e-4)
        std = (one.keypoint_std + two.keypoint_std[:, flip_indices()]) / 2
        np.testing.assert_allclose(both.keypoint_std, std, atol=1e-5)


def test_loss_is_sum_of_weighted_l1_over_batch_size():
    rng = np.random.default_rng(0)
    output, target = rng.random((3, 5, 3)), rng.random((3, 5, 3))
    weight = rng.integers(0, 2, (3, 5, 3)).astype(float)
    loss = CoordinateL1Loss(loss_weight=2.0)(*map(torch.from_numpy, (output, target, weight)))
    assert loss.item() == pytest.approx(2 * (np.abs(output - target) * weight).sum() / 3)


def test_masked_coordinates_get_no_gradient_whatever_their_label():
    output = torch.rand(2, 4, 3, requires_grad=True)
    target, weight = torch.rand(2, 4, 3), torch.ones(2, 4, 3)
    weight[:, :, 2] = 0
    weight[1, 3] = 0
    target[:, :, 2] = float('nan')
    CoordinateL1Loss()(output, target, weight).backward()
    assert torch.equal(output.grad != 0, weight > 0)


def test_loss_names_mismatched_shapes():
    with pytest.raises(ValueError, match=r'\(2, 4\)'):
        CoordinateL1Loss()(torch.rand(2, 4, 3), torch.rand(2, 4, 3), torch.ones(2, 4))


def test_head_loss_reports_the_share_of_labels_outside_the_crop(head):
    weights = torch.ones(2, JOINTS, 3)
    weights[0, :9] = 0
    weights[1, :, 2] = 0
    samples = make_samples(2, weights=weights)
    samples[0].gt_instance_labels.keypoint_labels[0, :12, 0] = 1.2  # 3 of them count
    samples[1].gt_instance_labels.keypoint_labels[0, 4, 1] = -0.1
    losses = head.loss((torch.randn(2, 7, 4, 2),), samples)
    assert losses['outside_share'].item() == pytest.approx(4 / 27)
    assert losses['loss_kpt'].requires_grad


def test_model_overfits_eight_frames(one_thread):
    torch.manual_seed(0)
    model = MODELS.build(dict(
        type='Integral3DEstimator', backbone=dict(type='ResNet', depth=18, base_channels=8),
        head=dict(HEAD, in_channels=64, deconv_out_channels=(16, 16, 16), deconv_kernel_sizes=(4, 4, 4))))
    model.init_weights()
    inputs, samples = torch.randn(8, 3, HEIGHT, WIDTH), make_samples(8)
    for sample in samples:  # keep the labels where an integral can reach them
        sample.gt_instance_labels.keypoint_labels.mul_(0.6).add_(0.2)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    model.train()
    history = []
    for _ in range(220):
        loss = model.loss(inputs, samples)['loss_kpt']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    assert history[-1] < 0.15 * history[0], history[::20]
