"""The perspective camera: how millimetres become image pixels, and how pixels become millimetres.

P are the joints in mm relative to the root, in camera axes (x right, y down, z away); T is the position of the root in
front of the camera, mm; f is the focal length and c the principal point, px.

    (u, v) = c + f (P + T)_xy / (P + T)_z        z_px = f P_z / T_z

z is in px at the depth of the root, as with the weak-perspective camera.
"""
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from . import _perspective_solver as solver
from .bone_length import index_text, scale_to_bone_length
from .weak_perspective import fit_frames, flatten_frames, raise_degenerate

CHUNK_FRAMES = 2048


class PerspectiveCamera(NamedTuple):
    """One camera per frame.

    Attributes:
        focal_length: Focal length, px: a float for all frames, or (...).
        principal_point: (2,) or (..., 2), principal point, px.
        translation: (..., 3), position of the origin of the 3D joints in front of the camera, mm; NaN where the frame
            is marked degenerate.
        residual: (..., K), distance of each projected joint from its 2D joint, px, outliers included; NaN for joints of
            weight 0 and for degenerate frames.
        inlier: (..., K) bool, as in :class:`WeakPerspectiveCamera`.
    """
    focal_length: float | np.ndarray
    principal_point: np.ndarray
    translation: np.ndarray
    residual: np.ndarray
    inlier: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """(...) bool, False for frames that are marked degenerate."""
        return np.isfinite(self.translation[..., 2])

    def frames(self, rows: slice | np.ndarray) -> 'PerspectiveCamera':
        """The cameras of some frames. A focal length or a principal point of all frames is kept."""
        focal, centre, *fields = self
        return PerspectiveCamera(focal[rows] if isinstance(focal, np.ndarray) and focal.ndim else focal,
                                 centre[rows] if centre.ndim > 1 else centre, *(field[rows] for field in fields))

    def project(self, keypoints_3d: np.ndarray) -> np.ndarray:
        """Project joints into the image.

        Args:
            keypoints_3d: (..., K, 3), any number of joints, mm, camera axes, relative to the root.

        Returns:
            (..., K, 3), image px, z relative to the root; NaN for joints at or behind the camera.

        Raises:
            ValueError: If the last axis is not 3 long.
        """
        keypoints_3d = np.asarray(keypoints_3d)
        if keypoints_3d.ndim < 2 or keypoints_3d.shape[-1] != 3:
            raise ValueError(f'keypoints_3d: shape (..., K, 3) expected, got {keypoints_3d.shape}')
        translation = np.asarray(self.translation)[..., None, :]
        focal = np.asarray(self.focal_length)[..., None, None]
        points = keypoints_3d + translation
        depth = np.where(points[..., 2:] > 0, points[..., 2:], np.nan)
        xy = np.asarray(self.principal_point)[..., None, :] + focal * points[..., :2] / depth
        return np.concatenate([xy, focal * keypoints_3d[..., 2:] / translation[..., 2:]], axis=-1)


def middle_of_image(size: Sequence[int] | np.ndarray) -> np.ndarray:
    """The usual principal point, (..., 2) px, for image sizes (..., 2), width and height.

    Pixel centres are at whole numbers, so that the middle of w columns is (w - 1) / 2.
    """
    return (np.asarray(size, dtype=np.float64) - 1) / 2


class FocalLength(NamedTuple):
    """Estimate of :func:`estimate_focal_length`, px."""
    value: float
    interval: tuple[float, float]
    """Interval that contains 95 % of the estimates of a bootstrap over frames."""


