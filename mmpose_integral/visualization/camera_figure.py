"""The picture of the camera report."""
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mmpose_integral.preparation.camera_statistics import CameraStatistics, joint_shares, worst_frames
from mmpose_integral.preparation.frames import read_image
from mmpose_integral.structures.skeleton import DRAWN_BONES, JOINT_NAMES, NUM_JOINTS, side_color
from mmpose_integral.utils.files import replace_when_done
from mmpose_integral.visualization.palette import BLUE, GREEN, GREY

NUM_WORST = 4


def draw_report(statistics: CameraStatistics, keypoints_2d: np.ndarray, image_of: Callable[[int], str | Path | None],
                title: str, path: str | Path) -> None:
    """Draw the report: distributions, joints, and the frames that fit worst.

    Args:
        statistics: Statistics of N frames.
        keypoints_2d: (N, 18, 2) image px, the joints to which the cameras were fitted.
        image_of: Function from row to image file, or to None if there are no images.
        title: Title of the figure.
        path: PNG file to write.
    """
    figure = Figure(figsize=(16, 13), layout='constrained', dpi=110)
    FigureCanvasAgg(figure)
    top, bottom = figure.subfigures(2, 1, height_ratios=(2, 1.15))
    figure.suptitle(title, fontsize=15)
    axes = top.subplots(2, 3).ravel()
    table = {name: values[~statistics.degenerate] for name, values in statistics.table.items()}
    if len(table['scale']):
        _histogram(axes[0], 1000 * table['scale'], 'camera scale, px per metre', 'How large people appear')
        _histogram(axes[1], table['free_rotation_deg'], 'degrees', 'In-plane rotation, if it is left free')
        _residuals(axes[2], table)
        _joints(axes[3], statistics)
        _scales(axes[4], statistics, table)
        _roots(axes[5], table)
    else:
        for axis in axes:
            axis.axis('off')
        axes[1].text(0.5, 0.5, 'No frame determines a camera', ha='center', fontsize=14)
    bottom.suptitle('Frames that fit worst: predicted joints (+, or x where the fit set them aside) and the fitted '
                    'skeleton, left blue, right vermilion', fontsize=11)
    rows = worst_frames(statistics, NUM_WORST)
    for axis, row in zip(bottom.subplots(1, NUM_WORST), rows + [None] * (NUM_WORST - len(rows)), strict=True):
        if row is None:
            axis.axis('off')
        else:
            _worst(axis, statistics, row, keypoints_2d[row], image_of(row))
    with replace_when_done(path) as temporary:
        figure.savefig(temporary)


def _tidy(axis, xlabel, ylabel, title):
    axis.set(xlabel=xlabel, ylabel=ylabel)
    axis.set_title(title, fontsize=11)
    axis.spines[['top', 'right']].set_visible(False)


def _bins(values, count=40):
    """Return bins over all but the outermost 0.1 % at each end, so that outliers do not compress the histogram."""
    low, high = np.percentile(values, [0.1, 99.9])
    return np.linspace(low, high if high > low else low + 1, count + 1)


def _histogram(axis, values, xlabel, title, color=BLUE, label=None):
    bins = _bins(values)
    axis.hist(np.clip(values, bins[0], bins[-1]), bins, color=color, alpha=0.8, label=label)
    if label is None:
        axis.axvline(np.median(values), color='black', lw=1)
        axis.annotate(f'median {np.median(values):.3g}', (np.median(values), 1.0), xytext=(4, -8),
                      xycoords=('data', 'axes fraction'), textcoords='offset points', fontsize=9)
    _tidy(axis, xlabel, 'frames', title)


