"""What all benchmarks share: contestants that take turns, median and quartiles, and a record of the machine.

Contestants run in turns within one process, so that other load on the machine falls on all of them; what counts is the
ratio to the first one, the baseline, round by round.
"""
import os
import platform
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np


def take_turns(contestants, rounds, warmup=3, clock=time.perf_counter, before=None):
    """Time functions in turns; the order is reversed in every other round.

    Args:
        contestants (dict[str, callable]): take nothing; a call returns when its work is done.
        rounds (int): timed calls of each.
        warmup (int): calls of each before these.
        clock (callable): seconds, or an array of several clocks' seconds.
        before (dict[str, callable], optional): called before each call, and not timed.

    Returns:
        dict[str, np.ndarray]: (rounds,) seconds of each, in the order of the rounds; (rounds, clocks) for several.

    Raises:
        ValueError: no contestants or no rounds.
    """
    if not contestants or rounds < 1:
        raise ValueError(f'contestants and rounds: at least one of each expected, got {len(contestants)} and {rounds}')
    before = before or {}
    for _ in range(warmup):
        for name, call in contestants.items():
            if name in before:
                before[name]()
            call()
    seconds = {name: [None] * rounds for name in contestants}
    for number in range(rounds):
        names = list(contestants)
        for name in names if number % 2 == 0 else reversed(names):
            if name in before:
                before[name]()
            start = clock()
            contestants[name]()
            seconds[name][number] = clock() - start
    return {name: np.array(values) for name, values in seconds.items()}


def summarise(seconds):
    """Median and quartiles of each contestant, and how many times as fast as the first one it is.

    Args:
        seconds (dict[str, np.ndarray]): of :func:`take_turns`.

    Returns:
        dict[str, dict]: ``median_ms``, ``quartiles_ms`` (25 %, 75 %), ``speedup`` (median over the rounds of the
        first one's time over its own) and ``speedup_quartiles``.
    """
    baseline = next(iter(seconds.values()))
    result = {}
    for name, times in seconds.items():
        low, middle, high = (np.percentile(times, (25, 50, 75)) * 1e3).tolist()
        slow, ratio, fast = np.percentile(baseline / times, (25, 50, 75)).tolist()
        result[name] = dict(median_ms=middle, quartiles_ms=[low, high], speedup=ratio, speedup_quartiles=[slow, fast])
    return result


def cpu_name():
    """Model name of the processor, as the system tells it."""
    info = Path('/proc/cpuinfo')
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    return platform.processor() or platform.machine()


def describe_machine(*packages):
    """Processor, cores, system and versions; nothing that tells whose machine it is.

    Args:
        *packages (str): names of installed distributions.

    Returns:
        dict: ``cpu``, ``cores``, ``gpu`` (None without), ``system``, ``load`` (of the last minute, None where
        unknown), and ``versions``.
    """
    load = round(os.getloadavg()[0], 2) if hasattr(os, 'getloadavg') else None
    versions = dict(python=platform.python_version(), **{name: metadata.version(name) for name in packages})
    torch = sys.modules.get('torch')  # a run that does not use it need not wait for it
    gpu = torch.cuda.get_device_name() if torch and torch.cuda.is_available() else None
    if gpu:
        versions['cuda'] = torch.version.cuda
    return dict(cpu=cpu_name(), cores=os.cpu_count(), gpu=gpu, system=f'{platform.system()} {platform.machine()}',
                load=load, versions=versions)


def table(rows, columns):
    """A Markdown table.

    Args:
        rows (list[Sequence[str]]): cells.
        columns (Sequence[str]): titles; the first column is text, the others are numbers.

    Returns:
        str: without a newline at the end.
    """
    rule = ['---', *['---:'] * (len(columns) - 1)]
    return '\n'.join('| ' + ' | '.join(map(str, row)) + ' |' for row in (columns, rule, *rows))
