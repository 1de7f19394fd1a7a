"""Soft-argmax in eager PyTorch with its own backward pass, which recomputes the softmax.

For that pass, the forward pass keeps the logits themselves, the grids and, per joint, the log-sum-exp and the mean.
"""
from typing import Any

import torch
from torch.autograd.function import once_differentiable

# The images of a batch are processed in chunks, and large images also in chunks of joints. On a CPU, temporaries then
# stay in the caches. On a GPU, they stay small compared with the volume, while each kernel still has enough work.
CHUNK_ELEMENTS = dict(cpu=1 << 19, cuda=1 << 26)


def _chunks(logits: torch.Tensor) -> list[tuple[slice, slice]]:
    """Slices along batch and joints of about CHUNK_ELEMENTS elements each."""
    batch, joints = logits.shape[:2]
    room = max(1, CHUNK_ELEMENTS.get(logits.device.type, 1 << 26) // logits.shape[2:].numel())
    images, some = max(1, room // max(1, joints)), min(room, max(1, joints))
    return [(slice(n, n + images), slice(k, k + some)) for n in range(0, batch, images)
            for k in range(0, joints, some)]


def moments(volume: torch.Tensor, grids: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Log-sum-exp (b, K), mean (b, K, 3) and std (b, K, 3) of a (b, K, D, H, W) volume in the grids' type."""
    peak = volume.flatten(2).amax(-1)[..., None, None, None]
    weight = (volume - peak).exp_()
    along_h = weight.sum(-1)
    marginals = (weight.sum((2, 3)), along_h.sum(2), along_h.sum(3))
    total = marginals[2].sum(-1)
    mean = torch.stack([p @ g for p, g in zip(marginals, grids, strict=True)], -1) / total[..., None]
    spread = [(p * (g - m[..., None])**2).sum(-1) for p, g, m in zip(marginals, grids, mean.unbind(-1), strict=True)]
    std = (torch.stack(spread, -1) / total[..., None]).sqrt()
    return peak[..., 0, 0, 0] + total.log(), mean, std


class SoftArgmax3D(torch.autograd.Function):
    """Mean and std of the softmax of a volume.

    With p the softmax and m the mean, d m_a / d l_i = p_i (g_a(i) - m_a) for each axis a. The std has no gradient.
    """

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, *grids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean, std = (grids[0].new_empty(*logits.shape[:2], 3) for _ in range(2))
        lse = mean.new_empty(logits.shape[:2])
        for s in _chunks(logits):
            # Reducing a channels-last volume is slower than a contiguous copy of it.
            lse[s], mean[s], std[s] = moments(logits[s].contiguous().to(mean.dtype), grids)
        ctx.save_for_backward(logits, lse, mean, *grids)
        ctx.mark_non_differentiable(std)
        return mean, std

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_mean: torch.Tensor, _: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        logits, lse, mean, grid_x, grid_y, grid_z = ctx.saved_tensors
        offset = (grad_mean * mean).sum(-1)
        grad = torch.empty_like(logits, memory_format=torch.contiguous_format)
        for s in _chunks(logits):
            grad_x, grad_y, grad_z = grad_mean[s][..., None].unbind(2)
            slope = (grad_x * grid_x - offset[s][..., None])[:, :, None, None, :]
            slope = slope + (grad_y * grid_y)[:, :, None, :, None]
            slope = slope + (grad_z * grid_z)[:, :, :, None, None]
            softmax = (logits[s].contiguous().to(slope.dtype) - lse[s][..., None, None, None]).exp_()
            grad[s] = softmax.mul_(slope)
        return grad, None, None, None


def soft_argmax_eager(logits: torch.Tensor, grids: tuple[torch.Tensor, ...],
                      with_std: bool = True) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Do what :func:`mmpose_integral.ops.soft_argmax.soft_argmax_reference` does, with less memory."""
    mean, std = SoftArgmax3D.apply(logits, *grids)  # std costs little: it comes from the marginals
    return mean, std if with_std else None
