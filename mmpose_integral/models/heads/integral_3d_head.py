from mmpose.models.heads import HeatmapHead
from mmpose.registry import MODELS

from mmpose_integral.models.heads.coordinate_head import Coordinate3DHeadMixin
from mmpose_integral.ops import argmax_3d, remove_background, soft_argmax_3d


@MODELS.register_module()
class Integral3DHead(Coordinate3DHeadMixin, HeatmapHead):
    """Deconvolutions and a 1x1 convolution to a (D, H, W) volume a joint, integrated to x, y, z.

    The layers are those of mmpose's :class:`HeatmapHead`; channel k * D + d of the last one is depth bin d of joint
    k, the order of the authors' released weights. The state dict holds these layers and nothing else.

    Args:
        in_channels (int): channels of the backbone's last feature map.
        num_joints (int): K.
        depth_bins (int): D; the paper takes a quarter of the input's width.
        deconv_out_channels (Sequence[int], optional): widths of the deconvolutions, each of which doubles the
            resolution; None for backbones that give a quarter of the input's by themselves.
        deconv_kernel_sizes (Sequence[int], optional): their kernels.
        loss (dict, optional): config of a loss called with output, target and weights, (B, K, 3) each; defaults to
            :class:`CoordinateL1Loss`.
        volume_loss (dict, optional): config of a further loss, called with the logits, target and weights, such as
            :class:`VolumeCrossEntropyLoss`. The paper has none.
        debias (bool): integrate without the volume's background, see :func:`remove_background`.
        peak (bool): predict the largest cell instead of the integral, as models of a volume loss alone want.
        decoder (dict): config of the codec, :class:`Integral3DLabel`.
        backend (str): Backend of :func:`soft_argmax_3d`.
        **kwargs: of :class:`HeatmapHead`.
    """

    def __init__(self, in_channels, num_joints, depth_bins, deconv_out_channels=(256, 256, 256),
                 deconv_kernel_sizes=(4, 4, 4), loss=None, volume_loss=None, debias=False, peak=False, decoder=None,
                 backend='auto', **kwargs):
        super().__init__(in_channels, num_joints * depth_bins, deconv_out_channels, deconv_kernel_sizes,
                         loss=loss or dict(type='CoordinateL1Loss'), decoder=decoder, **kwargs)
        self.num_joints = num_joints
        self.depth_bins = depth_bins
        self.volume_loss = MODELS.build(volume_loss) if volume_loss else None
        self.debias = debias
        self.peak = peak
        self.backend = backend

    def logits(self, feats):
        """Feature maps (last one (B, C, h, w)) -> logits (B, K, D, H, W)."""
        return super().forward(feats).unflatten(1, (self.num_joints, self.depth_bins))

    def integrate(self, logits, return_std=False):
        """Logits (B, K, D, H, W) -> coordinates, and standard deviations if asked for; see :meth:`forward`."""
        return soft_argmax_3d(remove_background(logits) if self.debias else logits, self.backend, return_std)

    def forward(self, feats, return_std=False):
        """Coordinates of a batch.

        Args:
            feats (tuple[torch.Tensor]): the backbone's feature maps; the last one is used.
            return_std (bool): also return each axis' standard deviation.

        Returns:
            torch.Tensor | tuple[torch.Tensor]: (B, K, 3), normalised x, y, z, float32 at least.
        """
        logits = self.logits(feats)
        if not self.peak:
            return self.integrate(logits, return_std)
        return (argmax_3d(logits), self.integrate(logits, True)[1]) if return_std else argmax_3d(logits)

    def loss(self, feats, batch_data_samples, train_cfg=None):
        """As :meth:`Coordinate3DHeadMixin.loss`, with ``loss_volume`` where there is a volume loss."""
        labels, weights = self.gather_labels(batch_data_samples)
        logits = self.logits(feats)
        losses = dict(loss_kpt=self.loss_module(self.integrate(logits), labels, weights))
        if self.volume_loss is not None:
            losses['loss_volume'] = self.volume_loss(logits, labels, weights)
        return dict(losses, outside_share=self.outside_share(labels, weights))
