"""The flip test with one doubled batch gives what mmpose's two passes give."""
from unittest import mock

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from mmpose.models.pose_estimators import TopdownPoseEstimator
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

from mmpose_integral.models.pose_estimators.integral_3d_estimator import split_halves
from mmpose_integral.structures.skeleton import NUM_JOINTS, flip_indices

WIDTH, HEIGHT = 64, 96
CODEC = dict(type='Integral3DLabel', input_size=(WIDTH, HEIGHT))
HEADS = dict(
    integral=dict(type='Integral3DHead', in_channels=64, num_joints=NUM_JOINTS, depth_bins=6,
                  deconv_out_channels=(16, ), deconv_kernel_sizes=(4, ), decoder=CODEC),
    regression=dict(type='Regression3DHead', in_channels=64, num_joints=NUM_JOINTS, decoder=CODEC))


def build(head='integral', **test_cfg):
    torch.manual_seed(1)
    model = MODELS.build(dict(
        type='Integral3DEstimator', backbone=dict(type='ResNet', depth=18, base_channels=8), head=HEADS[head],
        test_cfg=dict(flip_test=True, **test_cfg)))
    # a flat volume decodes to the middle whatever the crop shows
    last = model.head.final_layer if head == 'integral' else model.head.fc
    torch.nn.init.normal_(last.weight, std=0.5)
    return model.eval()


def make_samples(count):
    samples = []
    for number in range(count):
        sample = PoseDataSample(metainfo=dict(
            input_size=(WIDTH, HEIGHT), input_center=np.array([100., 80.]), flip_indices=flip_indices(),
            input_scale=np.array([WIDTH, HEIGHT]) * (1.5 + number)))
        sample.gt_instances = InstanceData(bboxes=np.zeros((1, 4)), bbox_scores=np.ones(1))
        samples.append(sample)
    return samples


def fields_of(samples, names):
    return {name: np.concatenate([sample.pred_instances[name] for sample in samples]) for name in names}


@pytest.mark.parametrize(('head', 'names'), [
    ('integral', ('keypoints', 'keypoint_scores', 'keypoint_std')), ('regression', ('keypoints', ))])
@pytest.mark.parametrize(('dtype', 'tolerance'), [(None, 2e-3), ('bfloat16', 2.0)])
@torch.no_grad()
def test_one_doubled_batch_is_mmposes_two_passes(head, names, dtype, tolerance, one_thread):
    inputs = torch.randn(3, 3, HEIGHT, WIDTH)
    doubled, plain = build(head, autocast=dtype, flip_batched=True), build(head)
    with mock.patch.object(doubled.backbone, 'forward', wraps=doubled.backbone.forward) as backbone:
        found = fields_of(doubled.predict(inputs, make_samples(3)), names)
    assert [call.args[0].shape[0] for call in backbone.call_args_list] == [6]
    expected = fields_of(TopdownPoseEstimator.predict(plain, inputs, make_samples(3)), names)
    for name in names:
        assert found[name].shape == expected[name].shape
        np.testing.assert_allclose(found[name], expected[name], atol=tolerance, rtol=0)
    # and the mirrored half matters: without the flip test the answer is another one
    plain.test_cfg = dict(flip_test=False)
    single = fields_of(plain.predict(inputs, make_samples(3)), names)
    assert np.abs(single['keypoints'] - expected['keypoints']).max() > 2 * tolerance


@pytest.mark.parametrize(('wish', 'count', 'batches'), [
    (False, 1, [1, 1]), ('auto', 1, [2]), ('auto', 2, [2, 2]), (True, 2, [4])])
@torch.no_grad()
def test_one_batch_where_it_pays_or_on_request(wish, count, batches, one_thread):
    model, inputs = build(**({} if wish == 'auto' else dict(flip_batched=wish))), torch.randn(count, 3, HEIGHT, WIDTH)
    with mock.patch.object(model.backbone, 'forward', wraps=model.backbone.forward) as backbone:
        model.predict(inputs, make_samples(count))
    assert [call.args[0].shape[0] for call in backbone.call_args_list] == batches
    assert torch.equal(torch.cat([call.args[0] for call in backbone.call_args_list]),
                       torch.cat([inputs, inputs.flip(-1)]))


def test_one_batch_anywhere_but_on_a_cpu():
    model = build()
    assert model._wants_one_batch(torch.empty(5, 3, 8, 8, device='meta'))
    assert not model._wants_one_batch(torch.empty(5, 3, 8, 8))
    with pytest.raises(ValueError, match="flip_batched: True, False or 'auto' expected, got 'yes'"):
        build(flip_batched='yes').predict(torch.empty(1, 3, 8, 8), make_samples(1))


@torch.no_grad()
def test_volumes_are_made_for_one_half_at_a_time(one_thread):
    model = build(flip_batched=True)
    with mock.patch.object(model.head, 'logits', wraps=model.head.logits) as logits:
        model.predict(torch.randn(5, 3, HEIGHT, WIDTH), make_samples(5))
    assert [call.args[0][-1].shape[0] for call in logits.call_args_list] == [5, 5]


@torch.no_grad()
def test_autocast_is_for_the_layers_and_only_on_request(one_thread):
    inputs, types = torch.randn(2, 3, HEIGHT, WIDTH), []
    for name in ('bfloat16', None):
        model = build(autocast=name)
        model.head.final_layer.register_forward_hook(lambda *args: types.append(args[-1].dtype))
        keypoints = fields_of(model.predict(inputs, make_samples(2)), ('keypoints', ))['keypoints']
        assert keypoints.dtype == np.float32
        with torch.autocast('cpu', torch.bfloat16):  # of somebody else
            model.predict(inputs, make_samples(2))
    assert types == [torch.bfloat16] * 4 + [torch.float32] * 2 + [torch.bfloat16] * 2
    with pytest.raises(ValueError, match="test_cfg.autocast: .* got 'int8'"):
        build(autocast='int8').predict(inputs, make_samples(2))


def test_halves_of_nested_feature_maps():
    one, other = torch.arange(12.).reshape(6, 2), torch.arange(6.).reshape(6, 1)
    first, second = split_halves([one, (other, one)])
    assert torch.equal(first[0], one[:3]) and torch.equal(second[1][0], other[3:]) and torch.equal(first[1][1], one[:3])
    assert torch.equal(split_halves(one)[1], one[3:])
