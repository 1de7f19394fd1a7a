"""Plot of predicted standard deviations against actual errors."""
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..evaluation.functional.calibration import AXES, normal_coverage
from .palette import ORANGE, PURPLE, STYLES


def draw_calibration(axes, title=''):
    """Draw a reliability diagram on the left, and the coverage on the right.

    Args:
        axes (dict[str, Calibration]): Calibration of 'x', 'y', 'z' and 'all', mm; see :class:`PoseCalibration`.
        title (str): Title above the figure.

    Returns:
        np.ndarray: (H, W, 3) uint8 RGB.
    """
    figure = Figure(figsize=(8, 3.5), dpi=120, layout='constrained')
    canvas = FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    if title:
        figure.suptitle(title, fontsize=11, fontweight='bold')
    _draw_reliability(left, axes)
    _draw_coverage(right, axes['all'])
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])


def _dress(axis):
    axis.grid(alpha=0.3)
    axis.set_axisbelow(True)
    axis.legend(frameon=False, fontsize=9)
    axis.set_xlim(left=0)
    axis.set_ylim(bottom=0)


def _draw_reliability(axis, axes):
    """Draw one line per axis of space, and reference lines for errors of 1 and of ``factor`` standard deviations."""
    largest = max(axes[name].bin_std.max() for name in AXES)
    highest = max(axes[name].bin_error.max() for name in AXES)
    end = np.array([0, 1.05 * largest])
    axis.plot(end, end, color='#555555', linestyle=(0, (5, 3)), linewidth=1.3, label='error = std')
    factor = axes['all'].factor
    axis.plot(end, factor * end, color='#9aa5b1', linewidth=1.3, label=f'error = {factor:.2f} std')
    for name, (color, marker) in zip(AXES, STYLES, strict=False):
        axis.plot(axes[name].bin_std, axes[name].bin_error, color=color, marker=marker, markersize=4.5, linewidth=1.6,
                  label=name)
    axis.set_xlabel('predicted standard deviation, mm (RMS of a bin)')
    axis.set_ylabel('error, mm (RMS of the bin)')
    _dress(axis)
    axis.set_xlim(0, end[1])
    # The vertical range follows the errors, so the diagonal may leave the picture.
    axis.set_ylim(0, 1.6 * max(highest, factor * largest))


def _draw_coverage(axis, calibration):
    """Draw the share of errors within n standard deviations, as predicted and scaled, and for a normal distribution."""
    axis.plot(calibration.levels, 100 * calibration.coverage, color=PURPLE, marker='o', markersize=3.5, linewidth=1.6,
              label='std as predicted')
    axis.plot(calibration.levels, 100 * calibration.coverage_scaled, color=ORANGE, marker='s', markersize=3.5,
              linewidth=1.6, label=f'std x {calibration.factor:.2f}')
    levels = np.linspace(0, calibration.levels.max(), 100)
    axis.plot(levels, 100 * normal_coverage(levels), color='#555555', linestyle=(0, (5, 3)), linewidth=1.3,
              label='normal distribution')
    axis.set_xlabel('within so many standard deviations')
    axis.set_ylabel('share of errors, %')
    _dress(axis)
    axis.legend(frameon=False, fontsize=9, loc='lower right')
