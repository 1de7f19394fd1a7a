"""Starting a tool on one process or on many, with or without GPUs."""
import os
import sys
from pathlib import Path
from unittest import mock

import torch
from mmengine.config import Config
from mmengine.dist import init_dist, is_distributed
from mmengine.utils.dl_utils import set_multi_processing

from mmpose_integral.preparation.sharded_job import SettingsDiffer

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')

DAY_S = 24 * 3600
"""Ranks meet only at the start and at the end of a job, which may take hours: the default 30 minutes would kill
it."""


def launch(launcher):
    """Join the process group of a preparation job.

    Ranks exchange only lists of frame ids, so gloo serves machines with and without GPUs alike.

    Args:
        launcher (str): 'none', 'pytorch' (torchrun), 'slurm' or 'mpi'.
    """
    set_multi_processing(distributed=launcher != 'none')
    if launcher == 'none' or is_distributed():
        return
    if torch.cuda.is_available():
        init_dist(launcher, backend='gloo', timeout=DAY_S)
    else:
        # mmengine's launchers select a CUDA device whatever the backend, which fails where there is none.
        with mock.patch.object(torch.cuda, 'set_device'):
            init_dist(launcher, backend='gloo', timeout=DAY_S)


def default_device():
    """This rank's GPU when there is one, else the CPU."""
    if not torch.cuda.is_available():
        return 'cpu'
    return f'cuda:{int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count()}'


def choose_checkpoint(config, checkpoint):
    """The checkpoint given, or the public one that the config names.

    Args:
        config (str | Path): config file.
        checkpoint (str, optional): file or URL.

    Returns:
        str: file or URL.

    Raises:
        FileNotFoundError: no such config, or neither names a checkpoint.
    """
    if not Path(config).is_file():
        raise FileNotFoundError(f'{config}: no such config file')
    checkpoint = checkpoint or Config.fromfile(config).get('load_from')
    if not checkpoint:
        raise FileNotFoundError(f'{config}: a checkpoint is needed beside it; the config has no load_from that names '
                                'public weights. Train it with tools/train.py')
    return checkpoint


def add_job_arguments(parser):
    """Arguments that every resumable job over an index has."""
    parser.add_argument('--index', type=Path, required=True, help='product of index_h80k.py')
    parser.add_argument('--root', type=Path, required=True, help='folder that holds Train, Val and Test')
    parser.add_argument('--out', type=Path, required=True, help='product; <out>.parts holds the unfinished work')
    parser.add_argument('--batch-size', type=int, default=32)
    parser.add_argument('--num-workers', type=int, default=2, help='reading processes a rank')
    parser.add_argument('--device', help='default: a GPU for each process when there is one, else cpu')
    parser.add_argument('--fresh', action='store_true', help='start over instead of going on with an earlier run')
    parser.add_argument('--launcher', choices=LAUNCHERS, default='none')


def run_resumable(main):
    """Run a tool; Ctrl-C and foreseeable mistakes end in a sentence instead of a traceback.

    Args:
        main (callable): takes nothing, returns the exit status.

    Returns:
        int: the exit status.
    """
    try:
        return main()
    except KeyboardInterrupt:
        print('\nStopped. What is done is kept; the same command goes on from there.', file=sys.stderr)
        return 130
    except (SettingsDiffer, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
