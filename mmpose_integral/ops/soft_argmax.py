"""Integral (soft-argmax) of a volume of logits: the grid, the plain reference, and the choice of backend.

Frames: logits are indexed (d, h, w), coordinates come out as (x, y, z), x along w, y along h, z along d. Cell i of an
axis of n cells sits at i / n, so every coordinate lies in [0, 1 - 1/n] and a flat volume decodes to (n - 1) / (2 n).
This is the grid that the released weights of the paper were trained on, and no other file states it.
"""
import functools
import importlib.util

import torch

from .soft_argmax_eager import soft_argmax_eager


def axis_grid(size, *, dtype=torch.float32, device=None):
    """Normalised position of each cell of an axis.

    Args:
        size (int): number of cells n.
        dtype (torch.dtype): of the result.
        device (torch.device | str, optional): of the result.

    Returns:
        torch.Tensor: (n,), i / n for i = 0 ... n - 1.
    """
    return torch.arange(size, dtype=dtype, device=device) / size


def statistics_dtype(dtype):
    """Type in which the statistics of a volume are taken: float64 stays, everything else becomes float32."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def soft_argmax_reference(logits, grids, with_std=True):
    """Softmax over a whole volume, then expectation and standard deviation of each axis, in plain autograd.

    Args:
        logits (torch.Tensor): (B, K, D, H, W).
        grids (tuple[torch.Tensor]): positions along x (W,), y (H,), z (D,).
        with_std (bool): whether std is wanted.

    Returns:
        tuple[torch.Tensor]: mean and std, each (B, K, 3) as x, y, z; std None where it is not wanted.
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
    """The Triton kernels; Triton is imported when it is first asked for, which takes a while."""
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


def choose_backend(logits):
    """The backend that 'auto' takes: Triton's kernels on CUDA where Triton is installed, else the lean eager one."""
    return 'triton' if logits.is_cuda and _has_triton() else 'eager'


def soft_argmax_3d(logits, backend='auto', return_std=False):
    r"""Integral of a volume a joint: the expected (x, y, z) under a softmax over all cells.

    .. math:: (x, y, z) = \sum_{d,h,w} \mathrm{softmax}(l)_{dhw} \, (w/W, h/H, d/D)

    (Sun et al., "Integral Human Pose Regression", ECCV 2018, eq. 2 and 3.)

    Args:
        logits (torch.Tensor): (B, K, D, H, W), any floating type, any strides.
        backend (str): 'reference' (plain autograd), 'eager' (own backward that recomputes the softmax, so that
            nothing of the volume's size but the logits is saved), 'triton' (the same in fused kernels, on CUDA), or
            'auto' (the fastest that can run).
        return_std (bool): also return the standard deviation of each axis' marginal. It carries no gradient.

    Returns:
        torch.Tensor | tuple[torch.Tensor]: (B, K, 3), normalised x, y, z; with ``return_std`` a pair of such tensors.
        float64 for float64 logits, float32 for all others (never half: a bin is finer than half's resolution).

    Raises:
        ValueError: wrong number of axes, an empty volume, not a floating type, or an unknown backend.
        RuntimeError: a backend that cannot run here was asked for by name.
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


def argmax_3d(logits):
    """Position of the largest cell of a volume a joint, on the grid of :func:`soft_argmax_3d`; it has no gradient.

    Args:
        logits (torch.Tensor): (B, K, D, H, W).

    Returns:
        torch.Tensor: (B, K, 3), normalised x, y, z, float32 (float64 for float64 logits).
    """
    depth, height, width = logits.shape[2:]
    index = logits.flatten(2).argmax(-1)
    cells = (index % width, index // width % height, index // (width * height))
    dtype = statistics_dtype(logits.dtype)
    return torch.stack([axis_grid(size, dtype=dtype, device=logits.device)[cell]
                        for cell, size in zip(cells, (width, height, depth), strict=True)], -1)
