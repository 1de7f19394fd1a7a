"""The fast path: each part has the results of the plain one, and has no effect where it cannot run."""
import copy
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import RuntimeInfoHook
from mmengine.logging import MessageHub
from mmengine.registry import FUNCTIONS, HOOKS
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from mmpose.models.data_preprocessors import PoseDataPreprocessor
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample
from small_training import REPO, prepare, run_tool, write_config

from mmpose_integral.engine import make_fast
from mmpose_integral.engine.hooks import compile_hook

COLORS = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])


@pytest.fixture(scope='module')
def config(standin, tmp_path_factory):
    folder = tmp_path_factory.mktemp('fast')
    prepare(standin, folder)
    return write_config(standin, folder, folder / 'small.py')


@pytest.fixture
def items():
    """Seven samples as a pipeline packs them."""
    generator = torch.Generator().manual_seed(0)
    items = []
    for _ in range(7):
        sample = PoseDataSample()
        sample.gt_instance_labels = InstanceData(keypoint_labels=torch.rand(1, 5, 3, generator=generator),
                                                 keypoint_weights=torch.ones(1, 5, 3))
        crop = torch.randint(0, 256, (3, 24, 16), generator=generator, dtype=torch.uint8)
        items.append(dict(inputs=crop, data_samples=sample))
    return items


def test_loader_yields_one_uint8_tensor(config):
    plain, fast = Config.fromfile(config), make_fast(Config.fromfile(config))
    fast.train_dataloader.update(pin_memory=False, num_workers=1)
    plain.train_dataloader.sampler.seed = fast.train_dataloader.sampler.seed = 0
    batch, expected = (next(iter(Runner.build_dataloader(cfg.train_dataloader))) for cfg in (fast, plain))
    assert batch['inputs'].dtype == torch.uint8 and batch['inputs'].shape == (4, 3, 64, 32)
    assert batch['inputs'].float().std() > 10 and len(batch['data_samples']) == 4
    assert torch.equal(batch['inputs'], torch.stack(expected['inputs']))


@pytest.mark.parametrize('stacked', [True, False])
@pytest.mark.parametrize('swap', [dict(bgr_to_rgb=True), dict(rgb_to_bgr=True), {}])
def test_preprocessor_gives_exactly_mmposes_numbers(items, stacked, swap):
    collate = FUNCTIONS.get('stacked_collate' if stacked else 'pseudo_collate')
    ours = MODELS.build(dict(type='BatchPosePreprocessor', channels_last=True, **COLORS, **swap))
    expected = PoseDataPreprocessor(**COLORS, **swap)(FUNCTIONS.get('pseudo_collate')(copy.deepcopy(items)))
    found = ours(collate(items))
    assert torch.equal(found['inputs'], expected['inputs'])
    assert found['inputs'].is_contiguous(memory_format=torch.channels_last)
    for one, other in zip(found['data_samples'], expected['data_samples'], strict=True):
        assert one.metainfo == other.metainfo and one.metainfo['pad_shape'] == (24, 16)
        for name in ('keypoint_labels', 'keypoint_weights'):
            assert torch.equal(one.gt_instance_labels[name], other.gt_instance_labels[name])


def test_preprocessor_without_normalisation_and_samples(items):
    ours, crops = MODELS.build(dict(type='BatchPosePreprocessor')), [item['inputs'] for item in items]
    found = ours(dict(inputs=crops))
    assert torch.equal(found['inputs'], torch.stack(crops).float()) and found['data_samples'] is None
    with pytest.raises(ValueError, match=r'one size expected, got \[\(3, 8, 8\), \(3, 24, 16\)\]'):
        ours(dict(inputs=[*crops, torch.zeros(3, 8, 8)]))


def test_crops_and_labels_are_moved_to_the_device_in_one_copy_each(items):
    ours = MODELS.build(dict(type='BatchPosePreprocessor', **COLORS)).to('meta')
    moved, original = [], torch.Tensor.to

    def to(tensor, *args, **kwargs):
        if torch.device('meta') in args:
            moved.append((tensor.dtype, tuple(tensor.shape), kwargs.get('non_blocking')))
        return original(tensor, *args, **kwargs)
    with mock.patch.object(torch.Tensor, 'to', to), mock.patch.object(type(ours), 'device', torch.device('meta')):
        found = ours(FUNCTIONS.get('stacked_collate')(items))
    assert moved == [(torch.uint8, (7, 3, 24, 16), True)] + [(torch.float32, (7, 1, 5, 3), True)] * 2
    assert found['inputs'].is_meta and found['data_samples'][6].gt_instance_labels.keypoint_labels.is_meta


def test_losses_are_read_only_when_they_are_logged():
    hook, logger = HOOKS.build(dict(type='DeferredRuntimeInfoHook')), HOOKS.build(dict(type='LoggerHook', interval=3))
    runner = SimpleNamespace(hooks=[hook, logger], iter=0, train_dataloader=range(8),
                             message_hub=MessageHub.get_instance('deferred'))
    with mock.patch.object(RuntimeInfoHook, 'before_train'):
        hook.before_train(runner)
    written = []
    for step in range(8):
        runner.iter = step
        hook.after_train_iter(runner, step, outputs=dict(loss=torch.tensor(1. / (step + 1)), share=torch.tensor(step)))
        scalar = runner.message_hub.log_scalars.get('train/loss')
        written.append(0 if scalar is None else len(scalar.data[0]))
    assert written == [0, 0, 3, 3, 3, 6, 6, 8]
    histories = [runner.message_hub.get_scalar(f'train/{name}').data[0] for name in ('loss', 'share')]
    np.testing.assert_array_equal(histories, [(1 / torch.arange(1., 9)).numpy(), range(8)])


