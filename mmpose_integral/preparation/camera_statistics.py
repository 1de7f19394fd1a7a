"""Statistics of the cameras of a split: quality of the fit per frame, and error against the ground truth if known."""
import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmpose_integral.structures.skeleton import JOINT_NAMES
from mmpose_integral.structures.weak_perspective import WeakPerspectiveCamera, fit_weak_perspective
from mmpose_integral.utils.files import match_rows, read_arrays, replace_when_done

COLUMNS = ('frame_id', 'scale', 'rotation_deg', 'free_rotation_deg', 'tx', 'ty', 'mean_residual', 'max_residual',
           'used_joints', 'inliers')
TRUTH_COLUMNS = ('truth_error_px', 'truth_scale_error_percent')


class CameraStatistics(NamedTuple):
    """Data of the report, for N frames; NaN in the rows of degenerate frames."""
    frame_ids: np.ndarray
    """(N,), 1-based."""
    camera: WeakPerspectiveCamera
    """Cameras of N frames, fitted as for training."""
    projected: np.ndarray
    """(N, 18, 3), labels for training, image px."""
    used: np.ndarray
    """(N, 18) bool, whether the fit used a joint."""
    table: dict
    """Name of a column of ``COLUMNS`` to (N,) values: scale in px per mm, angles in degrees, the rest in px or
    counts."""
    degenerate: np.ndarray
    """(N,) bool, frames that determine no camera."""
    true_scale: np.ndarray | None
    """(N,) px per mm, if the ground truth is known."""


def angle_deg(rotation: np.ndarray) -> np.ndarray:
    """Angle of (..., 2, 2) rotation matrices, degrees."""
    return np.degrees(np.arctan2(rotation[..., 1, 0], rotation[..., 0, 0]))


def fit_statistics(frame_ids: np.ndarray, keypoints_mm: np.ndarray, keypoints_2d: np.ndarray, scores: np.ndarray, *,
                   rotation: bool = False, robust: bool = True, score_thr: float = 0.0,
                   truth: dict | None = None) -> CameraStatistics:
    """Fit the cameras of a split as for training, and compute their statistics.

    Args:
        frame_ids: (N,), frame ids.
        keypoints_mm: (N, 18, 3), mm.
        keypoints_2d: (N, 18, 2), coarse 2D joints, image px.
        scores: (N, 18), weights of the fit; 0 = not predicted.
        rotation: Argument of ``FitWeakPerspective``.
        robust: Argument of ``FitWeakPerspective``.
        score_thr: Argument of ``FitWeakPerspective``.
        truth: Ground truth (N, ...): ``keypoints_2d`` in px, ``focal`` in px and ``root_depth_mm``. The quotient of the
            last two is the scale that a weak-perspective camera should have.

    Returns:
        Statistics. ``free_rotation_deg`` is the angle of a fit with free rotation, for any value of ``rotation``. An
        angle far from 0 means that the camera is not upright.
    """
    weights = np.where(scores > score_thr, scores, 0)
    options = dict(robust=robust, degenerate='mark')
    camera = fit_weak_perspective(keypoints_mm, keypoints_2d, weights, rotation=rotation, **options)
    free = fit_weak_perspective(keypoints_mm, keypoints_2d, weights, rotation=True, **options)
    used = weights > 0
    degenerate = ~np.isfinite(camera.scale)
    projected = camera.project(keypoints_mm)
    residual = np.where(degenerate[:, None] | ~used, 0, camera.residual)
    count = np.maximum(used.sum(axis=1), 1)
    blank = np.where(degenerate, np.nan, 0)
    table = dict(
        frame_id=frame_ids, scale=camera.scale, rotation_deg=angle_deg(camera.rotation),
        free_rotation_deg=angle_deg(free.rotation), tx=camera.translation[:, 0], ty=camera.translation[:, 1],
        mean_residual=residual.sum(axis=1) / count + blank, max_residual=residual.max(axis=1) + blank,
        used_joints=used.sum(axis=1), inliers=camera.inlier.sum(axis=1))
    true_scale = None
    if truth is not None:
        true_scale = truth['focal'] / truth['root_depth_mm']
        distance = np.linalg.norm(projected[..., :2] - truth['keypoints_2d'], axis=-1)
        table.update(truth_error_px=distance.mean(axis=1),
                     truth_scale_error_percent=100 * (camera.scale / true_scale - 1))
    return CameraStatistics(frame_ids, camera, projected, used, table, degenerate, true_scale)


