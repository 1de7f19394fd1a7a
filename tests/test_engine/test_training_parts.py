from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import HOOKS, OPTIM_WRAPPERS

from mmpose_integral.engine import tool_config
from mmpose_integral.formats.h80k_index import save_index, scan_split
from mmpose_integral.structures.skeleton import BONES, add_thorax


@pytest.mark.parametrize('enabled', [True, False])
def test_bfloat16_wrapper_casts_the_forward_pass_only(enabled):
    model = torch.nn.Linear(3, 2)
    wrapper = OPTIM_WRAPPERS.build(dict(
        type='BFloat16OptimWrapper', enabled=enabled, optimizer=torch.optim.SGD(model.parameters(), lr=0.1)))
    x = torch.randn(4, 3)
    with wrapper.optim_context(model):
        out = model(x)
    assert out.dtype == (torch.bfloat16 if enabled else torch.float32)
    before = model.weight.detach().clone()
    wrapper.update_params(out.float().sum())
    expected = before - 0.1 * x.sum(0)
    torch.testing.assert_close(model.weight.detach(), expected.expand(2, 3), atol=2e-2 if enabled else 1e-6, rtol=0)
    assert model.weight.dtype == torch.float32


def test_bfloat16_wrapper_keeps_gradient_accumulation():
    model = torch.nn.Linear(3, 2)
    wrapper = OPTIM_WRAPPERS.build(dict(
        type='BFloat16OptimWrapper', accumulative_counts=2, optimizer=torch.optim.SGD(model.parameters(), lr=0.1)))
    before = model.weight.detach().clone()
    for step in range(2):
        with wrapper.optim_context(model):
            loss = model(torch.ones(4, 3)).float().sum()
        wrapper.update_params(loss)
        assert torch.equal(model.weight.detach(), before) == (step == 0)


def test_channels_last_hook_reorders_weights_and_keeps_results():
    model = torch.nn.Conv2d(4, 6, 3)
    x = torch.randn(2, 4, 8, 7)
    before = model(x)
    HOOKS.build(dict(type='ChannelsLastHook')).before_run(SimpleNamespace(model=model))
    assert model.weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(model(x), before)


def test_checkpoints_tell_the_mean_skeleton_lengths(standin, tmp_path):
    lengths = {}
    for split in ('Train', 'Val'):
        index, _ = scan_split(standin / 'h80k', split, 1)
        save_index(index, tmp_path / f'{split}.npz')
        poses = np.stack([add_thorax(np.loadtxt(path, delimiter=','))
                          for path in sorted((standin / 'h80k' / split / 'POSE').iterdir())])
        lengths[split] = sum(np.linalg.norm(poses[:, a] - poses[:, b], axis=-1) for a, b in BONES)
    files = {split.lower(): str(tmp_path / f'{split}.npz') for split in lengths}
    hook = HOOKS.build(dict(type='SkeletonLengthHook', **files))
    hook.before_train(None)
    checkpoint = dict(meta=dict(dataset_meta=dict(dataset_name='h80k')))
    hook.before_save_checkpoint(None, checkpoint)
    stored = checkpoint['meta']['dataset_meta']['skeleton_length']
    assert stored['train'] == pytest.approx(lengths['Train'].mean(), rel=1e-5)
    assert stored['train+val'] == pytest.approx(np.concatenate(list(lengths.values())).mean(), rel=1e-5)
    with pytest.raises((FileNotFoundError, ValueError), match='nowhere'):
        HOOKS.build(dict(type='SkeletonLengthHook', train=str(tmp_path / 'nowhere.npz'))).before_train(None)


def test_launch_on_cpus_wraps_the_model_without_devices(monkeypatch):
    started = []
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(torch.distributed, 'init_process_group', lambda backend, timeout: started.append(backend))
    for launcher in ('none', 'pytorch'):
        cfg = Config(dict(launcher=launcher))
        tool_config.start_processes(cfg)
        assert ('model_wrapper_cfg' in cfg) == (launcher == 'pytorch')
    assert started == ['gloo'] and cfg.model_wrapper_cfg.device_ids is None
    with pytest.raises(SystemExit, match='torchrun'):
        tool_config.start_processes(Config(dict(launcher='slurm')))


def test_what_the_imports_left_is_not_looked_at_for_garbage(tmp_path, monkeypatch):
    frozen = []
    monkeypatch.setattr(tool_config.gc, 'freeze', lambda: frozen.append(True))
    monkeypatch.setattr(tool_config.gc, 'get_freeze_count', lambda: len(frozen))
    monkeypatch.setenv('LOCAL_RANK', '0')
    (tmp_path / 'small.py').write_text('a = 1\n')
    for _ in range(2):  # what the first run has built may go before the second
        args = SimpleNamespace(config=str(tmp_path / 'small.py'), local_rank=0, launcher='none', work_dir=None,
                               show_dir=None)
        assert tool_config.load_config(args).a == 1
    assert frozen == [True]


def test_unknown_config_is_named():
    with pytest.raises(SystemExit, match='nowhere.py'):
        tool_config.load_config(SimpleNamespace(config='nowhere.py', local_rank=0))
