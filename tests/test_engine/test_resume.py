"""A training killed again and again, at the worst moments, ends as the unbroken one does."""
import re
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from small_training import REPO, prepare, write_config

import mmpose_integral  # noqa: F401  makes checkpoints loadable

# Every validation after the first counts as saturated: the rate drops in epochs 2 and 3, the training stops in epoch 5.
SATURATED = '''
custom_imports = dict(imports=['mmpose_integral', 'kill_hooks'])
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [dict(
    type='ReduceOnPlateauLR', monitor='h80k/MPJPE', rule='less', factor=0.01, min_value=1e-6, patience=0,
    threshold=1e4, threshold_rule='abs')]
train_cfg = dict(max_epochs=8)
default_hooks = dict(logger=dict(interval=1))
custom_hooks = [
    dict(type='SyncBuffersHook'), dict(type='NoteSamples'), dict(type='Kill', priority='LOWEST'),
    dict(type='ResumableEarlyStoppingHook', monitor='h80k/MPJPE', rule='less', min_delta=1e4, patience=4)]
'''

HOOKS = '''
import os
import signal

from mmengine.hooks import Hook
from mmengine.registry import HOOKS


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


@HOOKS.register_module()
class Kill(Hook):
    """KILL_AT is EVENT:EPOCH, or the name of the file that is half written or about to be renamed."""

    def before_train(self, runner):
        self.at = os.environ.get('KILL_AT', '')
        real_replace = os.replace

        def replace(source, target):
            if self.at == f'before {os.path.basename(target)}':
                with open(source, 'r+b') as file:
                    file.truncate(os.path.getsize(source) // 2)
                kill()
            real_replace(source, target)
            if self.at == f'after {os.path.basename(target)}':
                kill()

        os.replace = replace

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if batch_idx == 2 and self.at == f'iteration:{runner.epoch + 1}':
            kill()

    def after_val_epoch(self, runner, metrics=None):
        if self.at == f'validation:{runner.epoch}':
            kill()


@HOOKS.register_module()
class NoteSamples(Hook):
    """Write down what each epoch was trained on, and a number that tells its augmentation."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        with open(os.path.join(runner.work_dir, f'samples_{runner.epoch + 1}.txt'), 'a' if batch_idx else 'w') as file:
            for inputs, sample in zip(data_batch['inputs'], data_batch['data_samples']):
                print(os.path.relpath(sample.img_path), inputs.double().mean().item(), file=file)
'''


@pytest.fixture(scope='module')
def trainings(standin, forks, tmp_path_factory):
    """``run(name, kill_at='', resume=False)`` trains in a process of its own and returns exit code and output."""
    folder = tmp_path_factory.mktemp('resume')
    prepare(standin, folder)
    config = write_config(standin, folder, folder / 'small.py', SATURATED)
    (folder / 'kill_hooks.py').write_text(HOOKS)

    def run(name, kill_at='', resume=False):
        ended = forks.run(REPO / 'tools' / 'train.py', config, '--work-dir', folder / name,
                          *(['--resume'] if resume else []), path=[folder], KILL_AT=kill_at)
        return SimpleNamespace(code=ended.code, output=ended.output, folder=folder / name)

    return run


@pytest.fixture(scope='module')
def unbroken(trainings):
    run = trainings('unbroken')
    assert run.code == 0, run.output[-3000:]
    return run


def latest(folder):
    return torch.load(Path((folder / 'last_checkpoint').read_text()), map_location='cpu')


def decisions(checkpoint):
    """What a resumed run must not forget, apart from the tensors."""
    info = checkpoint['message_hub']['runtime_info']
    return dict(
        epoch=checkpoint['meta']['epoch'], iter=checkpoint['meta']['iter'], scheduler=checkpoint['param_schedulers'][0],
        early_stopping=info['early_stopping/h80k/MPJPE'], best_score=info['best_score'],
        best_ckpt=Path(info['best_ckpt']).name,
        lr=[group['lr'] for group in checkpoint['optimizer']['param_groups']])


def assert_same(first, second):
    """Two checkpoints hold the same training: exactly, for one process on the CPU draws nothing from elsewhere."""
    assert decisions(first) == decisions(second)
    torch.testing.assert_close(first['state_dict'], second['state_dict'], rtol=0, atol=0)
    torch.testing.assert_close(first['optimizer']['state'], second['optimizer']['state'], rtol=0, atol=0)


def files(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix in ('.pth', '.part'))


def test_unbroken_run_drops_the_rate_and_stops_early(unbroken):
    checkpoint = latest(unbroken.folder)
    assert checkpoint['meta']['epoch'] == 5
    state = decisions(checkpoint)
    assert state['lr'] == pytest.approx([1e-6])
    assert state['early_stopping']['stopped'] and state['early_stopping']['wait_count'] == 4
    assert files(unbroken.folder) == sorted([state['best_ckpt'], 'epoch_5.pth'])
    scores = [float(score) for score in re.findall(r'h80k/MPJPE: ([\d.]+)', unbroken.output)]
    assert len(scores) == 5 and state['best_score'] == pytest.approx(min(scores), abs=1e-3)
    rates = re.findall(r'Epoch\(train\)\s+\[(\d)\].*? lr: (\S+)', unbroken.output)
    assert {(int(epoch), float(rate)) for epoch, rate in rates} == {
        (1, 1e-3), (2, 1e-3), (3, 1e-5), (4, 1e-6), (5, 1e-6)}


def test_killed_run_ends_as_the_unbroken_one(trainings, unbroken):
    for kill_at, epoch in [
            ('validation:2', 1), ('iteration:3', 2), ('before epoch_3.pth', 2), ('after last_checkpoint', 3)]:
        run = trainings('broken', kill_at, resume=True)
        assert run.code == -signal.SIGKILL, run.output[-3000:]
        assert latest(run.folder)['meta']['epoch'] == epoch, kill_at
    assert 'epoch_2.pth' in files(run.folder)  # the kill came before it could be removed
    run = trainings('broken', resume=True)
    assert run.code == 0, run.output[-3000:]
    assert_same(latest(run.folder), latest(unbroken.folder))
    assert files(run.folder) == files(unbroken.folder)
    for epoch in range(1, 6):
        name = f'samples_{epoch}.txt'
        assert (run.folder / name).read_text() == (unbroken.folder / name).read_text() != ''


def test_stopped_run_stays_stopped(trainings, unbroken):
    before = latest(unbroken.folder)
    run = trainings('unbroken', resume=True)
    assert run.code == 0 and 'has stopped early at epoch 5' in run.output
    assert 'Epoch(train)' not in run.output
    assert_same(latest(run.folder), before)
