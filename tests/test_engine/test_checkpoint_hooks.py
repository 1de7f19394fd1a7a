"""Which files the checkpoint hook leaves, and what early stopping remembers, on a model of two numbers."""
import itertools
import os
from pathlib import Path

import pytest
import torch
from mmengine.dataset import BaseDataset
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.fileio import get_file_backend
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import HOOKS, DefaultScope
from mmengine.runner import Runner

import mmpose_integral  # noqa: F401  registers the hook

numbers = itertools.count()


class Line(BaseModel):
    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(1, 1)

    def forward(self, x, mode, **sample):
        predicted = self.line(x)
        return dict(loss=predicted.square().mean()) if mode == 'loss' else list(predicted)


class Points(BaseDataset):
    def load_data_list(self):
        return [dict(x=torch.tensor([float(i)])) for i in range(2)]


class Scores(BaseMetric):
    """The validation of epoch i, counted from 1, gives ``scores[i - 1]``."""

    def __init__(self, scores):
        super().__init__(prefix='h80k')
        self.scores, self.runner = scores, None

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return dict(MPJPE=float(self.scores[self.runner.epoch - 1]))


class Watch(Hook):
    """Notes the checkpoints that there are when an epoch begins, by 'epoch N'."""

    priority = 'LOWEST'

    def __init__(self):
        self.seen = {}

    def before_train_epoch(self, runner):
        self.seen[f'epoch {runner.epoch + 1}'] = files(runner.work_dir)


def files(folder):
    return {path.name for path in Path(folder).glob('*.pt*')}


@pytest.fixture(autouse=True)
def own_default_scope(monkeypatch):
    """A Runner sets the default scope of the whole process; tests that build by name come after this one."""
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())


@pytest.fixture
def train(tmp_path):
    """``train(scores, epochs=..)`` runs a training in the test's folder, and returns its :class:`Watch`."""

    def run(scores=None, epochs=6, patience=100, resume=False, val_interval=1, work_dir=tmp_path, **checkpoint):
        def loader():
            return dict(batch_size=2, dataset=Points(), sampler=dict(type='DefaultSampler', shuffle=False),
                        num_workers=0, collate_fn=dict(type='default_collate'))

        watch, metric = Watch(), Scores(scores)
        hook = dict(type='CheckpointAfterValidationHook', interval=1, max_keep_ckpts=1)
        hooks = [watch]
        if scores is not None:
            hook.update(save_best='h80k/MPJPE', rule='less')
            hooks.append(dict(type='ResumableEarlyStoppingHook', monitor='h80k/MPJPE', rule='less', patience=patience))
        hook.update(checkpoint)
        validation = {} if scores is None else dict(
            val_dataloader=loader(), val_cfg=dict(), val_evaluator=Evaluator(metric))
        runner = Runner(
            model=Line(), work_dir=str(work_dir), experiment_name=f'checkpoint_hooks_{next(numbers)}',
            resume=bool(resume), load_from=None if isinstance(resume, bool) else str(resume),
            train_dataloader=loader(), **validation,
            train_cfg=dict(by_epoch=True, max_epochs=epochs, val_interval=val_interval),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)), default_hooks=dict(checkpoint=hook),
            custom_hooks=hooks, randomness=dict(seed=0), log_level='ERROR')
        metric.runner = runner
        runner.train()
        return watch

    return run


def info(folder):
    checkpoint = torch.load((Path(folder) / 'last_checkpoint').read_text())
    return checkpoint['message_hub']['runtime_info']


def test_best_and_last_are_kept(train, tmp_path):
    watch = train([5, 4, 6, 3, 7, 8])
    best = 'best_h80k_MPJPE_epoch_{}.pth'.format
    assert [watch.seen[f'epoch {epoch}'] for epoch in (2, 3, 4, 5)] == [
        {best(1), 'epoch_1.pth'}, {best(2), 'epoch_2.pth'}, {best(2), 'epoch_3.pth'}, {best(4), 'epoch_4.pth'}]
    assert files(tmp_path) == {best(4), 'epoch_6.pth'}
    assert Path((tmp_path / 'last_checkpoint').read_text()) == tmp_path / 'epoch_6.pth'
    assert info(tmp_path)['best_score'] == 3 and Path(info(tmp_path)['best_ckpt']).name == best(4)
    assert torch.load(tmp_path / 'epoch_6.pth')['meta']['epoch'] == 6
    assert torch.load(tmp_path / best(4))['meta']['epoch'] == 4


