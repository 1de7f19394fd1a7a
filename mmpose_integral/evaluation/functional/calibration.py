"""How well predicted standard deviations tell the errors that were made.

A calibrated standard deviation is the root mean square of the errors it is given for. Three views of it: bins by
predicted size (reliability diagram; Levi et al., arXiv 1905.11659), the factor that makes it right on average, and the
share of errors within so many standard deviations.
"""
from typing import NamedTuple

import numpy as np
from scipy.special import erf
from scipy.stats import spearmanr

from mmpose_integral.structures.bone_length import rescale_to_bone_length, skeleton_length
from mmpose_integral.structures.skeleton import NUM_FILE_JOINTS, NUM_JOINTS

LEVELS = tuple(np.arange(0, 3.25, 0.25).tolist())  # standard deviations
AXES = ('x', 'y', 'z')


class Calibration(NamedTuple):
    """Standard deviations against errors of M coordinates, in the unit of both.

    Attributes:
        bin_std (np.ndarray): (B,) root mean square of the standard deviations in each bin, ascending.
        bin_error (np.ndarray): (B,) root mean square of the errors there.
        factor (float): what to multiply the standard deviations by; below 1, they are too large.
        rank_correlation (float): Spearman's, of the standard deviation and the size of the error; NaN where one of
            them never changes.
        levels (np.ndarray): (L,), numbers of standard deviations.
        coverage (np.ndarray): (L,) share of errors within so many of them.
        coverage_scaled (np.ndarray): (L,), likewise after ``factor``.
    """
    bin_std: np.ndarray
    bin_error: np.ndarray
    factor: float
    rank_correlation: float
    levels: np.ndarray
    coverage: np.ndarray
    coverage_scaled: np.ndarray


def calibration(errors, stds, num_bins=10, levels=LEVELS):
    """Compare errors with the standard deviations predicted for them.

    The factor is the one under which normally distributed errors are most likely: with errors e of N(0, (f s)^2), the
    likelihood has its maximum at f^2 = mean(e^2 / s^2) (Laves et al., arXiv 2104.12376, call it sigma scaling).

    Args:
        errors (np.ndarray): (...), prediction minus truth, one axis.
        stds (np.ndarray): (...), same unit.
        num_bins (int): bins of as many coordinates each, by the standard deviation.
        levels (Sequence[float]): see :class:`Calibration`.

    Returns:
        Calibration: see there.

    Raises:
        ValueError: shapes differ, values are not finite, a standard deviation is not positive, or there are fewer
            values than bins.
    """
    errors, stds = np.asarray(errors, dtype=np.float64), np.asarray(stds, dtype=np.float64)
    if errors.shape != stds.shape:
        raise ValueError(f'errors, stds: equal shapes expected, got {errors.shape} and {stds.shape}')
    sizes, stds = np.abs(errors).ravel(), stds.ravel()
    for name, bad, wanted in (('errors', ~np.isfinite(sizes), 'finite'),
                              ('stds', ~(np.isfinite(stds) & (stds > 0)), 'finite and above 0')):
        if bad.any():
            raise ValueError(f'{name}: {bad.sum()} of {bad.size} are not {wanted}, first at flat index '
                             f'{int(np.argmax(bad))}')
    if not 1 <= num_bins <= sizes.size:
        raise ValueError(f'num_bins: 1 to {sizes.size} expected, the number of values, got {num_bins}')
    bins = np.array_split(np.argsort(stds, kind='stable'), num_bins)
    ratios = sizes / stds
    factor = _rms(ratios)
    levels = np.asarray(levels, dtype=np.float64)
    within = np.sort(ratios)
    return Calibration(
        bin_std=np.array([_rms(stds[members]) for members in bins]),
        bin_error=np.array([_rms(sizes[members]) for members in bins]),
        factor=factor, rank_correlation=rank_correlation(stds, sizes), levels=levels,
        coverage=np.searchsorted(within, levels, side='right') / within.size,
        coverage_scaled=np.searchsorted(within, levels * factor, side='right') / within.size)


