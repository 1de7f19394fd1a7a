"""Confidence interval of the difference of two mean errors."""
from typing import NamedTuple

import numpy as np


class Difference(NamedTuple):
    """Mean error of the second method minus that of the first, mm, and the ends of the 95 % interval."""
    mean: float
    low: float
    high: float


def paired_bootstrap(first: np.ndarray, second: np.ndarray, same_trainings: bool = False, seed: int = 0) -> Difference:
    """Compute the difference of two methods' mean errors with a 95 % percentile interval.

    Frames are drawn with replacement, the same ones for both methods, because a frame is similarly difficult for both.
    Training runs are drawn, too, separately for each method, so that the interval covers the spread of seeds. With few
    seeds it covers too little of that spread. Frames of one sequence are similar, which no interval over frames takes
    into account. The true uncertainty is therefore at least as large as the interval.

    (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 8 and 13.)

    Args:
        first: (S1, N), mean error of each frame, one row per training run, mm.
        second: (S2, N), errors of the second method on the same frames.
        same_trainings: Whether row s of both is of one training run, evaluated in two ways. Rows are then drawn
            together.
        seed: Seed of the random draws.

    Raises:
        ValueError: If the shapes do not fit together.
    """
    first, second = np.atleast_2d(first), np.atleast_2d(second)
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1] or not first.size:
        raise ValueError(f'first, second: (S1, N) and (S2, N) with N > 0 expected, got {first.shape}, {second.shape}')
    if same_trainings and len(first) != len(second):
        raise ValueError(f'same_trainings: as many rows of both expected, got {len(first)} and {len(second)}')
    rng = np.random.default_rng(seed)
    count = first.shape[1]
    draws = np.empty(2000)
    for i in range(len(draws)):
        # The mean only depends on how often each frame was drawn.
        frames = np.bincount(rng.integers(count, size=count), minlength=count) / count
        rows = [rng.integers(len(errors), size=len(errors)) for errors in (first, second)]
        if same_trainings:
            rows[1] = rows[0]
        means = [errors[drawn].mean(0) @ frames for errors, drawn in zip((first, second), rows, strict=True)]
        draws[i] = means[1] - means[0]
    low, high = np.percentile(draws, [2.5, 97.5])
    return Difference(float(second.mean() - first.mean()), float(low), float(high))
