"""Configs of the integral model: each trains for one epoch and is evaluated, at a small size."""
import math

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from small_training import REPO, save_random_weights

from mmpose_integral.engine.shrink import shrink_config
from mmpose_integral.formats.h80k_index import load_index
from mmpose_integral.synthetic.prepare import prepare_from_truth

CONFIGS = REPO / 'configs'
ROWS, OFFICIAL, POSENET = (sorted((CONFIGS / folder).glob('*.py')) for folder in ('ablation', 'official', '3dmppe'))
TRAINABLE = [path for path in sorted([*CONFIGS.glob('*.py'), *ROWS, *(CONFIGS / 'variants').glob('*.py')])
             if 'ensemble' not in path.name]


@pytest.fixture(scope='module')
def prepared(standin):
    """The tiny stand-in with indexes, true boxes and true 2D joints."""
    prepare_from_truth(standin)
    return standin


@pytest.fixture(autouse=True)
def roots(prepared, monkeypatch, one_thread):
    for name in ('h80k', 'mpii', 'coco'):
        monkeypatch.setenv(f'{name.upper()}_ROOT', str(prepared / name))


def small(path, work_dir):
    """The config at a size that takes a second: shrunk, small batches, no worker processes, one epoch."""
    cfg = shrink_config(Config.fromfile(path), divisor=8, base_channels=8)
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader', 'submission_dataloader'):
        if cfg.get(name):
            cfg[name].update(batch_size=8, num_workers=0, persistent_workers=False, pin_memory=False)
    if cfg.get('train_dataloader'):
        cfg.train_dataloader.batch_size = 12 if len(cfg.train_dataloader.dataset.datasets) == 1 else 24
        cfg.train_cfg.update(max_epochs=1)
    cfg.work_dir = str(work_dir)
    cfg.default_hooks.checkpoint.update(interval=1)
    cfg.visualizer.vis_backends = []
    cfg.experiment_name = path.stem
    return cfg


@pytest.mark.parametrize('path', TRAINABLE, ids=lambda path: path.stem)
def test_training_and_evaluation(path, tmp_path):
    runner = Runner.from_cfg(small(path, tmp_path))
    runner.train()
    lens = runner.train_loop.dataloader.dataset.lens  # one pass over the first source, with equal parts of all
    steps = runner.train_loop._max_iters
    assert steps == math.ceil(lens[0] * len(lens) / runner.train_loop.dataloader.batch_sampler.batch_size)
    assert np.isfinite(runner.message_hub.get_scalar('train/loss').current())
    saved = list(tmp_path.glob('*.pth'))
    if runner.cfg.get('val_dataloader'):
        assert 20 < runner.message_hub.get_scalar('val/h80k/MPJPE').current() < 2000
        assert 0 < runner.message_hub.get_scalar('val/h80k/loss').current() < 50
        assert any(file.name.startswith('best_') for file in saved)
    else:
        assert saved and 'trainval' in path.name


