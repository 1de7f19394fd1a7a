"""The picture of the camera report."""
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmpose_integral.preparation.camera_statistics import CameraStatistics, joint_shares, worst_frames
from mmpose_integral.preparation.frames import read_image
from mmpose_integral.structures.skeleton import DRAWN_BONES, JOINT_NAMES, NUM_JOINTS, side_color
from mmpose_integral.utils.files import replace_when_done

from .palette import BLUE, GREEN, GREY

_NUM_WORST = 4


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
    grid = figure.add_gridspec(2, 1, height_ratios=(2, 1.15))
    top, bottom = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
    figure.suptitle(title, fontsize=15)
    axes = np.ravel(top.subplots(2, 3))
    if statistics.degenerate.all():
        for axis in axes:
            axis.set_axis_off()
        axes[1].text(0.5, 0.5, 'No frame determines a camera', ha='center', fontsize=14)
    else:
        table = {name: values[~statistics.degenerate] for name, values in statistics.table.items()}
        _draw_histogram(axes[0], 1000 * table['scale'], 'camera scale, px per metre', 'How large people appear')
        if 'off_axis_deg' in table:
            _draw_off_axis(axes[1], table)
        else:
            _draw_histogram(axes[1], table['free_rotation_deg'], 'degrees', 'In-plane rotation, if it is left free')
        _draw_residuals(axes[2], table)
        _draw_shares(axes[3], joint_shares(statistics))
        _draw_scales(axes[4], statistics, table)
        _draw_roots(axes[5], table)
    bottom.suptitle('Frames that fit worst: predicted joints (+, or x where the fit set them aside) and the fitted '
                    'skeleton, left blue, right vermilion', fontsize=11)
    rows = worst_frames(statistics, _NUM_WORST)
    for rank, axis in enumerate(bottom.subplots(1, _NUM_WORST)):
        if rank < len(rows):
            _draw_frame(axis, statistics, rows[rank], keypoints_2d[rows[rank]], image_of(rows[rank]))
        else:
            axis.set_axis_off()
    with replace_when_done(path) as temporary:
        figure.savefig(temporary)


def _color(*joints: int) -> np.ndarray:
    return np.array(side_color(*joints)) / 255


def _dress(axis: Axes, xlabel: str, ylabel: str, title: str) -> None:
    axis.set(xlabel=xlabel, ylabel=ylabel)
    axis.set_title(title, fontsize=11)
    axis.spines[['top', 'right']].set_visible(False)


def _bins(values: np.ndarray) -> list[float]:
    """Edges of 40 bins over all but the outermost 0.1 % at each end, so that outliers do not compress the histogram."""
    low, high = np.percentile(values, [0.1, 99.9])
    return np.linspace(low, high if high > low else low + 1, 41).tolist()


def _draw_histogram(axis: Axes, values: np.ndarray, xlabel: str, title: str) -> None:
    bins, median = _bins(values), np.median(values)
    axis.hist(np.clip(values, bins[0], bins[-1]), bins, color=BLUE, alpha=0.8)
    axis.axvline(median, color='black', lw=1)
    axis.annotate(f'median {median:.3g}', (median, 1.0), xytext=(4, -8), xycoords=('data', 'axes fraction'),
                  textcoords='offset points', fontsize=9)
    _dress(axis, xlabel, 'frames', title)


def _draw_residuals(axis: Axes, table: dict[str, np.ndarray]) -> None:
    curves = [('mean residual to the coarse 2D', 'mean_residual', BLUE),
              ('error of the labels to the true 2D', 'truth_error_px', GREEN)][:2 if 'truth_error_px' in table else 1]
    bins = _bins(np.concatenate([table[name] for _, name, _ in curves]))
    for label, name, color in curves:
        axis.hist(np.clip(table[name], bins[0], bins[-1]), bins, histtype='stepfilled', alpha=0.55, color=color,
                  label=f'{label}, mean {table[name].mean():.2f} px')
    axis.legend(frameon=False, fontsize=9)
    _dress(axis, 'px, mean over the joints of a frame', 'frames', 'How well the cameras fit')