def load_truth(path: str | Path, frame_ids: np.ndarray) -> dict[str, np.ndarray]:
    """Read the ground truth of given frames from a file in the ``truth`` folder of the stand-in data.

    Returns:
        Arrays ``keypoints_2d`` (N, 18, 2), ``focal`` (N,), ``root_depth_mm`` (N,).

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a frame or an array is not in it.
    """
    wanted = ('keypoints_2d', 'focal', 'root_depth_mm')
    arrays = read_arrays(path, 'truth', ('frame_ids', *wanted), 'give the truth/h80k_<split>.npz of the stand-in')
    rows = match_rows(arrays['frame_ids'], frame_ids, path)
    return {name: arrays[name][rows] for name in wanted}


def worst_frames(statistics: CameraStatistics, count: int) -> list[int]:
    """Rows of the frames with the largest mean residual, worst first, without degenerate frames."""
    order = np.argsort(-np.nan_to_num(statistics.table['mean_residual'], nan=-1), kind='stable')
    return [int(row) for row in order[:count] if not statistics.degenerate[row]]


def joint_shares(statistics: CameraStatistics) -> np.ndarray:
    """Compute for each joint the share of frames with an inlier, among the frames that use the joint.

    Returns:
        Shares (18,), NaN for joints that are never used.
    """
    used = statistics.used & ~statistics.degenerate[:, None]
    with np.errstate(invalid='ignore'):
        return (statistics.camera.inlier & used).sum(axis=0) / used.sum(axis=0)


def summarise(statistics: CameraStatistics) -> dict:
    """Summarise the figures of the split.

    Returns:
        JSON values. Means are over the frames that have a camera, or None if there is no such frame. ``truth_*`` exist
        only with ground truth.
    """
    table, sound = statistics.table, ~statistics.degenerate
    shares = joint_shares(statistics)

    def mean(values):
        return round(float(np.mean(values[sound])), 4) if sound.any() else None

    summary = dict(
        frames=len(sound), degenerate=int((~sound).sum()),
        degenerate_frames=statistics.frame_ids[~sound].tolist(),
        mean_residual_px=mean(table['mean_residual']), mean_max_residual_px=mean(table['max_residual']),
        mean_scale_px_per_mm=mean(table['scale']), mean_free_rotation_deg=mean(table['free_rotation_deg']),
        inlier_share=mean(table['inliers'] / np.maximum(table['used_joints'], 1)),
        inlier_share_by_joint={name: round(float(share), 4) for name, share in zip(JOINT_NAMES, shares, strict=True)
                               if np.isfinite(share)})
    if statistics.true_scale is not None:
        summary.update(
            truth_mean_error_px=mean(table['truth_error_px']),
            truth_mean_abs_scale_error_percent=mean(np.abs(table['truth_scale_error_percent'])),
            truth_mean_scale_error_percent=mean(table['truth_scale_error_percent']))
    return summary


def write_table(statistics: CameraStatistics, path: str | Path) -> None:
    """Write one row per frame as CSV; values that a degenerate frame does not have stay blank."""
    columns = [name for name in COLUMNS + TRUTH_COLUMNS if name in statistics.table]
    values = [statistics.table[name].tolist() for name in columns]
    with replace_when_done(path) as temporary, open(temporary, 'w', newline='') as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in zip(*values, strict=True):
            writer.writerow([value if isinstance(value, int) else '' if value != value else f'{value:.6g}'
                             for value in row])
