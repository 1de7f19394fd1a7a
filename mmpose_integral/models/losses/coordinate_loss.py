from collections.abc import Callable

import torch
import torch.nn.functional as F
from mmpose.registry import MODELS
from torch import nn


class CoordinateLoss(nn.Module):
    """Weighted sum of one error per coordinate over joints and axes, divided by the batch size.

    The scale is that of the released code. A coordinate of weight 0 adds nothing and gets no gradient, for any
    label. Subclasses define ``error_function``, which is called with output, target and ``reduction='none'``.

    Args:
        loss_weight: Factor of the result.
    """

    error_function: Callable[..., torch.Tensor]

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, output: torch.Tensor, target: torch.Tensor, target_weight: torch.Tensor) -> torch.Tensor:
        """Compute the loss of a batch, a scalar.

        Args:
            output: (B, K, 3), predicted x, y, z, normalised.
            target: (B, K, 3), labels, normalised.
            target_weight: (B, K, 3), weights, 0 or more.

        Raises:
            ValueError: If the three shapes differ.
        """
        if not output.shape == target.shape == target_weight.shape:
            raise ValueError('output, target and target_weight: one shape (B, K, 3) expected, got '
                             f'{tuple(output.shape)}, {tuple(target.shape)}, {tuple(target_weight.shape)}')
        # where() instead of a product, because the label of an absent joint may be anything, and 0 * nan is nan.
        target = torch.where(target_weight > 0, target, output.detach())
        error = self.error_function(output, target, reduction='none')
        return self.loss_weight * (error * target_weight).sum() / len(output)


@MODELS.register_module()
class CoordinateL1Loss(CoordinateLoss):
    """Absolute error, which the paper uses."""

    error_function = staticmethod(F.l1_loss)


@MODELS.register_module()
class CoordinateL2Loss(CoordinateLoss):
    """Squared error, which the paper does not use.

    In normalised units its gradient, twice the error, is far smaller than that of L1. Adam compensates for that.
    """

    error_function = staticmethod(F.mse_loss)
