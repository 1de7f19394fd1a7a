"""Integral (soft-argmax) of a volume of logits: the grid, the plain reference, and the choice of backend.

Frames: logits are indexed (d, h, w). Coordinates are (x, y, z) with x along w, y along h, z along d. Cell i of an
axis of n cells sits at i / n, so every coordinate lies in [0, 1 - 1/n] and a flat volume decodes to (n - 1) / (2 n).
This is the grid that the released weights of the paper were trained on, and no other file states it.
"""
import importlib.util
from contextlib import nullcontext

import torch

from .soft_argmax_eager import soft_argmax_eager

HAS_TRITON = importlib.util.find_spec('triton') is not None

# Logits that are less than this above the mean count as background. For smaller values, the logarithm in
# remove_background() would leave the useful range of float32.
BACKGROUND_MARGIN = 1e-6


def axis_grid(size: int, *, dtype: torch.dtype = torch.float32,
              device: torch.device | str | None = None) -> torch.Tensor:
    """Normalised position of each of n cells along an axis: (n,), i / n for i = 0 ... n - 1."""
    return torch.arange(size, dtype=dtype, device=device) / size


def soft_argmax_reference(logits: torch.Tensor, grids: tuple[torch.Tensor, ...],
                          with_std: bool = True) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Compute the softmax over a whole volume, then mean and standard deviation of each axis, in plain autograd.

    Args:
        logits: (B, K, D, H, W).
        grids: Positions along x (W,), y (H,), z (D,), in the type of the result.
        with_std: Whether to compute the standard deviation.

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


def _triton(logits: torch.Tensor, grids: tuple[torch.Tensor, ...],
            with_std: bool = True) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Run the Triton kernels. Triton is imported at the first call, because the import is slow."""
    try:
        from .soft_argmax_triton import soft_argmax_triton
    except ImportError as error:
        raise RuntimeError(f"backend 'triton': Triton cannot be imported ({error}); it comes with torch's CUDA builds "
                           "on Linux. Choose 'auto' to use a backend that can run") from error
    return soft_argmax_triton(logits, grids, with_std)


BACKENDS = dict(reference=soft_argmax_reference, eager=soft_argmax_eager, triton=_triton)


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
        TypeError: If ``logits`` is no tensor.
        ValueError: If the number of axes is wrong, the volume is empty, the type is not a floating one, or the backend
            is unknown.
        RuntimeError: If the backend is given by name and cannot run here.
    """
    if not isinstance(logits, torch.Tensor):
        raise TypeError(f'logits: a tensor expected, got {type(logits).__name__}')
    if logits.ndim != 5 or 0 in logits.shape[2:]:
        raise ValueError(f'logits: shape (B, K, D, H, W) with D, H, W > 0 expected, got {tuple(logits.shape)}')
    if not logits.is_floating_point():
        raise ValueError(f'logits: a floating type expected, got {logits.dtype}')
    if backend == 'auto':
        backend = 'triton' if logits.is_cuda and HAS_TRITON else 'eager'
    if backend not in BACKENDS:
        raise ValueError(f"backend: one of 'auto', {', '.join(map(repr, BACKENDS))} expected, got {backend!r}")
    dtype = torch.promote_types(logits.dtype, torch.float32)
    grids = tuple(axis_grid(size, dtype=dtype, device=logits.device) for size in logits.shape[:1:-1])  # x, y, z
    # An enclosing autocast region must not round the statistics to half. Exported graphs must not contain regions.
    device = logits.device.type
    with torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext():
        mean, std = BACKENDS[backend](logits, grids, return_std)
    return (mean, std) if return_std else mean


def argmax_3d(logits: torch.Tensor) -> torch.Tensor:
    """Position of the largest cell of one volume per joint, on the grid of :func:`soft_argmax_3d`, without gradient.

    Converts (B, K, D, H, W) to (B, K, 3), normalised x, y, z, float32 (float64 for float64 logits).
    """
    cells = torch.unravel_index(logits.flatten(2).argmax(-1), logits.shape[2:])
    dtype = torch.promote_types(logits.dtype, torch.float32)
    grids = [axis_grid(size, dtype=dtype, device=logits.device) for size in logits.shape[2:]]
    return torch.stack([grid[cell] for grid, cell in zip(grids, cells, strict=True)][::-1], -1)


def remove_background(logits: torch.Tensor) -> torch.Tensor:
    r"""Convert logits to those whose soft-argmax is that of the volume without its uniform background.

    A softmax gives every cell of the background a small weight. Together, these weights pull the integral towards the
    middle of the volume. With a background of level b, the expectation without it is

    .. math:: \frac{\sum_i (e^{l_i - b} - 1) \, g_i}{\sum_i (e^{l_i - b} - 1)}

    (Gu et al., "Removing the Bias of Integral Pose Regression", ICCV 2021, section 4, which takes b = 0). Here b is the
    volume's mean, so that the result does not depend on a constant added to the logits. Cells below b get a weight of
    almost 0. The weights are returned as logits, :math:`\log(e^{l - b} - 1)`.

    Converts (B, K, D, H, W) of any floating type to at least float32.
    """
    volume = logits.to(torch.promote_types(logits.dtype, torch.float32))
    above = (volume - volume.mean((2, 3, 4), keepdim=True)).clamp(min=BACKGROUND_MARGIN)
    return above + (-torch.expm1(-above)).log()
