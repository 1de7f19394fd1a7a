"""The weak-perspective camera: how millimetres become image pixels.

    x2d = scale * R @ (X, Y) + t        z2d = scale * Z

``keypoints_3d`` are mm in camera axes (x right, y down, z away). The fitted z is in image px, relative to the origin
of ``keypoints_3d``: root-centred joints give a root at z = 0. The authors fit R too (a 2D similarity). The poses are
given in camera axes, so R can only correct errors of the 2D joints. By default, R is the identity.
"""
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from . import _weak_perspective_solver as solver
from .bone_length import index_text

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

    @property
    def known(self) -> np.ndarray:
        """(...) bool, False for frames that are marked degenerate."""
        return np.isfinite(self.scale)

    def frames(self, rows: slice | np.ndarray) -> 'WeakPerspectiveCamera':
        """The cameras of some frames."""
        return WeakPerspectiveCamera(*(field[rows] for field in self))

    def project(self, keypoints_3d: np.ndarray) -> np.ndarray:
        """Project joints into the image.

        Args:
            keypoints_3d: (..., K, 3), any number of joints, mm, camera axes.

        Returns:
            (..., K, 3), image px, z relative to the origin of ``keypoints_3d``, in the wider float type of both.

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

    The fit minimises the weighted squared reprojection error in closed form. ``robust=True`` repeats it with new
    weights, so that up to about a third of grossly wrong 2D joints have little effect (see ``solve_robust`` in
    ``_weak_perspective_solver.py``). The result is deterministic and, up to rounding, independent of the other frames.
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
    if degenerate not in ('raise', 'mark'):
        raise ValueError(f"degenerate: 'raise' or 'mark' expected, got {degenerate!r}")
    batch, *arrays = flatten_frames(keypoints_3d, keypoints_2d, 1 if weights is None else weights)
    camera, reasons = fit_frames(arrays[0], arrays[1], arrays[2], rotation, robust)
    if degenerate == 'raise':
        raise_degenerate('fit_weak_perspective', reasons, solver.REASONS, batch)
    return WeakPerspectiveCamera(*(field.reshape((*batch, *field.shape[1:])) for field in camera))


def fit_frames(poses: np.ndarray, points: np.ndarray, weights: np.ndarray, rotation: bool = False,
               robust: bool = True) -> tuple[WeakPerspectiveCamera, np.ndarray]:
    """Fit n frames of checked shape; return their cameras, and (n,) codes of the solver's ``REASONS``."""
    parts = (slice(start, start + CHUNK_FRAMES) for start in range(0, max(len(poses), 1), CHUNK_FRAMES))
    chunks = [_fit_chunk(poses[part], points[part], weights[part], rotation, robust) for part in parts]
    fields = (np.concatenate(field) for field in zip(*(camera for camera, _ in chunks), strict=True))
    return WeakPerspectiveCamera(*fields), np.concatenate([codes for _, codes in chunks])


def raise_degenerate(function: str, reasons: np.ndarray, texts: Sequence[str], batch: Sequence[int]) -> None:
    """Raise a ValueError that describes the degenerate frames, if there are any.

    Args:
        function: Name of the fit, for the message.
        reasons: (n,) codes, 0 for frames with a camera.
        texts: Text per code.
        batch: Shape of the frames.
    """
    bad = np.flatnonzero(reasons)
    if not len(bad):
        return
    where = f', first at index {index_text(np.unravel_index(bad[0], tuple(batch)))}' if batch else ''
    kinds = '; '.join(f'{(reasons == code).sum()} x {texts[code]}' for code in np.unique(reasons[bad]))
    raise ValueError(f'{function}: {len(bad)} of {len(reasons)} frames determine no camera{where}: '
                     f"{texts[reasons[bad[0]]]}. In all: {kinds}. Leave them out, or pass degenerate='mark' to get NaN "
                     'cameras for them')


def flatten_frames(
        keypoints_3d: np.ndarray, keypoints_2d: np.ndarray,
        weights: np.ndarray | float) -> tuple[tuple[int, ...], np.ndarray, np.ndarray, np.ndarray]:
    """Bring the arguments of a fit to (n, K, 3), (n, K, 2) and (n, K), or raise ValueError; first, the shape of n."""
    keypoints_3d, keypoints_2d, weights = map(np.asarray, (keypoints_3d, keypoints_2d, weights))
    if keypoints_3d.ndim < 2 or keypoints_3d.shape[-1] != 3:
        raise ValueError(f'keypoints_3d: shape (..., K, 3) expected, got {keypoints_3d.shape}')
    joints = keypoints_3d.shape[:-1]
    if keypoints_2d.shape != (*joints, 2):
        raise ValueError(f'keypoints_2d: shape {(*joints, 2)} expected for keypoints_3d of shape {keypoints_3d.shape}, '
                         f'got {keypoints_2d.shape}')
    try:
        weights = np.broadcast_to(weights, joints)
    except ValueError:
        raise ValueError(f'weights: shape {joints} expected for keypoints_3d of shape {keypoints_3d.shape}, '
                         f'got {weights.shape}') from None
    for name, values in (('keypoints_3d', keypoints_3d), ('keypoints_2d', keypoints_2d), ('weights', weights)):
        if values.dtype.kind not in 'biuf':
            raise ValueError(f'{name}: numbers expected, got an array of {values.dtype}')
    *batch, count = joints
    return (tuple(batch), keypoints_3d.reshape(-1, count, 3), keypoints_2d.reshape(-1, count, 2),
            weights.reshape(-1, count))


def _fit_chunk(keypoints_3d: np.ndarray, keypoints_2d: np.ndarray, weights: np.ndarray, rotation: bool,
               robust: bool) -> tuple[WeakPerspectiveCamera, np.ndarray]:
    """Fit (n, K, ...) frames; return their cameras and (n,) codes into the solver's ``REASONS``."""
    with np.errstate(all='ignore'):  # degenerate frames may divide by zero here and are overwritten below
        chunk, reasons = solver.make_chunk(keypoints_3d, keypoints_2d, weights, rotation)
        unknowns, cut = solver.solve_robust(chunk) if robust else (solver.solve(chunk.moments, chunk.weights), np.inf)
        squared = solver.squared_residuals(chunk.moments, unknowns)
        inlier = chunk.used & (squared <= cut)
        a, b, tx, ty = unknowns
        reasons[~((np.hypot(a, b) if rotation else a) > 1e-6) & (reasons == 0)] = solver.BAD_SCALE
        size_mm, size_px = chunk.spreads
        a, b = a * size_px / size_mm, b * size_px / size_mm
        scale = np.hypot(a, b)
        matrix = np.stack([a, -b, b, a], axis=-1).reshape(-1, 2, 2) / scale[:, None, None]
        X, Y, x, y = chunk.centres
        translation = np.stack([x + tx * size_px - a * X + b * Y, y + ty * size_px - b * X - a * Y], axis=-1)
        residual = np.where(chunk.used, np.sqrt(squared) * size_px, np.nan).T
    inlier[:, reasons > 0] = False
    dtype = np.float32 if np.result_type(keypoints_3d, keypoints_2d).itemsize <= 4 else np.float64
    floats = [values.astype(dtype, order='C') for values in (scale, matrix, translation, residual)]
    for values in floats:
        values[reasons > 0] = np.nan
    return WeakPerspectiveCamera._make([*floats, inlier.T.copy()]), reasons
