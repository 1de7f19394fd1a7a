"""Rows of a scenario: a baseline and its candidates, first found to give the same results, then timed in turns."""
import time

import numpy as np


class ResultsDiffer(RuntimeError):
    """A candidate does not give the baseline's results: how fast it is says nothing."""


def both_clocks():
    """Wall time and this process' computing time on all threads (not its children's), (2,) s."""
    return np.array((time.perf_counter(), time.process_time()))


def same_within(tolerance):
    """A ``check`` for :func:`compare` that compares arrays, or sequences of arrays, one by one.

    Args:
        tolerance (float): Largest absolute difference that passes. A longer result is compared as far as the shorter
            one goes, because a baseline may handle the first units only.

    Returns:
        callable: Function of both results that gives the largest difference, float.
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


def take_turns(calls, rounds, warmup=1, before=None):
    """Time functions in turns within one process, so that other load on the machine falls on all of them.

    Args:
        calls (dict[str, callable]): Functions without arguments, which return when their work is done.
        rounds (int): Timed calls of each. The order is reversed in every other round.
        warmup (int): Calls of each before these.
        before (dict[str, callable], optional): Functions that are called before each call of that name, untimed.

    Returns:
        dict[str, np.ndarray]: (rounds, 2) wall and CPU seconds of each.
    """
    seconds = {name: [] for name in calls}
    for number in range(-warmup, rounds):
        for name in list(calls)[::1 if number % 2 == 0 else -1]:
            if before and name in before:
                before[name]()
            start = both_clocks()
            calls[name]()
            if number >= 0:
                seconds[name].append(both_clocks() - start)
    return {name: np.array(values) for name, values in seconds.items()}


def compare(case, contestants, rounds, *, unit='call', warmup=1, target=None, check=None, judge='cpu', before=None):
    """Check that all contestants give the same, then time them in turns.

    Args:
        case (str): Name of what is done, the first cell of each row.
        contestants (dict[str, callable | tuple]): Function without arguments, or function and the number of units that
            one call handles. The first one is the baseline.
        rounds (int): Timed calls of each.
        unit (str): Name of what the time is given for.
        warmup (int): Calls of each before these; the one for ``check`` comes on top.
        target (float | dict[str, float], optional): Wanted ratio of the baseline's time to the candidates'.
        check (callable, optional): Function of the baseline's and a candidate's result that gives the largest
            difference (or None), or raises :class:`ResultsDiffer`.
        judge (str): Clock whose ratio meets the target or does not, 'cpu' or 'wall'.
        before (dict[str, callable], optional): See :func:`take_turns`.

    Returns:
        list[dict]: One row per contestant. Triples are quartiles 25 %, 50 %, 75 % over the rounds; ratios are those of
        the baseline's time per unit to the contestant's in the same round.

    Raises:
        ResultsDiffer: If a candidate gives something else.
    """
    calls = {name: call if isinstance(call, tuple) else (call, 1) for name, call in contestants.items()}
    baseline, differences = next(iter(calls)), {}
    if check:
        results = {name: call() for name, (call, _) in calls.items()}
        for name in list(calls)[1:]:
            try:
                differences[name] = check(results[baseline], results[name])
            except ResultsDiffer as error:
                raise ResultsDiffer(f'{case}: {name} against {baseline}: {error}') from None
    seconds = take_turns({name: call for name, (call, _) in calls.items()}, rounds, warmup, before)
    micros = {name: seconds[name] / units * 1e6 for name, (_, units) in calls.items()}
    rows = []
    for name, (_, units) in calls.items():
        wall, cpu = quartiles(micros[name]).T.tolist()
        wall_ratio, cpu_ratio = quartiles(micros[baseline] / np.maximum(micros[name], 1e-9)).T.tolist()
        row = dict(case=case, contestant=name, unit=unit, units=units, wall_us=wall, cpu_us=cpu,
                   wall_ms=[us / 1e3 for us in wall], cpu_ms=[us / 1e3 for us in cpu], wall_ratio=wall_ratio,
                   cpu_ratio=cpu_ratio, difference=differences.get(name))
        wanted = target.get(name) if isinstance(target, dict) else target
        if name != baseline and wanted is not None:
            slow, middle, fast = row[f'{judge}_ratio']
            row.update(target=f'>= {wanted:g}x', measured=f'{middle:.1f}x ({slow:.1f}-{fast:.1f})',
                       met=middle >= wanted)
        rows.append(row)
    return rows


def quartiles(values):
    """25 %, 50 %, 75 % along the first axis: (N, ...) -> (3, ...)."""
    return np.percentile(values, (25, 50, 75), axis=0)
