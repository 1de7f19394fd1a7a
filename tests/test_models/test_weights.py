"""Which checkpoints belong to a model, and which are refused; the models are those of the configs."""
import copy
from collections import OrderedDict
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModule
from mmpose.models.backbones import ResNet
from mmpose.registry import MODELS
from small_training import REPO

from mmpose_integral.engine.hooks import CheckWeightsHook
from mmpose_integral.formats.checkpoints import CheckpointError
from mmpose_integral.models.weights import check_overlap, load_weights, load_weights_file


@pytest.fixture
def model():
    return torch.nn.Sequential(torch.nn.Conv2d(3, 5, 1), torch.nn.BatchNorm2d(5), torch.nn.Conv2d(5, 2, 1))


@pytest.fixture
def weights(model):
    """Other values than those of the model."""
    return {name: value + 1 for name, value in copy.deepcopy(model).state_dict().items()}


def same(model, weights):
    return all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


def test_weights_of_the_model_are_loaded(model, weights, tmp_path):
    load_weights(model, weights)
    assert same(model, weights)
    torch.save(dict(state_dict=weights, meta=dict(epoch=3)), tmp_path / 'a.pth')
    wrapped = torch.nn.DataParallel(copy.deepcopy(model))
    torch.nn.init.zeros_(wrapped.module[0].weight)
    assert load_weights_file(wrapped, tmp_path / 'a.pth')['meta'] == dict(epoch=3) and same(wrapped.module, weights)


@pytest.mark.parametrize('change', [
    lambda weights: {f'module.{name}': value for name, value in weights.items()},
    lambda weights: {name: value.double() if value.is_floating_point() else value for name, value in weights.items()},
    lambda weights: {name: value for name, value in weights.items() if 'num_batches_tracked' not in name},
    lambda weights: weights | {'data_preprocessor.mean': torch.ones(3), 'data_preprocessor.std': torch.ones(3)},
    lambda weights: weights | {f'ema_{name.replace(".", "_")}': value for name, value in weights.items()},
    lambda weights: {f'module.{name}': value for name, value in weights.items()} | {'steps': torch.tensor(3)},
], ids=['parallel', 'double', 'torch 0.4', 'mean and std', 'moving average of mmcv', 'AveragedModel'])
def test_what_may_differ(change, model, weights):
    weights['1.num_batches_tracked'] = model[1].num_batches_tracked.clone()
    load_weights(model, dict(state_dict=change(weights)))
    assert same(model, weights)


def test_half_precision_is_converted(model, weights):
    load_weights(model, {name: value.half() if value.is_floating_point() else value for name, value in weights.items()})
    assert model[0].weight.dtype == torch.float32
    torch.testing.assert_close(model[0].weight.detach(), weights['0.weight'], rtol=1e-3, atol=1e-3)


def without(weights, *names):
    return {name: value for name, value in weights.items() if name not in names}


NO_STATISTICS = '1.running_mean', '1.running_var', '1.num_batches_tracked'


@pytest.mark.parametrize('change, message', [
    (lambda weights: {f'x.{name}': value for name, value in weights.items()},
     'it has no 0.weight, and 7 more weights are missing$'),
    (lambda weights: without(weights, '2.bias'), 'it has no 2.bias$'),
    (lambda weights: without(weights, *NO_STATISTICS), 'it has no 1.running_mean, and 1 more weights are missing$'),
    (lambda weights: weights | {'2.weight': torch.zeros(4, 5, 1, 1), '2.bias': torch.zeros(4)},
     r'2.weight has shape \(4, 5, 1, 1\), \(2, 5, 1, 1\) is expected, and 1 more weights do not fit$'),
    (lambda weights: weights | {'1.running_var': torch.ones(6)}, r'1.running_var has shape \(6\), \(5\) is expected$'),
    (lambda weights: weights | {'1.running_var': torch.ones(1)}, r'1.running_var has shape \(1\), \(5\) is expected$'),
    (lambda weights: weights | {'3.weight': torch.ones(1), '3.bias': torch.ones(1)},
     'the model has no 3.weight, and 1 more weights have no layer$'),
    (lambda weights: weights | {'2.weight': weights['2.weight'] * 1j}, '2.weight .* of type torch.complex64'),
    (lambda weights: weights | {'2.weight': weights['2.weight'].long()}, '2.weight .* of type torch.int64'),
    (lambda weights: weights | {'2.weight': weights['2.weight'].bool()}, '2.weight .* of type torch.bool'),
    (lambda weights: weights | {'2.bias': torch.tensor([0, torch.nan])}, '2.bias .* values that are not finite'),
    (lambda weights: weights | {'1.running_var': torch.full((5, ), torch.inf)}, 'running_var .* are not finite'),
    (lambda weights: weights | {'2.bias': torch.tensor([0, 1e300]).double() * 1e10}, '2.bias .* are not finite'),
    (lambda weights: weights | {'2.bias': 3.0}, "has no weights: .* its '2.bias' is of type float"),
    (lambda weights: {}, 'has no weights: .* found an empty one'),
    (lambda weights: [1], 'has no weights: .* found list'),
])
def test_weights_of_other_models_are_refused(change, message, model, weights, tmp_path):
    with pytest.raises(CheckpointError, match=message):
        load_weights(model, dict(state_dict=change(weights)))
    torch.save(dict(state_dict=change(weights)), tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match=f'^[^ ]*a.pth: .*{message}'):
        load_weights_file(model, tmp_path / 'a.pth')


