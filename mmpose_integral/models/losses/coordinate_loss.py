import torch
import torch.nn.functional as F
from mmpose.registry import MODELS
from torch import nn


@MODELS.register_module()
class CoordinateL1Loss(nn.Module):
    """L1 over the coordinates that have a weight: sum over joints and axes, divided by the batch size.

    The scale is the released code's. A coordinate of weight 0 adds nothing and gets no gradient, whatever its label.

    Args:
        loss_weight (float): factor of the result.
    """

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
        error = F.l1_loss(output, torch.where(target_weight > 0, target, output.detach()), reduction='none')
        return self.loss_weight * (error * target_weight).sum() / len(output)
