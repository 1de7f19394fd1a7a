"""Arithmetic of the weak-perspective fit, on one cache-sized chunk of frames.

Arrays here are joint-major, (K, n): a sum over joints then adds whole rows, which numpy does at memory speed. Points
are centred and divided by their spread ("units" below), so numbers are near 1 for any unit of the caller. With 3D
joints (X, Y) and image joints (x, y) the model is linear in its four unknowns,

    x = a X - b Y + tx,    y = b X + a Y + ty        (b = 0 without rotation; scale = |a + ib|, angle = arg(a + ib))

so weighted least squares has a closed form, and each reweighting of the robust fit is one such solution. The
reweighting runs in float32, which is twice as fast. The solution with the final weights is in float64.
"""
from typing import NamedTuple

import numpy as np

# Reasons why a frame has no camera; index 0 means that it has one. Of several reasons, one is reported.
REASONS = ('', 'a coordinate or weight of a used joint is not finite (or a weight is negative)',
           'fewer than 3 joints have a weight above 0', 'all 3D joints, seen along z, fall on one point',
           'all 2D joints coincide', 'the 3D joints, seen along z, lie on one line', 'the 2D joints lie on one line',
           'the best scale is not positive (2D and 3D are mirrored or unrelated)')
NOT_FINITE, TOO_FEW, ZERO_3D, ZERO_2D, LINE_3D, LINE_2D, BAD_SCALE = range(1, len(REASONS))

LINE_TOLERANCE = 1e-3  # ratio of the smaller to the larger standard deviation below which points count as a line
NUM_L1, NUM_SHARPENING, NUM_BISQUARE = 3, 5, 4
TUNING = 4.685  # Tukey's bisquare constant (95 % efficiency for normal errors)
RAYLEIGH_MEDIAN = 1.1774  # median length of a 2D normal error with unit variance: sqrt(2 ln 2)
NOISE_FLOOR = 4e-3  # least noise that the robust kernel assumes, in units of the projected body's rms radius

Unknowns = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # a, b, tx, ty of n frames, (n,) each, in units


class Chunk(NamedTuple):
    """Joint-major data of n frames. X, Y, x, y are in units, and 0 for joints that the fit does not use."""
    centres: np.ndarray  # (4, n), means of X, Y (mm) and x, y (px) over the used joints
    spreads: np.ndarray  # (2, n), rms radius of the used joints about their centre, in mm and in px
    # (7 or 8, K, n), terms of the fit's weighted sums: 1, X, Y, x, y, X^2 + Y^2, Xx + Yy and, with rotation, Xy - Yx
    moments: np.ndarray
    weights: np.ndarray  # (K, n), weights of the joints, 0 for joints that are not used
    used: np.ndarray  # (K, n) bool, whether the fit uses a joint


def make_chunk(keypoints_3d: np.ndarray, keypoints_2d: np.ndarray, weights: np.ndarray,
               rotation: bool) -> tuple[Chunk, np.ndarray]:
    """Bring one chunk of (n, K, 3) mm, (n, K, 2) px and (n, K) weights into joint-major units.

    Returns:
        The chunk, and (n,) codes into :data:`REASONS`, which are above 0 for frames that cannot be fitted.
    """
    weights = np.array(weights.T, dtype=np.float64, order='C')
    moments = np.empty((8 if rotation else 7, *weights.shape))
    points = moments[1:5]
    points[:2], points[2:] = keypoints_3d[..., :2].transpose(2, 1, 0), keypoints_2d.transpose(2, 1, 0)
    wanted = weights != 0  # NaN and negative weights are wanted too, and then refused below
    finite = np.isfinite(points.sum(axis=0) + keypoints_3d[..., 2].T + weights) & (weights >= 0)
    used = wanted & finite
    count = np.maximum(used.sum(axis=0), 1)
    if not used.all():
        points[:, ~used], weights[~used] = 0, 0
    weights /= np.maximum(weights.max(axis=0, initial=0), np.finfo(np.float64).tiny)  # only their ratios count
    centres = points.sum(axis=1) / count
    points -= centres[:, None]
    points *= used
    reasons, spreads = np.zeros(weights.shape[1], np.uint8), np.empty((2, len(count)))
    for i, line, zero in ((1, LINE_2D, ZERO_2D), (0, LINE_3D, ZERO_3D)):
        plane, offset = points[2 * i:2 * i + 2], (centres[2 * i:2 * i + 2]**2).sum(axis=0)
        spreads[i] = _normalise(plane, offset, count, reasons, line, zero)
    reasons[used.sum(axis=0) < 3] = TOO_FEW
    reasons[(wanted & ~finite).any(axis=0)] = NOT_FINITE
    X, Y, x, y = points
    moments[0] = 1
    moments[5] = X * X + Y * Y
    moments[6] = X * x + Y * y
    if rotation:
        moments[7] = X * y - Y * x
    return Chunk(centres, spreads, moments, weights, used), reasons


