"""Launches of the kernels of :mod:`soft_argmax_kernels`. The logits are the only saved tensor of the volume's size."""
import os
from typing import Any

import torch
import triton
import triton.language as tl
from torch.autograd.function import once_differentiable

from .soft_argmax_kernels import FIELDS, expectation_kernel, gradient_kernel

# Vectors that a program reads in one step (two per thread), warps of a program, and programs per multiprocessor.
# Several programs share a volume, so that few volumes fill the GPU, too.
ROWS, WARPS, PROGRAMS_PER_SM = 256, 4, 16
VECTOR_BYTES = 16  # bytes that a thread can read at once
STATISTICS = {torch.float32: tl.float32, torch.float64: tl.float64}


def _layout(logits: torch.Tensor) -> list[int]:
    """Arguments of the kernels from ``stride_b`` to ``V``.

    A volume is read along the axis of the smallest stride first, so that reads are contiguous. A vector is a power of 2
    that divides the fastest axis and the offset of every vector.
    """
    *slow, fast = axes = sorted((2, 3, 4), key=lambda axis: -logits.stride(axis))
    far = [logits.stride(axis) for axis in (0, 1, *slow) if logits.shape[axis] > 1]
    vector = VECTOR_BYTES // logits.element_size() if logits.stride(fast) == 1 else 1
    while any(number % vector for number in (*far, logits.shape[fast], logits.data_ptr() // logits.element_size())):
        vector //= 2
    stride_b, stride_k, *strides = (logits.stride(axis) // vector for axis in (0, 1, *slow))
    return [stride_b, stride_k, logits.shape[1], *strides, logits.stride(fast), *(4 - axis for axis in axes),
            *(logits.shape[axis] for axis in axes), vector]


def _splits(volumes: int, vectors: int, device: torch.device) -> tuple[int, int]:
    """Number of parts of a volume, one program each, and number of vectors per part."""
    processors = torch.cuda.get_device_properties(device).multi_processor_count if device.type == 'cuda' else 1
    parts = max(1, min(PROGRAMS_PER_SM * processors // volumes, triton.cdiv(vectors, ROWS)))
    span = triton.cdiv(triton.cdiv(vectors, parts), ROWS) * ROWS
    return triton.cdiv(vectors, span), span


def _expectation(logits: torch.Tensor, centre: torch.Tensor, steps: torch.Tensor,
                 squared: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-sum-exp (B, K), and expected distance, or squared distance, from a centre (B, K, 3): (B, K, 3) as x, y, z."""
    volumes, layout = centre.shape[:2].numel(), _layout(logits)
    parts, span = _splits(volumes, logits[0, 0].numel() // layout[-1], logits.device)
    partial = steps.new_empty(*centre.shape[:2], parts, FIELDS.value)
    with torch.cuda.device_of(logits):  # Triton launches on the current device
        expectation_kernel[volumes, parts](logits, centre, partial, steps, span, *layout, ROWS=ROWS,
                                           DTYPE=STATISTICS[steps.dtype], SQUARED=squared, num_warps=WARPS)
    lse, distance = partial[..., 0], partial[..., 1:]
    return lse.logsumexp(-1), (lse.softmax(-1)[..., None] * distance).sum(2)


class SoftArgmax3DTriton(torch.autograd.Function):
    """Mean and std of the softmax of a volume by the kernels; see :class:`SoftArgmax3D` for the gradient."""

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, steps: torch.Tensor,
                with_std: bool) -> tuple[torch.Tensor, torch.Tensor]:
        mean, std = (steps.new_zeros(*logits.shape[:2], 3) for _ in range(2))
        lse = mean[..., 0]
        if mean.numel():
            lse, mean = _expectation(logits, mean, steps, squared=False)
        if mean.numel() and with_std:
            std = _expectation(logits, mean, steps, squared=True)[1].sqrt()
        ctx.save_for_backward(logits, lse, mean, steps)
        ctx.mark_non_differentiable(std)
        return mean, std

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_mean: torch.Tensor, _: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        logits, lse, mean, steps = ctx.saved_tensors
        grad = torch.empty_like(logits)  # the logits are dense, so this has the same strides
        if grad.numel():
            layout = _layout(logits)
            blocks = triton.cdiv(logits[0, 0].numel() // layout[-1], ROWS)
            with torch.cuda.device_of(logits):
                gradient_kernel[lse.numel() * blocks, ](
                    logits, mean, lse, grad_mean.contiguous(), grad, steps, *layout, ROWS=ROWS,
                    DTYPE=STATISTICS[steps.dtype], num_warps=WARPS)
        return grad, None, None


@torch.compiler.disable  # the kernels depend on strides and addresses, which a graph does not have
def soft_argmax_triton(logits: torch.Tensor, grids: tuple[torch.Tensor, ...],
                       with_std: bool = True) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Do what :func:`mmpose_integral.ops.soft_argmax.soft_argmax_reference` does, by Triton kernels.

    Raises:
        RuntimeError: If the logits are not on a CUDA device and Triton's interpreter (``TRITON_INTERPRET=1``) is off.
    """
    if not (logits.is_cuda or os.environ.get('TRITON_INTERPRET') == '1'):
        raise RuntimeError(f"backend 'triton': logits on a CUDA device expected, got {logits.device}. Choose 'auto' to "
                           'use a backend that can run')
    # Grids start at 0 and are even, so the step determines them. If an axis has one cell, that cell is at 0.
    steps = torch.stack([grid[1] if len(grid) > 1 else torch.ones_like(grid[0]) for grid in grids])
    # torch keeps the strides of tensors without gaps and overlaps only. Offsets within a volume have 32 bits.
    dense = torch.empty_like(logits, device='meta').stride() == logits.stride()
    reach = sum((size - 1) * stride for size, stride in zip(logits.shape[2:], logits.stride()[2:], strict=True))
    if not dense or reach >= 2**31:
        logits = logits.contiguous()
    mean, std = SoftArgmax3DTriton.apply(logits, steps, with_std)
    return mean, std if with_std else None
