"""The flip test with one doubled batch gives what mmpose's two passes give."""
from unittest import mock

import numpy as np
import pytest
import torch
from mmpose.models.pose_estimators import TopdownPoseEstimator
from mmpose.registry import MODELS
from model_parts import HEAD, HEIGHT, REGRESSION, WIDTH, estimator, make_samples

from mmpose_integral.models.pose_estimators.integral_3d_estimator import split_halves

pytestmark = pytest.mark.usefixtures('one_thread')
INTEGRAL = dict(HEAD, deconv_out_channels=(16, ), deconv_kernel_sizes=(4, ))


def build(head=INTEGRAL, **test_cfg):
    torch.manual_seed(1)
    model = MODELS.build(estimator(head, flip_test=True, **test_cfg))
    # With its initial weights, the head predicts the middle for any crop.
    torch.nn.init.normal_((model.head.final_layer if head is INTEGRAL else model.head.fc).weight, std=0.5)
    return model.eval()


def crops(count):
    return torch.randn(count, 3, HEIGHT, WIDTH)


def unlabelled(count):
    """Samples without labels, whose loss the head would compute, too."""
    samples = make_samples(count)
    for sample in samples:
        del sample.gt_instance_labels
    return samples


def fields_of(samples, names):
    return {name: np.concatenate([sample.pred_instances[name] for sample in samples]) for name in names}


@pytest.mark.parametrize(('head', 'names'), [
    (INTEGRAL, ('keypoints', 'keypoint_scores', 'keypoint_std')), (REGRESSION, ('keypoints', ))])
@pytest.mark.parametrize(('dtype', 'tolerance'), [(None, 2e-3), ('bfloat16', 2.0)])
@torch.no_grad()
def test_one_doubled_batch_is_mmposes_two_passes(head, names, dtype, tolerance):
    inputs = crops(3)
    doubled, plain = build(head, autocast=dtype, flip_batched=True), build(head)
    found = fields_of(doubled.predict(inputs, make_samples(3)), names)
    expected = fields_of(TopdownPoseEstimator.predict(plain, inputs, make_samples(3)), names)
    for name in names:
        np.testing.assert_allclose(found[name], expected[name], atol=tolerance, rtol=0, strict=True)
    # Without the flip test the prediction is another one, so the mirrored half matters.
    plain.test_cfg = dict(flip_test=False)
    single = fields_of(plain.predict(inputs, make_samples(3)), names)
    assert np.abs(single['keypoints'] - expected['keypoints']).max() > 2 * tolerance


@pytest.mark.parametrize(('flip_batched', 'count', 'batches'), [
    (False, 1, [1, 1]), ('auto', 1, [2]), ('auto', 2, [2, 2]), (True, 2, [4])])
@torch.no_grad()
def test_backbone_gets_one_batch_where_that_is_faster_or_on_request(flip_batched, count, batches):
    model, inputs = build(**({} if flip_batched == 'auto' else dict(flip_batched=flip_batched))), crops(count)
    with (mock.patch.object(model.backbone, 'forward', wraps=model.backbone.forward) as backbone,
          mock.patch.object(model.head, 'logits', wraps=model.head.logits) as logits):
        model.predict(inputs, unlabelled(count))
    given = [call.args[0] for call in backbone.call_args_list]
    assert [len(batch) for batch in given] == batches
    assert torch.equal(torch.cat(given), torch.cat([inputs, inputs.flip(-1)]))
    # Volumes are made for one half at a time.
    assert [len(call.args[0][-1]) for call in logits.call_args_list] == [count, count]


def test_one_batch_by_default_on_every_device_but_a_cpu():
    model = build()
    assert model._wants_one_batch(torch.empty(5, 3, 8, 8, device='meta'))
    assert not model._wants_one_batch(torch.empty(5, 3, 8, 8))


@pytest.mark.parametrize(('option', 'message'), [
    (dict(flip_batched='yes'), "flip_batched: True, False or 'auto' expected, got 'yes'"),
    (dict(autocast='int8'), "test_cfg.autocast: .* got 'int8'")])
def test_unknown_options_are_named(option, message):
    with pytest.raises(ValueError, match=message):
        build(**option).predict(crops(1), make_samples(1))


@torch.no_grad()
def test_autocast_applies_to_the_layers_and_only_on_request():
    inputs, types = crops(2), []
    for name in ('bfloat16', None):
        model = build(autocast=name)
        model.head.final_layer.register_forward_hook(lambda *args: types.append(args[-1].dtype))
        assert model.predict(inputs, unlabelled(2))[0].pred_instances.keypoints.dtype == np.float32
        with torch.autocast('cpu', torch.bfloat16):  # a region of the caller stays in force
            model.predict(inputs, unlabelled(2))
    assert types == [torch.bfloat16] * 4 + [torch.float32] * 2 + [torch.bfloat16] * 2


def test_halves_of_nested_feature_maps():
    one, other = torch.arange(12.).reshape(6, 2), torch.arange(6.).reshape(6, 1)
    first, second = split_halves([one, (other, one)])
    assert torch.equal(first[0], one[:3]) and torch.equal(second[1][0], other[3:]) and torch.equal(first[1][1], one[:3])
    assert torch.equal(split_halves(one)[1], one[3:])
