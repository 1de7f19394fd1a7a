import os.path as osp
from collections import deque
from typing import Any

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from mmpose_integral.utils.errors import ExpectedError
from mmpose_integral.utils.files import write_whole


@register_backend('atomic_local', force=True)
class AtomicLocalBackend(LocalBackend):
    """Storage of local files that are written completely or not at all; mmengine's backend writes to the final name.

    Use it with ``backend_args=dict(backend='atomic_local')``.
    """

    def put(self, obj: bytes, filepath: str) -> None:
        """Write bytes to a file; missing folders are made."""
        write_whole(filepath, obj, durable=True)


@HOOKS.register_module()
class CheckpointAfterValidationHook(CheckpointHook):
    """mmengine's :class:`CheckpointHook`, with which a resumed run continues as an uninterrupted one would.

    mmengine writes an epoch's checkpoint before the epoch is validated. A run that is killed later then resumes without
    the changes of the validation: a reduced learning rate, the used patience, the best score. With this hook

    - the checkpoint of an epoch that is validated is written after ``ReduceOnPlateauLR`` and early stopping have
      processed the score; an epoch without validation gets its checkpoint before the next one begins;
    - a training that stops early writes a checkpoint, too, for any interval, if ``save_last`` is set;
    - files are replaced as a whole. Files that ``max_keep_ckpts`` or a better score makes superfluous are removed only
      after ``last_checkpoint`` names their successor. A kill at any moment leaves a checkpoint that can be resumed.

    A resumed run starts at the epoch after that of the checkpoint. It cannot start in the middle of an epoch. The
    arguments are those of mmengine's hook.

    Raises:
        ValueError: If ``by_epoch`` is False.
    """

    backend_args: dict | None
    last_ckpt: str | None
    keep_ckpt_ids: deque[int]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.by_epoch:
            raise ValueError('CheckpointAfterValidationHook: by_epoch=True expected, got False; it saves after the '
                             "validation of an epoch. Use mmengine's CheckpointHook to save by iterations")
        self._due: bool | None = None  # whether a checkpoint has to be written; None outside of training
        self._outdated_best: list[str] = []

    def before_train(self, runner: Runner) -> None:
        """Choose where to write, and finish removals that a kill may have interrupted."""
        folder = str(self.out_dir or runner.work_dir)
        if '://' not in folder and self.file_client_args is None and self.backend_args in (None, {'backend': 'local'}):
            self.backend_args = dict(backend='atomic_local')
        super().before_train(runner)
        self._due = False
        if self.save_best:  # the folder may have been moved or copied with its files
            here = [path and self.file_backend.join_path(self.out_dir, osp.basename(path))
                    for path in self._best_paths()]
            self._set_best_paths([new if new and self.file_backend.exists(new) else old
                                  for new, old in zip(here, self._best_paths(), strict=True)])
        self._outdated_best = list(runner.message_hub.runtime_info.get('outdated_best_ckpts', []))
        self._remove_outdated_best()

    def after_train_epoch(self, runner: Runner) -> None:
        """Note whether a checkpoint has to be written. It is written after the validation of the epoch, if any."""
        self._due = self.every_n_epochs(runner, self.interval, self.save_begin) or (
            self.save_last and self.is_last_train_epoch(runner))

    def after_val(self, runner: Runner) -> None:
        """Write the epoch's checkpoint, after the ``after_val_epoch`` of all hooks."""
        if self._due is not None:
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

    def _save_if_due(self, runner: Runner) -> None:
        if self._due:
            self._due = False
            runner.logger.info(f'Saving checkpoint at {runner.epoch} epochs')
            self._save_checkpoint_with_step(runner, runner.epoch, meta=dict(epoch=runner.epoch, iter=runner.iter))

    def _save_best_checkpoint(self, runner: Runner, metrics: dict[str, float]) -> None:
        """Write the best checkpoint if the score is the best; its predecessor stays until the next resumable one."""
        if not self.save_best or self._due is None:
            return
        absent = [key for key in self.key_indicators if key not in metrics and key != 'auto']
        if absent:
            raise ExpectedError(f'default_hooks.checkpoint.save_best: {absent[0]!r} was not measured; there are '
                                f'{", ".join(metrics)}')
        old, last_ckpt = self._best_paths(), self.last_ckpt
        # The base class would remove the predecessor first, and write the epoch's checkpoint already here. It does
        # neither if no such files are recorded.
        self._set_best_paths([None] * len(old))
        self.last_ckpt = None
        super()._save_best_checkpoint(runner, metrics)
        self.last_ckpt = last_ckpt
        new = [path or before for path, before in zip(self._best_paths(), old, strict=True)]
        self._outdated_best += [before for path, before in zip(new, old, strict=True) if before and before != path]
        self._set_best_paths(new)

    def _best_paths(self) -> list[str | None]:
        """Path of the best checkpoint per metric of ``save_best``, or None."""
        if len(self.key_indicators) == 1:
            return [self.best_ckpt_path]
        return [self.best_ckpt_path_dict.get(key) for key in self.key_indicators]

    def _set_best_paths(self, paths: list[str | None]) -> None:
        if len(paths) == 1:
            self.best_ckpt_path = paths[0]
        else:
            self.best_ckpt_path_dict = dict(zip(self.key_indicators, paths, strict=True))

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, int]) -> None:
        """Write a resumable checkpoint, then ``last_checkpoint``, then remove superfluous files.

        The checkpoint lists the files to remove after it, for :meth:`before_train` of a run that resumes from it.
        """
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.message_hub.update_info('outdated_best_ckpts', list(self._outdated_best))
        if self.max_keep_ckpts > 0:
            steps = [*(kept for kept in self.keep_ckpt_ids if kept != step), step]
            runner.message_hub.update_info('keep_ckpt_ids', steps)
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

    def _remove_outdated_best(self) -> None:
        for path in self._outdated_best:
            # A run that resumed from a checkpoint in another folder does not remove files there.
            if str(path) == str(self.file_backend.join_path(self.out_dir, osp.basename(path))):
                self._remove(path)
        self._outdated_best = []

    def _remove(self, path: str) -> None:
        if not is_main_process():
            return
        if self.file_backend.isfile(path):
            self.file_backend.remove(path)
        elif self.file_backend.isdir(path):  # DeepSpeed's checkpoints are folders
            self.file_backend.rmtree(path)
