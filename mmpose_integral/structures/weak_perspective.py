"""The weak-perspective camera: how millimetres become image pixels.

    x2d = scale * R @ (X, Y) + t        z2d = scale * Z

``keypoints_3d`` are mm in camera axes (x right, y down, z away). The fitted z is in image px, relative to the origin
of ``keypoints_3d``: root-centred joints give a root at z = 0. The authors fit R too (a 2D similarity). The poses are
given in camera axes, so R can only correct errors of the 2D joints. By default, R is the identity.
"""
from typing import NamedTuple

import numpy as np

from . import _weak_perspective_solver as solver

CHUNK_FRAMES = 2048  # a chunk's moments (about 2 MB) stay in the processor's second-level cache


class WeakPerspectiveCamera(NamedTuple):
    """One camera per frame.

    Attributes:
        scale: (...), scale, px per mm, positive; NaN where the frame is marked degenerate.
        rotation: (..., 2, 2), rotation in the image plane, det +1; NaN where degenerate.
        translation: (..., 2), position of the origin of the 3D joints in the image, px; NaN where degenerate.
        residual: (..., K), distance of each projected joint from its 2D joint, px, outliers included; NaN for joints of
            weight 0 and for degenerate frames.
        inlier: (..., K) bool. In a plain fit, every joint with a weight above 0 is an inlier. In a robust fit, a joint
            is one only if the final kernel did not reject it. All are False for degenerate frames.
    """
    scale: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    residual: np.ndarray
    inlier: np.ndarray

    def project(self, keypoints_3d: np.ndarray) -> np.ndarray:
        """Project joints into the image.

        Args:
            keypoints_3d: (..., K, 3), any number of joints, mm, camera axes.

        Returns:
            (..., K, 3), image px; z = scale * Z, relative to the origin of ``keypoints_3d``. The type is the wider
            float type of camera and joints.

        Raises:
            ValueError: If the last axis is not 3 long.
        """
        keypoints_3d = np.asarray(keypoints_3d)
        if keypoints_3d.ndim < 2 or keypoints_3d.shape[-1] != 3:
            raise ValueError(f'keypoints_3d: shape (..., K, 3) expected, got {keypoints_3d.shape}')
        scaled = keypoints_3d * np.asarray(self.scale)[..., None, None]
        xy = scaled[..., :2] @ np.swapaxes(self.rotation, -1, -2) + np.asarray(self.translation)[..., None, :]
        return np.concatenate([xy, scaled[..., 2:]], axis=-1)


def fit_weak_perspective(keypoints_3d: np.ndarray, keypoints_2d: np.ndarray, weights: np.ndarray | None = None, *,
                         rotation: bool = False, robust: bool = True,
                         degenerate: str = 'raise') -> WeakPerspectiveCamera:
    """Fit a weak-perspective camera to each frame, all frames at once.

    The fit minimises the weighted squared reprojection error in closed form. ``robust=True`` solves it repeatedly with
    new weights, so that up to about a third of grossly wrong 2D joints have little effect (see ``solve_robust`` in
    ``_weak_perspective_solver.py``). The result is deterministic, and each frame is fitted by itself, up to rounding.
    ``rotation=True, robust=False`` is the authors' 2D similarity.

    Args:
        keypoints_3d: (..., K, 3), mm, camera axes.
        keypoints_2d: (..., K, 2), image px.
        weights: (..., K) or broadcastable to it, weight of each joint's squared error, such as its 2D score. A joint of
            weight 0 is absent, and its coordinates may be anything. Default: all 1.
        rotation: Whether to fit a rotation in the image plane, too.
        robust: Whether to tolerate gross errors in ``keypoints_2d``.
        degenerate: Treatment of frames that determine no camera: 'raise' an error, or 'mark' them (NaN camera, no
            inliers). These frames have fewer than 3 joints with weight, joints on one point or one line (in 3D seen
            along z, or in 2D), values that are not finite, or a best scale that is not positive.

    Returns:
        Cameras as float32 arrays if both inputs are float32 or narrower, otherwise float64.

    Raises:
        ValueError: If shapes do not fit together, ``degenerate`` is unknown, or (with 'raise') frames are degenerate.
            The message then gives their number, the index of the first one and the reason.
    """
    keypoints_3d, keypoints_2d, weights = _check(keypoints_3d, keypoints_2d, weights, degenerate)
    batch, num_joints = keypoints_3d.shape[:-2], keypoints_3d.shape[-2]
    flat = [keypoints_3d.reshape(-1, num_joints, 3), keypoints_2d.reshape(-1, num_joints, 2),
            weights.reshape(-1, num_joints)]
    count = len(flat[0])
    dtype = np.float32 if np.result_type(keypoints_3d, keypoints_2d).itemsize <= 4 else np.float64
    scale, matrix, translation = np.empty(count, dtype), np.empty((count, 2, 2), dtype), np.empty((count, 2), dtype)
    residual, inlier = np.empty((count, num_joints), dtype), np.empty((count, num_joints), bool)
    reasons = np.empty(count, np.uint8)
    for start in range(0, count, CHUNK_FRAMES):
        part = slice(start, start + CHUNK_FRAMES)
        (scale[part], matrix[part], translation[part], residual[part], inlier[part], reasons[part]) = _fit_chunk(
            *(values[part] for values in flat), rotation, robust)
    if degenerate == 'raise' and reasons.any():
        raise ValueError(_describe(reasons, batch))
    return WeakPerspectiveCamera(
        scale.reshape(batch), matrix.reshape(*batch, 2, 2), translation.reshape(*batch, 2),
        residual.reshape(*batch, num_joints), inlier.reshape(*batch, num_joints))


