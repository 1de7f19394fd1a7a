"""Arithmetic of the perspective fit: n frames of K joints, (n, K, ...) arrays, float64.

With the depth d = Z + tz of a joint and its projection p = f (X + tx) / d (relative to the principal point, likewise q
for y), the reprojection error changes by (f dtx - p dtz) / d. A step of Gauss and Newton is therefore a weighted least
squares problem in three unknowns. tx and ty can be eliminated, which leaves one equation for tz.
"""
from typing import NamedTuple

import numpy as np

from . import _weak_perspective_solver as weak_solver
from .weak_perspective import WeakPerspectiveCamera

REASONS = (*weak_solver.REASONS, 'a joint would be at or behind the camera')
BEHIND = len(REASONS) - 1
NUM_CONVERGED, NUM_PLAIN, NUM_BISQUARE = 10, 2, 4  # steps of the plain fit, and of the two stages of the robust one
NEAREST = 0.05  # smallest depth of a joint during the iteration, in units of the root's depth


class Frames(NamedTuple):
    """Data of n frames."""
    poses: np.ndarray  # (n, K, 3) mm
    points: np.ndarray  # (n, K, 2) px
    weights: np.ndarray  # (n, K), 0 for absent joints, whose coordinates may be anything
    focal: np.ndarray  # (n,) px
    centre: np.ndarray  # (n, 2) px, principal point

    def part(self, rows: slice | np.ndarray) -> 'Frames':
        return Frames(*(values[rows] for values in self))


def from_weak(weak: WeakPerspectiveCamera, frames: Frames) -> np.ndarray:
    """Translations, (n, 3) mm, that agree with a weak-perspective fit at the depth of the root."""
    return np.concatenate([weak.translation - frames.centre, frames.focal[:, None]], axis=1) / weak.scale[:, None]


class View(NamedTuple):
    """What the cameras see."""
    projected: np.ndarray  # (n, K, 2) px relative to the principal point, 0 for absent joints
    depth: np.ndarray  # (n, K) mm
    miss: np.ndarray  # (n, K, 2) px from the projected joints to the 2D joints, 0 for absent joints

    def squared(self) -> np.ndarray:
        """Squared distances of the projected joints from the 2D joints, (n, K) px^2."""
        return np.einsum('nkc,nkc->nk', self.miss, self.miss)


def look(frames: Frames, translation: np.ndarray) -> View:
    """Project the joints of persons at translations (n, 3) mm."""
    depth = np.maximum(frames.poses[..., 2] + translation[:, None, 2], NEAREST * translation[:, None, 2])
    projected = frames.poses[..., :2] + translation[:, None, :2]
    projected *= (frames.focal[:, None] / depth)[..., None]
    miss = frames.points - frames.centre[:, None]
    miss -= projected
    absent = frames.weights <= 0
    if absent.any():
        projected[absent], miss[absent], depth[absent] = 0, 0, 1
    return View(projected, depth, miss)


def step(frames: Frames, translation: np.ndarray, weights: np.ndarray, view: View | None = None) -> np.ndarray:
    """One step of Gauss and Newton with given weights (n, K) of the squared errors; the new translations (n, 3)."""
    projected, depth, miss = view or look(frames, translation)
    trust = np.where(weights > 0, weights, 0) / depth**2
    total = trust.sum(axis=1)
    by_p = np.einsum('nk,nkc->nc', trust, projected)
    by_miss = np.einsum('nk,nkc->nc', trust * depth, miss)
    square = np.einsum('nk,nkc,nkc->n', trust, projected, projected) - (by_p**2).sum(axis=1) / total
    cross = (by_p * by_miss).sum(axis=1) / total - np.einsum('nk,nkc,nkc->n', trust * depth, projected, miss)
    # A joint never comes nearer than a tenth of its depth in one step, so that no step passes the camera.
    dz = np.clip(cross / square, -0.9 * translation[:, 2], 9 * translation[:, 2])
    shift = (by_miss + by_p * dz[:, None]) / (total * frames.focal)[:, None]
    return translation + np.concatenate([shift, dz[:, None]], axis=1)


def solve_plain(frames: Frames, translation: np.ndarray, inlier: np.ndarray) -> np.ndarray:
    """Minimise the weighted squared error of the given joints, (n, K) bool."""
    for _ in range(NUM_CONVERGED):
        translation = step(frames, translation, frames.weights * inlier)
    return translation


