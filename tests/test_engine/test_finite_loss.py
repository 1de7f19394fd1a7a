"""Batches whose loss or gradient is not finite: the training stops and names their files, or goes on without them."""
import copy
import itertools
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.model import BaseModel
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import HOOKS, OPTIM_WRAPPERS
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from small_training import REPO, prepare, write_config
from torch.utils._python_dispatch import TorchDispatchMode

from mmpose_integral.cli import train as train_command
from mmpose_integral.engine import CheckFiniteLossHook, CheckWeightsHook, NotFiniteError

numbers = itertools.count()
BATCH = 2


class Trap(torch.autograd.Function):
    """0, with the derivative ``slope``."""

    @staticmethod
    def forward(ctx, x, slope):
        ctx.slope = slope
        return x * 0

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.slope, None


class Small(BaseModel):
    """A layer with batch norm, and a term of the loss with a given derivative."""

    def __init__(self):
        super().__init__()
        self.norm, self.line = torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 1)

    def forward(self, x, y, slope, mode, **others):
        predicted = self.line(self.norm(torch.stack(x)))[:, 0]
        trap = Trap.apply(predicted.sum(), torch.stack(slope).sum())
        return dict(loss=(predicted - torch.stack(y)).abs().mean() + trap)


class Samples(BaseDataset):
    """Random samples, without the batches of ``without``; ``spoiled`` maps a batch to what is wrong with it."""

    def __init__(self, batches, spoiled, without):
        self.batches, self.spoiled, self.without = batches, spoiled, without
        super().__init__()

    def load_data_list(self):
        draw = torch.Generator().manual_seed(3)
        samples = []
        for number in range(self.batches * BATCH):
            sample = dict(x=torch.randn(3, generator=draw), y=torch.randn((), generator=draw), slope=torch.zeros(()),
                          data_samples=BaseDataElement(metainfo=dict(img_path=f'{number}.jpg')))
            wrong = self.spoiled.get(number // BATCH) if number % BATCH else None
            if wrong in ('nan', 'inf'):
                sample['y'] = torch.tensor(float(wrong))
            elif wrong == 'image':
                sample['x'] = torch.full((3, ), torch.nan)
            elif wrong == 'gradient':
                sample['slope'] = torch.tensor(torch.inf)
            if number // BATCH not in self.without:
                samples.append(sample)
        return samples


@OPTIM_WRAPPERS.register_module()
class ScaledOnCpu(AmpOptimWrapper):
    """mmengine's wrapper for float16, which refuses CPUs."""

    def __init__(self, **kwargs):
        OptimWrapper.__init__(self, **kwargs)
        self.loss_scaler, self.cast_dtype = torch.amp.GradScaler('cpu', init_scale=256.), torch.bfloat16
        self._scale_update_param = None


def train(work_dir, batches=6, spoiled=None, without=(), epochs=1, optim=None, interval=50, **hook):
    torch.manual_seed(0)
    runner = Runner(
        model=Small(), work_dir=str(work_dir), experiment_name=f'finite_{next(numbers)}', log_level='ERROR',
        train_dataloader=dict(batch_size=BATCH, dataset=Samples(batches, spoiled or {}, without), num_workers=0,
                              sampler=dict(type='DefaultSampler', shuffle=False)),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=dict(dict(optimizer=dict(type='Adam', lr=1e-2)), **optim or {}),
        default_hooks=dict(checkpoint=dict(type='CheckpointAfterValidationHook', max_keep_ckpts=1), finite_loss=dict(
            type='CheckFiniteLossHook', interval=interval, **hook)))
    runner.register_hook(CheckWeightsHook(), priority='HIGHEST')
    runner.train()
    return runner


def state(runner):
    return copy.deepcopy([runner.model.state_dict(), runner.optim_wrapper.optimizer.state_dict()['state']])


@pytest.mark.parametrize('wrapper', [
    {}, dict(type='BFloat16OptimWrapper', enabled=True), dict(clip_grad=dict(max_norm=1))])
@pytest.mark.parametrize('wrong', ['nan', 'inf', 'image', 'gradient'])
def test_skip_gives_the_training_without_the_batch(wrong, wrapper, tmp_path):
    """Weights, running means and the state of Adam are exactly those of a training that has no such batch."""
    skipped = train(tmp_path / 'a', spoiled={1: wrong, 4: wrong}, action='skip', interval=2, optim=wrapper)
    reference = train(tmp_path / 'b', without=(1, 4), optim=wrapper)
    torch.testing.assert_close(state(skipped), state(reference), rtol=0, atol=0, equal_nan=False)


def test_an_update_of_several_batches_is_left_out_as_a_whole(tmp_path):
    """The batches 2 and 3 are one update; the running means, which a good batch may change, are not compared."""
    two = dict(accumulative_counts=2)
    skipped = train(tmp_path / 'a', spoiled={3: 'nan'}, action='skip', optim=two)
    reference = train(tmp_path / 'b', without=(2, 3), optim=two)
    torch.testing.assert_close(list(skipped.model.parameters()), list(reference.model.parameters()), rtol=0, atol=0)


@pytest.mark.parametrize('wrong, what, files', [
    ('nan', 'loss of iteration 4', '6.jpg, 7.jpg'),
    ('gradient', 'gradient of iteration 4', '4.jpg, 5.jpg, 6.jpg, 7.jpg')])
def test_a_stopped_training_names_the_batch_or_the_batches_of_the_update(wrong, what, files, tmp_path):
    with pytest.raises(NotFiniteError, match=f'^The {what} is not finite; files of the batch: {files}. Nothing was'):
        train(tmp_path, spoiled={3: wrong}, optim=dict(accumulative_counts=2))
    assert not list(tmp_path.glob('*.pth'))


@pytest.mark.parametrize('hook, reads', [(dict(action='stop'), 0), (dict(action='skip'), 2)])
def test_only_skipping_waits_for_the_device_in_each_iteration(hook, reads):
    class CountReads(TorchDispatchMode):
        count = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            self.count += function is torch.ops.aten._local_scalar_dense.default  # of item() and of bool()
            return function(*args, **kwargs or {})

    model = torch.nn.Linear(3, 1)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    runner = SimpleNamespace(model=model, optim_wrapper=wrapper, iter=0, hooks=[], logger=mock.Mock())
    check = HOOKS.build(dict(type='CheckFiniteLossHook', interval=4, **hook))
    check.before_train(runner)
    counts = []
    for runner.iter in range(4):
        with CountReads() as mode:
            check.before_train_iter(runner, runner.iter)
            wrapper.update_params(model(torch.ones(2, 3)).sum())
            check.after_train_iter(runner, runner.iter)
        counts.append(mode.count)
    assert counts[:3] == [reads] * 3


def test_gradients_that_a_scaler_handles_do_not_stop_a_training(tmp_path):
    runner = train(tmp_path, spoiled={1: 'gradient'}, optim=dict(type='ScaledOnCpu'))
    assert runner.optim_wrapper.loss_scaler.get_scale() == 128  # it has left out that update
    with pytest.raises(NotFiniteError, match='The loss of iteration 2 is not finite; files of the batch: 2.jpg, 3.jpg'):
        train(tmp_path, spoiled={1: 'nan'}, optim=dict(type='ScaledOnCpu'))
    spoiled = train(tmp_path, epochs=3, spoiled={1: 'image'}, action='skip', optim=dict(type='ScaledOnCpu'))
    assert all(value.isfinite().all() for value in spoiled.model.state_dict().values())


def test_skipping_ends_when_nothing_else_is_left(tmp_path):
    spoiled = {0: 'nan', 1: 'nan', 3: 'nan', 4: 'image'}
    train(tmp_path, spoiled=spoiled, action='skip', interval=3)
    with pytest.raises(NotFiniteError, match='iteration 6 .* 3 updates in a row were left out'):
        train(tmp_path, spoiled=spoiled | {5: 'gradient'}, action='skip', interval=3)


def test_weights_that_are_not_finite_are_never_saved(tmp_path, monkeypatch):
    """Neither without the hook, nor where finite gradients make them so; the last good checkpoint stays."""
    first = train(tmp_path, epochs=1)
    good = (tmp_path / 'epoch_1.pth').read_bytes()
    huge = dict(optimizer=dict(type='SGD', lr=1e38, momentum=0.9))
    with pytest.raises(NotFiniteError, match='(weights are|loss of iteration .) .*not finite'):
        train(tmp_path, optim=huge)
    monkeypatch.setattr(CheckFiniteLossHook, '_read', lambda self, runner: None)
    with pytest.raises(NotFiniteError, match='norm.weight has values that are not finite after 6 iterations, so no'):
        train(tmp_path, spoiled={3: 'image'})
    assert (tmp_path / 'epoch_1.pth').read_bytes() == good and first.iter == 6
    assert [path.name for path in tmp_path.glob('*.pth')] == ['epoch_1.pth']


def test_another_action_is_refused():
    with pytest.raises(ValueError, match="action: 'stop' or 'skip' expected, got 'ignore'"):
        CheckFiniteLossHook('ignore')


SPOIL = '''
custom_imports = dict(imports=['mmpose_integral', 'spoil_hooks'])
train_cfg = dict(max_epochs=2, val_interval=3)
custom_hooks = [dict(type='SyncBuffersHook'), dict(type='Spoil')]
default_hooks = dict(logger=dict(interval=1))
'''

HOOK = '''
import os

from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class Spoil(Hook):
    """Make the labels of the second batch of the second epoch NaN on one rank, and write down its files."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if (runner.epoch, batch_idx, get_rank()) == (1, 1, int(os.environ['SPOIL_RANK'])):
            for sample in data_batch['data_samples']:
                sample.gt_instance_labels.keypoint_labels.fill_(float('nan'))
            with open(os.environ['SPOILED'], 'w') as file:
                file.write(', '.join(sample.img_path for sample in data_batch['data_samples']))
'''


@pytest.mark.parametrize('ranks', [1, 2])
def test_the_training_command_stops_on_all_ranks_keeps_the_checkpoint_and_continues(ranks, standin, forks, tmp_path):
    prepare(standin, tmp_path)
    config = write_config(standin, tmp_path, tmp_path / 'small.py', SPOIL)
    (tmp_path / 'spoil_hooks.py').write_text(HOOK)
    work, options = tmp_path / 'work', ['--launcher', 'pytorch'] if ranks > 1 else []

    def run(*arguments, rank=ranks - 1):
        return forks.run(REPO / 'tools' / 'train.py', config, *options, '--work-dir', work, *arguments, path=[tmp_path],
                         ranks=ranks if ranks > 1 else None, SPOIL_RANK=str(rank), SPOILED=str(tmp_path / 'spoiled'))

    stopped = run()
    where = 'rank 1: ' if ranks > 1 else ''
    files = (tmp_path / 'spoiled').read_text()
    assert stopped.code == 1 and 'Traceback' not in stopped.output
    assert f'is not finite; files of the batch: {where}{files}. Nothing was saved since' in stopped.output
    assert stopped.output.count('is not finite') == 1
    assert sorted(path.name for path in work.glob('*.pth')) == ['epoch_1.pth']
    skipped = run('--resume', '--cfg-options', 'default_hooks.finite_loss.action=skip')
    assert skipped.code == 0, skipped.output[-3000:]
    assert f'{where}{files}. The update is left out' in skipped.output and (work / 'epoch_2.pth').is_file()
    weights = torch.load(work / 'epoch_2.pth')['state_dict'].values()
    assert all(weight.isfinite().all() for weight in weights)


def test_trainings_of_other_packages_are_checked_too():
    args = train_command.parse_args(['config.py', '--cfg-options', 'default_hooks.finite_loss.interval=7'])
    for config in (Config(), Config(dict(default_hooks=dict(timer=dict(type='IterTimerHook'))))):
        train_command.apply_arguments(config, args)
        assert config.default_hooks.finite_loss == dict(type='CheckFiniteLossHook', interval=7)
