"""Train a model of this package, or any other model of mmpose or mmdet (detectors, coarse 2D models)."""
import argparse
import contextlib
from collections.abc import Sequence
from pathlib import Path, PurePath

import torch
from mmengine.config import Config
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from mmpose_integral.engine import CheckpointAfterValidationHook, CheckWeightsHook, SeedEpochsHook, make_fast
from mmpose_integral.engine.config_checks import apply_options, check_config
from mmpose_integral.engine.tool_config import (
    add_common_arguments,
    explain_first_step,
    load_config,
    prepare_loaders,
    start_processes,
)
from mmpose_integral.utils.config_files import explain_building
from mmpose_integral.utils.launch import is_first_rank
from mmpose_integral.utils.locks import lock_folder

EXPECTED_ERRORS = (FileNotFoundError, )  # a ValueError during a training needs its traceback
AFTER_CTRL_C = 'With --resume, the same command continues from the last checkpoint.'


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('--resume', nargs='?', const='auto', metavar='CHECKPOINT', help=(
        'continue from this checkpoint; without a value, from the latest checkpoint in the work folder'))
    parser.add_argument('--amp', action='store_true', help='train with mixed precision')
    parser.add_argument('--fast', action='store_true',
                        help='bfloat16, channels last, fused optimizer, compiled backbone, batches in one copy')
    parser.add_argument('--no-validate', action='store_true', help='do not evaluate during training')
    parser.add_argument('--auto-scale-lr', action='store_true', help=(
        'scale the learning rate by the batch size divided by auto_scale_lr.base_batch_size'))
    add_common_arguments(parser)
    return parser.parse_args(argv)


def apply_arguments(cfg: Config, args: argparse.Namespace) -> None:
    """Put the arguments of the command into the config."""
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.fast:
        try:
            make_fast(cfg)
        except ValueError as error:
            raise SystemExit(f'{args.config}: --fast: {error}') from None
    if args.amp:
        # On a GPU, mmengine's wrapper scales float16 losses. It does not support CPUs, where ours uses bfloat16.
        cfg.optim_wrapper.type = 'AmpOptimWrapper' if torch.cuda.is_available() else 'BFloat16OptimWrapper'
        if torch.cuda.is_available():
            cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    if args.auto_scale_lr:
        if 'auto_scale_lr' not in cfg:
            raise SystemExit(f'--auto-scale-lr: {args.config} has no auto_scale_lr = dict(base_batch_size=...)')
        cfg.auto_scale_lr.enable = True
    # Configs of mmpose and mmdet do not have the first hook. Their own second one removes a checkpoint before the next
    # one is complete, so that nothing could be resumed after a kill at that moment.
    cfg.default_hooks = dict(dict(finite_loss=dict(type='CheckFiniteLossHook'),
                                  checkpoint=dict(type='CheckpointHook')), **cfg.get('default_hooks') or {})
    saving = cfg.default_hooks.checkpoint
    if saving and saving.type in ('CheckpointHook', CheckpointHook) and saving.get('by_epoch', True):
        saving.type = CheckpointAfterValidationHook.__name__
    apply_options(cfg, args.cfg_options)
    if args.resume:
        cfg.resume = True
        cfg.load_from = latest_checkpoint(cfg.work_dir) if args.resume == 'auto' else args.resume


def latest_checkpoint(work_dir: str) -> str | None:
    """The latest checkpoint of a work folder, which may have been moved or copied; None if mmengine has to find it.

    ``last_checkpoint`` contains the path where the checkpoint was written. A file of this name in the folder itself
    takes precedence.
    """
    note = Path(work_dir) / 'last_checkpoint'
    if not note.is_file():
        return None
    beside = note.with_name(PurePath(note.read_text(errors='surrogateescape').strip()).name)
    return str(beside) if beside.is_file() else None


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    cfg = load_config(args, 'train_dataloader', 'train_cfg', 'optim_wrapper')
    with lock_folder(cfg.work_dir, 'training') if is_first_rank(cfg.launcher) else contextlib.nullcontext():
        apply_arguments(cfg, args)
        prepare_loaders(cfg)
        start_processes(cfg)
        check_config(cfg)
        with explain_building(args.config):
            runner = Runner.from_cfg(cfg)
            # Built here, so that their errors are explained.
            runner.train_loop, runner.val_loop  # noqa: B018
            runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
        runner.register_hook(CheckWeightsHook(), priority='HIGHEST')
        runner.register_hook(SeedEpochsHook())
        with explain_first_step(runner):
            runner.train()
    return 0
