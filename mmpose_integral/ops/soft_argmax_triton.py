"""Launches the kernels of :mod:`soft_argmax_kernels`; of the volume's size, only the logits are saved."""
import contextlib
import functools
import os

import torch
import triton
import triton.language as tl
from torch.autograd.function import once_differentiable

from .soft_argmax_kernels import FIELDS, combine_kernel, gradient_kernel, moments_kernel

# Vectors that a program takes in one step (two a thread), and programs for each multiprocessor, so that few volumes
# fill the GPU too.
ROWS, WARPS, PROGRAMS_PER_SM = 256, 4, 16
VECTOR_BYTES = 16  # what a thread can read at once


def can_run(device):
    """Whether kernels run there: on CUDA, or anywhere in Triton's interpreter (``TRITON_INTERPRET=1``)."""
    return device.type == 'cuda' or os.environ.get('TRITON_INTERPRET') == '1'


def on_its_device(function):
    """Decorator of an autograd function's passes: Triton launches on the current device, not on the tensor's."""
    @functools.wraps(function)
    def launched(ctx, tensor, *args):
        with torch.cuda.device(tensor.device) if tensor.is_cuda else contextlib.nullcontext():
            return function(ctx, tensor, *args)
    return launched


@functools.lru_cache(maxsize=8)
def _programs_wanted(device):
    """Programs that keep a device busy."""
    return PROGRAMS_PER_SM * torch.cuda.get_device_properties(device).multi_processor_count \
        if device.type == 'cuda' else 4


def _splits(volumes, vectors, device):
    """Parts of a volume that get a program each, and vectors of a part."""
    parts = max(1, min(_programs_wanted(device) // max(volumes, 1), triton.cdiv(vectors, ROWS)))
    span = triton.cdiv(triton.cdiv(vectors, parts), ROWS) * ROWS
    return triton.cdiv(vectors, span), span


def _layout(logits):
    """How a volume is read: axes from the largest stride to the smallest, so that neighbours in memory go together.

    Returns:
        dict: ``sizes``; ``places`` of the axes in (x, y, z); ``vector``, elements that a thread reads at once: a power
        of 2 that divides the fastest axis and where all vectors begin, 1 where neighbours are not side by side;
        ``strides`` of the axes and ``outer`` ones of batch and joints, in vectors, the last axis' in elements.
    """
    axes = sorted((2, 3, 4), key=lambda axis: -logits.stride(axis))
    *slow, fast = axes
    far = [logits.stride(axis) for axis in (0, 1, *slow) if logits.shape[axis] > 1]
    vector = VECTOR_BYTES // logits.element_size() if logits.stride(fast) == 1 else 1
    while any(number % vector for number in (*far, logits.shape[fast], logits.data_ptr() // logits.element_size())):
        vector //= 2
    return dict(sizes=[logits.shape[axis] for axis in axes], places=[4 - axis for axis in axes], vector=vector,
                strides=[*(logits.stride(axis) // vector for axis in slow), logits.stride(fast)],
                outer=[logits.stride(axis) // vector for axis in (0, 1)])


def _triton_type(dtype):
    return tl.float64 if dtype == torch.float64 else tl.float32


def is_dense(logits):
    """Whether every element has a place of its own, and these lie without gaps, in whatever order of the axes."""
    strides = sorted((stride, size) for stride, size in zip(logits.stride(), logits.shape, strict=True) if size > 1)
    expected = 1
    for stride, size in strides:
        if stride != expected:
            return False
        expected *= size
    return True


class SoftArgmax3DTriton(torch.autograd.Function):
    """Mean and std of the softmax of a volume; see the module and :class:`SoftArgmax3D`."""

    @staticmethod
    @on_its_device
    def forward(ctx, logits, steps, with_std):
        batch, joints = logits.shape[:2]
        mean, std = (steps.new_empty(batch, joints, 3) for _ in range(2))
        lse = steps.new_empty(batch, joints)
        ctx.save_for_backward(logits, lse, mean, steps)
        ctx.mark_non_differentiable(std)
        if not batch * joints:
            return mean, std
        layout = _layout(logits)
        parts, span = _splits(batch * joints, logits[0, 0].numel() // layout['vector'], logits.device)
        partial = steps.new_empty(batch * joints, parts, FIELDS.value)
        moments_kernel[batch * joints, parts](
            logits, partial, *layout['outer'], joints, span, *layout['strides'], *layout['sizes'], V=layout['vector'],
            ROWS=ROWS, DTYPE=_triton_type(steps.dtype), STD=with_std, num_warps=WARPS)
        combine_kernel[batch * joints, ](partial, lse, mean, std, parts, steps, *layout['places'],
                                          PARTS=triton.next_power_of_2(parts), num_warps=1)
        return mean, std

    @staticmethod
    @once_differentiable
    @on_its_device
    def backward(ctx, grad_mean, _):
        logits, lse, mean, steps = ctx.saved_tensors
        grad = torch.empty_like(logits)  # dense, so with the same strides
        if grad.numel():
            layout = _layout(logits)
            blocks = triton.cdiv(logits[0, 0].numel() // layout['vector'], ROWS)
            gradient_kernel[lse.numel() * blocks, ](
                logits, lse, mean, grad_mean.contiguous(), grad, steps, *layout['outer'], logits.shape[1],
                *layout['strides'], *layout['places'], *layout['sizes'], V=layout['vector'], ROWS=ROWS,
                DTYPE=_triton_type(steps.dtype), num_warps=WARPS)
        return grad, None, None


@torch.compiler.disable  # strides and addresses choose the kernels; a graph around them breaks here
def soft_argmax_triton(logits, grids, with_std=True):
    """See :func:`mmpose_integral.ops.soft_argmax.soft_argmax_reference`: same arguments, same results.

    Raises:
        RuntimeError: the logits lie where Triton cannot run.
    """
    if not can_run(logits.device):
        raise RuntimeError(f"backend 'triton': logits on a CUDA device expected, got {logits.device}; 'auto' chooses "
                           'a backend that can run')
    # Grids start at 0 and are even: their step says everything. Where an axis has one cell, that cell is at 0.
    steps = torch.stack([grid[1] if len(grid) > 1 else torch.ones_like(grid[0]) for grid in grids])
    reach = sum((size - 1) * stride for size, stride in zip(logits.shape[2:], logits.stride()[2:], strict=True))
    if not is_dense(logits) or reach >= 2**31:  # offsets within a volume have 32 bits
        logits = logits.contiguous()
    mean, std = SoftArgmax3DTriton.apply(logits, steps, with_std)
    return mean, std if with_std else None
