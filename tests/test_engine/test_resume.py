"""A training that is killed again and again, at the worst moments, ends as the uninterrupted one."""
import re
import signal
from pathlib import Path

import pytest
import torch
from small_training import REPO, prepare, write_config

# Every validation after the first counts as saturated: the rate drops in epochs 2 and 3, the training stops in epoch 5.
SATURATED = '''
custom_imports = dict(imports=['mmpose_integral', 'kill_hooks'])
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [dict(
    type='ReduceOnPlateauLR', monitor='h80k/loss', rule='less', factor=0.01, min_value=1e-6, patience=0,
    threshold=1e4, threshold_rule='abs')]
train_cfg = dict(max_epochs=8)
default_hooks = dict(logger=dict(interval=1))
custom_hooks = [
    dict(type='SyncBuffersHook'), dict(type='NoteSamples'), dict(type='Kill', priority='LOWEST'),
    dict(type='ResumableEarlyStoppingHook', monitor='h80k/MPJPE', rule='less', min_delta=1e4, patience=4,
         after_lr_drop=True)]
'''

HOOKS = '''
import os
import signal

from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class Kill(Hook):
    """KILL_AT is EVENT:EPOCH, or the name of the file that is incomplete or about to be renamed."""

    def reach(self, moment):
        if moment == os.environ.get('KILL_AT'):
            os.kill(os.getpid(), signal.SIGKILL)

    def before_train(self, runner):
        real_replace = os.replace

        def replace(source, target):
            name = os.path.basename(target)
            if os.environ.get('KILL_AT') == f'before {name}':
                os.truncate(source, os.path.getsize(source) // 2)
            self.reach(f'before {name}')
            real_replace(source, target)
            self.reach(f'after {name}')

        os.replace = replace

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if batch_idx == 2:
            self.reach(f'iteration:{runner.epoch + 1}')

    def after_val_epoch(self, runner, metrics=None):
        self.reach(f'validation:{runner.epoch}')


@HOOKS.register_module()
class NoteSamples(Hook):
    """Write down the samples of each epoch, and a number that identifies their augmentation."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        with open(os.path.join(runner.work_dir, f'samples_{runner.epoch + 1}.txt'), 'a' if batch_idx else 'w') as file:
            for inputs, sample in zip(data_batch['inputs'], data_batch['data_samples']):
                print(os.path.relpath(sample.img_path), inputs.double().mean().item(), file=file)
'''


@pytest.fixture(scope='module')
def train(standin, forks, tmp_path_factory):
    """``train(name, kill_at='', resume=False)`` trains in its own process; it returns folder, exit code and output."""
    root = tmp_path_factory.mktemp('resume')
    prepare(standin, root)
    config = write_config(standin, root, root / 'small.py', SATURATED)
    (root / 'kill_hooks.py').write_text(HOOKS)

    def run(name, kill_at='', resume=False):
        ended = forks.run(REPO / 'tools' / 'train.py', config, '--work-dir', root / name,
                          *(['--resume'] if resume else []), path=[root], KILL_AT=kill_at)
        return root / name, ended.code, ended.output

    return run


@pytest.fixture(scope='module')
def unbroken(train):
    folder, code, output = train('unbroken')
    assert code == 0, output[-3000:]
    return folder, output


def latest(folder):
    return torch.load(Path((folder / 'last_checkpoint').read_text()), map_location='cpu')


def decisions(checkpoint):
    """The state of a run apart from its tensors."""
    info = checkpoint['message_hub']['runtime_info']
    return dict(
        epoch=checkpoint['meta']['epoch'], iter=checkpoint['meta']['iter'], scheduler=checkpoint['param_schedulers'][0],
        early_stopping=info['early_stopping/h80k/MPJPE'], best_score=info['best_score'],
        best_ckpt=Path(info['best_ckpt']).name,
        lr=[group['lr'] for group in checkpoint['optimizer']['param_groups']])


def assert_same(first, second):
    """Two checkpoints of one process on the CPU hold exactly the same training."""
    assert decisions(first) == decisions(second)
    torch.testing.assert_close(first['state_dict'], second['state_dict'], rtol=0, atol=0)
    torch.testing.assert_close(first['optimizer']['state'], second['optimizer']['state'], rtol=0, atol=0)


def files(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix in ('.pth', '.part'))


def test_uninterrupted_run_drops_the_rate_and_stops_early(unbroken):
    folder, output = unbroken
    state = decisions(latest(folder))
    assert state['epoch'] == 5 and state['lr'] == pytest.approx([1e-6])
    assert state['early_stopping']['stopped'] and state['early_stopping']['wait_count'] == 4
    assert files(folder) == sorted([state['best_ckpt'], 'epoch_5.pth'])
    scores = [float(score) for score in re.findall(r'h80k/MPJPE: ([\d.]+)', output)]
    assert len(scores) == 5 and state['best_score'] == pytest.approx(min(scores), abs=1e-3)
    losses = [float(loss) for loss in re.findall(r'h80k/loss: ([\d.]+)', output)]
    assert len(losses) == 5 and state['scheduler']['best'] == pytest.approx(losses[0], abs=1e-3)
    rates = re.findall(r'Epoch\(train\)\s+\[(\d)\].*? lr: (\S+)', output)
    assert {(int(epoch), float(rate)) for epoch, rate in rates} == {
        (1, 1e-3), (2, 1e-3), (3, 1e-5), (4, 1e-6), (5, 1e-6)}


def test_killed_run_ends_as_the_uninterrupted_one(train, unbroken):
    last_epochs = {'validation:2': 1, 'iteration:3': 2, 'before epoch_3.pth': 2, 'after last_checkpoint': 3}
    for kill_at, epoch in last_epochs.items():
        folder, code, output = train('broken', kill_at, resume=True)
        assert code == -signal.SIGKILL, output[-3000:]
        assert latest(folder)['meta']['epoch'] == epoch, kill_at
    assert 'epoch_2.pth' in files(folder)  # the run was killed before it could remove the file
    folder, code, output = train('broken', resume=True)
    assert code == 0, output[-3000:]
    assert_same(latest(folder), latest(unbroken[0]))
    assert files(folder) == files(unbroken[0])
    for name in (f'samples_{epoch}.txt' for epoch in range(1, 6)):
        assert (folder / name).read_text() == (unbroken[0] / name).read_text() != ''


def test_stopped_run_stays_stopped(train, unbroken):
    before = latest(unbroken[0])
    folder, code, output = train('unbroken', resume=True)
    assert code == 0 and 'has stopped early at epoch 5' in output and 'Epoch(train)' not in output
    assert_same(latest(folder), before)
