"""The two schedules as configs inherit them: when the rate drops, and when the training stops."""
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import HOOKS, PARAM_SCHEDULERS
from small_training import REPO


def compose(tmp_path, schedule, lines=''):
    """Config of a schedule, its optimizer and its scheduler."""
    base, path = REPO / 'configs/_base_', tmp_path / 'config.py'
    path.write_text(f"_base_ = ['{base}/default_runtime.py', '{base}/schedules/{schedule}.py']\n{lines}")
    cfg = Config.fromfile(path)
    optimizer = torch.optim.Adam([torch.zeros(1)], lr=cfg.optim_wrapper.optimizer.lr)
    return cfg, optimizer, PARAM_SCHEDULERS.build(dict(cfg.param_scheduler[0], optimizer=optimizer))


@pytest.mark.parametrize('scores, expected', [
    # Dropped after 8 epochs without 0.1 mm, stopped after 12 more; the score of the last epoch is never reached.
    ([90, 80, 70, *[69.95, 70.5] * 4, 65, 64, *[63.95, 64.2] * 6, 10], [1e-4] * 10 + [1e-6] * 15),
    # The lower rate brings nothing.
    ([70] * 31, [1e-4] * 8 + [1e-6] * 5),
    # Slow progress continues.
    ([100 - 0.2 * i for i in range(100)], [1e-4] * 100)])
def test_plateau_schedule(tmp_path, scores, expected):
    cfg, optimizer, scheduler = compose(
        tmp_path, 'plateau', "custom_hooks = [dict(type='SyncBuffersHook'), {{_base_.early_stopping}}]\n")
    stopping = HOOKS.build(cfg.custom_hooks[-1])
    runner = SimpleNamespace(
        train_loop=SimpleNamespace(stop_training=False), logger=SimpleNamespace(info=str),
        message_hub=SimpleNamespace(update_info=lambda key, value: None))
    rates = []
    for score in scores:
        scheduler.step()
        scheduler.step({'h80k/MPJPE': score})
        stopping.after_val_epoch(runner, {'h80k/MPJPE': score})
        rates.append(optimizer.param_groups[0]['lr'])
        if runner.train_loop.stop_training:
            break
    assert rates == pytest.approx(expected) and cfg.train_cfg.val_interval == 1
    assert cfg.auto_scale_lr == dict(enable=False, base_batch_size=64)


def test_released_schedule(tmp_path):
    cfg, optimizer, scheduler = compose(tmp_path, 'fixed_186')
    rates = []
    for _ in range(cfg.train_cfg.max_epochs):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    assert rates == pytest.approx([1e-3] * 167 + [1e-4] * 13 + [1e-5] * 6)
    assert [round(part * 300 / 186) for part in (167, 180, 186)] == pytest.approx([270, 290, 300], abs=1)