def _check(keypoints_3d, keypoints_2d, weights, degenerate):
    """Bring the arguments of :func:`fit_weak_perspective` to arrays of matching shape, or raise ValueError."""
    if degenerate not in ('raise', 'mark'):
        raise ValueError(f"degenerate: 'raise' or 'mark' expected, got {degenerate!r}")
    keypoints_3d, keypoints_2d = np.asarray(keypoints_3d), np.asarray(keypoints_2d)
    if keypoints_3d.ndim < 2 or keypoints_3d.shape[-1] != 3:
        raise ValueError(f'keypoints_3d: shape (..., K, 3) expected, got {keypoints_3d.shape}')
    if keypoints_2d.shape != (*keypoints_3d.shape[:-1], 2):
        raise ValueError(f'keypoints_2d: shape {(*keypoints_3d.shape[:-1], 2)} expected to go with keypoints_3d '
                         f'{keypoints_3d.shape}, got {keypoints_2d.shape}')
    weights = np.ones(1) if weights is None else np.asarray(weights)
    try:
        weights = np.broadcast_to(weights, keypoints_3d.shape[:-1])
    except ValueError:
        raise ValueError(f'weights: shape {keypoints_3d.shape[:-1]} expected to go with keypoints_3d '
                         f'{keypoints_3d.shape}, got {weights.shape}') from None
    return keypoints_3d, keypoints_2d, weights


def _fit_chunk(keypoints_3d, keypoints_2d, weights, rotation, robust):
    """Fit (n, K, ...) frames; return scale, rotation, translation, residual, inlier and reason codes, n of each."""
    with np.errstate(all='ignore'):  # degenerate frames may divide by zero here and are overwritten below
        chunk, reasons = solver.make_chunk(keypoints_3d, keypoints_2d, weights, rotation)
        camera, cut = solver.solve_robust(chunk) if robust else (solver.solve(chunk.moments, chunk.weights), np.inf)
        squared = solver.squared_residuals(chunk.moments, camera)
        inlier = chunk.used & (squared <= cut)
        a, b, tx, ty = camera
        reasons[~((np.hypot(a, b) if rotation else a) > 1e-6) & (reasons == 0)] = solver.BAD_SCALE
        size_mm, size_px = chunk.spreads
        a, b = a * size_px / size_mm, b * size_px / size_mm
        scale = np.hypot(a, b)
        matrix = np.stack([a, -b, b, a], axis=-1).reshape(-1, 2, 2) / scale[:, None, None]
        X, Y, x, y = chunk.centres
        translation = np.stack([x + tx * size_px - a * X + b * Y, y + ty * size_px - b * X - a * Y], axis=-1)
        residual = np.where(chunk.used, np.sqrt(squared) * size_px, np.nan).T
    bad = reasons > 0
    inlier[:, bad] = False
    for values in (scale, matrix, translation, residual):
        values[bad] = np.nan
    return scale, matrix, translation, residual, inlier.T, reasons


def _describe(reasons, batch):
    """Error text for degenerate frames: how many, the first one's index, and the count of each reason."""
    bad = np.flatnonzero(reasons)
    index = tuple(int(i) for i in np.unravel_index(bad[0], batch))
    where = f', first at index {index[0] if len(index) == 1 else index}' if batch else ''
    kinds = '; '.join(f'{(reasons == code).sum()} x {solver.REASONS[code]}' for code in np.unique(reasons[bad]))
    return (f'fit_weak_perspective: {len(bad)} of {len(reasons)} frames determine no camera{where}: '
            f"{solver.REASONS[reasons[bad[0]]]}. In all: {kinds}. Leave them out, or pass degenerate='mark' "
            'to get NaN cameras for them')
