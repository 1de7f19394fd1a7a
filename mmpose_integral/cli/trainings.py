"""Trainings and other commands that a command starts as processes, and the checkpoints that they leave."""
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mmpose_integral.utils.launch import ending_with_us

PROGRAM = (sys.executable, '-W', 'ignore', '-m', 'mmpose_integral')
"""The start of each command that runs in a process of its own."""

Step = tuple[Path, Callable[[], Sequence[object]]]
"""Log file of a process, and a function that returns its command; it is called when the step begins."""


def best_checkpoint(folder: Path) -> Path | None:
    """The best checkpoint in the work folder of a training, the newest if there are several; None without any."""
    return max(folder.glob('best_*.pth'), key=os.path.getmtime, default=None)


def run_chains(chains: Sequence[Sequence[Step]], jobs: int, follow_s: float = math.inf) -> None:
    """Run chains of steps, ``jobs`` chains at a time, each with an equal share of the cores.

    If a step fails, the others are stopped, and SystemExit is raised with the end of the log.

    Args:
        chains: Steps of each chain, one after the other; their output is appended to their log files.
        jobs: Number of chains that run at the same time.
        follow_s: Time between two prints of the progress in each log, s. Without it, a line is printed per step.
    """
    waiting = [list(chain) for chain in chains if chain]
    running: dict[Path, tuple[subprocess.Popen, list[Step]]] = {}
    total, printed = len(waiting), time.monotonic()
    threads = dict(OMP_NUM_THREADS=str(max(1, (os.cpu_count() or 1) // jobs))) if jobs > 1 else {}
    environment = dict(os.environ, PYTHON=sys.executable, **threads)
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                (log, command), *rest = waiting.pop(0)
                if follow_s == math.inf:
                    print(f'{time.strftime("%H:%M:%S")}  {log.parent} ({total - len(waiting)} of {total})', flush=True)
                log.parent.mkdir(parents=True, exist_ok=True)
                with open(log, 'a') as file:
                    # The words come from this project's commands; no shell reads them.
                    running[log] = subprocess.Popen([str(word) for word in command()],  # nosec B603
                                                    stdout=file, stderr=subprocess.STDOUT, env=environment,
                                                    preexec_fn=ending_with_us()), rest
            time.sleep(0.5)
            if time.monotonic() - printed >= follow_s:
                printed = time.monotonic()
                print('\n'.join(map(progress_in, running)), flush=True)
            for log in [log for log, (process, _) in running.items() if process.poll() is not None]:
                process, rest = running.pop(log)
                if process.returncode:
                    raise SystemExit(f'{"".join(lines_of(log)[-30:])}\n{log}: failed with status {process.returncode}; '
                                     'its last lines are above. The same command continues from there.')
                if rest:
                    waiting.insert(0, rest)
                    total += 1
    finally:
        for process, _ in running.values():
            process.terminate()
            process.wait()


def lines_of(log: Path) -> list[str]:
    """Lines of a log file, each with its end of line."""
    return log.read_text(errors='replace').splitlines(keepends=True)


def progress_in(log: Path) -> str:
    """Name of a log file, and its last line that reports the progress of a training or an evaluation."""
    steps = [line.strip() for line in lines_of(log) if 'Epoch(' in line]
    return f'{log.stem}: {steps[-1].split("INFO - ")[-1][:110] if steps else "starting"}'
