"""The fast path: each part does what the plain one does, and stays away where it cannot run."""
import copy
from pathlib import Path
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


def make_items(count, size=(24, 16)):
    generator = torch.Generator().manual_seed(0)
    items = []
    for _ in range(count):
        sample = PoseDataSample()
        sample.gt_instance_labels = InstanceData(keypoint_labels=torch.rand(1, 5, 3, generator=generator),
                                                 keypoint_weights=torch.ones(1, 5, 3))
        crop = torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8)
        items.append(dict(inputs=crop, data_samples=sample))
    return items


# --- batches


def test_what_leaves_the_loader_is_one_uint8_tensor(config):
    cfg = make_fast(Config.fromfile(config))
    cfg.train_dataloader.update(pin_memory=False, num_workers=1)
    batch = next(iter(Runner.build_dataloader(cfg.train_dataloader)))
    assert batch['inputs'].dtype == torch.uint8 and batch['inputs'].shape == (4, 3, 64, 32)
    assert batch['inputs'].float().std() > 10 and len(batch['data_samples']) == 4
    plain = Config.fromfile(config)
    crops = next(iter(Runner.build_dataloader(plain.train_dataloader)))['inputs']
    assert torch.equal(batch['inputs'], torch.stack(crops))


@pytest.mark.parametrize('stacked', [True, False])
@pytest.mark.parametrize('swap', [dict(bgr_to_rgb=True), dict(rgb_to_bgr=True), {}])
def test_preprocessor_gives_mmposes_numbers_to_the_last_bit(stacked, swap):
    items = make_items(3)
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


def test_preprocessor_without_normalisation_and_samples():
    crops = [item['inputs'] for item in make_items(2)]
    found = MODELS.build(dict(type='BatchPosePreprocessor'))(dict(inputs=crops))
    assert torch.equal(found['inputs'], torch.stack(crops).float()) and found['data_samples'] is None
    with pytest.raises(ValueError, match=r'one size expected, got \[\(3, 8, 8\), \(3, 24, 16\)\]'):
        MODELS.build(dict(type='BatchPosePreprocessor'))(dict(inputs=[*crops, torch.zeros(3, 8, 8)]))


def test_crops_and_labels_go_to_the_device_in_one_copy_each():
    model = torch.nn.Module()
    model.preprocessor = MODELS.build(dict(type='BatchPosePreprocessor', **COLORS))
    model.to('meta')
    moved, original = [], torch.Tensor.to

    def to(tensor, *args, **kwargs):
        if torch.device('meta') in args:
            moved.append((tensor.dtype, tuple(tensor.shape), kwargs.get('non_blocking')))
        return original(tensor, *args, **kwargs)
    with mock.patch.object(torch.Tensor, 'to', to), \
            mock.patch.object(type(model.preprocessor), 'device', torch.device('meta')):
        found = model.preprocessor(FUNCTIONS.get('stacked_collate')(make_items(7)))
    assert moved == [(torch.uint8, (7, 3, 24, 16), True)] + [(torch.float32, (7, 1, 5, 3), True)] * 2
    assert found['inputs'].is_meta and found['data_samples'][6].gt_instance_labels.keypoint_labels.is_meta


# --- losses


def test_losses_are_read_only_when_they_are_logged():
    hook = HOOKS.build(dict(type='DeferredRuntimeInfoHook'))
    logger = HOOKS.build(dict(type='LoggerHook', interval=3))
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
    history = runner.message_hub.get_scalar('train/loss').data[0]
    np.testing.assert_array_equal(history, [torch.tensor(1. / (step + 1)).item() for step in range(8)])
    np.testing.assert_array_equal(runner.message_hub.get_scalar('train/share').data[0], range(8))


# --- compiling


class Tiny(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())


def test_compile_hook_stays_away_from_a_cpu():
    model = Tiny()
    with mock.patch.object(torch, 'compile', side_effect=AssertionError):
        HOOKS.build(dict(type='CompileHook')).before_train(SimpleNamespace(model=model))
    assert model.backbone._compiled_call_impl is None


def test_compile_hook_tells_why_it_does_nothing():
    model, told = Tiny(), []
    hook = HOOKS.build(dict(type='CompileHook', devices=['cpu']))
    with mock.patch.object(torch, 'compile', side_effect=RuntimeError('no C++ compiler\nand more')), \
            mock.patch.object(compile_hook, 'print_log', lambda *args: told.append(args)):
        hook.before_train(SimpleNamespace(model=model))
    assert model.backbone._compiled_call_impl is None
    (text, *_), = told
    assert 'stays eager (RuntimeError: no C++ compiler)' in text


