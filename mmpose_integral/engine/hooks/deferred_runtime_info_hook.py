import torch
from mmengine.hooks import LoggerHook, RuntimeInfoHook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class DeferredRuntimeInfoHook(RuntimeInfoHook):
    """Records every step's losses as mmengine's hook does, but reads them from the GPU only when they are logged.

    mmengine's reads them after each step, which waits until the GPU has done all of it; the GPU then waits until the
    next step is launched. The record is the same; times of single steps are those of launching them, and their mean
    over a logging interval is that of the work.
    """

    def before_train(self, runner):
        """Find out how often losses are logged."""
        super().before_train(runner)
        self._pending = []
        self._interval = min((hook.interval for hook in runner.hooks if isinstance(hook, LoggerHook)), default=1)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        """Keep the losses of a step; write all that were kept before somebody asks for them."""
        self._pending += (outputs or {}).items()
        # The logger counts by the epoch or by the training, and logs the last step of an epoch too.
        if (self.every_n_inner_iters(batch_idx, self._interval) or self.every_n_train_iters(runner, self._interval)
                or self.end_of_epoch(runner.train_dataloader, batch_idx)):
            self._write(runner)

    def after_train_epoch(self, runner):
        """Write what was kept, before validation and checkpoint."""
        self._write(runner)

    def after_train(self, runner):
        """Write what was kept."""
        self._write(runner)
        super().after_train(runner)

    def _write(self, runner):
        """One read for all."""
        names, values = [name for name, _ in self._pending], [value for _, value in self._pending]
        self._pending = []
        if values and all(isinstance(value, torch.Tensor) for value in values):
            values = torch.stack([value.detach().reshape(()).double() for value in values]).tolist()
        for name, value in zip(names, values, strict=True):
            runner.message_hub.update_scalar(f'train/{name}', value)
