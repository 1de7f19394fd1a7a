"""Comparison of predicted standard deviations with the actual errors.

A calibrated standard deviation equals the root mean square of the errors that it is predicted for. There are three ways
to check it: bins by predicted size (reliability diagram; Levi et al., arXiv 1905.11659), the factor that makes it right
on average, and the share of errors within a number of standard deviations.
"""
from typing import NamedTuple

import numpy as np
from scipy.special import erf
from scipy.stats import rankdata

from mmpose_integral.evaluation.functional.millimetres import px_to_mm
from mmpose_integral.evaluation.functional.uncertainty import SCORE_RADIUS_MM, probability_within, std_factors
from mmpose_integral.structures.skeleton import NUM_FILE_JOINTS, NUM_JOINTS

AXES = ('x', 'y', 'z')


class Calibration(NamedTuple):
    """Standard deviations and errors of M coordinates, in their common unit."""
    bin_std: np.ndarray
    """(B,), root mean square of the standard deviations in each bin, ascending."""
    bin_error: np.ndarray
    """(B,), root mean square of the errors in each bin."""
    factor: float
    """Factor that calibrates the standard deviations; below 1, they are too large."""
    rank_correlation: float
    """Spearman's rank correlation of the standard deviation and the size of the error; NaN if one is constant."""
    levels: np.ndarray
    """(L,), numbers of standard deviations, 0 to 3."""
    coverage: np.ndarray
    """(L,), share of errors within each of these levels."""
    coverage_scaled: np.ndarray
    """(L,), the same share after multiplication of the standard deviations by ``factor``."""


def calibration(errors: np.ndarray, stds: np.ndarray, num_bins: int = 10) -> Calibration:
    """Compare errors with the standard deviations predicted for them.

    The factor has the highest likelihood for normally distributed errors: with errors e of N(0, (f s)^2), the
    likelihood has its maximum at f^2 = mean(e^2 / s^2) (Laves et al., arXiv 2104.12376, call it sigma scaling).

    Args:
        errors: (...), prediction minus ground truth along one axis.
        stds: (...), standard deviations in the same unit.
        num_bins: Number of bins by the standard deviation, with equal numbers of coordinates.

    Raises:
        ValueError: If shapes differ, values are not finite, a standard deviation is not positive, or there are fewer
            values than bins.
    """
    errors, stds = np.asarray(errors, dtype=np.float64), np.asarray(stds, dtype=np.float64)
    if errors.shape != stds.shape:
        raise ValueError(f'errors, stds: equal shapes expected, got {errors.shape} and {stds.shape}')
    sizes, stds = np.abs(errors).ravel(), stds.ravel()
    for name, bad, wanted in (('errors', ~np.isfinite(sizes), 'finite'),
                              ('stds', ~(np.isfinite(stds) & (stds > 0)), 'finite and above 0')):
        if bad.any():
            raise ValueError(f'{name}: {bad.sum()} of {bad.size} are not {wanted}, first at flat index {bad.argmax()}')
    if not 1 <= num_bins <= sizes.size:
        raise ValueError(f'num_bins: 1 to {sizes.size} expected, the number of values, got {num_bins}')
    bins = np.array_split(np.argsort(stds, kind='stable'), num_bins)
    bin_std, bin_error = (np.sqrt([np.mean(values[members]**2) for members in bins]) for values in (stds, sizes))
    ratios, levels = sizes / stds, np.linspace(0, 3, 13)
    factor = float(np.sqrt(np.mean(ratios**2)))
    coverage, coverage_scaled = (np.mean(ratios <= limits[:, None], axis=1) for limits in (levels, levels * factor))
    return Calibration(bin_std, bin_error, factor, float(rank_correlation(stds, sizes)), levels, coverage,
                       coverage_scaled)


