"""Trials of one stage: stop its commands at a moment, run them again, and compare the products."""
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jobs import Command, Job
from products import LEFT_OUT_FILES, differences, half_written, read_products

FAULTS = ('kill', 'ctrl-c', 'pair')
Listing = dict[str, list[int]]
"""Size and time, ns, by path."""


class Trials:
    """Trials of one stage in a folder that holds the products of the stages before.

    Args:
        name: Name of the stage.
        commands: Its commands.
        folder: Folder of all products; by default, the stage finds its present state.
        log: File for all output.
        environment: Environment variables of the commands.
        before: State to which ``folder`` is brought first, as :func:`listing` gave it.
    """

    def __init__(self, name: str, commands: Sequence[Command], folder: Path, log: Path,
                 environment: dict[str, str] | None = None, before: Listing | None = None) -> None:
        self.name, self.commands, self.folder, self.log = name, commands, folder, log
        self.environment, self.before = environment, listing(folder) if before is None else before
        self.reset()
        self.products_before = read_products(folder)
        job = self.start()
        job.run_until()
        if job.wait():
            raise SystemExit(f'{name}: the undisturbed run has failed, see {log}')
        self.seconds, self.expected = job.cpu_s, read_products(folder)
        self.problems = self.changes()

    def start(self) -> Job:
        return Job(self.commands, self.log, self.environment)

    def changes(self) -> list[str]:
        """Files of the stages before that are no longer what they were."""
        now = listing(self.folder)
        return [f'{name} of a stage before has changed' for name, state in self.before.items()
                if now.get(name) != state]

    def reset(self) -> None:
        """Remove the products of this stage."""
        for path in sorted(self.folder.rglob('*'), reverse=True):
            if str(path.relative_to(self.folder)) not in self.before:
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()

    def stop(self, fault: str, share: float) -> tuple[dict[str, Any], list[str]]:
        """Start the commands, and stop them after this share of their CPU time; the record, and what is wrong."""
        written, job, moment = self.written(), self.start(), share * self.seconds
        stopped = job.run_until(moment)
        status = job.stop(signal.SIGKILL if fault == 'kill' else signal.SIGINT) if stopped else job.wait()
        problems = [f'remains: {name}' for name in job.orphans()]
        problems += half_written(read_products(self.folder), self.products_before, self.expected)
        if status not in (0, -signal.SIGKILL if fault == 'kill' else 130):
            problems.append(f'status {status} after {fault}')
        problems += self.tracebacks(written)
        return dict(at_s=round(moment, 2), stopped=stopped), problems

    def finish(self) -> list[str]:
        """Run the commands to the end; what is wrong with it and its products."""
        written, job = self.written(), self.start()
        status = job.wait()
        problems = [f'status {status} of the next run'] if status else []
        return problems + self.tracebacks(written) + self.compare()

    def written(self) -> int:
        """Length of the log."""
        return self.log.stat().st_size

    def tracebacks(self, start: int) -> list[str]:
        return ['a traceback was printed'] if b'Traceback' in self.log.read_bytes()[start:] else []

    def compare(self) -> list[str]:
        return self.changes() + differences(self.expected, read_products(self.folder))

    def run(self, fault: str, shares: Sequence[float], in_a_row: bool = False) -> Iterator[dict[str, Any]]:
        """Disturb the commands, and yield a record per trial; ``problems`` are empty if all is well.

        Args:
            fault: One of ``FAULTS``.
            shares: Moments as shares of the CPU time of a run, ascending. Their number counts for pairs.
            in_a_row: Whether to stop one run again and again, and to compare its products at the end. Such a run
                continues where it was stopped, and is stopped again after its part of the CPU time.
        """
        for number, share in enumerate(shares):
            if number == 0 or not in_a_row:
                self.reset()
            if fault == 'pair':
                yield self.pair()
                continue
            if in_a_row:
                share += (0.5 - number) / len(shares)
            record, problems = self.stop(fault, share)
            while not record['stopped'] and not in_a_row:  # it has ended before
                self.reset()
                share *= 0.8
                record, problems = self.stop(fault, share)
            if not in_a_row or number == len(shares) - 1:
                problems += self.finish()
            yield record | dict(problems=problems)

    def pair(self) -> dict[str, Any]:
        """Start the commands twice at once: one or both succeed, and the other one says why not."""
        written, jobs = self.written(), [self.start(), self.start()]
        statuses = sorted(job.wait() for job in jobs)
        problems = [f'remains: {name}' for job in jobs for name in job.orphans()]
        if statuses not in ([0, 0], [0, 1]):
            problems.append(f'statuses {statuses}')
        return dict(statuses=statuses, problems=problems + self.tracebacks(written) + self.compare())


def listing(folder: Path) -> Listing:
    """Size and time of all files below a folder; of folders and ``LEFT_OUT_FILES`` only that they exist."""
    found = {}
    for path in folder.rglob('*'):
        name, state = str(path.relative_to(folder)), path.lstat()
        found[name] = [] if path.is_dir() or LEFT_OUT_FILES.fullmatch(name) else [state.st_size, state.st_mtime_ns]
    return found


def moments(seed: int, stage: str, fault: str, count: int) -> list[float]:
    """Random moments as shares of a run's time: one in each of ``count`` equal parts of it."""
    draw = np.random.default_rng([seed, *stage.encode(), FAULTS.index(fault)])
    return ((np.arange(count) + draw.random(count)) / max(count, 1)).tolist()