def _normalise(plane: np.ndarray, offset: np.ndarray, count: np.ndarray, reasons: np.ndarray, line: int,
               zero: int) -> np.ndarray:
    """Divide centred points (2, K, n) by their rms radius, in place, and return it, (n,).

    ``reasons`` becomes ``line`` for frames whose points have no area, and ``zero`` for frames whose points have no
    extent, which are not divided. The limit of the latter allows for the rounding of coordinates, whose squared
    distance from the origin is ``offset``, (n,).
    """
    p, q = plane
    pp, qq, pq = (p * p).sum(axis=0), (q * q).sum(axis=0), (p * q).sum(axis=0)
    large = (pp + qq) / 2 + np.sqrt((pp - qq)**2 / 4 + pq * pq)  # the greater eigenvalue of the scatter matrix
    reasons[pp * qq - pq * pq <= (LINE_TOLERANCE * large)**2] = line
    flat = large <= 1e-18 * offset * count
    reasons[flat] = zero
    spread = np.where(flat, 1, np.sqrt((pp + qq) / count))
    plane /= spread
    return spread


def solve(moments: np.ndarray, weights: np.ndarray) -> Unknowns:
    """Solve weighted least squares in closed form, from the moments of a :class:`Chunk` and weights (K, n)."""
    total, X, Y, x, y, norm, dot, *cross = np.einsum('mkn,kn->mn', moments, weights)
    inverse = 1 / total
    norm = norm - (X * X + Y * Y) * inverse
    a = (dot - (X * x + Y * y) * inverse) / norm
    b = (cross[0] - (X * y - Y * x) * inverse) / norm if cross else np.zeros_like(a)
    return a, b, (x - a * X + b * Y) * inverse, (y - b * X - a * Y) * inverse


def squared_residuals(moments: np.ndarray, camera: Unknowns) -> np.ndarray:
    """Squared reprojection error of every joint, (K, n), squared units."""
    X, Y, x, y = moments[1:5]
    a, b, tx, ty = camera
    dx, dy = a * X, a * Y
    if len(moments) == 8:
        dx -= b * Y
        dy += b * X
    return (dx - x + tx)**2 + (dy - y + ty)**2


def solve_robust(chunk: Chunk) -> tuple[Unknowns, np.ndarray]:
    """Fit robustly by iteratively reweighted least squares, in a fixed number of steps.

    The first stage minimises the sum of distances. It is convex, so the plain start does not matter. The second one
    minimises the sum of square roots of distances, which rejects outliers that agree with each other. The third one is
    Tukey's bisquare, whose width follows the median residual. The 3D joints have no gross errors, so no outlier has
    more leverage than a correct wrist has, and this start is sufficient.

    Returns:
        The unknowns, and (n,) squared residual (squared units) above which a joint is an outlier.
    """
    moments, weights = chunk.moments.astype(np.float32), chunk.weights.astype(np.float32)
    camera = solve(moments, weights)
    for step in range(NUM_L1 + NUM_SHARPENING):
        squared = squared_residuals(moments, camera)
        squared += np.float32(1e-6)  # this keeps 1 / distance finite
        power = np.sqrt(squared, out=squared)
        if step >= NUM_L1:
            power *= np.sqrt(power)
        camera = solve(moments, np.divide(weights, power, out=power))
    cut = np.full(weights.shape[1], np.inf, np.float32)
    for step in range(NUM_BISQUARE):
        squared = squared_residuals(moments, camera)
        if step % 2 == 0:  # the width may only shrink, so the last steps agree on the outliers
            floor = (TUNING * NOISE_FLOOR)**2 * (camera[0]**2 + camera[1]**2)
            cut = np.minimum(cut, np.maximum(squared_width(squared, chunk.used), floor)).astype(np.float32)
        squared /= -cut
        squared += 1
        trust = np.maximum(squared, 0, out=squared)
        trust *= trust
        trust *= weights
        camera = solve(moments if step < NUM_BISQUARE - 1 else chunk.moments, trust)
    return camera, cut


def squared_width(squared: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Squared width of the bisquare, from the median of the residuals, (n,).

    The order statistic and the factor for few joints are those of Rousseeuw and Leroy, "Robust Regression and Outlier
    Detection" (1987), for a model that two joints determine. Of three joints, none is ever an outlier.
    """
    count = used.sum(axis=0)
    rank = np.clip((count + 3) // 2, 1, np.maximum(count, 1)) - 1
    ranked = np.sort(np.where(used, squared, np.float32(np.inf)), axis=0)
    median = np.take_along_axis(ranked, rank[None], axis=0)[0]
    return median * ((1 + 5 / np.maximum(count - 2, 1)) * TUNING / RAYLEIGH_MEDIAN)**2