def fit_perspective(keypoints_3d: np.ndarray, keypoints_2d: np.ndarray, weights: np.ndarray | None = None, *,
                    principal_point: np.ndarray, focal_length: float | np.ndarray | None = None, robust: bool = True,
                    degenerate: str = 'raise') -> PerspectiveCamera:
    """Fit the position of the person in front of a perspective camera to each frame, all frames at once.

    The fit minimises the weighted squared reprojection error by Gauss-Newton steps from a weak-perspective fit.
    ``robust=True`` repeats it with new weights, so that up to about a third of grossly wrong 2D joints have little
    effect; see ``_perspective_solver.py``.

    Args:
        keypoints_3d: (..., K, 3), mm, camera axes, relative to the root.
        keypoints_2d: (..., K, 2), image px.
        weights: (..., K) or broadcastable to it, weight of each joint's squared error, such as its 2D score. A joint of
            weight 0 is absent, and its coordinates may be anything. Default: all 1.
        principal_point: (2,) or (..., 2), px, such as the centre of the image.
        focal_length: Focal length, px, a number or (...). Default: one for all frames, from
            :func:`estimate_focal_length`.
        robust: Whether to tolerate gross errors in ``keypoints_2d``.
        degenerate: Treatment of frames that determine no camera: 'raise' an error, or 'mark' them (NaN camera, no
            inliers). These are the frames to which :func:`fit_weak_perspective` fits no camera, and those in which a
            joint would be at or behind the camera.

    Returns:
        Cameras, float64.

    Raises:
        ValueError: If shapes do not fit together, a focal length is not positive, ``degenerate`` is unknown, the focal
            length cannot be estimated, or (with 'raise') frames are degenerate.
    """
    if degenerate not in ('raise', 'mark'):
        raise ValueError(f"degenerate: 'raise' or 'mark' expected, got {degenerate!r}")
    batch, poses, points, trust = flatten_frames(keypoints_3d, keypoints_2d, 1 if weights is None else weights)
    centre = _centres(principal_point, batch)
    if focal_length is None:
        focal_length = estimate_focal_length(poses, points, trust, principal_point=centre).value
    focal = np.asarray(focal_length, dtype=np.float64)
    if focal.shape not in ((), batch) or not (np.isfinite(focal) & (focal > 0)).all():
        raise ValueError(f'focal_length: a positive number of px, or one per frame of shape {batch}, expected, got '
                         f'{focal_length}')
    focal = np.broadcast_to(focal, batch).ravel()
    frames = solver.Frames(poses.astype(np.float64), points.astype(np.float64), trust, focal, centre)
    parts = (slice(start, start + CHUNK_FRAMES) for start in range(0, max(len(focal), 1), CHUNK_FRAMES))
    fits = [_fit_chunk(frames.part(part), robust) for part in parts]
    translation, residual, inlier, reasons = (np.concatenate(field) for field in zip(*fits, strict=True))
    if degenerate == 'raise':
        raise_degenerate('fit_perspective', reasons, solver.REASONS, batch)
    return PerspectiveCamera(
        focal_length if np.ndim(focal_length) else float(focal_length), np.asarray(principal_point, dtype=np.float64),
        *(field.reshape(*batch, *field.shape[1:]) for field in (translation, residual, inlier)))


def _centres(principal_point: np.ndarray, batch: tuple[int, ...]) -> np.ndarray:
    """Principal points (n, 2) of frames of a shape, or ValueError."""
    centre = np.asarray(principal_point, dtype=np.float64)
    if centre.shape not in ((2,), (*batch, 2)) or not np.isfinite(centre).all():
        raise ValueError(f'principal_point: finite px of shape (2,) or {(*batch, 2)} expected, got {principal_point}')
    return np.broadcast_to(centre, (*batch, 2)).reshape(-1, 2)


