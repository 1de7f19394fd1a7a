import torch
from mmengine.hooks import LoggerHook, RuntimeInfoHook
from mmengine.registry import HOOKS
from mmengine.runner import Runner


@HOOKS.register_module()
class DeferredRuntimeInfoHook(RuntimeInfoHook):
    """Record the losses of every step as mmengine's hook does, but read them from the GPU only when they are logged.

    mmengine's hook reads them after each step. It waits until the GPU has finished, and the GPU then waits for the next
    step. The record is the same here. The times of single steps are the times of their launches, and the mean over a
    logging interval is that of the work.
    """

    def before_train(self, runner: Runner) -> None:
        """Read the logging interval."""
        super().before_train(runner)
        self._pending = []
        self._interval = min((hook.interval for hook in runner.hooks if isinstance(hook, LoggerHook)), default=1)

    def after_train_iter(self, runner: Runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Keep the losses of a step, and write all kept losses before they are logged."""
        self._pending += (outputs or {}).items()
        # The logger counts steps per epoch or per training, and also logs the last step of an epoch.
        if (self.every_n_inner_iters(batch_idx, self._interval) or self.every_n_train_iters(runner, self._interval)
                or self.end_of_epoch(runner.train_dataloader, batch_idx)):
            self._write(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Write the kept losses, before validation and checkpoint."""
        self._write(runner)

    def after_train(self, runner: Runner) -> None:
        """Write the kept losses."""
        self._write(runner)
        super().after_train(runner)

    def _write(self, runner):
        """Write all kept losses with one read from the GPU."""
        names, values = [name for name, _ in self._pending], [value for _, value in self._pending]
        self._pending = []
        if values and all(isinstance(value, torch.Tensor) for value in values):
            values = torch.stack([value.detach().reshape(()).double() for value in values]).tolist()
        for name, value in zip(names, values, strict=True):
            runner.message_hub.update_scalar(f'train/{name}', value)
