"""Files that the checkpoint hook leaves, and the state that early stopping keeps, for a model of two numbers."""
import os
from pathlib import Path
from unittest import mock

import pytest
import torch
from line_training import make_runner
from mmengine.fileio import get_file_backend
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

BEST = 'best_h80k_MPJPE_epoch_{}.pth'.format


class Watch(Hook):
    """Keeps the names of the checkpoints that exist when an epoch begins, by the number of the epoch from 1."""
    priority = 'LOWEST'

    def __init__(self):
        self.seen = {}

    def before_train_epoch(self, runner):
        self.seen[runner.epoch + 1] = files(runner.work_dir)


def files(folder):
    return {path.name for path in Path(folder).glob('*.pt*')}


@pytest.fixture
def train(tmp_path):
    """``train(scores, epochs=..)`` runs a training in the test's folder, and returns what :class:`Watch` has seen."""

    def run(scores, epochs=6, patience=100, resume=False, val_interval=1, work_dir=tmp_path, **options):
        watch = Watch()
        checkpoint = dict(type='CheckpointAfterValidationHook', interval=1, max_keep_ckpts=1, rule='less',
                          save_best='h80k/MPJPE' if scores else None)
        stopping = dict(type='ResumableEarlyStoppingHook', monitor='h80k/MPJPE', rule='less', patience=patience)
        make_runner(
            work_dir, scores, epochs, val_interval, resume=bool(resume), custom_hooks=[watch, stopping],
            load_from=None if isinstance(resume, bool) else str(resume),
            default_hooks=dict(checkpoint=checkpoint | options)).train()
        return watch.seen

    return run


def info(folder):
    checkpoint = torch.load((Path(folder) / 'last_checkpoint').read_text())
    return checkpoint['message_hub']['runtime_info']


def test_best_and_last_are_kept(train, tmp_path):
    seen = train([5, 4, 6, 3, 7, 8])
    assert [seen[epoch] for epoch in (2, 3, 4, 5)] == [
        {BEST(1), 'epoch_1.pth'}, {BEST(2), 'epoch_2.pth'}, {BEST(2), 'epoch_3.pth'}, {BEST(4), 'epoch_4.pth'}]
    assert files(tmp_path) == {BEST(4), 'epoch_6.pth'}
    assert Path((tmp_path / 'last_checkpoint').read_text()) == tmp_path / 'epoch_6.pth'
    assert info(tmp_path)['best_score'] == 3 and Path(info(tmp_path)['best_ckpt']).name == BEST(4)
    assert torch.load(tmp_path / 'epoch_6.pth')['meta']['epoch'] == 6
    assert torch.load(tmp_path / BEST(4))['meta']['epoch'] == 4


def test_several_metrics_have_a_best_checkpoint_each(train, tmp_path):
    seen = train([5, 4, 6, 3], epochs=4, save_best=['h80k/MPJPE', 'h80k/largest'])  # the second is always 1
    largest = 'best_h80k_largest_epoch_1.pth'
    assert seen[3] == {BEST(2), largest, 'epoch_2.pth'} and files(tmp_path) == {BEST(4), largest, 'epoch_4.pth'}


def test_a_better_score_between_checkpoints_keeps_the_file_that_the_last_checkpoint_names(train, tmp_path):
    seen = train([5, 4, 3, 2, 6, 1], interval=3, max_keep_ckpts=2)
    assert seen[3] == {BEST(1), BEST(2)}  # nothing is removed before there is a checkpoint to resume from
    assert seen[4] == {BEST(3), 'epoch_3.pth'}
    assert seen[6] == {BEST(3), BEST(4), 'epoch_3.pth'}
    assert files(tmp_path) == {BEST(6), 'epoch_3.pth', 'epoch_6.pth'}


def test_epochs_without_validation_get_their_checkpoints(train, tmp_path):
    seen = train([None, 5, None, 4, None, 6, 7], epochs=7, val_interval=2, max_keep_ckpts=-1, save_best=None,
                 published_keys=['state_dict'])
    for epoch in range(2, 8):
        assert f'epoch_{epoch - 1}.pth' in seen[epoch]
    assert {f'epoch_{epoch}.pth' for epoch in range(1, 8)} <= files(tmp_path)
    assert any(name.startswith('epoch_7-') for name in files(tmp_path))  # the published one
    assert torch.load(tmp_path / 'epoch_3.pth')['meta'].items() >= dict(epoch=3, iter=6).items()


def test_training_without_validation(train, tmp_path):
    seen = train(None, epochs=5, interval=2)
    assert 'epoch_2.pth' in seen[3] and files(tmp_path) == {'epoch_5.pth'}
    seen = train(None, epochs=6, interval=2, resume=True)
    assert list(seen) == [6] and files(tmp_path) == {'epoch_6.pth'}


def test_early_stop_leaves_a_checkpoint_for_any_interval(train, tmp_path):
    scores = [5, 4, 4.95, 4.96, 3, 3, 3, 3]
    train(scores, epochs=8, patience=2, interval=5)
    assert files(tmp_path) == {BEST(2), 'epoch_4.pth'}
    state = info(tmp_path)['early_stopping/h80k/MPJPE']
    assert state == dict(wait_count=2, best_score=4.0, stopped=True, patience=2)
    assert train(scores, epochs=8, patience=2, interval=5, resume=True) == {} and 'epoch_4.pth' in files(tmp_path)
    # With more patience, the run continues, and the validations before still count.
    assert list(train(scores, epochs=8, patience=3, interval=5, resume=True)) == [5, 6, 7, 8]
    assert info(tmp_path)['early_stopping/h80k/MPJPE'].items() >= dict(wait_count=3, best_score=3.0).items()


def test_resume_finishes_removals_that_a_kill_interrupted(train, tmp_path):
    train([5, 4], epochs=2)
    kept = (tmp_path / BEST(2)).read_bytes()
    for leftover in ('epoch_1.pth', BEST(1)):
        (tmp_path / leftover).write_bytes(b'as if the run had been killed before it removed this')
    assert train([5, 4, 6], epochs=3, resume=True)[3] == {BEST(2), 'epoch_2.pth'}
    assert (tmp_path / BEST(2)).read_bytes() == kept


def test_resuming_into_another_folder_does_not_change_the_first(train, tmp_path):
    train([5, 4], epochs=2)
    before = files(tmp_path)
    train([5, 4, 3], epochs=3, resume=tmp_path / 'epoch_2.pth', work_dir=tmp_path / 'other')
    assert files(tmp_path) == before
    assert files(tmp_path / 'other') == {BEST(3), 'epoch_3.pth'}


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    backend, file = get_file_backend(backend_args=dict(backend='atomic_local')), tmp_path / 'new' / 'file'
    backend.put(b'old', file)
    monkeypatch.setattr(os, 'fsync', mock.Mock(side_effect=OSError('disk full')))
    with pytest.raises(OSError, match='disk full'):
        backend.put(b'new content', file)
    assert file.read_bytes() == b'old'


def test_iterations_are_refused():
    with pytest.raises(ValueError, match='by_epoch=True expected'):
        HOOKS.build(dict(type='CheckpointAfterValidationHook', by_epoch=False))
