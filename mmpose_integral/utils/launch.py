"""Start of processes: ranks on GPUs and on CPUs, and children that do not outlive the process that started them."""
import contextlib
import ctypes
import datetime
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from mmengine.dist import init_dist, is_distributed

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')
_RANK_VARIABLES = dict(pytorch='RANK', slurm='SLURM_PROCID', mpi='OMPI_COMM_WORLD_RANK')
_VARIABLES = dict(pytorch=('RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT'),
                  slurm=('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_NODELIST'),
                  mpi=('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE'))

_PR_SET_PDEATHSIG = 1  # of linux/prctl.h
_LIBC = ctypes.CDLL(None) if sys.platform == 'linux' else None  # not loaded between fork and exec


def end_with(parent: int) -> None:
    """Let the system end this process by SIGTERM when its parent ends, also after ``kill -9`` of that (on Linux).

    A handler for SIGTERM that a fork has from its parent is removed.

    Args:
        parent: Number of the parent. If that has ended already, this process ends, too.
    """
    if _LIBC is not None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)


def ending_with_us() -> Callable[[], None] | None:
    """``preexec_fn`` of :class:`subprocess.Popen` for a child that ends with this process; None where it cannot.

    See :func:`end_with`.

    The setting stays when the child replaces itself by another program, as a shell script does with ``exec``.
    """
    return functools.partial(end_with, os.getpid()) if _LIBC is not None else None


def end_with_torchrun() -> None:
    """Let a rank of torchrun end with it; without torchrun, it would wait for other ranks until the timeout.

    torchrun may have ended while this process was importing. ``tools/dist_run.sh`` sets a variable by which that is
    noticed; other programs than torchrun may start ranks, too, and are not known here.
    """
    if 'TORCHELASTIC_RUN_ID' not in os.environ:
        return
    parent = os.getppid()
    end_with(parent)
    if os.environ.get('MMPOSE_INTEGRAL_TORCHRUN') and sys.platform == 'linux':
        if b'torchrun' not in Path(f'/proc/{parent}/cmdline').read_bytes():
            raise SystemExit('torchrun, which has started this process, has ended')


@contextlib.contextmanager
def sigterm_as_ctrl_c() -> Iterator[None]:
    """Give SIGTERM, which schedulers send, the effect of Ctrl-C in this block.

    Without effect in another thread than the main one, where Python cannot set handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@functools.cache
def leave_ctrl_c_to_this_process() -> None:
    """Let processes that are forked from now on, such as loading workers, end with this one and say nothing about it.

    A terminal sends Ctrl-C to all processes. A worker that ends by it would cause a second error in this process, and
    a worker that sends a batch while this process ends would print a traceback.
    """
    def in_child() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        report = sys.excepthook
        sys.excepthook = lambda kind, error, trace: (
            None if isinstance(error, ConnectionError) else report(kind, error, trace))

    if hasattr(os, 'register_at_fork'):
        os.register_at_fork(after_in_child=in_child)


def check_launcher(launcher: str) -> None:
    """Raise SystemExit unless a launcher has started this process, and works without a GPU where there is none."""
    if launcher in ('slurm', 'mpi') and not torch.cuda.is_available():
        raise SystemExit(f'--launcher {launcher} needs GPUs; on CPUs use --launcher pytorch (torchrun)')
    absent = [name for name in _VARIABLES.get(launcher, ()) if name not in os.environ]
    if absent:
        program = dict(pytorch='torchrun', slurm='srun', mpi='mpirun')[launcher]
        raise SystemExit(f'--launcher {launcher}: {absent[0]} is not set, so this process was not started by '
                         f'{program}; tools/dist_run.sh and tools/slurm_run.sh start all processes, and a single one '
                         'needs no --launcher')


def is_first_rank(launcher: str) -> bool:
    """Whether this is rank 0, or the only process, also before the process group is opened."""
    return os.environ.get(_RANK_VARIABLES.get(launcher, ''), '0') == '0'


def join_gloo_group(launcher: str, timeout_s: float = 1800) -> None:
    """Join the process group, with gloo as its backend; do nothing for a single process.

    mmengine's launchers select a CUDA device for any backend, which fails without a GPU. Without one, the group is
    opened from torchrun's environment variables.

    Args:
        launcher: One of ``LAUNCHERS``; 'pytorch' is torchrun.
        timeout_s: Longest time that a rank waits for another one, s.

    Raises:
        SystemExit: If there is no GPU and ``launcher`` is 'slurm' or 'mpi', or this process was not started by it.
    """
    if launcher == 'none' or is_distributed():
        return
    check_launcher(launcher)
    if torch.cuda.is_available():
        init_dist(launcher, backend='gloo', timeout=timeout_s)
    else:
        torch.distributed.init_process_group('gloo', timeout=datetime.timedelta(seconds=timeout_s))


def default_device() -> str:
    """The GPU of this rank if there is one, otherwise 'cpu'."""
    if not torch.cuda.is_available():
        return 'cpu'
    return f'cuda:{int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count()}'
