from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from mmpose_integral.engine.hooks.check_finite_loss_hook import NotFiniteError
from mmpose_integral.formats.checkpoints import CheckpointError, find_weights
from mmpose_integral.models.weights import check_overlap, find_not_finite, load_weights


@HOOKS.register_module()
class CheckWeightsHook(Hook):
    """Refuse to resume a training from a checkpoint of another model, to start it from weights that do not fit, and to
    save weights that are not finite.

    Raises:
        CheckpointError: See :func:`load_weights` and :func:`check_overlap`; the message names the file.
        NotFiniteError: If weights that are about to be saved are not finite; nothing is written.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check it before mmengine, which only warns, loads it."""
        path = runner._load_from or f'the latest checkpoint in {runner.work_dir}'
        if runner._resume:
            load_weights(runner.model, checkpoint, path)
            meta = checkpoint.get('meta') or {}
            if any(type(meta.get(name)) is not int for name in ('epoch', 'iter')):
                raise CheckpointError(f'{path} does not hold the state of a training: its meta has no epoch and iter; '
                                      f'start from its weights with --cfg-options load_from={path}')
            return
        try:
            check_overlap(runner.model, find_weights(checkpoint))
        except CheckpointError as error:
            raise CheckpointError(f'{path}: {error}') from None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check the weights on rank 0, which saves them."""
        name = find_not_finite(checkpoint['state_dict'])
        if name:
            raise NotFiniteError(f'{name} has values that are not finite after {runner.iter} iterations, so no '
                                 'checkpoint is written. Lower the learning rate, and continue from the last one with '
                                 '--resume')