def solve_robust(frames: Frames, translation: np.ndarray, inlier: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit to the inliers of the weak fit, then with Tukey's bisquare, whose width follows the median residual.

    Returns:
        Translations (n, 3), and (n, K) whether the final kernel accepts a joint.
    """
    for _ in range(NUM_PLAIN):
        translation = step(frames, translation, frames.weights * inlier)
    used, cut = frames.weights > 0, np.full(len(inlier), np.inf)
    for number in range(NUM_BISQUARE):
        view = look(frames, translation)
        squared = view.squared()
        if number % 2 == 0:  # the width may only shrink, so that the last steps agree on the outliers
            floor = (weak_solver.TUNING * weak_solver.NOISE_FLOOR * _body_size(frames, translation))**2
            cut = np.minimum(cut, np.maximum(weak_solver.squared_width(squared.T, used.T), floor))
        kernel = np.maximum(1 - squared / cut[:, None], 0)**2
        translation = step(frames, translation, frames.weights * kernel, view)
    return translation, used & (look(frames, translation).squared() <= cut[:, None])


def _body_size(frames: Frames, translation: np.ndarray) -> np.ndarray:
    """Radius (rms) of the used joints about their centre in the image plane, (n,) px."""
    used = (frames.weights > 0)[..., None]
    points = np.where(used, frames.poses[..., :2], 0)
    count = used.sum(axis=1)
    spread = np.where(used, points - (points.sum(axis=1) / count)[:, None], 0)
    return np.sqrt((spread**2).sum(axis=(1, 2)) / count[:, 0]) * frames.focal / translation[:, 2]


class FocalProfile:
    """Total robust error as a function of one focal length for all frames, on a grid of its logarithm.

    The width of the kernel is the same for all frames and focal lengths; otherwise, it would hide the differences.
    """

    def __init__(self, frames: Frames, weak: WeakPerspectiveCamera) -> None:
        self.frames, self.weak = frames, weak
        offsets = np.abs(np.where(frames.weights[..., None] > 0, frames.points - frames.centre[:, None], 0))
        size = 2 * float(np.quantile(offsets, 0.99))
        self.limits = (0.3 * size, 20 * size)
        with np.errstate(all='ignore'):
            self.width = self._noise(4 * size) * weak_solver.TUNING
            coarse = np.geomspace(*self.limits, 20)
            best = coarse[np.argmin([self.costs(focal).sum() for focal in coarse])]
            self.grid = np.clip(np.geomspace(best / 1.3, best * 1.3, 13), *self.limits)
            self.table = np.array([self.costs(focal) for focal in self.grid])  # (13, n)

    def _translations(self, focal: float) -> tuple[Frames, np.ndarray]:
        frames = self.frames._replace(focal=np.full(len(self.frames.focal), focal))
        translation = from_weak(self.weak, frames)
        for _ in range(NUM_PLAIN):
            translation = step(frames, translation, frames.weights * self.weak.inlier)
        return frames, translation

    def _noise(self, focal: float) -> float:
        """Standard deviation of the inliers' errors along one axis, px, from their median."""
        squared = look(*self._translations(focal)).squared()[self.weak.inlier]
        return max(float(np.sqrt(np.median(squared))) / weak_solver.RAYLEIGH_MEDIAN, 1e-6)

    def costs(self, focal: float) -> np.ndarray:
        """Sum of the bisquare's loss over the joints of each frame, (n,), at one focal length."""
        frames, translation = self._translations(focal)
        used = frames.weights > 0
        for _ in range(3):
            view = look(frames, translation)
            kernel = np.maximum(1 - view.squared() / self.width**2, 0)
            translation = step(frames, translation, frames.weights * kernel**2, view)
        kernel = np.maximum(1 - look(frames, translation).squared() / self.width**2, 0)
        kernel = np.nan_to_num(kernel)  # of a frame without any joint near its 2D joint, for a very wrong focal length
        return np.where(used, frames.weights * (1 - kernel**3), 0).sum(axis=1)

    def minimum(self) -> float:
        """Focal length of the smallest total error, px."""
        return float(self._minima(self.table.sum(axis=1)[None])[0])

    def bootstrap(self, rng: np.random.Generator, rounds: int = 500) -> np.ndarray:
        """Minima for ``rounds`` sets of frames, drawn with replacement, px."""
        count = self.table.shape[1]
        return self._minima(rng.multinomial(count, np.full(count, 1 / count), rounds) @ self.table.T)

    def _minima(self, totals: np.ndarray) -> np.ndarray:
        """Minima (m,) of curves (m, G) over the grid, each from the parabola through its three lowest points."""
        middle = np.clip(np.argmin(totals, axis=1), 1, len(self.grid) - 2)
        rows = np.arange(len(totals))
        left, centre, right = (totals[rows, middle + offset] for offset in (-1, 0, 1))
        curvature = left - 2 * centre + right
        shift = np.where(curvature > 0, 0.5 * (left - right) / np.where(curvature > 0, curvature, 1), 0)
        pitch = np.log(self.grid[1] / self.grid[0])
        return self.grid[middle] * np.exp(pitch * np.clip(shift, -1, 1))
