"""Trainings without worker processes, with one step per epoch, and in folders that were moved or copied."""
import os
import shutil

import pytest
import torch
from mmengine.registry import PARAM_SCHEDULERS
from mmengine.runner import Runner
from small_training import prepare, run_tool, save_random_weights, write_config

from mmpose_integral.utils.locks import lock_folder

WORKERS = '''
train_dataloader.update(num_workers=2, persistent_workers=True, prefetch_factor=2)
val_dataloader.update(num_workers=1, persistent_workers=True)
train_cfg = dict(max_epochs=1)
'''
# Two frames of H80K and two people of MPII are one batch.
ONE_STEP = '''
train_dataloader['dataset']['datasets'][0]['indices'] = 2
train_cfg = dict(max_epochs=3)
param_scheduler = [
    dict(type='WarmUpLR', start_factor=0.05, end=0.5, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=0.5, end=3, T_max=2.5, eta_min_ratio=0.005, convert_to_iter_based=True)]
default_hooks = dict(logger=dict(interval=1))
'''


@pytest.fixture(scope='module')
def folder(standin, tmp_path_factory):
    folder = tmp_path_factory.mktemp('edges')
    prepare(standin, folder)
    return folder


def epochs(work_dir):
    last = os.fsdecode((work_dir / 'last_checkpoint').read_bytes())
    checkpoint = torch.load(last, map_location='cpu')
    return checkpoint['meta']['epoch'], checkpoint['meta']['iter']


def test_no_worker_processes(standin, folder, one_thread):
    config = write_config(standin, folder, folder / 'workers.py', WORKERS)
    assert run_tool('train', config, '--work-dir', folder / 'workers', '--cfg-options',
                    'train_dataloader.num_workers=0', 'val_dataloader.num_workers=0') == 0
    assert epochs(folder / 'workers')[0] == 1
    assert run_tool('test', config, folder / 'workers' / 'epoch_1.pth', '--work-dir', folder / 'test', '--cfg-options',
                    'test_dataloader.num_workers=0', 'test_dataloader.persistent_workers=True') == 0
    for name in ('workers', 'test'):  # and not twice in the folder of the first run of this process
        assert len([*(folder / name).glob('*/vis_data/config.py')]) == 1


def test_an_epoch_of_one_step_with_a_warm_up(standin, folder, one_thread):
    config = write_config(standin, folder, folder / 'one_step.py', ONE_STEP)
    assert run_tool('train', config, '--work-dir', folder / 'one_step') == 0
    assert epochs(folder / 'one_step') == (3, 3)


@pytest.mark.parametrize(('length', 'factors'), [
    (1, [0.1, 1, 1]), (2, [0.1, 1, 1]),  # the full rate in the second step
    (8, [0.1, 0.4, 0.7, 1, 1])])  # mmengine's own schedule: 4 steps
def test_warm_up(length, factors):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    options = dict(start_factor=0.1, end=0.5, convert_to_iter_based=True)
    scheduler = PARAM_SCHEDULERS.build(
        dict(type='WarmUpLR', optimizer=optimizer, **options), default_args=dict(epoch_length=length))
    rates = []
    for _ in factors:
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    assert rates == pytest.approx(factors)


@pytest.mark.parametrize('transfer', [shutil.move, shutil.copytree])
def test_resume_in_a_folder_that_was_moved_or_copied(standin, folder, one_thread, transfer):
    config = write_config(standin, folder, folder / 'resume.py', "\ntrain_cfg = dict(max_epochs=1)\n")
    first, second = folder / 'first', folder / os.fsdecode(f'{transfer.__name__} ü'.encode('latin-1'))  # no UTF-8
    shutil.rmtree(first, ignore_errors=True)
    assert run_tool('train', config, '--work-dir', first) == 0
    transfer(first, second)
    # In the copied folder, a checkpoint of the old one must not be used.
    for file in first.glob('epoch_*.pth'):
        file.write_bytes(b'not a checkpoint')
    old = sorted(path.name for path in first.iterdir()) if first.exists() else None
    options = ['train_cfg.max_epochs=3', 'default_hooks.checkpoint.rule=greater']  # so that the score improves
    assert run_tool('train', config, '--work-dir', second, '--resume', '--cfg-options', *options) == 0
    assert epochs(second)[0] == 3 and os.fsencode(second) in (second / 'last_checkpoint').read_bytes()
    assert not (second / 'epoch_1.pth').exists() and len(list(second.glob('best_*.pth'))) == 1
    assert old is None or old == sorted(path.name for path in first.iterdir())


def test_two_trainings_do_not_share_a_work_folder(standin, folder, one_thread):
    config, work_dir = write_config(standin, folder, folder / 'shared.py'), folder / 'shared'
    with lock_folder(work_dir, 'training'):
        message = run_tool('train', config, '--work-dir', work_dir)
        assert message.startswith(f'{work_dir} is in use by another training, process {os.getpid()} on ')
        for command in (['quickstart', '--fresh', '--data-root', folder / 'data'], ['ablation', '--standin']):
            message = run_tool(*command, '--work-dir', work_dir)
            assert message.startswith(f'{work_dir} is in use by another {command[0]}, process {os.getpid()} on ')
        assert [path.name for path in work_dir.iterdir()] == ['.lock']
    assert run_tool('train', config, '--work-dir', work_dir, '--cfg-options', 'train_cfg.max_epochs=1') == 0


def test_a_training_does_not_start_from_a_checkpoint_of_another_model(standin, folder, one_thread):
    config = write_config(standin, folder, folder / 'start.py', "\ntrain_cfg = dict(max_epochs=1)\n")
    meta = dict(epoch=1, iter=6)
    deeper = save_random_weights(config, folder / 'deeper.pth', depth=34, **meta)
    torch.save(dict(state_dict={'x.weight': torch.ones(2)}, meta=meta), folder / 'other.pth')
    train = ['train', config, '--work-dir', folder / 'start']
    assert run_tool(*train, '--cfg-options', f'load_from={deeper}') == 0  # most of it fits
    for options, message in (
            (['--resume', deeper], 'deeper.pth: the checkpoint is not of this config: the model has no backbone.layer'),
            (['--cfg-options', f'load_from={folder}/other.pth'], 'other.pth: none of its 1 weights fits this model'),
            (['--cfg-options', 'model.backbone.init_cfg.type=Pretrained',
              f'model.backbone.init_cfg.checkpoint={folder}/other.pth'], 'other.pth: none of its 1 weights fits this')):
        found = run_tool(*train, *options)
        assert message in str(found) and len(found.splitlines()) == 1, found


def test_a_checkpoint_stays_until_its_successor_is_complete(standin, folder, one_thread, monkeypatch):
    """Also with the hook that configs of mmpose and mmdet name, which would remove it first."""
    config = write_config(standin, folder, folder / 'kept.py', '''
train_cfg = dict(max_epochs=2)
default_hooks = dict(checkpoint=dict(type='CheckpointHook', max_keep_ckpts=1))
''')
    save = Runner.save_checkpoint

    def stop(runner, out_dir, filename, *args, **kwargs):
        if filename == 'epoch_2.pth':
            raise KeyboardInterrupt
        save(runner, out_dir, filename, *args, **kwargs)

    monkeypatch.setattr(Runner, 'save_checkpoint', stop)
    with pytest.raises(KeyboardInterrupt):
        run_tool('train', config, '--work-dir', folder / 'kept')
    assert epochs(folder / 'kept')[0] == 1
    monkeypatch.undo()
    assert run_tool('train', config, '--work-dir', folder / 'kept', '--resume') == 0
    assert epochs(folder / 'kept')[0] == 2
