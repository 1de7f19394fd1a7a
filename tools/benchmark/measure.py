"""Rows of a scenario: a baseline and its candidates, first found to give the same results, then timed in turns."""
import time

import numpy as np
from timing import take_turns

WALL, CPU = 0, 1


class ResultsDiffer(RuntimeError):
    """A candidate does not give the baseline's results: how fast it is says nothing."""


def both_clocks():
    """Wall time and this process' computing time on all threads (not its children's), (2,) s."""
    return np.array((time.perf_counter(), time.process_time()))


def same_within(tolerance):
    """A ``check`` for :func:`compare` that compares arrays, or sequences of arrays, one by one.

    Args:
        tolerance (float): largest absolute difference that passes. A longer result is compared as far as the shorter
            one goes, as a baseline may handle the first units only.

    Returns:
        callable: of both results; gives the largest difference, float.
    """
    def check(expected, found):
        pairs = zip(expected, found, strict=True) if isinstance(expected, (tuple, list)) else [(expected, found)]
        largest = 0.0
        for number, (first, second) in enumerate(pairs):
            first, second = np.atleast_1d(first), np.atleast_1d(second)
            length = min(len(first), len(second))
            difference = float(np.abs(first[:length] - second[:length]).max())
            if not difference <= tolerance:  # catches NaN too
                raise ResultsDiffer(f'array {number} differs by up to {difference:.3g}, at most {tolerance:g} expected')
            largest = max(largest, difference)
        return largest
    return check


def compare(case, contestants, rounds, *, unit='call', warmup=1, target=None, check=None, judge='cpu', before=None):
    """Check that all contestants give the same, then time them in turns.

    Args:
        case (str): what is done; the first cell of each row.
        contestants (dict[str, callable | tuple]): function of nothing, or function and the number of units that it
            handles a call. The first one is the baseline.
        rounds (int): timed calls of each.
        unit (str): what time is given for.
        warmup (int): calls of each before these; the one for ``check`` comes on top.
        target (float | dict[str, float], optional): how many times as fast the candidates must be.
        check (callable, optional): of the baseline's and a candidate's result; gives the largest difference (or None),
            or raises :class:`ResultsDiffer`.
        judge (str): 'cpu' or 'wall', the clock whose ratio meets the target or does not.
        before (dict[str, callable], optional): of some contestants; called before each of their calls, and not timed.

    Returns:
        list[dict]: a row a contestant. Triples are quartiles 25 %, 50 %, 75 % over the rounds; ratios are those of
        the baseline's time for a unit to the contestant's in the same round.

    Raises:
        ResultsDiffer: a candidate gives something else.
    """
    calls = {name: call if isinstance(call, tuple) else (call, 1) for name, call in contestants.items()}
    baseline = next(iter(calls))
    differences = _differences(case, calls, baseline, check) if check else {}
    seconds = take_turns({name: call for name, (call, _) in calls.items()}, rounds, warmup, both_clocks, before)
    micros = {name: seconds[name] / units * 1e6 for name, (_, units) in calls.items()}
    rows = []
    for name, (_, units) in calls.items():
        wall, cpu = (_quartiles(micros[name][:, clock]) for clock in (WALL, CPU))
        ratio = micros[baseline] / np.maximum(micros[name], 1e-9)
        row = dict(case=case, contestant=name, unit=unit, units=units, wall_us=wall, cpu_us=cpu,
                   wall_ratio=_quartiles(ratio[:, WALL]), cpu_ratio=_quartiles(ratio[:, CPU]),
                   difference=differences.get(name))
        wanted = target.get(name) if isinstance(target, dict) else target
        if name != baseline and wanted is not None:
            slow, middle, fast = row[f'{judge}_ratio']
            row.update(target=f'>= {wanted:g}x', measured=f'{middle:.1f}x ({slow:.1f}-{fast:.1f})',
                       met=middle >= wanted)
        rows.append(row)
    return rows


def _differences(case, calls, baseline, check):
    """Largest difference of each candidate's result from the baseline's."""
    results = {name: call() for name, (call, _) in calls.items()}
    differences = {}
    for name in results:
        if name != baseline:
            try:
                differences[name] = check(results[baseline], results[name])
            except ResultsDiffer as error:
                raise ResultsDiffer(f'{case}: {name} against {baseline}: {error}') from None
    return differences


def _quartiles(values):
    return np.percentile(values, (25, 50, 75)).tolist()
