from typing import Any

import torch
from mmengine.hooks import Hook, LoggerHook, RuntimeInfoHook
from mmengine.registry import HOOKS
from mmengine.runner import Runner


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Store weights, and thereby all feature maps, in channels-last order, in which convolutions are faster."""

    def before_run(self, runner: Runner) -> None:
        runner.model.to(memory_format=torch.channels_last)


@HOOKS.register_module()
class DeferredRuntimeInfoHook(RuntimeInfoHook):
    """Record the losses of every step as mmengine's hook does, but read them from the GPU only when they are logged.

    mmengine's hook reads them after each step. The process then waits for the GPU, and the GPU for the next step. The
    record is the same here. The time of a single step is the time of its launch; the mean over a logging interval is
    the time of the work.
    """

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        self._pending: list[tuple[str, Any]] = []
        self._interval = min((hook.interval for hook in runner.hooks if isinstance(hook, LoggerHook)), default=1)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None,
                         outputs: dict[str, Any] | None = None) -> None:
        """Keep the losses of a step, and record all kept losses before they are logged."""
        self._pending += (outputs or {}).items()
        # The logger counts steps per epoch or per training, and also logs the last step of an epoch.
        if (self.every_n_inner_iters(batch_idx, self._interval) or self.every_n_train_iters(runner, self._interval)
                or self.end_of_epoch(runner.train_dataloader, batch_idx)):
            self._record(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        self._record(runner)

    def after_train(self, runner: Runner) -> None:
        self._record(runner)
        super().after_train(runner)

    def _record(self, runner: Runner) -> None:
        """Record all kept losses with one read from the GPU."""
        values = [value for _, value in self._pending]
        if values and all(isinstance(value, torch.Tensor) for value in values):
            values = torch.stack([value.detach().reshape(()).double() for value in values]).tolist()
        for (name, _), value in zip(self._pending, values, strict=True):
            runner.message_hub.update_scalar(f'train/{name}', value)
        self._pending = []