def test_a_checkpoint_without_weights_is_refused(model):
    with pytest.raises(CheckpointError, match="has no weights: .* its 'meta' is of type dict"):
        load_weights(model, dict(meta=dict(epoch=3)))


@pytest.mark.parametrize('own, other', [(18, 34), (34, 18), (50, 101), (50, 152)])
def test_resnets_of_other_depths_are_refused(own, other):
    own, other = ResNet(depth=own), ResNet(depth=other)
    with pytest.raises(CheckpointError, match='not of this config: (the model|it) has no layer'):
        load_weights(own, other.state_dict())


def test_weights_of_mmpose_0_are_converted():
    """Its models call the head keypoint_head; the public weights of configs/keypoints_2d are such files."""
    cfg = Config.fromfile(REPO / 'configs/quickstart/keypoints_2d_r18_mpii.py').model
    cfg.backbone.init_cfg = None
    trained, model = (MODELS.build(copy.deepcopy(cfg)) for _ in range(2))
    torch.nn.init.ones_(trained.head.final_layer.weight)
    old = OrderedDict((name.replace('head.', 'keypoint_head.'), value) for name, value in trained.state_dict().items())
    assert any(name.startswith('keypoint_head.final_layer') for name in old)
    load_weights(model, dict(state_dict=old))
    assert same(model, trained.state_dict())
    del old['keypoint_head.final_layer.bias']
    with pytest.raises(CheckpointError, match='it has no head.final_layer.bias$'):
        load_weights(model, dict(state_dict=old))


def test_versions_of_the_layers_are_kept(model, weights):
    """A layer may convert old weights by the version that torch stores beside them."""
    class Twice(torch.nn.Linear):
        def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args):
            if local_metadata.get('version') == 7:
                state_dict[f'{prefix}weight'] = 2 * state_dict[f'{prefix}weight']
            super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)

    layer = Twice(1, 1)
    stored = OrderedDict(weight=torch.ones(1, 1), bias=torch.ones(1))
    stored._metadata = {'': dict(version=7)}
    load_weights(layer, dict(state_dict=stored))
    assert layer.weight.item() == 2


def resume_or_load(model, weights, resume, **meta):
    runner = SimpleNamespace(model=model, _resume=resume, _load_from='a.pth', work_dir='work')
    CheckWeightsHook().after_load_checkpoint(runner, dict(state_dict=weights, meta=meta))


def test_a_training_resumes_the_same_model_and_starts_from_a_similar_one(model, weights):
    partial = without(weights, '2.weight', '2.bias') | {'3.weight': torch.ones(1)}
    resume_or_load(model, weights, True, epoch=1, iter=2)
    with pytest.raises(CheckpointError, match='^a.pth does not hold the state of a training'):
        resume_or_load(model, weights, True)
    resume_or_load(torch.nn.DataParallel(model), partial, False)
    with pytest.raises(CheckpointError, match='^a.pth: .* it has no 2.weight, and 1 more'):
        resume_or_load(model, partial, True)
    # With the right names and another width, only the number of batches fits.
    wider = torch.nn.Sequential(torch.nn.Conv2d(3, 9, 1), torch.nn.BatchNorm2d(9), torch.nn.Conv2d(9, 4, 1))
    with pytest.raises(CheckpointError, match='^a.pth: none of its 9 weights fits this model; the first is 0.weight'):
        resume_or_load(model, wider.state_dict(), False)
    with pytest.raises(CheckpointError, match='has no weights'):
        resume_or_load(model, {}, False)
    with pytest.raises(CheckpointError, match='none of its 0 weights fits'):
        check_overlap(model, {})


class Backbone(BaseModule):
    def __init__(self, **init_cfg):
        super().__init__(dict(type='Pretrained', **init_cfg))
        self.conv = torch.nn.Conv2d(3, 5, 1)


def test_pretrained_weights_that_fit_nothing_are_refused(tmp_path):
    fitting = {'backbone.conv.weight': torch.ones(5, 3, 1, 1), 'fc.weight': torch.ones(3)}
    torch.save(fitting, tmp_path / 'a.pth')
    for prefix in ('backbone', 'backbone.'):
        backbone = Backbone(checkpoint=str(tmp_path / 'a.pth'), prefix=prefix)
        backbone.init_weights()
        assert (backbone.conv.weight == 1).all()
    for options, message in ((dict(), 'a.pth: none of its 2 weights fits'),
                             (dict(prefix='neck'), 'a.pth below neck.: none of its 0 weights fits')):
        with pytest.raises(CheckpointError, match=f'^init_cfg: .*{message}'):
            Backbone(checkpoint=str(tmp_path / 'a.pth'), **options).init_weights()
