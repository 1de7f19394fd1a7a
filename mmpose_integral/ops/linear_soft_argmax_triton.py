"""Features to moments by Triton kernels: logits never leave a program.

Forward, each of the K * D rows keeps an online softmax with mass, means and squared deviations along x and y, as
attention does; a small kernel then joins the D rows (and parts of the pixels) of a joint, which adds z. Backward makes
each tile twice, once for the features' gradient (a program owns its pixels) and once for the weights' (a program owns
its rows; parts of the pixels are added up by torch): no atomics, the same result each time.
"""
import functools

import torch
import triton
import triton.language as tl
from torch.autograd.function import once_differentiable

from .linear_soft_argmax_kernels import features_kernel, join_kernel, moments_kernel, weights_kernel
from .soft_argmax_triton import can_run, on_its_device

# ROWS x PIXELS logits a tile, CHANNELS a step of the product (each at least 16, as tl.dot wants), OUT channels of a
# gradient that a program owns. 8 warps are 256 threads, and an accumulator takes at most 64 of a thread's registers:
# 128 x 128 / 256 of the moments' tile, whose weights take as much again, and 256 x 64 / 256 of OUT x PIXELS or
# ROWS x OUT, beside 16 of the tile. Compiled for sm_90, no kernel takes more than 219 registers or 64 KB of shared
# memory and none spills; for sm_80 two spill some bytes (tools/benchmark/kernel_code.py --kernels linear_soft_argmax).
# float32 that must not be cut to TF32 is multiplied by the ordinary cores: smaller tiles. How fast these sizes are has
# not been measured on a GPU.
BLOCKS = {2: (dict(ROWS=128, PIXELS=128, CHANNELS=64, num_warps=8, num_stages=3),
              dict(ROWS=64, PIXELS=64, CHANNELS=64, OUT=256, num_warps=8, num_stages=2)),
          4: (dict(ROWS=64, PIXELS=64, CHANNELS=32, num_warps=8, num_stages=2),
              dict(ROWS=32, PIXELS=32, CHANNELS=32, OUT=256, num_warps=8, num_stages=2))}
# Programs wanted for each multiprocessor, and the most parts into which pixels are cut for that.
PROGRAMS_PER_SM, MOST_PARTS = 4, 32


@functools.lru_cache(maxsize=8)
def _programs_wanted(device):
    """Programs that keep a device busy."""
    return PROGRAMS_PER_SM * torch.cuda.get_device_properties(device).multi_processor_count \
        if device.type == 'cuda' else 4


