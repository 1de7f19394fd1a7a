from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import HOOKS, OPTIM_WRAPPERS

from mmpose_integral.engine import tool_config
from mmpose_integral.formats.h80k_index import load_index, save_index, scan_split
from mmpose_integral.structures.skeleton import BONES, add_thorax


def make_wrapper(model, **options):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return OPTIM_WRAPPERS.build(dict(type='BFloat16OptimWrapper', optimizer=optimizer, **options))


@pytest.mark.parametrize('enabled', [True, False])
def test_bfloat16_wrapper_casts_the_forward_pass_only(enabled):
    model, x = torch.nn.Linear(3, 2), torch.randn(4, 3)
    wrapper, before = make_wrapper(model, enabled=enabled), model.weight.detach().clone()
    with wrapper.optim_context(model):
        out = model(x)
    assert out.dtype == (torch.bfloat16 if enabled else torch.float32)
    wrapper.update_params(out.float().sum())
    expected = (before - 0.1 * x.sum(0)).expand(2, 3)
    torch.testing.assert_close(model.weight.detach(), expected, atol=2e-2 if enabled else 1e-6, rtol=0)
    assert model.weight.dtype == torch.float32


def test_bfloat16_wrapper_keeps_gradient_accumulation():
    model = torch.nn.Linear(3, 2)
    model.no_sync = mock.MagicMock()  # the ranks exchange gradients only before an update
    wrapper, before = make_wrapper(model, accumulative_counts=2), model.weight.detach().clone()
    for step in range(2):
        with wrapper.optim_context(model):
            loss = model(torch.ones(4, 3)).float().sum()
        wrapper.update_params(loss)
        assert torch.equal(model.weight.detach(), before) == (step == 0) and model.no_sync.call_count == 1


def test_checkpoints_hold_the_mean_skeleton_lengths(standin, tmp_path):
    lengths = []
    for split in ('Train', 'Val'):
        save_index(scan_split(standin / 'h80k', split, 1), tmp_path / f'{split}.npz')
        poses = np.stack([add_thorax(np.loadtxt(path, delimiter=','))
                          for path in (standin / 'h80k' / split / 'POSE').iterdir()])
        lengths.append(sum(np.linalg.norm(poses[:, a] - poses[:, b], axis=-1) for a, b in BONES))
    hook = HOOKS.build(dict(type='SkeletonLengthHook', train=tmp_path / 'Train.npz', val=tmp_path / 'Val.npz'))
    hook.before_train(None)
    checkpoint = dict(meta=dict(dataset_meta=dict(dataset_name='h80k')))
    hook.before_save_checkpoint(None, checkpoint)
    stored = checkpoint['meta']['dataset_meta']['skeleton_length']
    assert stored == pytest.approx({'train': lengths[0].mean(), 'train+val': np.concatenate(lengths).mean()}, rel=1e-5)
    index = load_index(tmp_path / 'Train.npz')
    save_index(index._replace(keypoints_mm=index.keypoints_mm / 1000), tmp_path / 'metres.npz')
    with pytest.raises(ValueError, match=r'mean bone length of train \(.*metres.npz\): mm expected, 500 to 20000'):
        HOOKS.build(dict(type='SkeletonLengthHook', train=tmp_path / 'metres.npz')).before_train(None)
    with pytest.raises(FileNotFoundError, match='nowhere'):
        HOOKS.build(dict(type='SkeletonLengthHook', train='nowhere.npz')).before_train(None)


def test_launch_on_cpus_wraps_the_model_without_devices(monkeypatch):
    started = []
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(torch.distributed, 'init_process_group', lambda backend, timeout: started.append(backend))
    for name in ('RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT'):
        monkeypatch.setenv(name, '1')
    for launcher in ('none', 'pytorch'):
        cfg = Config(dict(launcher=launcher))
        tool_config.start_processes(cfg)
        assert ('model_wrapper_cfg' in cfg) == (launcher == 'pytorch')
    assert started == ['gloo'] and cfg.model_wrapper_cfg.device_ids is None
    with pytest.raises(SystemExit, match='torchrun'):
        tool_config.start_processes(Config(dict(launcher='slurm')))


def test_objects_of_the_imports_are_excluded_from_garbage_collection_once(tmp_path, monkeypatch):
    frozen = []
    monkeypatch.setattr(tool_config.gc, 'freeze', lambda: frozen.append(True))
    monkeypatch.setattr(tool_config.gc, 'get_freeze_count', lambda: len(frozen))
    monkeypatch.setenv('LOCAL_RANK', '0')
    (tmp_path / 'small.py').write_text('a, model = 1, dict()\n')
    args = SimpleNamespace(config=str(tmp_path / 'small.py'), local_rank=0, launcher='none', work_dir=None,
                           show_dir=None)
    for _ in range(2):
        assert tool_config.load_config(args).a == 1
    assert frozen == [True]
    args.config = 'nowhere.py'
    with pytest.raises(FileNotFoundError, match='nowhere.py'):
        tool_config.load_config(args)
