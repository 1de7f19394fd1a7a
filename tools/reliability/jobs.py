"""Jobs that are killed: commands of `mmpose-integral` in one process, which leads a process group of its own.

Processes start at once, because they are forks of a server that has imported this package, mmpose and mmdet. Progress
is measured in CPU time of a job and its children, so that other load on the machine does not move a moment.
"""
import contextlib
import gc
import multiprocessing
import os
import secrets
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

Command = tuple[str, list[str]]
"""A command of ``mmpose_integral.cli.main.COMMANDS``, and its arguments."""

_MARK = 'MMPOSE_INTEGRAL_JOB'
_TICKS = os.sysconf('SC_CLK_TCK')
_PATIENCE_S = 1800


class Job:
    """Commands that run one after the other, in one process; the first that fails ends it.

    Args:
        commands: Commands to run.
        log: File to which all output is appended.
        environment: Environment variables beside those of this process.
    """

    def __init__(self, commands: Sequence[Command], log: Path, environment: dict[str, str] | None = None) -> None:
        context = multiprocessing.get_context('forkserver')
        context.set_forkserver_preload(['mmpose_integral', 'mmpose.apis', 'mmdet', 'mmengine.runner'])
        self.mark = f'{_MARK}={secrets.token_hex(8)}'
        variables = dict([self.mark.split('=')], OMP_NUM_THREADS='1', PYTHONWARNINGS='ignore', **environment or {})
        self.process = context.Process(target=_run, args=(list(commands), str(log), variables))
        self.process.start()
        self.cpu_s, self._others = 0.0, set[tuple[str, str]]()

    def members(self) -> list[int]:
        """Ids of the running processes that belong to this job: of its session, and those that inherited its mark."""
        found = []
        for pid in filter(str.isdigit, os.listdir('/proc')):
            with contextlib.suppress(OSError):
                fields = _stat(pid)
                state, session, process = fields[0], fields[3], (pid, fields[19])  # the last is its start
                if state in 'ZX' or process in self._others:
                    continue
                marks = Path(f'/proc/{pid}/environ').read_bytes().split(b'\0')
                if self.process.pid in (int(session), int(pid)) or self.mark.encode() in marks:
                    found.append(int(pid))
                else:
                    self._others.add(process)
        return found

    def run_until(self, cpu_s: float = float('inf')) -> bool:
        """Wait until the job has taken this CPU time, s; return False if it ended before."""
        deadline = time.monotonic() + _PATIENCE_S
        while self.process.exitcode is None:
            begun, used = time.thread_time(), 0.0
            for pid in self.members():
                with contextlib.suppress(OSError):
                    used += sum(map(int, _stat(str(pid))[11:15])) / _TICKS  # its own and that of its ended children
            self.cpu_s = max(self.cpu_s, used)
            if used >= cpu_s:
                return True
            if time.monotonic() > deadline:
                return False
            self.process.join(max(0.02, 10 * (time.thread_time() - begun)))  # so that watching takes little time
        return False

    def stop(self, number: int = signal.SIGKILL) -> int:
        """Send a signal, wait for the end, and return the exit status, negative for a signal.

        SIGKILL goes to the leader alone. SIGINT goes to its whole group, as from a terminal.
        """
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, number) if number == signal.SIGKILL else os.killpg(self.process.pid, number)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end; return the exit status, negative for a signal."""
        self.process.join(_PATIENCE_S)
        if self.process.exitcode is None:
            self.process.kill()
            raise TimeoutError(f'a job has not ended after {_PATIENCE_S} s')
        return self.process.exitcode

    def orphans(self, patience_s: float = 20) -> list[str]:
        """Command lines of processes that remain although the job has ended; they are killed."""
        deadline = time.monotonic() + patience_s
        while (left := self.members()) and time.monotonic() < deadline:
            time.sleep(0.05)
        names = []
        for pid in left:
            with contextlib.suppress(OSError):
                names.append(Path(f'/proc/{pid}/cmdline').read_bytes().replace(b'\0', b' ').decode()[:200])
                os.kill(pid, signal.SIGKILL)
        return names


def _stat(pid: str) -> list[str]:
    """Fields of ``/proc/PID/stat`` from the third on: state, parent, group, session, ... (``man 5 proc``)."""
    return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()


def _run(commands: list[Command], log: str, environment: dict[str, str]) -> None:
    """Do what ``mmpose-integral COMMAND ARGUMENTS >>LOG 2>&1`` does for each command."""
    os.setsid()
    with open(log, 'ab') as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    multiprocessing.set_start_method(None, force=True)  # the commands' own processes start as usual
    import torch

    from mmpose_integral.cli.main import run_command
    from mmpose_integral.utils.launch import end_with
    end_with(os.getppid())  # the server, which ends with the tool
    torch.set_num_threads(1)
    gc.freeze()  # mmengine collects garbage whenever it builds a dataset
    # The two take seconds: one asks compilers for their versions, the other formats a copy of the config.
    with mock.patch('mmengine.runner.runner.collect_env', dict), \
            mock.patch('mmengine.config.config.FormatCode', lambda text, **options: (text, True)):
        for command, arguments in commands:
            try:
                print('$ mmpose-integral', command, *arguments, flush=True)
                status = run_command(command, arguments)
            except KeyboardInterrupt:  # between two commands
                status = 130
            if status:
                sys.exit(status)