def rank_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation of paired values, (..., M) each; (...), NaN where one of them is constant."""
    ranks = (rankdata(values, axis=-1) for values in (first, second))
    x, y = (rank - rank.mean(axis=-1, keepdims=True) for rank in ranks)
    with np.errstate(invalid='ignore'):
        return (x * y).sum(axis=-1) / np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))


def normal_coverage(levels: np.ndarray) -> np.ndarray:
    """Share of a normal distribution within the given numbers of standard deviations of its mean; any shape."""
    return erf(np.asarray(levels, dtype=np.float64) / np.sqrt(2))


class PoseCalibration(NamedTuple):
    """Calibration of predicted poses, over the 16 joints of a pose file that are not the root."""
    axes: dict[str, Calibration]
    """Calibration of 'x', 'y', 'z', and of 'all' three together, mm."""
    joint_factors: np.ndarray
    """(16,), factor of each joint over all axes."""
    joint_rank_correlations: np.ndarray
    """(16,), rank correlation over frames of a joint's error and its standard deviation, both as lengths in space."""
    person_rank_correlation: float
    """Rank correlation over the joints of one person, mean over frames."""
    frame_rank_correlation: float
    """Rank correlation of a frame's mean error and its mean standard deviation."""
    quarter_errors: np.ndarray
    """(4,), mean error of each quarter of the frames, mm, by their mean standard deviation, smallest first; NaN for a
    quarter without frames."""
    score_bins: np.ndarray
    """(2, B), mean :func:`probability_within` of ``SCORE_RADIUS_MM`` in each bin, ascending, and the share of joints
    that are within it."""
    std_factors: np.ndarray
    """(18, 3), see :func:`std_factors`."""


def calibrate_poses(pred_px: np.ndarray, std_px: np.ndarray, gt_mm: np.ndarray, bone_length: np.ndarray | float,
                    num_bins: int = 10, intrinsics: np.ndarray | None = None) -> PoseCalibration:
    """Compute the calibration of a model's standard deviations, which are converted to mm as its joints are.

    The root's own error is unknown, because poses are root-relative, so the root is left out. The errors of the other
    joints contain it, and also the error of the person's size. A joint's standard deviation does not include the
    latter.

    Args:
        pred_px: (N, 18, 3), predictions, image px.
        std_px: (N, 18, 3), their standard deviations, image px.
        gt_mm: (N, 18, 3), ground truth, mm; the root is subtracted.
        bone_length: Total skeleton length of the predictions, mm; broadcasts over N.
        num_bins: Number of bins; see :func:`calibration`.
        intrinsics: Intrinsics for :func:`px_to_mm`, of a model with perspective labels.

    Raises:
        ValueError: If shapes differ or are not (N, 18, 3), a pose cannot be scaled, or :func:`calibration` raises it.
    """
    pred_px, std_px, gt_mm = (np.asarray(values, dtype=np.float64) for values in (pred_px, std_px, gt_mm))
    if pred_px.shape[1:] != (NUM_JOINTS, 3) or not pred_px.shape == std_px.shape == gt_mm.shape:
        raise ValueError(f'pred_px, std_px, gt_mm: equal shapes (N, {NUM_JOINTS}, 3) expected, got {pred_px.shape}, '
                         f'{std_px.shape}, {gt_mm.shape}')
    joints = slice(1, NUM_FILE_JOINTS)
    pred_mm, mm_per_px = px_to_mm(pred_px, bone_length, intrinsics)
    errors, stds = pred_mm - (gt_mm - gt_mm[:, :1]), std_px * mm_per_px[:, None, None]
    factors = std_factors(errors, stds)
    errors, stds = errors[:, joints], stds[:, joints]
    axes = {'all': calibration(errors, stds, num_bins)}
    axes.update({name: calibration(errors[..., i], stds[..., i], num_bins) for i, name in enumerate(AXES)})
    distance, spread = np.linalg.norm(errors, axis=-1), np.linalg.norm(stds, axis=-1)
    frame_spread, frame_error = spread.mean(axis=1), distance.mean(axis=1)
    probability, near = probability_within(stds).ravel(), (distance <= SCORE_RADIUS_MM).ravel()
    bins = np.array_split(np.argsort(probability, kind='stable'), num_bins)
    quarters = np.array_split(frame_error[np.argsort(frame_spread, kind='stable')], 4)
    return PoseCalibration(
        axes, joint_factors=np.sqrt(np.mean((errors / stds)**2, axis=(0, 2))),
        joint_rank_correlations=rank_correlation(spread.T, distance.T),
        person_rank_correlation=float(rank_correlation(spread, distance).mean()),
        frame_rank_correlation=float(rank_correlation(frame_spread, frame_error)),
        quarter_errors=np.array([part.mean() if len(part) else np.nan for part in quarters]),
        score_bins=np.array([[values[members].mean() for members in bins] for values in (probability, near)]),
        std_factors=factors)
