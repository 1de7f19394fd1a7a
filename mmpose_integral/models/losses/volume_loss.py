import torch
from mmpose.registry import MODELS
from torch import nn

from mmpose_integral.ops import axis_grid


@MODELS.register_module()
class VolumeCrossEntropyLoss(nn.Module):
    r"""Heat-map loss: cross-entropy between a Gaussian around the label and the softmax of the volume.

    .. math:: -\sum_{dhw} t_{dhw} \log \mathrm{softmax}(l)_{dhw}

    The target is separable, :math:`t = t_z t_y t_x`, and each factor sums to 1. For a joint without depth, the volume
    is summed over depth. Joints whose label lies outside the volume have no target and are left out (the coordinate
    losses keep them). The sum over joints is divided by the batch size.

    The paper mentions heat-map supervision in addition to or instead of the integral, and does not use it (section
    2.2). Sun et al., "Integral Human Pose Regression", ECCV 2018, compare these losses.

    Args:
        sigma: Standard deviation of the target, cells.
        loss_weight: Factor of the result.
    """

    def __init__(self, sigma: float = 1.0, loss_weight: float = 1.0) -> None:
        super().__init__()
        if not sigma > 0:
            raise ValueError(f'sigma: a number of cells above 0 expected, got {sigma}')
        self.sigma = sigma
        self.loss_weight = loss_weight

    def _target(self, label: torch.Tensor, size: int) -> torch.Tensor:
        """Gaussian of each label, (M,) normalised, on an axis of ``size`` cells: (M, size), whose rows sum to 1."""
        cells = axis_grid(size, dtype=label.dtype, device=label.device) * size
        return (-0.5 * ((cells - label[:, None] * size) / self.sigma)**2).softmax(-1)

    def forward(self, logits: torch.Tensor, target: torch.Tensor, target_weight: torch.Tensor) -> torch.Tensor:
        """Compute the loss of a batch, a scalar, at least float32.

        Args:
            logits: (B, K, D, H, W).
            target: (B, K, 3), labels x, y, z, normalised.
            target_weight: (B, K, 3), weights. A joint is used if x and y have a weight, and its depth if z has one.
        """
        known = target_weight > 0
        target = torch.where(known, target, 0)  # an absent label may be anything
        inside = (target >= 0) & (target < 1)
        used = known[..., :2].all(-1) & inside.all(-1)
        deep, flat = used & known[..., 2], used & ~known[..., 2]
        dtype = torch.promote_types(logits.dtype, torch.float32)
        with torch.autocast(logits.device.type, enabled=False):
            summed = logits[flat].to(dtype).logsumexp(1, keepdim=True)
            loss = (self._cross_entropy(logits[deep].to(dtype), target[deep]).sum()
                    + self._cross_entropy(summed, target[flat]).sum())
        return self.loss_weight * loss / len(logits)

    def _cross_entropy(self, volume: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """Loss of M joints, (M,), from (M, D, H, W) logits and (M, 3) labels. An axis of one cell has a target of 1."""
        depth, height, width = volume.shape[1:]
        label = label.to(volume.dtype)
        factors = [self._target(label[:, axis], size) for axis, size in ((0, width), (1, height), (2, depth))]
        return volume.flatten(1).logsumexp(-1) - torch.einsum('mdhw,mw,mh,md->m', volume, *factors)
