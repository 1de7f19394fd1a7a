"""Plot of predicted standard deviations against actual errors."""
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmpose_integral.evaluation.functional.calibration import AXES, Calibration, PoseCalibration, normal_coverage
from mmpose_integral.evaluation.functional.uncertainty import SCORE_RADIUS_MM

from .canvas import picture_of
from .palette import ORANGE, PURPLE, STYLES

_REFERENCE: dict[str, Any] = dict(color='#555555', linestyle=(0, (5, 3)), linewidth=1.3)


def draw_calibration(result: PoseCalibration, title: str = '') -> np.ndarray:
    """Draw errors against std, the coverage, and the reliability of the scores, side by side; (H, W, 3) uint8 RGB."""
    figure = Figure(figsize=(11.5, 3.5), dpi=120, layout='constrained')
    if title:
        figure.suptitle(title, fontsize=11, fontweight='bold')
    left, middle, right = figure.subplots(1, 3)
    _draw_reliability(left, result.axes)
    _draw_coverage(middle, result.axes['all'])
    _draw_scores(right, result.score_bins)
    for axis, place in ((left, 'best'), (middle, 'lower right'), (right, 'upper left')):
        axis.grid(alpha=0.3)
        axis.set_axisbelow(True)
        axis.legend(frameon=False, fontsize=9, loc=place)
    return picture_of(figure)


def _draw_reliability(axis: Axes, axes: dict[str, Calibration]) -> None:
    """Draw one line per axis of space, and reference lines for errors of 1 and of ``factor`` standard deviations."""
    largest = max(axes[name].bin_std.max() for name in AXES)
    highest = max(axes[name].bin_error.max() for name in AXES)
    end, factor = np.array([0, 1.05 * largest]), axes['all'].factor
    axis.plot(end, end, label='error = std', **_REFERENCE)
    axis.plot(end, factor * end, color='#9aa5b1', linewidth=1.3, label=f'error = {factor:.2f} std')
    for name, (color, marker) in zip(AXES, STYLES, strict=False):
        axis.plot(axes[name].bin_std, axes[name].bin_error, color=color, marker=marker, markersize=4.5, linewidth=1.6,
                  label=name)
    # The vertical range follows the errors, so the diagonal may leave the picture.
    axis.set(xlabel='predicted standard deviation, mm (RMS of a bin)', ylabel='error, mm (RMS of the bin)',
             xlim=(0, end[1]), ylim=(0, 1.6 * max(highest, factor * largest)))


def _draw_coverage(axis: Axes, calibration: Calibration) -> None:
    """Draw the share of errors within n standard deviations, as predicted and scaled, and for a normal distribution."""
    for share, color, marker, label in ((calibration.coverage, PURPLE, 'o', 'std as predicted'),
                                        (calibration.coverage_scaled, ORANGE, 's', f'std x {calibration.factor:.2f}')):
        axis.plot(calibration.levels, 100 * share, color=color, marker=marker, markersize=3.5, linewidth=1.6,
                  label=label)
    levels = np.linspace(0, calibration.levels.max(), 100)
    axis.plot(levels, 100 * normal_coverage(levels), label='normal distribution', **_REFERENCE)
    axis.set(xlabel='within so many standard deviations', ylabel='share of errors, %')
    axis.set_xlim(left=0)
    axis.set_ylim(bottom=0)


def _draw_scores(axis: Axes, bins: np.ndarray) -> None:
    """Draw the share of joints that are near the truth against the predicted probability, (2, B)."""
    axis.plot([0, 100], [0, 100], label='equal', **_REFERENCE)
    axis.plot(*(100 * bins), color=PURPLE, marker='o', markersize=4.5, linewidth=1.6, label='bins of joints')
    axis.set(xlabel=f'predicted probability of an error up to {SCORE_RADIUS_MM:.0f} mm, %', ylabel='share of joints, %',
             xlim=(0, 100), ylim=(0, 100))