def test_a_better_score_between_checkpoints_keeps_the_file_that_the_last_checkpoint_names(train, tmp_path):
    watch = train([5, 4, 3, 2, 6, 1], interval=3, max_keep_ckpts=2)
    best = 'best_h80k_MPJPE_epoch_{}.pth'.format
    assert watch.seen['epoch 3'] == {best(1), best(2)}  # nothing is removed before there is something to resume from
    assert watch.seen['epoch 4'] == {best(3), 'epoch_3.pth'}
    assert watch.seen['epoch 6'] == {best(3), best(4), 'epoch_3.pth'}
    assert files(tmp_path) == {best(6), 'epoch_3.pth', 'epoch_6.pth'}


def test_epochs_without_validation_get_their_checkpoints(train, tmp_path):
    watch = train([None, 5, None, 4, None, 6, 7], epochs=7, val_interval=2, max_keep_ckpts=-1,
                     save_best=None, published_keys=['state_dict'])
    for epoch in range(2, 8):
        assert f'epoch_{epoch - 1}.pth' in watch.seen[f'epoch {epoch}']
    assert {f'epoch_{epoch}.pth' for epoch in range(1, 8)} <= files(tmp_path)
    assert any(name.startswith('epoch_7-') for name in files(tmp_path))  # the published one
    assert torch.load(tmp_path / 'epoch_3.pth')['meta'].items() >= dict(epoch=3, iter=3).items()


def test_training_without_validation(train, tmp_path):
    watch = train(None, epochs=5, interval=2)
    assert 'epoch_2.pth' in watch.seen['epoch 3'] and files(tmp_path) == {'epoch_5.pth'}
    watch = train(None, epochs=6, interval=2, resume=True)
    assert list(watch.seen) == ['epoch 6'] and files(tmp_path) == {'epoch_6.pth'}


def test_early_stop_leaves_a_checkpoint_whatever_the_interval(train, tmp_path):
    scores = [5, 4, 4.95, 4.96, 3, 3, 3, 3]
    train(scores, epochs=8, patience=2, interval=5)
    assert files(tmp_path) == {'best_h80k_MPJPE_epoch_2.pth', 'epoch_4.pth'}
    state = info(tmp_path)['early_stopping/h80k/MPJPE']
    assert state == dict(wait_count=2, best_score=4.0, stopped=True, patience=2)
    watch = train(scores, epochs=8, patience=2, interval=5, resume=True)
    assert watch.seen == {} and 'epoch_4.pth' in files(tmp_path)
    # More patience lifts the decision, and what was counted counts.
    watch = train(scores, epochs=8, patience=3, interval=5, resume=True)
    assert list(watch.seen) == ['epoch 5', 'epoch 6', 'epoch 7', 'epoch 8']
    assert info(tmp_path)['early_stopping/h80k/MPJPE'].items() >= dict(wait_count=3, best_score=3.0).items()


def test_resume_finishes_removals_that_a_kill_cut_off(train, tmp_path):
    train([5, 4], epochs=2)
    kept = (tmp_path / 'best_h80k_MPJPE_epoch_2.pth').read_bytes()
    for leftover in ('epoch_1.pth', 'best_h80k_MPJPE_epoch_1.pth'):
        (tmp_path / leftover).write_bytes(b'as if the run had been killed before it removed this')
    watch = train([5, 4, 6], epochs=3, resume=True)
    assert watch.seen['epoch 3'] == {'best_h80k_MPJPE_epoch_2.pth', 'epoch_2.pth'}
    assert (tmp_path / 'best_h80k_MPJPE_epoch_2.pth').read_bytes() == kept


def test_resuming_into_another_folder_leaves_the_first_alone(train, tmp_path):
    train([5, 4], epochs=2)
    before = files(tmp_path)
    train([5, 4, 3], epochs=3, resume=tmp_path / 'epoch_2.pth', work_dir=tmp_path / 'other')
    assert files(tmp_path) == before
    assert files(tmp_path / 'other') == {'best_h80k_MPJPE_epoch_3.pth', 'epoch_3.pth'}


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    backend = get_file_backend(backend_args=dict(backend='atomic_local'))
    backend.put(b'old', tmp_path / 'new' / 'file')

    def fail(descriptor):
        raise OSError('disk full')

    monkeypatch.setattr(os, 'fsync', fail)
    with pytest.raises(OSError, match='disk full'):
        backend.put(b'new content', tmp_path / 'new' / 'file')
    assert (tmp_path / 'new' / 'file').read_bytes() == b'old'


def test_iterations_are_refused():
    with pytest.raises(ValueError, match='by_epoch=True expected'):
        HOOKS.build(dict(type='CheckpointAfterValidationHook', by_epoch=False))