def test_compile_hook_compiles_the_parts_that_there_are():
    model, x, told = Tiny(), torch.randn(2, 3, 6, 7), []
    names, expected = list(model.state_dict()), model.backbone(x)
    hook = HOOKS.build(dict(type='CompileHook', devices=['cpu'], parts=['backbone', 'head.deconv_layers'],
                            backend='eager'))
    with mock.patch.object(compile_hook, 'why_not_compiled', return_value=None), \
            mock.patch.object(compile_hook, 'print_log', lambda *args: told.append(args[0])):
        hook.before_train(SimpleNamespace(model=model))
    assert model.backbone._compiled_call_impl is not None and list(model.state_dict()) == names
    assert told[0].startswith('CompileHook: compiled backbone (of backbone, head.deconv_layers)')
    torch.testing.assert_close(model.backbone(x), expected)
    assert copy.deepcopy(model).state_dict().keys() == set(names)


# --- all of it


def test_the_fast_config_is_what_make_fast_makes():
    plain, fast = (Config.fromfile(REPO / 'configs' / f'integral_r152_h80k{kind}.py') for kind in ('', '_fast'))
    assert fast._cfg_dict != plain._cfg_dict
    assert make_fast(plain)._cfg_dict == fast._cfg_dict
    assert fast.optim_wrapper.optimizer == dict(type='Adam', lr=1e-4, fused=True)


@pytest.mark.parametrize('path', ['variants/regression_res50_4xb16_h80k-mpii-256x256.py',
                                  'quickstart/integral_r18_standin.py', 'quickstart/keypoints_2d_r18_mpii.py'])
def test_other_configs_become_fast_too(path):
    cfg = make_fast(Config.fromfile(REPO / 'configs' / path), compiled=False)
    assert cfg.model.data_preprocessor.type == 'BatchPosePreprocessor' and 'compile' not in cfg.default_hooks
    MODELS.build(cfg.model.data_preprocessor)


def test_arguments_of_float16_scaling_go_away_and_other_optimizers_stay(config):
    cfg = Config.fromfile(config)
    cfg.optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic', optimizer=dict(type='RMSprop', lr=1.))
    assert make_fast(cfg).optim_wrapper == dict(type='BFloat16OptimWrapper', optimizer=dict(type='RMSprop', lr=1.))


def test_configs_that_train_nothing_are_refused():
    with pytest.raises(ValueError, match='optim_wrapper and train_dataloader'):
        make_fast(Config(dict(model=dict(type='EnsembleEstimator'))))
    with pytest.raises(ValueError, match="got 'DetDataPreprocessor'"):
        make_fast(Config.fromfile(REPO / 'configs' / 'quickstart' / 'detector_rtmdet_nano.py'))


def train(config, folder, change):
    """Losses of two epochs on the tiny set."""
    cfg = Config.fromfile(config)
    cfg.merge_from_dict({
        'train_cfg.max_epochs': 2, 'visualizer.vis_backends': [], 'default_hooks.logger.interval': 2,
        'default_hooks.checkpoint': dict(_delete_=True, type='CheckpointHook', interval=-1, save_last=False)})
    cfg.param_scheduler, cfg.custom_hooks = [], []
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.test_cfg = cfg.test_dataloader = cfg.test_evaluator = None
    change(cfg)
    cfg.work_dir, cfg.experiment_name = str(folder), Path(folder).name + change.__name__
    runner = Runner.from_cfg(cfg)
    runner.train()
    weight = runner.model.backbone.layer1[0].conv1.weight
    return np.array(runner.message_hub.get_scalar('train/loss').data[0]), weight


def test_fast_training_takes_the_plain_ones_steps(config, tmp_path, one_thread):
    def plain(cfg):
        cfg.model.head.backend = 'reference'

    def fast(cfg):
        make_fast(cfg).train_dataloader.pin_memory = False
        cfg.optim_wrapper.enabled = False

    def fast_bfloat16(cfg):
        make_fast(cfg).train_dataloader.pin_memory = False
        cfg.optim_wrapper.enabled = True

    (expected, plain_weight), (same, weight), (rounded, _) = (
        train(config, tmp_path, change) for change in (plain, fast, fast_bfloat16))
    assert len(expected) >= 10 and len(set(expected)) == len(expected)
    np.testing.assert_allclose(same, expected, rtol=2e-3)
    np.testing.assert_allclose(rounded, expected, rtol=3e-2)
    assert not np.array_equal(rounded, same)
    assert weight.is_contiguous(memory_format=torch.channels_last) and not plain_weight.is_contiguous(
        memory_format=torch.channels_last)


def test_train_fast_on_the_command_line(config, tmp_path):
    assert run_tool('train', config, '--fast', '--work-dir', tmp_path, '--cfg-options', 'train_cfg.max_epochs=1',
                    'train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False') is None
    assert list(tmp_path.glob('*.pth')) and 'BatchPosePreprocessor' in next(tmp_path.glob('*.py')).read_text()
    detector = REPO / 'configs' / 'quickstart' / 'detector_rtmdet_nano.py'
    assert '--fast: model.data_preprocessor.type' in run_tool('train', detector, '--fast', '--work-dir', tmp_path)
