import torch
import torch.nn.functional as F
from mmpose.registry import MODELS
from torch import nn


class CoordinateLoss(nn.Module):
    """An error a coordinate, over those that have a weight: sum over joints and axes, divided by the batch size.

    The scale is the released code's. A coordinate of weight 0 adds nothing and gets no gradient, whatever its label.
    Subclasses name the error.

    Args:
        loss_weight (float): factor of the result.
    """

    error_function = None
    """Called with output, target and ``reduction='none'``."""

    def __init__(self, loss_weight=1.0):
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, output, target, target_weight):
        """Loss of a batch.

        Args:
            output (torch.Tensor): (B, K, 3) normalised x, y, z.
            target (torch.Tensor): (B, K, 3), likewise.
            target_weight (torch.Tensor): (B, K, 3), 0 or more.

        Returns:
            torch.Tensor: scalar.

        Raises:
            ValueError: the three shapes differ.
        """
        if not output.shape == target.shape == target_weight.shape:
            raise ValueError('output, target and target_weight: one shape (B, K, 3) expected, got '
                             f'{tuple(output.shape)}, {tuple(target.shape)}, {tuple(target_weight.shape)}')
        # where(), not a product: the label of an absent joint may be anything, and 0 * nan is nan.
        target = torch.where(target_weight > 0, target, output.detach())
        error = self.error_function(output, target, reduction='none')
        return self.loss_weight * (error * target_weight).sum() / len(output)


@MODELS.register_module()
class CoordinateL1Loss(CoordinateLoss):
    """Absolute error: what the paper chose."""

    error_function = staticmethod(F.l1_loss)


@MODELS.register_module()
class CoordinateL2Loss(CoordinateLoss):
    """Squared error, which the paper did not choose.

    In normalised units its gradient, twice the error, is far smaller than L1's; Adam makes up for that.
    """

    error_function = staticmethod(F.mse_loss)