def _fit_chunk(frames: solver.Frames, robust: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Fit some frames; return (n, 3) translations, (n, K) residuals and inliers, and (n,) codes of ``REASONS``."""
    weak, reasons = fit_frames(frames.poses, frames.points, frames.weights, robust=robust)
    with np.errstate(all='ignore'):  # degenerate frames are overwritten below
        start = solver.from_weak(weak, frames)
        translation, inlier = solver.solve_robust(frames, start, weak.inlier) if robust else (
            solver.solve_plain(frames, start, weak.inlier), weak.inlier)
        residual = np.where(frames.weights > 0, np.sqrt(solver.look(frames, translation).squared()), np.nan)
        nearest = np.where(frames.weights > 0, frames.poses[..., 2], np.inf).min(axis=1) + translation[:, 2]
    reasons[~(nearest > 0) & (reasons == 0)] = solver.BEHIND
    bad = reasons > 0
    translation[bad], residual[bad], inlier = np.nan, np.nan, inlier & ~bad[:, None]
    return translation, residual, inlier, reasons


def estimate_focal_length(keypoints_3d: np.ndarray, keypoints_2d: np.ndarray, weights: np.ndarray | None = None, *,
                          principal_point: np.ndarray, max_frames: int = 2000, seed: int = 0) -> FocalLength:
    """Estimate one focal length for all frames from pairs of 3D and 2D joints.

    The estimate minimises the total robust reprojection error of the best position of each person, a profile over the
    logarithm of the focal length. People near the camera and off its axis determine it.

    Args:
        keypoints_3d, keypoints_2d, weights, principal_point: As in :func:`fit_perspective`.
        max_frames: Number of frames to use; if there are more, a random choice is used.
        seed: Seed of this choice and of the bootstrap.

    Returns:
        Focal length, px, and its interval from a bootstrap over frames.

    Raises:
        ValueError: If fewer than 10 frames determine a camera, or the minimum is too flat: the interval is wider than
            a factor of 1.5, or reaches the limits of the search (0.3 to 20 times the spread of the 2D joints).
    """
    batch, poses, points, trust = flatten_frames(keypoints_3d, keypoints_2d, 1 if weights is None else weights)
    centre = _centres(principal_point, batch)
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(poses))[:2 * max_frames]  # some of them may be degenerate
    frames = solver.Frames(poses.astype(np.float64), points.astype(np.float64), trust, np.ones(len(poses)), centre)
    frames = frames.part(rows)
    weak, reasons = fit_frames(frames.poses, frames.points, frames.weights)
    chosen = np.flatnonzero(reasons == 0)[:max_frames]
    if len(chosen) < 10:
        raise ValueError(f'focal length: {len(chosen)} of {len(rows)} frames determine a camera, at least 10 are '
                         'expected; give focal_length=')
    profile = solver.FocalProfile(frames.part(chosen), weak.frames(chosen))
    value, estimates, limits = profile.minimum(), profile.bootstrap(rng), profile.limits
    low, high = np.quantile(estimates, [0.025, 0.975]).tolist()
    if high > 1.5 * low or not limits[0] * 1.05 < low <= high < limits[1] / 1.05:
        raise ValueError(f'focal length: these {len(chosen)} frames do not determine it (95 % interval {low:.0f} to '
                         f'{high:.0f} px, search from {limits[0]:.0f} to {limits[1]:.0f} px); give focal_length=')
    return FocalLength(value, (low, high))


def to_root_plane(keypoints: np.ndarray, focal_length: float | np.ndarray, principal_point: np.ndarray) -> np.ndarray:
    """Convert joints from image px to px at the depth of the root, as a camera without perspective would see them.

    A point at the depth T_z + P_z is moved along x and y by the factor 1 + z_px / f = (T_z + P_z) / T_z. The result is
    the pose in mm, up to the factor f / T_z on all axes; the principal point is the origin.

    Args:
        keypoints: (..., K, 3), image px, z relative to the root in px at its depth.
        focal_length: Focal length, px; broadcasts over ``...``.
        principal_point: (2,) or (..., 2), px.

    Returns:
        (..., K, 3) px, float64.

    Raises:
        ValueError: If a joint is not finite, or would be at or behind the camera. The message names the first index.
    """
    keypoints = np.asarray(keypoints, dtype=np.float64)
    depth = 1 + keypoints[..., 2:] / np.asarray(focal_length, dtype=np.float64)[..., None, None]
    bad = np.argwhere(~(np.isfinite(keypoints).all(axis=(-2, -1)) & (depth > 0).all(axis=(-2, -1))))
    if len(bad):
        where = f', first at index {index_text(bad[0])}' if bad.shape[1] else ''
        raise ValueError(f'keypoints: {len(bad)} skeleton(s) are not finite or reach behind the camera{where}; are the '
                         f'focal length ({np.ravel(focal_length)[0]:g} px) and z right?')
    centred = keypoints[..., :2] - np.asarray(principal_point, dtype=np.float64)[..., None, :]
    return np.concatenate([centred * depth, keypoints[..., 2:]], axis=-1)


def unproject(keypoints: np.ndarray, focal_length: float | np.ndarray, principal_point: np.ndarray,
              bone_length: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Convert joints from image px to mm, by the total bone length of the person.

    Args:
        keypoints: (..., 18, 3), image px, z relative to the root in px at its depth.
        focal_length: Focal length, px; broadcasts over ``...``.
        principal_point: (2,) or (..., 2), px.
        bone_length: Total skeleton length, mm; broadcasts over ``...``.

    Returns:
        (..., 18, 3) mm, root at the origin, and (..., 3) mm, position of the root in front of the camera; float64.

    Raises:
        ValueError: As :func:`to_root_plane`, and if a skeleton has no length.
    """
    flat = to_root_plane(keypoints, focal_length, principal_point)
    keypoints_mm, mm_per_px = scale_to_bone_length(flat, bone_length)
    root = flat[..., 0, :]
    root[..., 2] += focal_length
    return keypoints_mm, root * mm_per_px[..., None]
