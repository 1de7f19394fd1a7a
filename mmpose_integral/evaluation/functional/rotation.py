"""The rotation nearest to a 3x3 matrix, for many matrices at once.

For a matrix of positive determinant it is the orthogonal factor of the polar decomposition, which Newton's iteration
X <- (g X + X^-T / g) / 2 finds, g being Higham's scale by Frobenius norms ("Computing the polar decomposition - with
applications", SIAM J. Sci. Stat. Comput. 7(4), 1986). It needs no more than sums and products, which numpy takes over
a whole chunk of frames: five times as fast as a singular value decomposition a frame. Mirrored and flat poses, whose
determinant is negative or nearly 0, and whatever has not converged, get the decomposition.
"""
import numpy as np

CHUNK_FRAMES = 512  # a chunk's padded matrices (100 kB) stay in the processor's second-level cache
NUM_STEPS = 7  # 4 to 6 bring the covariances of people to the last digit
MIN_DETERMINANT = 1e-6  # over the cubed norm; people have some 1e-3
CONVERGED = 1e-7  # greatest last step: the error is its square


def nearest_rotation(matrices):
    """Rotations R that maximise trace(R^T M), determinant +1.

    Args:
        matrices (np.ndarray): (..., 3, 3), finite.

    Returns:
        np.ndarray: (..., 3, 3), float64.
    """
    flat = np.asarray(matrices, dtype=np.float64).reshape(-1, 3, 3)
    rotations, done = np.empty_like(flat), np.empty(len(flat), bool)
    for start in range(0, len(flat), CHUNK_FRAMES):
        part = slice(start, start + CHUNK_FRAMES)
        rotations[part], done[part] = _by_newton(flat[part])
    if not done.all():
        rotations[~done] = _by_decomposition(flat[~done])
    return rotations.reshape(matrices.shape)


def _by_newton(matrices):
    """(n, 3, 3) orthogonal factors, and (n,) whether they are the rotations wanted."""
    padded = np.empty((5, 5, len(matrices)))  # rows and columns 0, 1, 2, 0, 1: a cofactor is then two products
    x = padded[:3, :3]
    x[...] = matrices.transpose(1, 2, 0)
    with np.errstate(all='ignore'):  # singular ones divide by zero here and are left to the decomposition
        for step in range(NUM_STEPS):
            padded[3:, :3] = padded[:2, :3]
            padded[:, 3:] = padded[:, :2]
            cofactors = padded[1:4, 1:4] * padded[2:5, 2:5]
            cofactors -= padded[1:4, 2:5] * padded[2:5, 1:4]
            determinant = x[0, 0] * cofactors[0, 0] + x[0, 1] * cofactors[0, 1] + x[0, 2] * cofactors[0, 2]
            squared = np.einsum('ijn,ijn->n', x, x)
            if step == 0:
                done = determinant > MIN_DETERMINANT * squared * np.sqrt(squared)
            scale = (np.einsum('ijn,ijn->n', cofactors, cofactors) / squared)**0.25 / np.sqrt(np.abs(determinant))
            cofactors *= 0.5 / (scale * determinant)
            if step == NUM_STEPS - 1:
                before = x.copy()
            x *= 0.5 * scale
            x += cofactors
        done &= np.abs(x - before).max(axis=(0, 1)) < CONVERGED
    return x.transpose(2, 0, 1), done


def _by_decomposition(matrices):
    """Kabsch's solution; the sign of the last direction keeps the determinant at +1, so a mirrored pose stays so."""
    u, _, vt = np.linalg.svd(matrices)
    u[..., 2] *= np.sign(np.linalg.det(u @ vt))[..., None]  # not of the matrix: a flat pose has one of determinant 0
    return u @ vt
