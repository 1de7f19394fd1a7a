from mmpose.registry import KEYPOINT_CODECS, MODELS
from torch import nn

from mmpose_integral.models.heads.coordinate_head import Coordinate3DHead, Coordinates, FeatureMaps


@MODELS.register_module()
class Regression3DHead(Coordinate3DHead):
    """Direct regression by average pooling and one linear layer to x, y, z, the baseline of the integral papers.

    Codec, labels and losses are those of :class:`Integral3DHead`. Without a volume, there are no standard deviations.

    Args:
        in_channels: Number of channels of the backbone's last feature map.
        num_joints: Number of joints, K.
        loss: Config of the loss, as in :class:`Integral3DHead`.
        decoder: Config of the codec.
        init_cfg: Initialisation. Default: predictions near the middle of the crop.
    """

    def __init__(self, in_channels: int, num_joints: int, loss: dict | None = None, decoder: dict | None = None,
                 init_cfg: dict | list | None = None) -> None:
        super().__init__(init_cfg or [dict(type='Normal', layer='Linear', std=0.01, bias=0.5)])
        self.num_joints = num_joints
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(in_channels, num_joints * 3)
        self.loss_module = MODELS.build(loss or dict(type='CoordinateL1Loss'))
        self.decoder = KEYPOINT_CODECS.build(decoder) if decoder else None

    def forward(self, feats: FeatureMaps, return_std: bool = False) -> Coordinates:
        """Convert feature maps (last one (B, C, h, w)) to (B, K, 3), normalised; ``return_std`` adds None."""
        mean = self.fc(self.pool(feats[-1]).flatten(1)).unflatten(1, (self.num_joints, 3)).float()
        return (mean, None) if return_std else mean