def _cut(tiles, programs, device):
    """Parts into which a row of tiles is cut where there are so many programs already, and tiles of a part."""
    parts = max(1, min(_programs_wanted(device) // max(programs, 1), tiles, MOST_PARTS))
    span = triton.cdiv(tiles, parts)
    return triton.cdiv(tiles, span), span


def _options(features):
    """Blocks of the moments' and of the gradients' kernels, with the types in which they compute."""
    double = features.dtype == torch.float64
    # The same switch as for products of matrices; half precision and float64 do not look at it.
    tf32 = features.dtype == torch.float32 and features.is_cuda and torch.backends.cuda.matmul.allow_tf32
    operand = {torch.bfloat16: tl.bfloat16, torch.float16: tl.float16}.get(features.dtype, tl.float32)
    if operand is tl.bfloat16 and not features.is_cuda:
        operand = tl.float32  # Triton's interpreter multiplies the bits of bfloat16 numbers
    types = dict(DTYPE=tl.float64 if double else tl.float32, OPERAND=tl.float64 if double else operand,
                 PRECISION='tf32' if tf32 else 'ieee')
    return [dict(blocks, **types) for blocks in BLOCKS[min(features.element_size(), 4)]]


def _terms(lse, mean, grad_mean, bias, grids, steps):
    """What rows add to logits and slopes, (B, 4, K * D): bias - lse, z's part, slopes along x and y in cells."""
    batch, joints = lse.shape
    depth = len(grids[2])
    shift = bias.to(lse.dtype).view(joints, depth) - lse[..., None]
    column = grad_mean[..., 2:] * grids[2] - (grad_mean * mean).sum(-1, keepdim=True)
    slopes = [(grad_mean[..., axis, None] * steps[axis]).expand(-1, -1, depth) for axis in (0, 1)]
    return torch.stack([shift, column, *slopes], 1).view(batch, 4, joints * depth)


class LinearSoftArgmax3DTriton(torch.autograd.Function):
    """Mean and std; see the module and :class:`LinearSoftArgmax3D`."""

    @staticmethod
    @on_its_device
    def forward(ctx, features, weight, bias, grids, num_joints):
        (batch, channels, pixels), rows, depth = features.shape, len(weight), len(grids[2])
        # Grids start at 0 and are even: their step says everything. Where an axis has one cell, that cell is at 0.
        steps = torch.stack([grid[1] if len(grid) > 1 else torch.ones_like(grid[0]) for grid in grids])
        mean, std = (steps.new_empty(batch, num_joints, 3) for _ in range(2))
        lse = steps.new_empty(batch, num_joints)
        ctx.mark_non_differentiable(std)
        ctx.save_for_backward(features, weight, bias, lse, mean, steps, *grids)
        if not batch:
            return mean, std
        blocks = _options(features)[0]
        row_blocks, tiles = triton.cdiv(rows, blocks['ROWS']), triton.cdiv(pixels, blocks['PIXELS'])
        parts, span = _cut(tiles, batch * row_blocks, features.device)
        partial = steps.new_empty(batch, parts, 6, rows)
        moments_kernel[row_blocks, parts, batch](
            features, weight, bias, partial, *features.stride(), channels, rows, pixels, len(grids[0]),
            span * blocks['PIXELS'], **blocks)
        join_kernel[num_joints, batch](
            partial, lse, mean, std, steps, parts, depth, rows, ENTRIES=triton.next_power_of_2(parts * depth),
            num_warps=4)
        return mean, std

    @staticmethod
    @once_differentiable
    @on_its_device
    def backward(ctx, grad_mean, _):
        features, weight, bias, lse, mean, steps, *grids = ctx.saved_tensors
        to_features, to_weight, to_bias = ctx.needs_input_grad[:3]
        grad_features = torch.empty_like(features) if to_features else None
        if not len(features):
            return grad_features, torch.zeros_like(weight), torch.zeros_like(bias), None, None
        terms, width = _terms(lse, mean, grad_mean, bias, grids, steps), len(grids[0])
        blocks = _options(features)[1]
        blocks['OUT'] = max(16, min(blocks['OUT'], triton.next_power_of_2(features.shape[1])))
        if to_features:
            _launch_features(features, weight, terms, grad_features, width, blocks)
        grads = _launch_weights(features, weight, terms, width, blocks) if to_weight or to_bias else (None, None)
        return (grad_features, grads[0].to(weight.dtype) if to_weight else None,
                grads[1].to(bias.dtype) if to_bias else None, None, None)


def _launch_features(features, weight, terms, grad, width, blocks):
    """Fill the features' gradient."""
    batch, channels, pixels = features.shape
    grid = triton.cdiv(pixels, blocks['PIXELS']), triton.cdiv(channels, blocks['OUT']), batch
    features_kernel[grid](features, weight, terms, grad, *features.stride(), *grad.stride(), channels, len(weight),
                           pixels, width, **blocks)


def _launch_weights(features, weight, terms, width, blocks):
    """Gradients of weight and bias in the statistics' type."""
    (batch, channels, pixels), rows = features.shape, len(weight)
    row_blocks, out_blocks = triton.cdiv(rows, blocks['ROWS']), triton.cdiv(channels, blocks['OUT'])
    pixel_blocks = triton.cdiv(pixels, blocks['PIXELS'])
    parts, span = _cut(batch * pixel_blocks, row_blocks * out_blocks, features.device)
    grad_weight, grad_bias = terms.new_empty(parts, rows, channels), terms.new_empty(parts, rows)
    weights_kernel[row_blocks, out_blocks, parts](
        features, weight, terms, grad_weight, grad_bias, *features.stride(), channels, rows, pixels, width,
        batch * pixel_blocks, pixel_blocks, span, **blocks)
    return grad_weight.sum(0), grad_bias.sum(0)


@torch.compiler.disable  # as soft_argmax_triton
def linear_soft_argmax_triton(features, weight, bias, grids, num_joints):
    """See :func:`mmpose_integral.ops.linear_soft_argmax.linear_soft_argmax_reference`: same arguments and results.

    Raises:
        RuntimeError: the features lie where Triton cannot run, or one image's are more than offsets of 32 bits reach.
    """
    if not can_run(features.device):
        raise RuntimeError(f"backend 'triton': features on a CUDA device expected, got {features.device}; 'auto' "
                           'chooses a backend that can run')
    last = sum((size - 1) * stride for size, stride in zip(features.shape[1:], features.stride()[1:], strict=True))
    if last >= 2**31:
        raise RuntimeError(f"backend 'triton': fewer than 2^31 elements an image expected, got features of shape "
                           f"{tuple(features.shape)} (B, C, H * W); backend 'chunked' takes them")
    return LinearSoftArgmax3DTriton.apply(features, weight.contiguous(), bias.contiguous(), grids, num_joints)