def _residuals(axis, table):
    curves = [('mean residual to the coarse 2D', table['mean_residual'], BLUE)]
    if 'truth_error_px' in table:
        curves.append(('error of the labels to the true 2D', table['truth_error_px'], GREEN))
    bins = _bins(np.concatenate([values for _, values, _ in curves]))
    for label, values, color in curves:
        axis.hist(np.clip(values, bins[0], bins[-1]), bins, histtype='stepfilled', alpha=0.55, color=color,
                  label=f'{label}, mean {values.mean():.2f} px')
    axis.legend(frameon=False, fontsize=9)
    _tidy(axis, 'px, mean over the joints of a frame', 'frames', 'How well the cameras fit')


def _joints(axis, statistics):
    shares = joint_shares(statistics)
    names = [name.replace('_', ' ') for name in JOINT_NAMES]
    colors = [np.array(side_color(joint)) / 255 for joint in range(NUM_JOINTS)]
    axis.barh(names, np.nan_to_num(shares), color=colors)
    for joint in np.flatnonzero(np.isnan(shares)):
        axis.text(0.01, joint, 'not predicted', va='center', fontsize=8, color=GREY)
    axis.invert_yaxis()
    axis.set_xlim(0, 1)
    axis.tick_params(axis='y', labelsize=8)
    _tidy(axis, 'share of frames', '', 'Where the fit kept the joint (inlier)')


def _scales(axis, statistics, table):
    if statistics.true_scale is None:
        axis.scatter(1000 * table['scale'], table['mean_residual'], s=9, alpha=0.45, color=BLUE, lw=0)
        _tidy(axis, 'camera scale, px per metre', 'mean residual, px', 'Residual against scale')
        return
    true = 1000 * statistics.true_scale[~statistics.degenerate]
    axis.scatter(true, 1000 * table['scale'], s=9, alpha=0.45, color=BLUE, lw=0)
    ends = [true.min(), true.max()]
    axis.plot(ends, ends, color='black', lw=1)
    error = np.abs(table['truth_scale_error_percent']).mean()
    _tidy(axis, 'true scale (focal length / root depth), px per metre', 'fitted scale, px per metre',
          f'Scale against the truth: {error:.2f} % off on average')


def _roots(axis, table):
    points = axis.scatter(table['tx'], table['ty'], s=10, c=table['mean_residual'], cmap='viridis', lw=0,
                          vmax=np.percentile(table['mean_residual'], 99))
    axis.figure.colorbar(points, ax=axis, label='mean residual, px')
    axis.set_aspect('equal', adjustable='datalim')
    axis.invert_yaxis()
    _tidy(axis, 'x, px', 'y, px', 'Where the root appears in the image')


def _worst(axis, statistics, row, keypoints_2d, image_path):
    axis.set_facecolor('#EEEEEE')
    fitted, used = statistics.projected[row, :, :2], statistics.used[row]
    if image_path is not None:
        axis.imshow(read_image(image_path)[..., ::-1], interpolation='bilinear')
    for bone in DRAWN_BONES:
        axis.plot(*fitted[list(bone)].T, color=np.array(side_color(*bone)) / 255, lw=2)
    inlier = statistics.camera.inlier[row]
    for mask, marker in ((used & inlier, '+'), (used & ~inlier, 'x')):
        axis.scatter(*keypoints_2d[mask].T, marker=marker, s=55, color='white', lw=3.5, zorder=3)
        axis.scatter(*keypoints_2d[mask].T, marker=marker, s=45, zorder=4, lw=1.6,
                     c=[np.array(side_color(joint)) / 255 for joint in np.flatnonzero(mask)])
    points = np.concatenate([fitted, keypoints_2d[used]])
    centre, side = (points.min(axis=0) + points.max(axis=0)) / 2, 0.62 * np.ptp(points, axis=0).max()
    axis.set(xlim=(centre[0] - side, centre[0] + side), ylim=(centre[1] + side, centre[1] - side), aspect='equal',
             xticks=[], yticks=[])
    mean = statistics.table['mean_residual'][row]
    axis.set_title(f'frame {statistics.frame_ids[row]}: mean residual {mean:.1f} px', fontsize=10)
