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


@pytest.mark.parametrize('losses, errors, expected', [
    # Dropped after 8 epochs in which the loss was not 0.1 % better; stopped after 5 in which the error was not 0.1 mm
    # better. The last epoch is never reached.
    ([3, 2.5, 2, *[1.999, 2.1] * 4, 1.9, *[1.8] * 7], [90, 80, *[70] * 9, 65, 64, 63.95, 64.2, 63.95, 64, 64.1, 10],
     [1e-4] * 10 + [1e-6] * 8),
    # The error has saturated long before the loss: the training continues until the rate has dropped.
    ([2 - 0.01 * i for i in range(20)] + [1.81] * 20, [70] * 40, [1e-4] * 27 + [1e-6] * 5),
    # Slow progress of the loss continues.
    ([2 * 0.998**i for i in range(100)], [70] * 100, [1e-4] * 100),
    # A score that is not finite ends the training at once.
    ([2, 1, 1], [70, float('nan'), 60], [1e-4] * 2)])
def test_plateau_schedule(tmp_path, losses, errors, expected):
    cfg, optimizer, scheduler = compose(
        tmp_path, 'plateau', "custom_hooks = [dict(type='SyncBuffersHook'), {{_base_.early_stopping}}]\n")
    stopping = HOOKS.build(cfg.custom_hooks[-1])
    runner = SimpleNamespace(
        optim_wrapper=optimizer, train_loop=SimpleNamespace(stop_training=False), logger=SimpleNamespace(info=str),
        message_hub=SimpleNamespace(runtime_info={}, update_info=lambda key, value: None))
    stopping.before_train(runner)
    rates = []
    for loss, error in zip(losses, errors, strict=True):
        scheduler.step()
        scheduler.step({'h80k/MPJPE': error, 'h80k/loss': loss})
        stopping.after_val_epoch(runner, {'h80k/MPJPE': error, 'h80k/loss': loss})
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