def rank_correlation(first, second):
    """Spearman's rank correlation of paired values, (M,) each; NaN where one of them never changes."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float('nan')
    return float(spearmanr(first, second).statistic)


def normal_coverage(levels):
    """Share of a normal distribution within so many standard deviations of its mean; any shape."""
    return erf(np.asarray(levels, dtype=np.float64) / np.sqrt(2))


class PoseCalibration(NamedTuple):
    """Calibration of predicted poses, over the 16 joints of a pose file that are not the root.

    Attributes:
        axes (dict[str, Calibration]): of 'x', 'y', 'z', and of 'all' three together; mm.
        joint_factors (np.ndarray): (16,), the factor of each joint, its axes together.
        joint_rank_correlations (np.ndarray): (16,) between a joint's error and its standard deviation, as lengths in
            space, over frames.
        person_rank_correlation (float): between the joints of one person, mean over frames.
        frame_rank_correlation (float): between a frame's mean error and its mean standard deviation.
        quarter_errors (np.ndarray): (4,), mean error of the frames by quarters, those with the smallest mean standard
            deviation first, mm; NaN for a quarter without frames.
    """
    axes: dict
    joint_factors: np.ndarray
    joint_rank_correlations: np.ndarray
    person_rank_correlation: float
    frame_rank_correlation: float
    quarter_errors: np.ndarray


def calibrate_poses(pred_px, std_px, gt_mm, bone_length, num_bins=10):
    """Calibration of a model's standard deviations, taken to mm as its joints are.

    A person's px become mm by one factor, bone length over predicted skeleton length in px, for joints and standard
    deviations alike. The root's own error is unknown, as poses are root-relative, so the root is left out; the errors
    of the others contain it, and that of the person's size, of which a joint's standard deviation knows nothing.

    Args:
        pred_px (np.ndarray): (N, 18, 3), image px.
        std_px (np.ndarray): (N, 18, 3), image px.
        gt_mm (np.ndarray): (N, 18, 3), mm; the root is subtracted.
        bone_length (np.ndarray | float): total skeleton length of the predictions, mm; broadcasts over N.
        num_bins (int): see :func:`calibration`.

    Returns:
        PoseCalibration: see there.

    Raises:
        ValueError: shapes differ or are not (N, 18, 3), a pose that cannot be scaled, and what
            :func:`calibration` raises.
    """
    pred_px, std_px, gt_mm = (np.asarray(values, dtype=np.float64) for values in (pred_px, std_px, gt_mm))
    if pred_px.shape[1:] != (NUM_JOINTS, 3) or not pred_px.shape == std_px.shape == gt_mm.shape:
        raise ValueError(f'pred_px, std_px, gt_mm: equal shapes (N, {NUM_JOINTS}, 3) expected, got {pred_px.shape}, '
                         f'{std_px.shape}, {gt_mm.shape}')
    joints = slice(1, NUM_FILE_JOINTS)
    pred_mm = rescale_to_bone_length(pred_px, bone_length)
    mm_per_px = np.broadcast_to(bone_length, len(pred_px)) / skeleton_length(pred_px)
    errors = (pred_mm - (gt_mm - gt_mm[:, :1]))[:, joints]
    stds = (std_px * mm_per_px[:, None, None])[:, joints]
    axes = {'all': calibration(errors, stds, num_bins)}
    axes.update({name: calibration(errors[..., i], stds[..., i], num_bins) for i, name in enumerate(AXES)})
    distance, spread = np.linalg.norm(errors, axis=-1), np.linalg.norm(stds, axis=-1)
    frame_spread, frame_error = spread.mean(axis=1), distance.mean(axis=1)
    quarters = np.array_split(np.argsort(frame_spread, kind='stable'), 4)
    return PoseCalibration(
        axes, joint_factors=np.sqrt(np.mean((errors / stds)**2, axis=(0, 2))),
        joint_rank_correlations=np.array([rank_correlation(*pair) for pair in zip(spread.T, distance.T, strict=True)]),
        person_rank_correlation=float(np.mean([
            rank_correlation(*pair) for pair in zip(spread, distance, strict=True)])),
        quarter_errors=np.array([frame_error[part].mean() if len(part) else np.nan for part in quarters]),
        frame_rank_correlation=rank_correlation(frame_spread, frame_error))


def _rms(values):
    return float(np.sqrt(np.mean(np.square(values))))
