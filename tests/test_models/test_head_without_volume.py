"""Integral3DHead(materialize_volume=False): the same head in less memory."""
import copy

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

from mmpose_integral.models.deployment import CropToPose
from mmpose_integral.structures.skeleton import flip_indices

WIDTH, HEIGHT, DEPTH, JOINTS = 32, 64, 6, 18
HEAD = dict(type='Integral3DHead', in_channels=7, num_joints=JOINTS, depth_bins=DEPTH, deconv_out_channels=(5, 4),
            deconv_kernel_sizes=(4, 4), decoder=dict(type='Integral3DLabel', input_size=(WIDTH, HEIGHT)))


def make_heads(**changes):
    """A head with a volume and one without, of the same weights."""
    torch.manual_seed(0)
    volume, without = (MODELS.build(dict(HEAD, **changes, **switch)) for switch in ({}, dict(materialize_volume=False)))
    for parameter in volume.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    without.load_state_dict(volume.state_dict())  # strict: the same names
    return volume.eval(), without.eval()


def make_samples(count):
    generator = torch.Generator().manual_seed(1)
    samples = []
    for _ in range(count):
        sample = PoseDataSample(metainfo=dict(flip_indices=flip_indices()))
        sample.gt_instance_labels = InstanceData(keypoint_labels=torch.rand(1, JOINTS, 3, generator=generator),
                                                 keypoint_weights=torch.ones(1, JOINTS, 3))
        samples.append(sample)
    return samples


@pytest.mark.parametrize('changes', [{}, dict(conv_out_channels=(9, ), conv_kernel_sizes=(3, )),
                                     dict(deconv_out_channels=None, final_layer=dict(kernel_size=1, bias=False)),
                                     dict(backend='reference')])
@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_same_coordinates_loss_and_gradients(monkeypatch, changes, layout):
    volume, without = make_heads(**changes)
    monkeypatch.setattr(without, 'logits', None)  # is not asked for
    feats = (torch.randn(2, 7, 4, 2).contiguous(memory_format=layout), )
    for mine, expected in zip(without(feats, True), volume(feats, True), strict=True):
        torch.testing.assert_close(mine, expected, atol=1e-6, rtol=0)
    gradients = []
    for head in (volume, without):
        losses = head.loss(feats, make_samples(2))
        assert set(losses) == {'loss_kpt', 'outside_share'}
        losses['loss_kpt'].backward()
        gradients.append({name: one.grad for name, one in head.named_parameters()})
    for name, expected in gradients[0].items():
        assert expected.abs().max() > 0
        torch.testing.assert_close(gradients[1][name], expected, atol=2e-5 * expected.abs().max().item(), rtol=0)


def test_prediction_with_flip_and_autocast():
    volume, without = make_heads()
    feats = [(torch.randn(2, 7, 4, 2), ) for _ in range(2)]
    samples = make_samples(2)
    with torch.no_grad():
        pairs = zip(*(head.predict(feats, samples, dict(flip_test=True)) for head in (volume, without)), strict=True)
        for expected, mine in pairs:
            for field in ('keypoints', 'keypoint_scores', 'keypoint_std'):
                np.testing.assert_allclose(mine[field], expected[field], atol=1e-4)
        with torch.autocast('cpu', torch.bfloat16):
            expected, mine = volume(feats[0]), without(feats[0])
    assert mine.dtype == torch.float32
    torch.testing.assert_close(mine, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(('changes', 'message'), [
    (dict(debias=True), 'debias needs the volume'), (dict(peak=True), 'peak needs the volume'),
    (dict(volume_loss=dict(type='VolumeCrossEntropyLoss')), 'volume_loss needs the volume'),
    (dict(final_layer=dict(kernel_size=3, padding=1)), r'1x1 convolution .* got Conv2d\(4, 108, kernel_size=\(3, 3\)'),
    (dict(final_layer=dict(kernel_size=1, stride=2)), '1x1 convolution'),
    (dict(final_layer=dict(kernel_size=1, groups=2)), '1x1 convolution'),
    (dict(final_layer=None), r'1x1 convolution .* got Identity\(\)')])
def test_what_needs_a_volume_is_refused(changes, message):
    with pytest.raises(ValueError, match=f'materialize_volume=False: .*{message}'):
        MODELS.build(dict(HEAD, **changes, materialize_volume=False))
    MODELS.build(dict(HEAD, **changes))  # which is fine with a volume


def test_a_graph_takes_the_way_with_a_volume():
    """Export knows operations of a graph only; the weights are the same."""
    model = MODELS.build(dict(
        type='Integral3DEstimator', data_preprocessor=dict(type='PoseDataPreprocessor', mean=[0.0] * 3, std=[50.0] * 3),
        backbone=dict(type='ResNet', depth=18, out_indices=(0, )), head=dict(HEAD, in_channels=64))).eval()
    lean = copy.deepcopy(model)
    lean.head = MODELS.build(dict(HEAD, in_channels=64, materialize_volume=False)).eval()
    for parameter in model.head.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    lean.head.load_state_dict(model.head.state_dict())
    crop = torch.rand(1, 3, HEIGHT, WIDTH) * 255
    with torch.no_grad():
        program = torch.export.export(CropToPose(lean), (crop, )).module()
        direct = lean.head(lean.extract_feat(crop / 50), return_std=True)
        for found, expected, eager in zip(program(crop), CropToPose(model)(crop), direct, strict=True):
            assert torch.equal(found, expected)
            torch.testing.assert_close(eager, expected, atol=1e-6, rtol=0)
