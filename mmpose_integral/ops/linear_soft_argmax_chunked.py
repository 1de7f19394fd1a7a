"""Features to moments in plain PyTorch, a few joints at a time: a part of the volume lives for a moment and is gone.

Four matrix products stand where a convolution that keeps its volume has three: one forward, and backward the same
again, one for the features and one for the weights. What this saves is six passes over the volume in main memory.
"""
import torch
from torch.autograd.function import once_differentiable

from .soft_argmax_eager import moments

# Logits in work at a time: float32 copies and temporaries of them stay in the last cache of a CPU core (8 MB each) or
# of a GPU (32 MB each). A joint whose volume is larger is still taken whole.
CHUNK_ELEMENTS = dict(cpu=1 << 21, cuda=1 << 23)
# Several images are taken together as far as they fill this part of it.
BATCHED_SHARE = 4


def chunk_sizes(batch, joints, depth, channels, pixels, device):
    """Images and joints that are taken together.

    Joints come before images: fewer partial sums of the features' gradient, and these are as large as the features.

    Args:
        batch, joints, depth, channels, pixels (int): B, K, D, C, H * W.
        device (torch.device): whose cache counts.

    Returns:
        tuple[int]: images, joints.
    """
    room = CHUNK_ELEMENTS.get(device.type, 1 << 23)
    at_once = max(1, room // (depth * pixels))
    if at_once < joints:
        groups = -(-joints // at_once)
        return 1, -(-joints // groups)  # groups of about the same size
    # Batched products gain by fewer launches, but are slower than plain ones where there is much to compute; and each
    # image also leaves a partial gradient of the weights.
    return max(1, min(batch, at_once // (BATCHED_SHARE * joints), room // (joints * depth * channels))), joints


def _logits(features, weight, bias):
    """(b, C, P), (R, C), (R,) -> (b, R, P), in the features' type as a convolution gives it."""
    return torch.baddbmm(bias[None, :, None], weight.expand(len(features), -1, -1), features)


def _add_product(total, left, right):
    """total += left @ right, batched, where the total may be of a wider type than its parts."""
    if left.dtype == total.dtype:
        total.baddbmm_(left, right)
    else:
        total += torch.bmm(left, right)


def _gradient(logits, lse, mean, grad_mean, grids):
    """Gradient of (b, j, D, H * W) logits in the grids' type: the softmax times what a cell adds to the loss."""
    grid_x, grid_y, grid_z = grids
    grad_x, grad_y, grad_z = grad_mean[..., None].unbind(2)
    plane = ((grad_x * grid_x)[:, :, None, :] + (grad_y * grid_y)[..., None]).flatten(2)
    column = grad_z * grid_z - (grad_mean * mean).sum(-1, keepdim=True)
    softmax = (logits.to(lse.dtype) - lse[..., None, None]).exp_()
    return softmax.mul_(plane[:, :, None] + column[..., None])


class LinearSoftArgmax3D(torch.autograd.Function):
    """Mean and std of the softmax over (d, pixel) of weight @ features + bias; backward makes the logits anew.

    Saved are the arguments, a log-sum-exp and a mean a joint.
    """

    @staticmethod
    def forward(ctx, features, weight, bias, grids, num_joints):
        batch, channels, pixels = features.shape
        shape = [len(grid) for grid in reversed(grids)]
        mean, std = (grids[0].new_empty(batch, num_joints, 3) for _ in range(2))
        lse = mean.new_empty(batch, num_joints)
        ctx.mark_non_differentiable(std)
        ctx.save_for_backward(features, weight, bias, lse, mean, *grids)
        ctx.sizes = chunk_sizes(batch, num_joints, shape[0], channels, pixels, features.device)
        weights, biases = weight.unflatten(0, (num_joints, -1)), bias.unflatten(0, (num_joints, -1))
        images, joints = ctx.sizes
        for n in range(0, batch, images):
            for k in range(0, num_joints, joints):
                part, some = (slice(n, n + images), slice(k, k + joints)), slice(k, k + joints)
                logits = _logits(features[part[0]], weights[some].flatten(0, 1), biases[some].flatten())
                volume = logits.view(len(logits), -1, *shape).to(mean.dtype)
                lse[part], mean[part], std[part] = moments(volume, grids)
        return mean, std

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_mean, _):
        features, weight, bias, lse, mean, *grids = ctx.saved_tensors
        num_joints, depth = lse.shape[1], len(grids[2])
        images, joints = ctx.sizes
        to_features, to_weight, to_bias = ctx.needs_input_grad[:3]
        grad_features = torch.empty_like(features) if to_features else None
        grad_weight, grad_bias = (torch.zeros_like(one, dtype=lse.dtype) for one in (weight, bias))
        for n in range(0, len(features), images):
            some = features[n:n + images]
            total = torch.zeros_like(some, dtype=lse.dtype) if to_features else None
            for k in range(0, num_joints, joints):
                part, rows = (slice(n, n + images), slice(k, k + joints)), slice(k * depth, (k + joints) * depth)
                logits = _logits(some, weight[rows], bias[rows]).unflatten(1, (-1, depth))
                grad = _gradient(logits, lse[part], mean[part], grad_mean[part], grids).flatten(1, 2)
                if to_bias:
                    grad_bias[rows] += grad.sum((0, 2))
                grad = grad.to(features.dtype)
                if to_features:
                    _add_product(total, weight[rows].t().expand(len(some), -1, -1), grad)
                if to_weight:
                    _add_weights(grad_weight[rows], grad, some)
            if to_features:
                grad_features[n:n + images] = total
        return (grad_features, grad_weight.to(weight.dtype) if to_weight else None,
                grad_bias.to(bias.dtype) if to_bias else None, None, None)


def _add_weights(total, grad, features):
    """total (R, C) += sum over images of grad (b, R, P) @ features (b, C, P) transposed."""
    if len(grad) == 1:
        _add_product(total[None], grad, features.transpose(1, 2))
    else:
        total += torch.bmm(grad, features.transpose(1, 2)).sum(0, dtype=total.dtype)


def linear_soft_argmax_chunked(features, weight, bias, grids, num_joints):
    """See :func:`mmpose_integral.ops.linear_soft_argmax.linear_soft_argmax_reference`: same arguments and results."""
    return LinearSoftArgmax3D.apply(features, weight, bias, grids, num_joints)
