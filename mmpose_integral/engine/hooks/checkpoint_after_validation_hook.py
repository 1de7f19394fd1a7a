import os.path as osp
from collections import deque

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from mmpose_integral.utils.files import write_whole


@HOOKS.register_module()
class CheckpointAfterValidationHook(CheckpointHook):
    """mmengine's :class:`CheckpointHook`, with which a resumed run continues as an uninterrupted one would.

    mmengine writes an epoch's checkpoint before the epoch is validated. A run that is killed later then resumes without
    the changes of the validation: a reduced learning rate, the used patience, the best score. With this hook

    - the checkpoint of an epoch that is validated is written after ``ReduceOnPlateauLR`` and early stopping have seen
      the score; an epoch without validation gets its checkpoint before the next one begins;
    - a training that stops early writes a checkpoint, too, for any interval, if ``save_last`` is set;
    - files are replaced as a whole. Files that ``max_keep_ckpts`` or a better score makes superfluous are removed only
      after ``last_checkpoint`` names their successor. A kill at any moment leaves a checkpoint that can be resumed.

    A resumed run starts at the epoch after that of the checkpoint. It cannot start in the middle of an epoch.

    Args:
        *args, **kwargs: Arguments of :class:`mmengine.hooks.CheckpointHook`.

    Raises:
        ValueError: If ``by_epoch`` is False.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if not self.by_epoch:
            raise ValueError('CheckpointAfterValidationHook: by_epoch=True expected, got False; it saves after the '
                             "validation of an epoch. Use mmengine's CheckpointHook to save by iterations")
        self._due = None  # whether a checkpoint has to be written; None outside of training
        self._outdated_best = []

    def before_train(self, runner: Runner) -> None:
        """Choose where to write, and finish removals that a kill may have interrupted."""
        folder = str(self.out_dir or runner.work_dir)
        if '://' not in folder and self.file_client_args is None and self.backend_args in (None, {'backend': 'local'}):
            self.backend_args = dict(backend='atomic_local')
        super().before_train(runner)
        self._due = False
        self._outdated_best = list(runner.message_hub.runtime_info.get('outdated_best_ckpts', []))
        self._remove_outdated_best()

    def after_train_epoch(self, runner: Runner) -> None:
        """Note that a checkpoint has to be written. It is written after the validation of the epoch, if any."""
        self._due = self.every_n_epochs(runner, self.interval, self.save_begin) or (
            self.save_last and self.is_last_train_epoch(runner))

    def after_val(self, runner: Runner) -> None:
        """Write the epoch's checkpoint, after the ``after_val_epoch`` of all hooks."""
        if self._due is None:
            return
        self._due = self._due or (self.save_last and runner.train_loop.stop_training)
        self._save_if_due(runner)

    def before_train_epoch(self, runner: Runner) -> None:
        """Write the checkpoint of the previous epoch, if that was not validated."""
        self._save_if_due(runner)

    def after_train(self, runner: Runner) -> None:
        """Write the last epoch's checkpoint, if that was not validated, and publish it if the config says so."""
        self._save_if_due(runner)
        self._due = None
        super().after_train(runner)

    def _save_if_due(self, runner):
        if not self._due:
            return
        self._due = False
        runner.logger.info(f'Saving checkpoint at {runner.epoch} epochs')
        self._save_checkpoint_with_step(runner, runner.epoch, meta=dict(epoch=runner.epoch, iter=runner.iter))

    def _save_best_checkpoint(self, runner, metrics):
        """Write the best checkpoint if the score is the best; its predecessor stays until the next resumable one."""
        if not self.save_best:
            return
        old, last_ckpt = self._best_paths(), self.last_ckpt
        # The base class would remove the predecessor first, and write the epoch's checkpoint already here. It does
        # neither if no such files are recorded.
        self._set_best_paths(dict.fromkeys(old))
        self.last_ckpt = None
        super()._save_best_checkpoint(runner, metrics)
        self.last_ckpt = last_ckpt
        new = self._best_paths()
        self._outdated_best += [old[key] for key in old if old[key] and new[key] and old[key] != new[key]]
        self._set_best_paths({key: new[key] or old[key] for key in old})

    def _best_paths(self):
        """Dict from the index of a metric in ``save_best`` to the path of its best checkpoint, or None."""
        if len(self.key_indicators) == 1:
            return {0: self.best_ckpt_path}
        return {i: self.best_ckpt_path_dict.get(key) for i, key in enumerate(self.key_indicators)}

    def _set_best_paths(self, paths):
        if len(self.key_indicators) == 1:
            self.best_ckpt_path = paths[0]
        else:
            self.best_ckpt_path_dict.update({key: paths[i] for i, key in enumerate(self.key_indicators)})

    def _save_checkpoint_with_step(self, runner, step, meta):
        """Write a resumable checkpoint, then ``last_checkpoint``, then remove superfluous files.

        The checkpoint lists the files to remove after it, for :meth:`before_train` of a run that resumes from it.
        """
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        steps = list(self.keep_ckpt_ids) if self.max_keep_ckpts > 0 else []
        steps += [step] if step not in steps else []
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.message_hub.update_info('outdated_best_ckpts', list(self._outdated_best))
        if self.max_keep_ckpts > 0:
            runner.message_hub.update_info('keep_ckpt_ids', list(steps))
        runner.save_checkpoint(
            self.out_dir, name, self.file_client_args, save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler, meta=meta, by_epoch=self.by_epoch,
            backend_args=self.backend_args, **self.args)
        if is_main_process():
            write_whole(osp.join(runner.work_dir, 'last_checkpoint'), str(self.last_ckpt), durable=True)
        if self.max_keep_ckpts > 0:
            for outdated in steps[:-self.max_keep_ckpts]:
                self._remove(self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(outdated)))
            self.keep_ckpt_ids = deque(steps[-self.max_keep_ckpts:], self.max_keep_ckpts)
            runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        self._remove_outdated_best()

    def _remove_outdated_best(self):
        for path in self._outdated_best:
            # A run that resumed from a checkpoint in another folder does not remove files there.
            if str(path) == str(self.file_backend.join_path(self.out_dir, osp.basename(str(path)))):
                self._remove(path)
        self._outdated_best = []

    def _remove(self, path):
        if not is_main_process():
            return
        if self.file_backend.isfile(path):
            self.file_backend.remove(path)
        elif self.file_backend.isdir(path):  # DeepSpeed's checkpoints are folders
            self.file_backend.rmtree(path)
