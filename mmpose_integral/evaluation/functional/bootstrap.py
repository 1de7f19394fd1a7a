"""How sure a difference of two mean errors is."""
from typing import NamedTuple

import numpy as np


class Difference(NamedTuple):
    """Mean error of the second method minus that of the first; below 0, the second is better."""
    mean: float
    """mm."""
    low: float
    """Lower end of the 95 % interval, mm."""
    high: float
    """Upper end, mm."""


def paired_bootstrap(first, second, same_trainings=False, num_resamples=2000, seed=0):
    """Difference of two methods' mean errors with a 95 % percentile interval.

    Frames are drawn with replacement, the same ones for both methods, since a hard frame is hard for both. Trainings
    are drawn as well, each method's own, so that the interval holds the spread of seeds; a few seeds show too little of
    it. Frames of one sequence resemble each other, which no interval over frames knows. Take the interval as a lower
    bound of the doubt.

    (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 8 and 13.)

    Args:
        first (np.ndarray): (S1, N), mean error of each frame, one row a training, mm.
        second (np.ndarray): (S2, N), the same frames.
        same_trainings (bool): row s of both is of one training, evaluated in two ways; rows are drawn together.
        num_resamples (int): draws.
        seed (int): of the draws.

    Returns:
        Difference: see there.

    Raises:
        ValueError: shapes other than these.
    """
    first, second = np.atleast_2d(first), np.atleast_2d(second)
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1] or not first.size:
        raise ValueError(f'first, second: (S1, N) and (S2, N) with N > 0 expected, got {first.shape}, {second.shape}')
    if same_trainings and len(first) != len(second):
        raise ValueError(f'same_trainings: as many rows of both expected, got {len(first)} and {len(second)}')
    rng = np.random.default_rng(seed)
    count = first.shape[1]
    draws = np.empty(num_resamples)
    for i in range(num_resamples):
        # How often each frame was drawn is all that its mean needs.
        frames = np.bincount(rng.integers(count, size=count), minlength=count) / count
        rows = [rng.integers(len(errors), size=len(errors)) for errors in (first, second)]
        if same_trainings:
            rows[1] = rows[0]
        means = [errors[drawn].mean(0) @ frames for errors, drawn in zip((first, second), rows, strict=True)]
        draws[i] = means[1] - means[0]
    low, high = np.percentile(draws, [2.5, 97.5])
    return Difference(float(second.mean() - first.mean()), float(low), float(high))
