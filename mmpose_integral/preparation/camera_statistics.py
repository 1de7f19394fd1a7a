"""Statistics of the cameras of a split: quality of the fit per frame, and error against the ground truth if known."""
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmpose_integral.formats.cameras import Camera
from mmpose_integral.structures import WeakPerspectiveCamera, fit_perspective, fit_weak_perspective
from mmpose_integral.structures.skeleton import JOINT_NAMES
from mmpose_integral.utils.files import match_rows, read_arrays, write_rows


class CameraStatistics(NamedTuple):
    """Data of the report, for N frames.

    ``table`` holds the columns of the CSV file by name, (N,) each: scale in px per mm, angles in degrees, the rest in
    px or counts; NaN where a degenerate frame has no value.
    """
    frame_ids: np.ndarray  # (N,), 1-based
    camera: Camera  # of N frames, fitted as for training
    projected: np.ndarray  # (N, 18, 3), labels for training, image px
    used: np.ndarray  # (N, 18) bool, whether the fit used a joint
    table: dict[str, np.ndarray]
    degenerate: np.ndarray  # (N,) bool, frames that determine no camera
    true_scale: np.ndarray | None  # (N,) px per mm, if the ground truth is known


def fit_statistics(frame_ids: np.ndarray, keypoints_mm: np.ndarray, keypoints_2d: np.ndarray, scores: np.ndarray, *,
                   rotation: bool = False, robust: bool = True, score_thr: float = 0.0,
                   truth: dict[str, np.ndarray] | None = None, focal_length: float | None = None,
                   principal_point: np.ndarray | None = None) -> CameraStatistics:
    """Fit the cameras of a split as for training, and compute their statistics.

    Args:
        frame_ids: (N,), frame ids.
        keypoints_mm: (N, 18, 3), mm.
        keypoints_2d: (N, 18, 2), coarse 2D joints, image px.
        scores: (N, 18), weights of the fit; 0 = not predicted.
        rotation, robust, score_thr: Arguments of ``FitWeakPerspective`` or ``FitPerspective``.
        truth: Ground truth (N, ...): ``keypoints_2d`` in px, ``focal`` in px and ``root_depth_mm``. The quotient of the
            last two is the scale that a weak-perspective camera should have.
        focal_length, principal_point: Focal length and (N, 2) principal points, px, of perspective cameras. Without
            them, the cameras are weak-perspective.

    Returns:
        Statistics. ``free_rotation_deg`` is the angle of a fit with free rotation, for any value of ``rotation``. An
        angle far from 0 means that the camera is not upright. ``scale``, ``tx`` and ``ty`` are those at the root.
        Perspective cameras have ``off_axis_deg``, the angle between the optical axis and the ray to the root, and
        ``weak_residual``, the mean residual of a weak-perspective fit.
    """
    weights = np.where(scores > score_thr, scores, 0)
    weak, free = (fit_weak_perspective(keypoints_mm, keypoints_2d, weights, rotation=turned, robust=robust,
                                       degenerate='mark') for turned in (rotation, True))
    camera: Camera = weak
    if focal_length is not None and principal_point is not None:
        camera = fit_perspective(keypoints_mm, keypoints_2d, weights, focal_length=focal_length,
                                 principal_point=principal_point, robust=robust, degenerate='mark')
    used, degenerate, projected = weights > 0, ~camera.known, camera.project(keypoints_mm)

    def mean_residual(fit: Camera) -> np.ndarray:
        total = np.where(used, fit.residual, 0).sum(axis=1)
        return np.where(degenerate, np.nan, total / np.maximum(used.sum(axis=1), 1))

    root = camera.project(np.zeros((len(used), 1, 3)))[:, 0]
    table = dict(
        frame_id=frame_ids, scale=weak.scale if focal_length is None else focal_length / camera.translation[:, 2],
        rotation_deg=_angles(weak), free_rotation_deg=_angles(free), tx=root[:, 0], ty=root[:, 1],
        mean_residual=mean_residual(camera),
        max_residual=np.where(degenerate, np.nan, np.where(used, camera.residual, 0).max(axis=1)),
        used_joints=used.sum(axis=1), inliers=camera.inlier.sum(axis=1))
    if focal_length is not None:
        offset = np.linalg.norm(root[:, :2] - principal_point, axis=1)
        del table['rotation_deg']
        table.update(off_axis_deg=np.degrees(np.arctan2(offset, focal_length)), weak_residual=mean_residual(weak))
    true_scale = None
    if truth is not None:
        true_scale = truth['focal'] / truth['root_depth_mm']
        distance = np.linalg.norm(projected[..., :2] - truth['keypoints_2d'], axis=-1)
        table.update(truth_error_px=distance.mean(axis=1),
                     truth_scale_error_percent=100 * (table['scale'] / true_scale - 1))
    return CameraStatistics(frame_ids, camera, projected, used, table, degenerate, true_scale)


def _angles(camera: WeakPerspectiveCamera) -> np.ndarray:
    return np.degrees(np.arctan2(camera.rotation[:, 1, 0], camera.rotation[:, 0, 0]))


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
    order = np.argsort(-statistics.table['mean_residual'], kind='stable')  # NaN is sorted to the end
    return [row for row in order[:count].tolist() if not statistics.degenerate[row]]


def joint_shares(statistics: CameraStatistics) -> np.ndarray:
    """Shares (18,) of frames with an inlier, among the frames that use a joint; NaN for joints that are never used."""
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

    def mean(values: np.ndarray) -> float | None:
        return round(float(np.mean(values[sound])), 4) if sound.any() else None

    summary = dict(
        frames=len(sound), degenerate=int((~sound).sum()),
        degenerate_frames=statistics.frame_ids[~sound].tolist(),
        mean_residual_px=mean(table['mean_residual']), mean_max_residual_px=mean(table['max_residual']),
        mean_scale_px_per_mm=mean(table['scale']), mean_free_rotation_deg=mean(table['free_rotation_deg']),
        inlier_share=mean(table['inliers'] / np.maximum(table['used_joints'], 1)),
        inlier_share_by_joint={name: round(share, 4) for name, share in zip(
            JOINT_NAMES, joint_shares(statistics).tolist(), strict=True) if np.isfinite(share)})
    if 'weak_residual' in table:
        summary.update(mean_weak_residual_px=mean(table['weak_residual']),
                       mean_off_axis_deg=mean(table['off_axis_deg']))
    if statistics.true_scale is not None:
        summary.update(
            truth_mean_error_px=mean(table['truth_error_px']),
            truth_mean_abs_scale_error_percent=mean(np.abs(table['truth_scale_error_percent'])),
            truth_mean_scale_error_percent=mean(table['truth_scale_error_percent']))
    return summary


def write_table(statistics: CameraStatistics, path: str | Path) -> None:
    """Write one row per frame as CSV; values that a degenerate frame does not have stay blank."""
    rows = zip(*(values.tolist() for values in statistics.table.values()), strict=True)
    write_rows(path, statistics.table, (
        [value if isinstance(value, int) else '' if np.isnan(value) else f'{value:.6g}' for value in row]
        for row in rows))