def _draw_off_axis(axis: Axes, table: dict[str, np.ndarray]) -> None:
    """Draw the mean residual of perspective and weak-perspective cameras against the angle off the axis."""
    angle = table['off_axis_deg']
    order = np.array_split(np.argsort(angle), min(10, len(angle)))
    for name, label, color in (('weak_residual', 'weak perspective', GREY), ('mean_residual', 'perspective', BLUE)):
        axis.plot([angle[rows].mean() for rows in order], [table[name][rows].mean() for rows in order], marker='o',
                  color=color, label=label)
    axis.set_ylim(bottom=0)
    axis.legend(frameon=False, fontsize=9)
    _dress(axis, 'angle of the root off the optical axis, degrees', 'mean residual, px', 'Residual off the axis')


def _draw_shares(axis: Axes, shares: np.ndarray) -> None:
    axis.barh([name.replace('_', ' ') for name in JOINT_NAMES], np.nan_to_num(shares),
              color=[_color(joint) for joint in range(NUM_JOINTS)])
    for joint in np.flatnonzero(np.isnan(shares)).tolist():
        axis.text(0.01, joint, 'not predicted', va='center', fontsize=8, color=GREY)
    axis.invert_yaxis()
    axis.set_xlim(0, 1)
    axis.tick_params(axis='y', labelsize=8)
    _dress(axis, 'share of frames', '', 'Where the fit kept the joint (inlier)')


def _draw_scales(axis: Axes, statistics: CameraStatistics, table: dict[str, np.ndarray]) -> None:
    scale = 1000 * table['scale']
    if statistics.true_scale is None:
        axis.scatter(scale, table['mean_residual'], s=9, alpha=0.45, color=BLUE, lw=0)
        _dress(axis, 'camera scale, px per metre', 'mean residual, px', 'Residual against scale')
        return
    true = 1000 * statistics.true_scale[~statistics.degenerate]
    axis.scatter(true, scale, s=9, alpha=0.45, color=BLUE, lw=0)
    axis.plot([true.min(), true.max()], [true.min(), true.max()], color='black', lw=1)
    _dress(axis, 'true scale (focal length / root depth), px per metre', 'fitted scale, px per metre',
           f'Scale against the truth: {np.abs(table["truth_scale_error_percent"]).mean():.2f} % off on average')


def _draw_roots(axis: Axes, table: dict[str, np.ndarray]) -> None:
    points = axis.scatter(table['tx'], table['ty'], s=10, c=table['mean_residual'], cmap='viridis', lw=0,
                          vmax=np.percentile(table['mean_residual'], 99))
    axis.figure.colorbar(points, ax=axis, label='mean residual, px')
    axis.set_aspect('equal', adjustable='datalim')
    axis.invert_yaxis()
    _dress(axis, 'x, px', 'y, px', 'Where the root appears in the image')


def _draw_frame(axis: Axes, statistics: CameraStatistics, row: int, keypoints_2d: np.ndarray,
                image_path: str | Path | None) -> None:
    axis.set_facecolor('#EEEEEE')
    if image_path is not None:
        axis.imshow(read_image(image_path)[..., ::-1], interpolation='bilinear')
    fitted, used, inlier = statistics.projected[row, :, :2], statistics.used[row], statistics.camera.inlier[row]
    for bone in DRAWN_BONES:
        axis.plot(*fitted[list(bone)].T, color=_color(*bone), lw=2)
    for mask, marker in ((used & inlier, '+'), (used & ~inlier, 'x')):
        x, y = keypoints_2d[mask].T
        axis.scatter(x, y, marker=marker, s=55, color='white', lw=3.5, zorder=3)
        axis.scatter(x, y, marker=marker, s=45, zorder=4, lw=1.6,
                     c=[_color(joint) for joint in np.flatnonzero(mask).tolist()])
    points = np.concatenate([fitted, keypoints_2d[used]])
    (x, y), side = (points.min(axis=0) + points.max(axis=0)) / 2, 0.62 * np.ptp(points, axis=0).max()
    axis.set(xlim=(x - side, x + side), ylim=(y + side, y - side), aspect='equal', xticks=[], yticks=[])
    axis.set_title(f'frame {statistics.frame_ids[row]}: mean residual {statistics.table["mean_residual"][row]:.1f} px',
                   fontsize=10)
