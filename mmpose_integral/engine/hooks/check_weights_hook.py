from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from mmpose_integral.formats.checkpoints import CheckpointError, find_weights
from mmpose_integral.models.weights import check_overlap, load_weights


@HOOKS.register_module()
class CheckWeightsHook(Hook):
    """Refuse to resume a training from a checkpoint of another model, or to start it from one without fitting weights.

    Raises:
        CheckpointError: See :func:`load_weights` and :func:`check_overlap`; the message names the file.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check it before mmengine, which only warns, loads it."""
        path = runner._load_from or f'the latest checkpoint in {runner.work_dir}'
        if runner._resume:
            load_weights(runner.model, checkpoint, path)
            return
        try:
            check_overlap(runner.model, find_weights(checkpoint))
        except CheckpointError as error:
            raise CheckpointError(f'{path}: {error}') from None
