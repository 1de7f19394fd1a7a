from collections.abc import Sequence

import torch
from mmpose.models.heads import HeatmapHead
from mmpose.registry import MODELS

from mmpose_integral.models.heads.coordinate_head import Coordinate3DHeadMixin
from mmpose_integral.ops import argmax_3d, remove_background, soft_argmax_3d


@MODELS.register_module()
class Integral3DHead(Coordinate3DHeadMixin, HeatmapHead):
    """Deconvolutions and a 1x1 convolution to one (D, H, W) volume per joint, integrated to x, y, z.

    The layers are those of mmpose's :class:`HeatmapHead`. Channel k * D + d of the last layer is depth bin d of joint
    k, which is the order of the authors' released weights. The state dict holds these layers and nothing else.

    Args:
        in_channels: Number of channels of the backbone's last feature map.
        num_joints: Number of joints, K.
        depth_bins: Number of depth bins, D; the paper takes a quarter of the input's width.
        deconv_out_channels: Widths of the deconvolutions, each of which doubles the resolution; None for backbones
            whose output has a quarter of the input's resolution.
        deconv_kernel_sizes: Kernel sizes of the deconvolutions.
        loss: Config of a loss that is called with output, target and weights, (B, K, 3) each. Default:
            :class:`CoordinateL1Loss`.
        volume_loss: Config of a further loss, called with the logits, target and weights, such as
            :class:`VolumeCrossEntropyLoss`. The paper has none.
        debias: Whether to integrate without the volume's background; see :func:`remove_background`.
        peak: Whether to predict the largest cell instead of the integral, as a model needs it that is trained with a
            volume loss alone.
        decoder: Config of the codec, :class:`Integral3DLabel`.
        backend: Backend of :func:`soft_argmax_3d`.
        **kwargs: Further arguments of :class:`HeatmapHead`.
    """

    def __init__(self, in_channels: int, num_joints: int, depth_bins: int,
                 deconv_out_channels: Sequence[int] = (256, 256, 256), deconv_kernel_sizes: Sequence[int] = (4, 4, 4),
                 loss: dict | None = None, volume_loss: dict | None = None, debias: bool = False, peak: bool = False,
                 decoder: dict | None = None, backend: str = 'auto', **kwargs) -> None:
        super().__init__(in_channels, num_joints * depth_bins, deconv_out_channels, deconv_kernel_sizes,
                         loss=loss or dict(type='CoordinateL1Loss'), decoder=decoder, **kwargs)
        self.num_joints = num_joints
        self.depth_bins = depth_bins
        self.volume_loss = MODELS.build(volume_loss) if volume_loss else None
        self.debias = debias
        self.peak = peak
        self.backend = backend

    def logits(self, feats: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Convert feature maps (last one (B, C, h, w)) to logits (B, K, D, H, W)."""
        return super().forward(feats).unflatten(1, (self.num_joints, self.depth_bins))

    def integrate(self, logits: torch.Tensor,
                  return_std: bool = False) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Convert logits (B, K, D, H, W) to coordinates and, if wanted, standard deviations; see :meth:`forward`."""
        return soft_argmax_3d(remove_background(logits) if self.debias else logits, self.backend, return_std)

    def forward(self, feats: tuple[torch.Tensor, ...],
                return_std: bool = False) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Predict the coordinates of a batch.

        Args:
            feats: Feature maps of the backbone; the last one is used.
            return_std: Whether to return the standard deviation of each axis, too.

        Returns:
            (B, K, 3), normalised x, y, z, at least float32; with ``return_std`` a pair of such tensors.
        """
        logits = self.logits(feats)
        if not self.peak:
            return self.integrate(logits, return_std)
        return (argmax_3d(logits), self.integrate(logits, True)[1]) if return_std else argmax_3d(logits)

    def loss(self, feats, batch_data_samples, train_cfg=None):
        """Do what :meth:`Coordinate3DHeadMixin.loss` does, with ``loss_volume`` if there is a volume loss."""
        labels, weights = self.gather_labels(batch_data_samples)
        logits = self.logits(feats)
        losses = dict(loss_kpt=self.loss_module(self.integrate(logits), labels, weights))
        if self.volume_loss is not None:
            losses['loss_volume'] = self.volume_loss(logits, labels, weights)
        return dict(losses, outside_share=self.outside_share(labels, weights))
