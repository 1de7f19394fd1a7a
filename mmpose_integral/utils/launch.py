"""Start of distributed processes (ranks), on GPUs and on CPUs."""
import datetime
import os

import torch
from mmengine.dist import init_dist, is_distributed

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')


def join_gloo_group(launcher: str, timeout_s: float = 1800) -> None:
    """Join the process group, with gloo as its backend; do nothing for a single process.

    mmengine's launchers select a CUDA device for any backend, which fails without a GPU. Without one, the group is
    opened from torchrun's environment variables.

    Args:
        launcher: One of ``LAUNCHERS``; 'pytorch' is torchrun.
        timeout_s: Longest time that a rank waits for another one, s.

    Raises:
        SystemExit: If there is no GPU and ``launcher`` is 'slurm' or 'mpi'.
    """
    if launcher == 'none' or is_distributed():
        return
    if torch.cuda.is_available():
        init_dist(launcher, backend='gloo', timeout=timeout_s)
    elif launcher == 'pytorch':
        torch.distributed.init_process_group('gloo', timeout=datetime.timedelta(seconds=timeout_s))
    else:
        raise SystemExit(f'--launcher {launcher} needs GPUs; on CPUs use --launcher pytorch (torchrun)')


def default_device() -> str:
    """The GPU of this rank if there is one, otherwise 'cpu'."""
    if not torch.cuda.is_available():
        return 'cpu'
    return f'cuda:{int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count()}'
