"""Shared parts of the commands that train or evaluate: arguments, configs, and a launch that works on CPUs."""
import argparse
import contextlib
import gc
import os
import os.path as osp
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmpose_integral.engine.config_checks import ConfigOptions, check_config
from mmpose_integral.models.weights import load_weights_file
from mmpose_integral.utils.config_files import ConfigError, explain_building, read_config
from mmpose_integral.utils.errors import ExpectedError, reason_of
from mmpose_integral.utils.launch import (
    LAUNCHERS,
    check_launcher,
    join_gloo_group,
    leave_ctrl_c_to_this_process,
)
from mmpose_integral.utils.number_arguments import at_least_one
from mmpose_integral.utils.outputs import check_writable, output_folder


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the common arguments of MMPose's tools, under MMPose's names."""
    parser.add_argument('--work-dir', help='folder of logs and checkpoints (default: work_dirs/<config name>)')
    parser.add_argument('--show-dir', type=output_folder, help='draw predictions into this folder')
    parser.add_argument('--interval', type=at_least_one, default=1,
                        help='with --show-dir, draw every n-th sample (default: 1)')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, default={}, metavar='KEY=VALUE',
                        help='change entries of the config, for example train_cfg.max_epochs=5')
    parser.add_argument('--launcher', choices=LAUNCHERS, default='none')
    # torch.distributed.launch passes it as an argument, torchrun in the environment.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help='set by the launcher')


def load_config(args: argparse.Namespace, *required: str) -> Config:
    """Read the config file ``args.config``, and apply the arguments of :func:`add_common_arguments`.

    The command then applies its own arguments, ``cfg_options``, :func:`prepare_loaders` and :func:`start_processes`.
    ``required`` are entries that the config must have.

    Raises:
        FileNotFoundError, ConfigError: If there is no such config, or it is not a sound one.
        OutputError: If nothing can be written into the work folder.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    leave_ctrl_c_to_this_process()
    if not gc.get_freeze_count():
        # mmengine collects garbage for each dataset that it builds. That takes a third of a second with all imported
        # objects, unless these are frozen.
        gc.freeze()
    cfg = read_config(args.config, 'model', *required)
    cfg.launcher = args.launcher
    name = osp.splitext(osp.basename(args.config))[0]
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or osp.join('work_dirs', name)
    check_writable(cfg.work_dir, folder=True)
    if cfg.get('visualizer'):
        # With the same name, a second run of this process would get the visualizer, and the folder, of the first.
        cfg.visualizer.name = f'{cfg.work_dir} {time.time_ns()}'
    if args.show_dir:
        cfg.default_hooks.setdefault('visualization', dict(type='IntegralVisualizationHook'))
        cfg.default_hooks.visualization.update(enable=True, out_dir=str(args.show_dir), interval=args.interval)
    return cfg


def make_runner(cfg: Config) -> Runner:
    """Start the processes and build the runner of an evaluation.

    Raises:
        CheckpointError: If the checkpoint ``load_from`` is damaged or of another model.
    """
    cfg.resume = False  # a config from a work folder may contain resume=True
    prepare_loaders(cfg)
    start_processes(cfg)
    check_config(cfg)
    with explain_building(cfg.filename):
        runner = Runner.from_cfg(cfg)
        runner.test_loop  # noqa: B018  built here, so that its errors are explained
    if cfg.load_from:
        load_weights_file(runner.model, cfg.load_from)
    return runner


class _FirstStep(Hook):
    """Notes the end of the first step, of a training or of an evaluation."""

    done = False

    def _after_iter(self, *args: object, **kwargs: object) -> None:
        self.done = True


@contextlib.contextmanager
def explain_first_step(runner: Runner) -> Iterator[None]:
    """Turn an error before the end of the first step into a sentence.

    So early, the reason is nearly always that entries of the config do not fit together, or not to the data. The
    traceback is written beside the log. Later errors keep their traceback.

    Raises:
        ConfigError: In place of such an error.
    """
    first_step = _FirstStep()
    runner.register_hook(first_step, priority='HIGHEST')
    try:
        yield
    except (ExpectedError, OSError, torch.cuda.OutOfMemoryError):
        raise
    except Exception as error:
        if first_step.done:
            raise
        path = Path(runner.log_dir) / f'traceback_of_rank{runner.rank}.txt'
        path.write_text(traceback.format_exc())
        raise ConfigError(f'{runner.cfg.filename}: the first step failed ({reason_of(error)}). Entries of the config '
                          f'do not fit together, or not to the data; the traceback is in {path}') from error


def prepare_loaders(cfg: Config) -> None:
    """Remove the options of worker processes from loaders without any, which torch would refuse; change ``cfg``."""
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = cfg.get(name) or {}
        if loader.get('num_workers') == 0:
            loader.pop('persistent_workers', None)
            loader.pop('prefetch_factor', None)


def start_processes(cfg: Config) -> None:
    """Join the process group on machines without a GPU.

    mmengine selects a CUDA device for every rank. Without one, the group is opened here with gloo, and the model is
    wrapped without device ids; ``cfg`` is changed in place. With a GPU or with a single process, nothing is done.
    """
    check_launcher(cfg.launcher)
    if cfg.launcher == 'none' or torch.cuda.is_available():
        return
    join_gloo_group(cfg.launcher)
    cfg.model_wrapper_cfg = dict(type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False)
