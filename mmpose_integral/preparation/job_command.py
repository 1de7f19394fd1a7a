"""Shared parts of the commands of preparation jobs: arguments, checkpoint, launch and exit status."""
import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from mmengine.config import Config
from mmengine.utils.dl_utils import set_multi_processing

from mmpose_integral.preparation.sharded_job import SettingsDiffer
from mmpose_integral.utils.launch import LAUNCHERS, join_gloo_group

DAY_S = 24 * 3600
"""Timeout, s. Ranks are synchronised only at the start and at the end of a job, which may take hours."""


def launch(launcher: str) -> None:
    """Join the process group of a preparation job; its ranks only exchange lists of frame ids.

    Args:
        launcher: Launcher, one of ``LAUNCHERS``.
    """
    set_multi_processing(distributed=launcher != 'none')
    join_gloo_group(launcher, DAY_S)


def choose_checkpoint(config: str | Path, checkpoint: str | None) -> str:
    """Choose the given checkpoint, or the public one that the config names.

    Args:
        config: Config file.
        checkpoint: File or URL.

    Returns:
        File or URL of the checkpoint.

    Raises:
        FileNotFoundError: If there is no such config, or neither gives a checkpoint.
    """
    if not Path(config).is_file():
        raise FileNotFoundError(f'{config}: no such config file')
    checkpoint = checkpoint or Config.fromfile(config).get('load_from')
    if not checkpoint:
        raise FileNotFoundError(f'{config}: a checkpoint is needed beside it; the config has no load_from that names '
                                'public weights. Train it with tools/train.py')
    return checkpoint


def add_job_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of every resumable job over an index."""
    parser.add_argument('--index', type=Path, required=True, help='product of index_h80k.py')
    parser.add_argument('--root', type=Path, required=True, help='folder that holds Train, Val and Test')
    parser.add_argument('--out', type=Path, required=True, help='product; <out>.parts holds the unfinished work')
    parser.add_argument('--batch-size', type=int, default=32)
    parser.add_argument('--num-workers', type=int, default=2, help='reading processes a rank')
    parser.add_argument('--device', help='default: a GPU for each process when there is one, else cpu')
    parser.add_argument('--fresh', action='store_true', help='start over instead of going on with an earlier run')
    parser.add_argument('--launcher', choices=LAUNCHERS, default='none')


def run_resumable(main: Callable) -> int:
    """Run a tool; Ctrl-C and expected errors end with a message instead of a traceback.

    Args:
        main: Function without arguments that returns the exit status.

    Returns:
        Exit status.
    """
    try:
        return main()
    except KeyboardInterrupt:
        print('\nStopped. What is done is kept; the same command goes on from there.', file=sys.stderr)
        return 130
    except (SettingsDiffer, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
