"""Soft-argmax as Triton kernels: one read of the logits forward, one read and one write backward.

The forward kernels make one pass with an online softmax: a program keeps the largest logit so far, and mass, first and
second moments of the weights relative to it. Moments are taken in cells from the largest logit's own cell, so that the
variance of a sharp peak does not drown in the squares of its coordinates; when a larger logit turns up, all of them are
moved there. Backward recomputes the softmax from logits and log-sum-exp; nothing of the volume's size is saved.
"""
import functools
import os

import torch
import triton
import triton.language as tl
from torch.autograd.function import once_differentiable

# Elements that a program takes in one step, and programs for each multiprocessor, so that few volumes fill the GPU too.
BLOCK, WARPS, PROGRAMS_PER_SM = 2048, 8, 8
# What a program leaves for its part of a volume: peak, mass, centre, first and second moments along three axes.
_FIELDS = 11


@triton.jit
def _cells(index, N1: tl.constexpr, N2: tl.constexpr):
    return index // (N1 * N2), (index // N2) % N1, index % N2


@triton.jit
def _moments_kernel(logits, parts, stride_b, stride_k, joints, span, s0, s1, s2, N0: tl.constexpr, N1: tl.constexpr,
                    N2: tl.constexpr, BLOCK: tl.constexpr, DTYPE: tl.constexpr):
    volume, part = tl.program_id(0).to(tl.int64), tl.program_id(1)
    base = logits + (volume // joints) * stride_b + (volume % joints) * stride_k
    start = part * span
    lanes = tl.arange(0, BLOCK)
    peak = tl.full((), float('-inf'), DTYPE)
    c0, c1, c2 = tl.full((), 0, tl.int32), tl.full((), 0, tl.int32), tl.full((), 0, tl.int32)
    mass = tl.zeros((BLOCK, ), DTYPE)
    m0, m1, m2, q0, q1, q2 = mass, mass, mass, mass, mass, mass
    for offset in range(start, tl.minimum(start + span, N0 * N1 * N2), BLOCK):
        index = offset + lanes
        a0, a1, a2 = _cells(index, N1, N2)
        value = tl.load(base + a0 * s0 + a1 * s1 + a2 * s2, mask=index < N0 * N1 * N2, other=float('-inf')).to(DTYPE)
        top = tl.max(value)
        if top > peak:
            n0, n1, n2 = _cells(offset + tl.argmax(value, 0), N1, N2)
            shrink = tl.exp(peak - top)
            d0, d1, d2 = (n0 - c0).to(DTYPE), (n1 - c1).to(DTYPE), (n2 - c2).to(DTYPE)
            q0 = (q0 - 2 * d0 * m0 + d0 * d0 * mass) * shrink
            q1 = (q1 - 2 * d1 * m1 + d1 * d1 * mass) * shrink
            q2 = (q2 - 2 * d2 * m2 + d2 * d2 * mass) * shrink
            m0, m1, m2 = (m0 - d0 * mass) * shrink, (m1 - d1 * mass) * shrink, (m2 - d2 * mass) * shrink
            mass *= shrink
            peak, c0, c1, c2 = top, n0, n1, n2
        weight = tl.exp(value - tl.where(peak == float('-inf'), 0.0, peak))  # all may have been -inf so far
        x0, x1, x2 = (a0 - c0).to(DTYPE), (a1 - c1).to(DTYPE), (a2 - c2).to(DTYPE)
        mass += weight
        m0 += weight * x0
        m1 += weight * x1
        m2 += weight * x2
        q0 += weight * x0 * x0
        q1 += weight * x1 * x1
        q2 += weight * x2 * x2
    out = parts + (volume * tl.num_programs(1) + part) * 11
    tl.store(out, peak)
    tl.store(out + 1, tl.sum(mass))
    tl.store(out + 2, c0.to(DTYPE))
    tl.store(out + 3, c1.to(DTYPE))
    tl.store(out + 4, c2.to(DTYPE))
    tl.store(out + 5, tl.sum(m0))
    tl.store(out + 6, tl.sum(m1))
    tl.store(out + 7, tl.sum(m2))
    tl.store(out + 8, tl.sum(q0))
    tl.store(out + 9, tl.sum(q1))
    tl.store(out + 10, tl.sum(q2))


@triton.jit
def _combine_kernel(parts, lse, mean, std, count, steps, P0: tl.constexpr, P1: tl.constexpr, P2: tl.constexpr,
                    PARTS: tl.constexpr):
    volume = tl.program_id(0).to(tl.int64)
    lanes = tl.arange(0, PARTS)
    inside = lanes < count
    base = parts + (volume * count + lanes) * 11
    peaks = tl.load(base, mask=inside, other=float('-inf'))
    peak = tl.max(peaks)
    best = tl.argmax(peaks, 0)
    shrink = tl.where(inside, tl.exp(peaks - peak), 0.0)
    masses = tl.load(base + 1, mask=inside, other=0.0) * shrink
    mass = tl.sum(masses)
    tl.store(lse + volume, peak + tl.log(mass))
    for axis in tl.static_range(3):
        centres = tl.load(base + 2 + axis, mask=inside, other=0.0)
        first = tl.load(base + 5 + axis, mask=inside, other=0.0) * shrink
        second = tl.load(base + 8 + axis, mask=inside, other=0.0) * shrink
        centre = tl.sum(tl.where(lanes == best, centres, 0.0))
        shift = centres - centre
        second = tl.sum(second + 2 * shift * first + shift * shift * masses) / mass
        first = tl.sum(first + shift * masses) / mass
        place = P0 if axis == 0 else (P1 if axis == 1 else P2)
        step = tl.load(steps + place)
        tl.store(mean + volume * 3 + place, (centre + first) * step)
        tl.store(std + volume * 3 + place, tl.sqrt(tl.maximum(second - first * first, 0.0)) * step)


@triton.jit
def _gradient_kernel(logits, lse, mean, grad_mean, grad, steps, stride_b, stride_k, joints, s0, s1, s2,
                     P0: tl.constexpr, P1: tl.constexpr, P2: tl.constexpr, N0: tl.constexpr, N1: tl.constexpr,
                     N2: tl.constexpr, BLOCK: tl.constexpr, DTYPE: tl.constexpr):
    volume, part = tl.program_id(0).to(tl.int64), tl.program_id(1)
    shift = (volume // joints) * stride_b + (volume % joints) * stride_k
    index = part * BLOCK + tl.arange(0, BLOCK)
    a0, a1, a2 = _cells(index, N1, N2)
    cell = a0 * s0 + a1 * s1 + a2 * s2
    inside = index < N0 * N1 * N2
    value = tl.load(logits + shift + cell, mask=inside, other=float('-inf')).to(DTYPE)
    softmax = tl.exp(value - tl.load(lse + volume))
    g0, g1, g2 = (tl.load(grad_mean + volume * 3 + P0), tl.load(grad_mean + volume * 3 + P1),
                  tl.load(grad_mean + volume * 3 + P2))
    slope = g0 * (a0.to(DTYPE) * tl.load(steps + P0) - tl.load(mean + volume * 3 + P0))
    slope += g1 * (a1.to(DTYPE) * tl.load(steps + P1) - tl.load(mean + volume * 3 + P1))
    slope += g2 * (a2.to(DTYPE) * tl.load(steps + P2) - tl.load(mean + volume * 3 + P2))
    tl.store(grad + shift + cell, (softmax * slope).to(grad.dtype.element_ty), mask=inside)


def can_run(device):
    """Whether kernels run there: on CUDA, or anywhere in Triton's interpreter (``TRITON_INTERPRET=1``)."""
    return device.type == 'cuda' or os.environ.get('TRITON_INTERPRET') == '1'


@functools.lru_cache(maxsize=8)
def _programs_wanted(device):
    """Programs that keep a device busy."""
    return PROGRAMS_PER_SM * torch.cuda.get_device_properties(device).multi_processor_count \
        if device.type == 'cuda' else 4


def _splits(volumes, size, device):
    """Parts of a volume that get a program each, and elements of a part."""
    parts = max(1, min(_programs_wanted(device) // max(volumes, 1), triton.cdiv(size, BLOCK)))
    span = triton.cdiv(triton.cdiv(size, parts), BLOCK) * BLOCK
    return triton.cdiv(size, span), span


def _layout(logits):
    """Axes of a volume from the largest stride to the smallest, so that neighbours in memory are read together.

    Returns:
        tuple: sizes, strides (elements), and the place of each axis in (x, y, z).
    """
    axes = sorted((2, 3, 4), key=lambda axis: -logits.stride(axis))
    return [logits.shape[axis] for axis in axes], [logits.stride(axis) for axis in axes], [4 - axis for axis in axes]


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
    def forward(ctx, logits, steps):
        batch, joints = logits.shape[:2]
        mean, std = (steps.new_empty(batch, joints, 3) for _ in range(2))
        lse = steps.new_empty(batch, joints)
        ctx.mark_non_differentiable(std)
        ctx.save_for_backward(logits, lse, mean, steps)
        if not batch * joints:
            return mean, std
        sizes, strides, places = _layout(logits)
        parts, span = _splits(batch * joints, logits[0, 0].numel(), logits.device)
        partial = steps.new_empty(batch * joints, parts, _FIELDS)
        dtype = tl.float64 if steps.dtype == torch.float64 else tl.float32
        _moments_kernel[batch * joints, parts](
            logits, partial, *logits.stride()[:2], joints, span, *strides, *sizes, BLOCK=BLOCK, DTYPE=dtype,
            num_warps=WARPS)
        _combine_kernel[batch * joints, ](partial, lse, mean, std, parts, steps, *places,
                                          PARTS=triton.next_power_of_2(parts), num_warps=1)
        return mean, std

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_mean, _):
        logits, lse, mean, steps = ctx.saved_tensors
        grad = torch.empty_like(logits)  # dense, so with the same strides
        if grad.numel():
            sizes, strides, places = _layout(logits)
            blocks = triton.cdiv(logits[0, 0].numel(), BLOCK)
            dtype = tl.float64 if steps.dtype == torch.float64 else tl.float32
            _gradient_kernel[lse.numel(), blocks](
                logits, lse, mean, grad_mean.contiguous(), grad, steps, *logits.stride()[:2], logits.shape[1],
                *strides, *places, *sizes, BLOCK=BLOCK, DTYPE=dtype, num_warps=WARPS)
        return grad, None


def soft_argmax_triton(logits, grids):
    """See :func:`mmpose_integral.ops.soft_argmax.soft_argmax_reference`: same arguments, same results.

    Raises:
        RuntimeError: the logits lie where Triton cannot run.
    """
    if not can_run(logits.device):
        raise RuntimeError(f"backend 'triton': logits on a CUDA device expected, got {logits.device}; 'auto' chooses "
                           'a backend that can run')
    # Grids start at 0 and are even: their step says everything. Where an axis has one cell, that cell is at 0.
    steps = torch.stack([grid[1] if len(grid) > 1 else torch.ones_like(grid[0]) for grid in grids])
    return SoftArgmax3DTriton.apply(logits if is_dense(logits) else logits.contiguous(), steps)
