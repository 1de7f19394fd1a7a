from mmpose.models.heads.base_head import BaseHead
from mmpose.registry import KEYPOINT_CODECS, MODELS
from torch import nn

from mmpose_integral.models.heads.coordinate_head import Coordinate3DHeadMixin


@MODELS.register_module()
class Regression3DHead(Coordinate3DHeadMixin, BaseHead):
    """Direct regression: average pooling and one linear layer to x, y, z, the baseline of the integral papers.

    Same codec, labels and losses as :class:`Integral3DHead`; there is no volume, and so no uncertainty.

    Args:
        in_channels (int): channels of the backbone's last feature map.
        num_joints (int): K.
        loss (dict, optional): as of :class:`Integral3DHead`.
        decoder (dict): config of the codec.
        init_cfg (dict | list, optional): starts in the middle of the crop by default.
    """

    def __init__(self, in_channels, num_joints, loss=None, decoder=None, init_cfg=None):
        super().__init__(init_cfg or [dict(type='Normal', layer='Linear', std=0.01, bias=0.5)])
        self.num_joints = num_joints
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(in_channels, num_joints * 3)
        self.loss_module = MODELS.build(loss or dict(type='CoordinateL1Loss'))
        self.decoder = KEYPOINT_CODECS.build(decoder) if decoder else None

    def forward(self, feats, return_std=False):
        """Feature maps (last one (B, C, h, w)) -> (B, K, 3), normalised; with ``return_std``, also None."""
        mean = self.fc(self.pool(feats[-1]).flatten(1)).unflatten(1, (self.num_joints, 3)).float()
        return (mean, None) if return_std else mean
