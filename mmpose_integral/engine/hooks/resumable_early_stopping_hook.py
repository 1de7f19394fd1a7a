from typing import Any

from mmengine.hooks import EarlyStoppingHook
from mmengine.registry import HOOKS
from mmengine.runner import Runner


@HOOKS.register_module()
class ResumableEarlyStoppingHook(EarlyStoppingHook):
    """mmengine's :class:`EarlyStoppingHook`, with patience, best score and decision kept when a run is resumed.

    The message hub holds them, and every checkpoint contains it. Use this hook with
    :class:`CheckpointAfterValidationHook`, which writes the checkpoint after this hook has counted. A run that has
    stopped does not continue when it is resumed, unless ``patience`` was raised. It then continues with the rest of the
    new patience.

    Args:
        after_lr_drop: Whether validations are counted only while the learning rate is below its initial value. The
            training then cannot stop before a schedule that watches another metric has lowered the rate.
        *args: Arguments of mmengine's hook.
        **kwargs: Further arguments of mmengine's hook.
    """

    def __init__(self, *args: Any, after_lr_drop: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.after_lr_drop = after_lr_drop
        self.stopped = False
        self._training = False
        self._counting = True
        self._key = f'early_stopping/{self.monitor}'  # of the state in the message hub, one per monitored metric

    def before_run(self, runner: Runner) -> None:
        """Do nothing; the base class would build the training data here, also for a test run."""

    def before_train(self, runner: Runner) -> None:
        """Restore the state of a resumed run, and stop at once if that had stopped."""
        self._training = True
        state = runner.message_hub.runtime_info.get(self._key)
        if state is None:
            return
        self.wait_count, self.best_score = state['wait_count'], state['best_score']
        self.stopped = state['stopped'] and self.patience <= state['patience']
        if self.stopped:
            runner.train_loop.stop_training = True
            runner.logger.info(
                f'This training has stopped early at epoch {runner.epoch}: {self.monitor} was best at '
                f'{self.best_score:.3f}, {self.wait_count} validations before. To continue, raise the patience '
                f'above {state["patience"]}.')

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float]) -> None:
        """Decide whether to stop a training, and store the state for the checkpoint."""
        if not self._training:
            return
        groups = runner.optim_wrapper.param_groups
        self._counting = not self.after_lr_drop or any(
            group['lr'] < group.get('initial_lr', 0) for group in groups)
        super().after_val_epoch(runner, metrics)
        runner.message_hub.update_info(self._key, dict(
            wait_count=self.wait_count, best_score=float(self.best_score), stopped=self.stopped,
            patience=self.patience))

    def _check_stop_condition(self, current_score: float) -> tuple[bool, str]:
        self.stopped, message = super()._check_stop_condition(current_score)
        if not self._counting and self.wait_count:
            self.wait_count, self.stopped = 0, False
        return self.stopped, message