@pytest.fixture
def compile_parts(monkeypatch):
    """``compile_parts(compiler, ...)`` runs CompileHook on a model with a backbone; returns the model and the log."""
    def run(compiler, **options):
        model, log = torch.nn.Module(), []
        model.backbone = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
        monkeypatch.setattr(torch, 'compile', compiler)
        monkeypatch.setattr(compile_hook, 'print_log', lambda text, *_: log.append(text))
        HOOKS.build(dict(type='CompileHook', **options)).before_train(SimpleNamespace(model=model))
        return model, log[0]

    return run


@pytest.mark.parametrize('devices, message', [
    (['cuda'], 'the model is on cpu and stays eager'), (['cpu'], r'stays eager (RuntimeError: no C++ compiler)')])
def test_compile_hook_logs_why_it_has_no_effect(compile_parts, devices, message):
    model, log = compile_parts(mock.Mock(side_effect=RuntimeError('no C++ compiler\nand more')), devices=devices)
    assert model.backbone._compiled_call_impl is None and message in log
    assert torch.compile.called == (devices == ['cpu'])


def test_compile_hook_compiles_the_parts_that_the_model_has(compile_parts, monkeypatch):
    monkeypatch.setattr(compile_hook, 'why_not_compiled', lambda device: None)
    model, log = compile_parts(torch.compile, devices=['cpu'], backend='eager')
    assert model.backbone._compiled_call_impl is not None
    assert log.startswith('CompileHook: compiled backbone (of backbone, head.deconv_layers)')
    names, x = ['backbone.0.weight', 'backbone.0.bias'], torch.randn(2, 3, 6, 7)
    assert list(model.state_dict()) == list(copy.deepcopy(model).state_dict()) == names
    torch.testing.assert_close(model.backbone(x), model.backbone.forward(x))


def test_the_fast_config_has_the_settings_of_make_fast():
    plain, fast = (Config.fromfile(REPO / 'configs' / f'integral_r152_h80k{kind}.py') for kind in ('', '_fast'))
    assert fast._cfg_dict != plain._cfg_dict
    assert make_fast(plain)._cfg_dict == fast._cfg_dict
    assert fast.optim_wrapper.optimizer == dict(type='Adam', lr=1e-4, fused=True)


@pytest.mark.parametrize('path', ['variants/regression_res50_4xb16_h80k-mpii-256x256.py',
                                  'quickstart/integral_r18_standin.py', 'quickstart/keypoints_2d_r18_mpii.py'])
def test_other_configs_become_fast_too(path):
    cfg = make_fast(Config.fromfile(REPO / 'configs' / path), compiled=False)
    assert 'compile' not in cfg.default_hooks
    assert type(MODELS.build(cfg.model.data_preprocessor)).__name__ == 'BatchPosePreprocessor'


def test_arguments_of_float16_scaling_are_removed_and_other_optimizers_stay(config):
    cfg = Config.fromfile(config)
    cfg.optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic', optimizer=dict(type='RMSprop', lr=1.))
    assert make_fast(cfg).optim_wrapper == dict(type='BFloat16OptimWrapper', optimizer=dict(type='RMSprop', lr=1.))


def test_configs_that_train_nothing_are_refused():
    with pytest.raises(ValueError, match='optim_wrapper and train_dataloader'):
        make_fast(Config(dict(model=dict(type='EnsembleEstimator'))))


def test_fast_training_takes_the_steps_of_the_plain_one(config, tmp_path, one_thread):
    losses, weights = [], []
    for path in ('plain', 'fast', 'bfloat16'):
        cfg = Config.fromfile(config)
        cfg.merge_from_dict({
            'train_cfg.max_epochs': 2, 'visualizer.vis_backends': [], 'default_hooks.logger.interval': 2,
            'default_hooks.checkpoint': dict(_delete_=True, type='CheckpointHook', interval=-1, save_last=False),
            'model.head.backend': 'reference' if path == 'plain' else 'auto', 'custom_hooks': [],
            'param_scheduler': [], 'val_cfg': None, 'val_dataloader': None, 'val_evaluator': None,
            'work_dir': str(tmp_path), 'experiment_name': f'{tmp_path.name}_{path}'})
        if path != 'plain':
            make_fast(cfg).merge_from_dict({'train_dataloader.pin_memory': False,
                                            'optim_wrapper.enabled': path == 'bfloat16'})
        runner = Runner.from_cfg(cfg)
        runner.train()
        losses.append(np.array(runner.message_hub.get_scalar('train/loss').data[0]))
        weights.append(runner.model.backbone.layer1[0].conv1.weight)
    expected, same, rounded = losses
    assert len(expected) >= 10 and len(set(expected)) == len(expected)
    np.testing.assert_allclose(same, expected, rtol=2e-3)
    np.testing.assert_allclose(rounded, expected, rtol=3e-2)
    assert not np.array_equal(rounded, same)
    assert [w.is_contiguous(memory_format=torch.channels_last) for w in weights] == [False, True, True]


def test_train_fast_on_the_command_line(config, tmp_path):
    assert run_tool('train', config, '--fast', '--work-dir', tmp_path, '--cfg-options', 'train_cfg.max_epochs=1',
                    'train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False') == 0
    assert list(tmp_path.glob('*.pth')) and 'BatchPosePreprocessor' in next(tmp_path.glob('*.py')).read_text()
    said = run_tool('train', REPO / 'configs/quickstart/detector_rtmdet_nano.py', '--fast', '--work-dir', tmp_path)
    assert "--fast: model.data_preprocessor.type: 'PoseDataPreprocessor' expected, got 'DetDataPreprocessor'" in said
