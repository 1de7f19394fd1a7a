"""Time baseline and candidates side by side: same results first, then timed in turns, or split by stage."""
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any
from unittest import mock

import numpy as np
import torch

Row = dict[str, Any]
Check = Callable[[Any, Any], float]


class ResultsDiffer(RuntimeError):
    """A candidate does not give the baseline's results, so its time has no meaning."""


def both_clocks() -> np.ndarray:
    """Wall time and CPU time of this process (all its threads, without its child processes): (2,) s."""
    return np.array((time.perf_counter(), time.process_time()))


def same_within(tolerance: float, rms: bool = False) -> Check:
    """Make a check of arrays, or of sequences of arrays, which returns their largest difference.

    The check compares the largest difference with ``tolerance``. With ``rms``, it compares the root mean square of the
    differences instead. Arrays are compared up to the length of the shorter one, because a baseline may handle the
    first units only.
    """
    def check(expected: Any, found: Any) -> float:
        pairs = zip(expected, found, strict=True) if isinstance(expected, (tuple, list)) else [(expected, found)]
        largest = 0.0
        for number, (first, second) in enumerate(pairs):
            first, second = np.atleast_1d(first), np.atleast_1d(second)
            length = min(len(first), len(second))
            differences = np.abs(first[:length] - second[:length])
            judged = float(np.sqrt((differences ** 2).mean()) if rms else differences.max())
            if not judged <= tolerance:  # also true for NaN
                how = 'by a root mean square of' if rms else 'by up to'
                raise ResultsDiffer(f'array {number} differs {how} {judged:.3g}, at most {tolerance:g} expected')
            largest = max(largest, float(differences.max()))
        return largest
    return check


def take_turns(calls: Mapping[str, Callable], rounds: int, warmup: int = 1,
               before: Mapping[str, Callable] | None = None) -> dict[str, np.ndarray]:
    """Time functions in turns, so that other load on the machine affects all of them: (rounds, 2) wall and CPU seconds.

    Args:
        calls: Functions by name. They return when their work is done.
        rounds: Number of timed calls per function. The order is reversed in every other round.
        warmup: Number of calls per function before these.
        before: Functions that are called before each call of that name, without being timed.
    """
    seconds: dict[str, list[np.ndarray]] = {name: [] for name in calls}
    for number in range(-warmup, rounds):
        for name in list(calls)[::1 if number % 2 == 0 else -1]:
            if before and name in before:
                before[name]()
            start = both_clocks()
            calls[name]()
            if number >= 0:
                seconds[name].append(both_clocks() - start)
    return {name: np.array(values) for name, values in seconds.items()}


def compare(case: str, contestants: Mapping[str, Callable | tuple[Callable, int]], rounds: int, *, unit: str = 'call',
            warmup: int = 1, targets: Mapping[str, float] | None = None, check: Check | None = None,
            checks: Mapping[str, Check] | None = None, judge: str = 'cpu',
            before: Mapping[str, Callable] | None = None) -> list[Row]:
    """Check that all contestants give the same results (raises ResultsDiffer), then time them in turns.

    Args:
        case: Name of the task, the first cell of each row.
        contestants: Functions by name, the baseline first; or pairs of a function and the number of units per call.
        rounds: Number of timed calls per contestant.
        unit: Name of a unit.
        warmup: Number of calls per contestant before the timed ones, in addition to the one for ``check``.
        targets: Wanted ratios of the baseline's time to the candidate's, by candidate.
        check: Function of the baseline's and a candidate's result, which returns the largest difference.
        checks: Functions that replace ``check``, by candidate.
        judge: Clock whose ratio is compared with the target, 'cpu' or 'wall'.
        before: See :func:`take_turns`.

    Returns:
        One row per contestant. Triples are quartiles 25 %, 50 %, 75 % over the rounds. A ratio is that of the
        baseline's time per unit to the contestant's in the same round.
    """
    calls = {name: call if isinstance(call, tuple) else (call, 1) for name, call in contestants.items()}
    baseline, differences = next(iter(calls)), {}
    if check:
        results = {name: call() for name, (call, _) in calls.items()}
        for name in list(calls)[1:]:
            try:
                differences[name] = (checks or {}).get(name, check)(results[baseline], results[name])
            except ResultsDiffer as error:
                raise ResultsDiffer(f'{case}: {name} against {baseline}: {error}') from None
    seconds = take_turns({name: call for name, (call, _) in calls.items()}, rounds, warmup, before)
    micros = {name: seconds[name] / units * 1e6 for name, (_, units) in calls.items()}
    rows = []
    for name, (_, units) in calls.items():
        wall, cpu = quartiles(micros[name]).T.tolist()
        wall_ratio, cpu_ratio = quartiles(micros[baseline] / np.maximum(micros[name], 1e-9)).T.tolist()
        row: Row = dict(
            case=case, contestant=name, unit=unit, units=units, wall_us=wall, cpu_us=cpu, wall_ratio=wall_ratio,
            wall_ms=[us / 1e3 for us in wall], cpu_ms=[us / 1e3 for us in cpu], cpu_ratio=cpu_ratio,
            per_s=1e6 / max(wall[1], 1e-9), difference=differences.get(name))
        target = (targets or {}).get(name)
        if target is not None:
            low, middle, high = row[f'{judge}_ratio']
            row.update(target=f'>= {target:g}x', measured=f'{middle:.1f}x ({low:.1f}-{high:.1f})', met=middle >= target)
        rows.append(row)
    return rows


def gpu_peak_bytes(call: Callable) -> int:
    """Peak GPU memory of a call beyond the memory in use before it."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def quartiles(values: Any) -> np.ndarray:
    """25 %, 50 %, 75 % along the first axis: (N, ...) -> (3, ...)."""
    return np.percentile(values, (25, 50, 75), axis=0)


def seconds_by_stage(call: Callable, parts: Mapping[str, list[tuple[Any, str]]], rest: str,
                     clock: Callable[[], float] = time.process_time) -> dict[str, float]:
    """Seconds per stage of a call. The time of a stage within another one counts for the inner stage only.

    Args:
        call: Function without arguments.
        parts: Per stage, its functions as pairs of owner (module, class or object) and name.
        rest: Stage of everything that is in no other stage.
        clock: Function that gives seconds.
    """
    seconds, stack, last = dict.fromkeys([*parts, rest], 0.0), [rest], clock()

    def switch() -> None:
        nonlocal last
        now = clock()
        seconds[stack[-1]] += now - last
        last = now

    def timed(stage: str, function: Callable) -> Callable:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            switch()
            stack.append(stage)
            try:
                return function(*args, **kwargs)
            finally:
                switch()
                stack.pop()
        return wrapped

    with contextlib.ExitStack() as patches:
        for stage, places in parts.items():
            for owner, name in places:
                patches.enter_context(mock.patch.object(owner, name, timed(stage, getattr(owner, name))))
        call()
        switch()
    return seconds
