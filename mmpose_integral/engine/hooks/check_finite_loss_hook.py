import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmengine.dist import all_gather_object, all_reduce, is_main_process
from mmengine.hooks import CheckpointHook, Hook
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from mmpose_integral.utils.errors import ExpectedError


class NotFiniteError(ExpectedError, FloatingPointError):
    """Loss, gradients or weights of a training are NaN or infinite."""


class _Update:
    """The iterations of one update, several with gradient accumulation. A result is 1 if all is finite, else 0."""

    def __init__(self) -> None:
        self.iterations: list[int] = []
        self.files: list[list[str]] = []
        self.losses: list[torch.Tensor] = []
        self.finite: torch.Tensor | None = None
        """Result of losses and gradients; None until the update is complete."""


@HOOKS.register_module()
class CheckFiniteLossHook(Hook):
    """Stop a training whose loss or gradients are not finite, or leave out such updates; name the files of the batch.

    An update is finite if the losses of its batches and all its gradients are. The weights are checked, too, whenever
    results are read. Where a gradient scaler leaves out updates (float16), only losses and weights are checked.

    The results are reduced over all ranks, so that all decide alike. 'stop' does not make the process wait for the GPU:
    results stay there until all are read at once, every ``interval`` iterations, at the end of an epoch and before a
    checkpoint. 'skip' has to know the result before the weights change, and so waits once per iteration. It also undoes
    what the batch has changed in the buffers of the model, such as the running means of batch norm.

    mmdet's ``CheckInvalidLossHook`` looks at one of ``interval`` losses, on each rank by itself, and names no batch.

    Args:
        action: 'stop' or 'skip'. 'skip' also stops, when ``interval`` updates in a row were left out.
        interval: Number of iterations after which results are read.

    Raises:
        ValueError: If ``action`` is none of the two.
        NotFiniteError: When the training is stopped, on rank 0; SystemExit on the other ranks.
    """

    priority = 'ABOVE_NORMAL'  # before the hooks that log, validate and save

    def __init__(self, action: str = 'stop', interval: int = 50) -> None:
        if action not in ('stop', 'skip'):
            raise ValueError(f"CheckFiniteLossHook: action: 'stop' or 'skip' expected, got {action!r}")
        self.action, self.interval = action, interval
        self._updates = [_Update()]
        self._losses: list[torch.Tensor] = []  # of the iteration
        self._buffers: list[torch.Tensor] = []
        self._left_out = 0  # updates in a row

    def before_train(self, runner: Runner) -> None:
        """Join each backward pass and each update."""
        for wrapper in _optim_wrappers(runner):
            wrapper.backward = functools.partial(self._backward, wrapper.backward)
            wrapper.step = functools.partial(self._step, wrapper, wrapper.step)

    def after_train(self, runner: Runner) -> None:
        for wrapper in _optim_wrappers(runner):
            del wrapper.backward, wrapper.step

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        self._losses = []
        if self.action == 'skip':
            self._buffers = [buffer.clone() for buffer in runner.model.buffers()]

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None,
                         outputs: dict[str, Any] | None = None) -> None:
        """Keep the results of the iteration; read all kept results if it is time."""
        if not self._losses:  # a model that trains by other means
            return
        loss, update = torch.stack(self._losses).min(), self._updates[-1]
        update.iterations.append(runner.iter + 1)
        update.files.append(_files_of(data_batch))
        update.losses.append(loss)
        if update.finite is not None:
            loss = loss * update.finite
            self._updates.append(_Update())
        if self.action == 'skip' and not loss:
            for buffer, kept in zip(runner.model.buffers(), self._buffers, strict=True):
                buffer.copy_(kept)
        if self.every_n_train_iters(runner, self.interval) or _saves_after_iteration(runner):
            self._read(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Read the results before the model is validated or saved."""
        self._read(runner)

    def _backward(self, backward: Callable[..., None], loss: torch.Tensor, **kwargs: Any) -> None:
        self._losses.append(torch.isfinite(loss.detach()).all().float())
        backward(loss, **kwargs)

    def _step(self, wrapper: OptimWrapper, step: Callable[..., None], **kwargs: Any) -> None:
        finite = torch.stack([*self._updates[-1].losses, *self._losses]).min()
        if not hasattr(wrapper, 'loss_scaler'):
            finite = finite * _are_finite([p.grad for group in wrapper.optimizer.param_groups for p in group['params']])
        self._updates[-1].finite = finite
        if self.action == 'skip':
            all_reduce(finite, 'min')
            if not finite:
                return
        step(**kwargs)

    def _read(self, runner: Runner) -> None:
        """Read the results of all complete updates with one copy from the device, and act on them."""
        *updates, incomplete = self._updates
        self._updates = [incomplete]
        if not updates:
            return
        weights = _are_finite([*runner.model.parameters(), *runner.model.buffers()])
        results = torch.stack([*(update.finite for update in updates), weights])
        all_reduce(results, 'min')
        *finite, weights_are_finite = results.tolist()
        for update, update_is_finite in zip(updates, finite, strict=True):
            self._left_out = 0 if update_is_finite else self._left_out + 1
            if not update_is_finite:
                self._act_on(runner, _describe(update))
        if not weights_are_finite:
            _stop(f'The weights are not finite after iteration {updates[-1].iterations[-1]}, although losses and '
                  'gradients are. Lower the learning rate, and continue with --resume')

    def _act_on(self, runner: Runner, what: str) -> None:
        if self.action == 'stop':
            _stop(f'{what}. Nothing was saved since. Correct the labels and boxes of these files, or lower the '
                  'learning rate, and continue with --resume; or leave out such updates: --cfg-options '
                  'default_hooks.finite_loss.action=skip')
        runner.logger.warning(f'{what}. The update is left out')
        if self._left_out >= self.interval:
            _stop(f'{what}. {self._left_out} updates in a row were left out. Correct the data, or lower the learning '
                  'rate, and continue with --resume')


def _describe(update: _Update) -> str:
    """First loss of an update that is not finite on any rank, or its gradients, and the files of all ranks."""
    own = torch.stack(update.losses)
    everywhere = own.clone()
    all_reduce(everywhere, 'min')
    losses = everywhere.tolist()
    of_loss = 0 in losses
    files = [name for names, finite in zip(update.files, own.tolist(), strict=True) if not (of_loss and finite)
             for name in names]
    ranks = all_gather_object(files)
    listed = '; '.join((f'rank {rank}: ' if len(ranks) > 1 else '') + ', '.join(names)
                       for rank, names in enumerate(ranks) if names)
    iteration = update.iterations[losses.index(0) if of_loss else -1]
    return (f'The {"loss" if of_loss else "gradient"} of iteration {iteration} is not finite; files of the batch: '
            f'{listed or "unknown"}')


def _stop(message: str) -> None:
    """End the training on all ranks; one of them says why."""
    raise NotFiniteError(message) if is_main_process() else SystemExit(1)


def _are_finite(tensors: Sequence[torch.Tensor | None]) -> torch.Tensor:
    """1 if all floating-point numbers are finite, else 0, on their device; it takes one pass and no copy."""
    floats = [tensor.detach() for tensor in tensors if tensor is not None and tensor.is_floating_point()]
    norms = torch._foreach_norm(floats) if floats else [torch.ones(())]  # NaN and infinity remain in a norm
    return torch.isfinite(torch.stack([norm.float() for norm in norms])).all().float()


def _files_of(data_batch: Any) -> list[str]:
    samples = data_batch.get('data_samples') if isinstance(data_batch, dict) else None
    return [str(sample.get('img_path')) for sample in samples] if isinstance(samples, (list, tuple)) else []


def _optim_wrappers(runner: Runner) -> list[OptimWrapper]:
    wrapper = runner.optim_wrapper
    return list(wrapper.values()) if isinstance(wrapper, OptimWrapperDict) else [wrapper]


def _saves_after_iteration(runner: Runner) -> bool:
    """Whether mmengine's hook saves a checkpoint by iterations after this one."""
    return any(isinstance(hook, CheckpointHook) and not hook.by_epoch
               and (hook.every_n_train_iters(runner, hook.interval) or hook.is_last_train_iter(runner))
               for hook in runner.hooks)
