"""Shared parts of the commands of preparation jobs: arguments, checkpoint and launch."""
import argparse
from pathlib import Path

from mmengine.config import Config
from mmengine.utils.dl_utils import set_multi_processing

from mmpose_integral.utils.files import check_file
from mmpose_integral.utils.launch import LAUNCHERS, join_gloo_group

# Timeout of a rank, s. Ranks are synchronised only at the start and at the end of a job, which may take hours.
DAY_S = 24 * 3600


def launch(launcher: str) -> None:
    """Join the process group of a preparation job, with one of ``LAUNCHERS``."""
    set_multi_processing(distributed=launcher != 'none')
    join_gloo_group(launcher, DAY_S)


def choose_checkpoint(config: str | Path, checkpoint: str | None) -> str:
    """Choose the given checkpoint, a file or URL, or the public one that the config names.

    Raises:
        FileNotFoundError: If there is no such config, or neither gives a checkpoint.
    """
    check_file(config, 'config file')
    checkpoint = checkpoint or Config.fromfile(config).get('load_from')
    if not checkpoint:
        raise FileNotFoundError(f'{config}: no checkpoint is given, and the config has no load_from that names public '
                                'weights; train the model, and give its checkpoint after the config')
    return checkpoint


def add_job_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of every resumable job over an index."""
    parser.add_argument('--index', type=Path, required=True, help='index of a split, a product of `prepare index`')
    parser.add_argument('--root', type=Path, required=True, help='folder that holds Train, Val and Test')
    parser.add_argument('--out', type=Path, required=True, help='product; <out>.parts holds the unfinished work')
    parser.add_argument('--batch-size', type=int, default=32, help='frames per step of the model (default: 32)')
    parser.add_argument('--num-workers', type=int, default=2, help='reading processes per rank (default: 2)')
    parser.add_argument('--device', help='default: one GPU per rank if there are GPUs, otherwise cpu')
    parser.add_argument('--fresh', action='store_true', help='start over instead of continuing an earlier run')
    parser.add_argument('--launcher', choices=LAUNCHERS, default='none')