def test_training_with_a_users_config_in_another_folder(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text("""
_base_ = 'mmpose_integral::integral_r152_h80k.py'
train_dataloader = dict(dataset=dict(datasets=[{{_base_.h80k}}, {{_base_.mpii}}]))
custom_hooks = [dict(type='SyncBuffersHook'), {{_base_.early_stopping}}]
""")
    test_training_and_evaluation(path, tmp_path)
    path.write_text("_base_ = 'mmpose_integral::absent.py'")
    with pytest.raises(FileNotFoundError, match='mine.py: its base mmpose_integral::absent.py does not exist'):
        Config.fromfile(path)


@pytest.mark.parametrize('path', [*OFFICIAL, *POSENET], ids=lambda path: path.stem)
def test_official_configs_evaluate_without_training_data(path, tmp_path, monkeypatch):
    monkeypatch.setenv('MPII_ROOT', 'nowhere')
    monkeypatch.setenv('COCO_ROOT', 'nowhere')
    metrics = Runner.from_cfg(small(path, tmp_path)).test()
    assert metrics['h80k/frames'] == 8 and metrics['h80k/frames_without_box'] == 0
    assert 20 < metrics['h80k/MPJPE'] < 2000


def test_ensemble_row_evaluates_the_three_seeds(tmp_path, monkeypatch):
    monkeypatch.setenv('ENSEMBLE_ROOT', str(tmp_path))
    row = CONFIGS / 'ablation' / 'integral_res152_4xb16_h80k-mpii-coco-288x384.py'
    for seed in range(3):
        folder = tmp_path / row.stem / f'seed{seed}'
        folder.mkdir(parents=True)
        small(row, folder).dump(folder / 'config.py')
        save_random_weights(folder / 'config.py', folder / 'best.pth', seed, large_head=True)
    metrics = Runner.from_cfg(small(next((CONFIGS / 'ablation').glob('*_ensemble.py')), tmp_path / 'run')).test()
    assert metrics['h80k/frames'] == 8 and 20 < metrics['h80k/MPJPE'] < 2000


def differences(first, second, name=''):
    """Dotted names of the entries in which two configs differ."""
    if isinstance(first, dict) and isinstance(second, dict):
        return {found for key in {*first, *second}
                for found in differences(first.get(key), second.get(key), f'{name}.{key}')}
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        return {found for i, pair in enumerate(zip(first, second, strict=True))
                for found in differences(*pair, f'{name}.{i}')}
    return set() if first == second else {name}


def used_parts(path):
    cfg = Config.fromfile(path).to_dict()
    return {key: cfg[key] for key in ('model', 'train_dataloader', 'val_dataloader', 'test_dataloader', 'optim_wrapper',
                                      'param_scheduler', 'train_cfg', 'custom_hooks')}


@pytest.mark.parametrize(('above', 'row', 'expected'), [
    ('res50*k-256x256_no-box', 'res50*k-256x256', [f'.{part}_dataloader.dataset' for part in ('train', 'val', 'test')]),
    ('res50*k-256x256', 'res50*k-mpii-256x256', ['.train_dataloader.dataset.datasets']),
    ('res50*k-mpii-256x256', 'res152*k-mpii-256x256', ['.model.backbone.depth', '.model.backbone.init_cfg']),
    ('res152*k-mpii-256x256', 'res152*k-mpii-288x384',
     ['.model.head.d', *(f'.{part}_dataloader.dataset.pipeline' for part in ('train', 'val', 'test'))]),
    ('res152*k-mpii-288x384', 'res152*-mpii-coco-288x384', ['.train_dataloader.dataset.datasets']),
    ('res152*-coco-288x384', 'res152*-coco-288x384_flip', ['.model.test_cfg.flip_test']),
    ('res152*-coco-288x384_flip', 'res152*_ensemble', ['.model', '.test_dataloader.dataset.pipeline'])])
def test_a_row_differs_from_the_row_above_in_the_expected_parts_only(above, row, expected):
    above, row = (next((CONFIGS / 'ablation').glob(f'integral_{pattern}.py')) for pattern in (above, row))
    assert f"'./{above.name}'" in row.read_text()
    found = differences(used_parts(above), used_parts(row))
    assert all(any(name.startswith(start) for start in expected) for name in found), found
    assert all(any(name.startswith(start) for name in found) for start in expected), found


def test_all_rows_but_the_first_use_detected_boxes():
    for path in ROWS:
        cfg = Config.fromfile(path)
        expected = 'image' if 'no-box' in path.name else 'detector'
        assert cfg.val_dataloader.dataset.get('box_source', 'detector') == expected
        assert cfg.train_dataloader.dataset.datasets[0].get('box_source', 'detector') == expected


def test_headline_follows_the_paper():
    cfg = Config.fromfile(CONFIGS / 'integral_r152_h80k.py')
    assert cfg.model.backbone.depth == 152 and cfg.model.head.decoder.input_size == (288, 384)
    assert cfg.model.head.depth_bins == 72 and cfg.train_dataloader.batch_size == 16
    assert [source.type for source in cfg.train_dataloader.dataset.datasets] == [
        'H80KDataset', 'ZeroBasedMpiiDataset', 'LabelledCocoDataset']
    assert cfg.optim_wrapper.optimizer == dict(type='Adam', lr=1e-4)
    scheduler, = cfg.param_scheduler
    assert scheduler.type == 'ReduceOnPlateauLR' and scheduler.min_value == 1e-6 and scheduler.factor == 0.01
    stop = next(hook for hook in cfg.custom_hooks if hook.get('monitor'))
    assert scheduler.monitor == 'h80k/loss' and stop.monitor == 'h80k/MPJPE'
    assert stop.after_lr_drop and stop.rule == scheduler.rule == 'less'
    sizes = {step.input_size for step in cfg.train_dataloader.dataset.pipeline if 'input_size' in step}
    assert sizes == {(288, 384)}


def test_challenge_entry_trains_on_both_splits(prepared, tmp_path):
    runner = Runner.from_cfg(small(CONFIGS / 'integral_r152_h80k_trainval.py', tmp_path))
    source = runner.train_dataloader.dataset.datasets[0]
    counts = [len(load_index(prepared / 'h80k' / 'annotations' / f'h80k_{split}.npz').frame_ids)
              for split in ('train', 'val')]
    assert len(source) == sum(counts)
