"""Integral (soft-argmax) of a volume of logits: the grid, the plain reference, and the choice of backend.

Frames: logits are indexed (d, h, w). Coordinates are (x, y, z) with x along w, y along h, z along d. Cell i of an
axis of n cells sits at i / n, so every coordinate lies in [0, 1 - 1/n] and a flat volume decodes to (n - 1) / (2 n).
This is the grid that the released weights of the paper were trained on, and no other file states it.
"""
import functools
import importlib.util

import torch

from .soft_argmax_eager import soft_argmax_eager


def axis_grid(size: int, *, dtype: torch.dtype = torch.float32,
              device: torch.device | str | None = None) -> torch.Tensor:
    """Normalised position of each cell of an axis.

    Args:
        size: Number of cells n.
        dtype: Type of the result.
        device: Device of the result.

    Returns:
        (n,), i / n for i = 0 ... n - 1.
    """
    return torch.arange(size, dtype=dtype, device=device) / size


def statistics_dtype(dtype: torch.dtype) -> torch.dtype:
    """Type in which the statistics of a volume are computed: float64 for float64, float32 for everything else."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def soft_argmax_reference(logits: torch.Tensor, grids: tuple[torch.Tensor, ...],
                          with_std: bool = True) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Compute the softmax over a whole volume, then mean and standard deviation of each axis, in plain autograd.

    Args:
        logits: (B, K, D, H, W).
        grids: Positions along x (W,), y (H,), z (D,).
        with_std: Whether the standard deviation is wanted.

    Returns:
        Mean and standard deviation, each (B, K, 3) as x, y, z; the latter is None without ``with_std``.
    """
    volume = logits.to(grids[0].dtype)
    probability = volume.flatten(2).softmax(-1).view_as(volume)
    marginals = (probability.sum((2, 3)), probability.sum((2, 4)), probability.sum((3, 4)))
    mean = torch.stack([(p * g).sum(-1) for p, g in zip(marginals, grids, strict=True)], -1)
    if not with_std:
        return mean, None
    with torch.no_grad():
        variance = [(p * (g - m[..., None])**2).sum(-1)
                    for p, g, m in zip(marginals, grids, mean.unbind(-1), strict=True)]
        std = torch.stack(variance, -1).sqrt()
    return mean, std


def _triton(logits, grids, with_std=True):
    """Run the Triton kernels. Triton is imported at the first call, because the import is slow."""
    try:
        from .soft_argmax_triton import soft_argmax_triton
    except ImportError as error:
        raise RuntimeError(f"backend 'triton': Triton cannot be imported ({error}); it comes with torch's CUDA builds "
                           "on Linux. 'auto' chooses a backend that can run") from error
    return soft_argmax_triton(logits, grids, with_std)


BACKENDS = dict(reference=soft_argmax_reference, eager=soft_argmax_eager, triton=_triton)


@functools.lru_cache(maxsize=1)
def _has_triton():
    return importlib.util.find_spec('triton') is not None


def choose_backend(logits: torch.Tensor) -> str:
    """Name of the backend for 'auto': 'triton' on CUDA if Triton is installed, otherwise 'eager'."""
    return 'triton' if logits.is_cuda and _has_triton() else 'eager'


def soft_argmax_3d(logits: torch.Tensor, backend: str = 'auto',
                   return_std: bool = False) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
    r"""Integral of one volume per joint: the expected (x, y, z) under a softmax over all cells.

    .. math:: (x, y, z) = \sum_{d,h,w} \mathrm{softmax}(l)_{dhw} \, (w/W, h/H, d/D)

    (Sun et al., "Integral Human Pose Regression", ECCV 2018, eq. 2 and 3.)

    Args:
        logits: (B, K, D, H, W), any floating type, any strides.
        backend: Name of the backend: 'reference' (plain autograd), 'eager' (own backward pass that recomputes the
            softmax, so that the logits are the only tensor of the volume's size that is saved), 'triton' (the same in
            fused kernels, on CUDA), or 'auto' ('triton' on CUDA if it is installed, otherwise 'eager').
        return_std: Whether to return the standard deviation of each axis' marginal, too. It has no gradient.

    Returns:
        (B, K, 3), normalised x, y, z; with ``return_std`` a pair of such tensors. They are float64 for float64 logits
        and float32 for all others, because a bin is finer than the resolution of half precision.

    Raises:
        ValueError: If the number of axes is wrong, the volume is empty, the type is not a floating one, or the backend
            is unknown.
        RuntimeError: If the backend is given by name and cannot run here.
    """
    if logits.ndim != 5 or 0 in logits.shape[2:]:
        raise ValueError(f'logits: shape (B, K, D, H, W) with D, H, W > 0 expected, got {tuple(logits.shape)}')
    if not logits.is_floating_point():
        raise ValueError(f'logits: a floating type expected, got {logits.dtype}')
    name = choose_backend(logits) if backend == 'auto' else backend
    if name not in BACKENDS:
        raise ValueError(f"backend: one of 'auto', {', '.join(map(repr, BACKENDS))} expected, got {backend!r}")
    dtype = statistics_dtype(logits.dtype)
    depth, height, width = logits.shape[2:]
    grids = tuple(axis_grid(n, dtype=dtype, device=logits.device) for n in (width, height, depth))
    # Statistics must not be rounded to half by an enclosing autocast region.
    with torch.autocast(logits.device.type, enabled=False):
        mean, std = BACKENDS[name](logits, grids, return_std)
    return (mean, std) if return_std else mean


def argmax_3d(logits: torch.Tensor) -> torch.Tensor:
    """Position of the largest cell of one volume per joint, on the grid of :func:`soft_argmax_3d`, without gradient.

    Args:
        logits: (B, K, D, H, W).

    Returns:
        (B, K, 3), normalised x, y, z, float32 (float64 for float64 logits).
    """
    depth, height, width = logits.shape[2:]
    index = logits.flatten(2).argmax(-1)
    cells = (index % width, index // width % height, index // (width * height))
    dtype = statistics_dtype(logits.dtype)
    return torch.stack([axis_grid(size, dtype=dtype, device=logits.device)[cell]
                        for cell, size in zip(cells, (width, height, depth), strict=True)], -1)
