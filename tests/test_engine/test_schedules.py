"""The two schedules as configs inherit them, and when the paper's drops the rate and stops."""
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import HOOKS, PARAM_SCHEDULERS
from small_training import REPO


def compose(tmp_path, schedule, lines=''):
    base = REPO / 'configs' / '_base_'
    path = tmp_path / 'config.py'
    path.write_text(f"_base_ = ['{base}/default_runtime.py', '{base}/schedules/{schedule}.py']\n{lines}")
    return Config.fromfile(path)


def run_plateau(cfg, scores):
    """Rate after each validation, until early stopping ends it."""
    optimizer = torch.optim.Adam([torch.zeros(1)], lr=cfg.optim_wrapper.optimizer.lr)
    scheduler = PARAM_SCHEDULERS.build(dict(cfg.param_scheduler[0], optimizer=optimizer))
    stopping = HOOKS.build(cfg.custom_hooks[-1])
    runner = SimpleNamespace(
        train_loop=SimpleNamespace(stop_training=False), logger=SimpleNamespace(info=str),
        message_hub=SimpleNamespace(update_info=lambda key, value: None))
    rates = []
    for score in scores:
        metrics = {'h80k/MPJPE': score}
        scheduler.step()
        scheduler.step(metrics)
        stopping.after_val_epoch(runner, metrics)
        rates.append(optimizer.param_groups[0]['lr'])
        if runner.train_loop.stop_training:
            break
    return rates


@pytest.fixture
def plateau(tmp_path):
    return compose(tmp_path, 'plateau', "custom_hooks = [dict(type='SyncBuffersHook'), {{_base_.early_stopping}}]\n")


def test_rate_drops_when_validation_saturates_and_training_stops_when_it_does_again(plateau):
    first = [90, 80, 70, *[69.95, 70.5] * 4]                  # 8 epochs without 0.1 mm
    second = [65, 64, *[63.95, 64.2] * 6, 10]                 # 12 epochs, and one that is never run
    rates = run_plateau(plateau, first + second)
    assert rates == pytest.approx([1e-4] * 10 + [1e-6] * 15)


def test_training_stops_if_the_lower_rate_brings_nothing(plateau):
    assert run_plateau(plateau, [70, *[70] * 30]) == pytest.approx([1e-4] * 8 + [1e-6] * 5)


def test_slow_progress_goes_on(plateau):
    assert run_plateau(plateau, [100 - 0.2 * i for i in range(100)]) == pytest.approx([1e-4] * 100)


def test_plateau_config(plateau):
    assert plateau.optim_wrapper.optimizer == dict(type='Adam', lr=1e-4)
    assert plateau.train_cfg.by_epoch and plateau.train_cfg.val_interval == 1
    assert plateau.auto_scale_lr == dict(enable=False, base_batch_size=64)
    assert plateau.default_hooks.checkpoint.type == 'CheckpointAfterValidationHook'


def test_released_schedule(tmp_path):
    cfg = compose(tmp_path, 'fixed_300')
    optimizer = torch.optim.Adam([torch.zeros(1)], lr=cfg.optim_wrapper.optimizer.lr)
    scheduler = PARAM_SCHEDULERS.build(dict(cfg.param_scheduler[0], optimizer=optimizer))
    rates = []
    for _ in range(cfg.train_cfg.max_epochs):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    assert rates == pytest.approx([1e-3] * 167 + [1e-4] * 13 + [1e-5] * 6)
    assert [round(part * 300 / 186) for part in (167, 180, 186)] == pytest.approx([270, 290, 300], abs=1)
