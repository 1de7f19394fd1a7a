"""Calibration of standard deviations: factors for them, and the probability that an error is below a limit."""
import numpy as np
from scipy.special import erf, ndtri

from mmpose_integral.structures.bone_length import skeleton_length

SCORE_RADIUS_MM = 75.0
"""Limit of the error, mm. The score of a calibrated model is the probability that the error is not above it."""


def probability_within(std_mm: np.ndarray, radius_mm: float = SCORE_RADIUS_MM) -> np.ndarray:
    r"""Probability that a joint is within a distance of its prediction, for normally distributed errors.

    With :math:`m = \sum s^2`, the squared distance is about :math:`m / n` times a chi-square variable with
    :math:`n = m^2 / \sum s^4` degrees of freedom (Satterthwaite, 1946), whose cube root is about normal with the mean
    :math:`1 - 2 / 9n` and the variance :math:`2 / 9n` after division by n (Wilson and Hilferty, 1931).

    Args:
        std_mm: (..., 3), standard deviations above 0, mm.
        radius_mm: Distance, mm.

    Returns:
        (...), 0 to 1.
    """
    variance = np.square(std_mm)
    mean = variance.sum(-1)
    spread = 2 / 9 * np.square(variance / mean[..., None]).sum(-1)
    return (1 + erf((np.cbrt(radius_mm**2 / mean) - 1 + spread) / np.sqrt(2 * spread))) / 2


def calibrate(keypoints: np.ndarray, std: np.ndarray, factors: np.ndarray,
              bone_length: float) -> tuple[np.ndarray, np.ndarray]:
    """Calibrate the standard deviations of predictions in px.

    Args:
        keypoints: (N, 18, 3), image px.
        std: (N, 18, 3), standard deviations, image px.
        factors: (18, 3), see :func:`std_factors`.
        bone_length: Total skeleton length, mm, which gives the size of a px.

    Returns:
        Standard deviations (N, 18, 3), image px, and scores (N, 18): see ``SCORE_RADIUS_MM``. A skeleton of length
        zero has the scores 0.
    """
    std = std * factors
    length = skeleton_length(keypoints)
    mm_per_px = np.divide(bone_length, length, out=np.zeros_like(length), where=length > 0)[..., None]
    usable = np.where(mm_per_px > 0, mm_per_px, 1.0)
    return std, np.where(mm_per_px > 0, probability_within(std * usable[..., None]), 0)


def std_factors(errors: np.ndarray, stds: np.ndarray, share: float = 0.75) -> np.ndarray:
    """Factors after which an interval of a normal distribution contains its share of the errors.

    Args:
        errors: (N, K, 3), prediction minus truth, root-relative; the first joint is the root.
        stds: (N, K, 3), standard deviations above 0 in the same unit.
        share: The share, between 0 and 1. Errors of joints have heavier tails than a normal distribution, so that no
            factor is exact for all shares. The default is a compromise for the intervals of 68 % and 95 %.

    Returns:
        (K, 3), for each joint and axis; 1 for the root, whose errors are unknown.
    """
    measured = np.quantile(np.abs(errors[:, 1:]) / stds[:, 1:], share, axis=0)
    return np.concatenate([np.ones((1, 3)), measured / ndtri((1 + share) / 2)])
