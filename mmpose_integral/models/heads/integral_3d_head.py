from mmpose.models.heads import HeatmapHead
from mmpose.registry import MODELS
from torch import nn

from mmpose_integral.models.heads.coordinate_head import Coordinate3DHeadMixin
from mmpose_integral.ops import argmax_3d, linear_soft_argmax_3d, remove_background, soft_argmax_3d


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
        backend (str): of :func:`soft_argmax_3d`, or of :func:`linear_soft_argmax_3d` without a volume.
        materialize_volume (bool): False takes the last convolution and the integral as one operation that never holds
            the volume, see :func:`linear_soft_argmax_3d`: same layers, same coordinates, much less memory. A volume
            loss, ``debias`` and ``peak`` need the volume.
        **kwargs: of :class:`HeatmapHead`.

    Raises:
        ValueError: something needs the volume that is not to be materialised, or the last layer is not a plain 1x1
            convolution.
    """

    def __init__(self, in_channels, num_joints, depth_bins, deconv_out_channels=(256, 256, 256),
                 deconv_kernel_sizes=(4, 4, 4), loss=None, volume_loss=None, debias=False, peak=False, decoder=None,
                 backend='auto', materialize_volume=True, **kwargs):
        super().__init__(in_channels, num_joints * depth_bins, deconv_out_channels, deconv_kernel_sizes,
                         loss=loss or dict(type='CoordinateL1Loss'), decoder=decoder, **kwargs)
        self.num_joints = num_joints
        self.depth_bins = depth_bins
        self.volume_loss = MODELS.build(volume_loss) if volume_loss else None
        self.debias = debias
        self.peak = peak
        self.backend = backend
        self.materialize_volume = materialize_volume
        if not materialize_volume:
            self._check_without_volume()

    def _check_without_volume(self):
        """Refuse what needs a volume."""
        for name in ('volume_loss', 'debias', 'peak'):
            if getattr(self, name):
                raise ValueError(f'materialize_volume=False: {name} needs the volume; leave one of the two out')
        layer = self.final_layer
        if not isinstance(layer, nn.Conv2d) or layer.weight.shape[1:] != (layer.in_channels, 1, 1) or \
                (layer.stride, layer.padding) != ((1, 1), (0, 0)):
            raise ValueError('materialize_volume=False: a 1x1 convolution of all channels expected as final_layer, got '
                             f'{layer}')

    def logits(self, feats):
        """Feature maps (last one (B, C, h, w)) -> logits (B, K, D, H, W)."""
        return super().forward(feats).unflatten(1, (self.num_joints, self.depth_bins))

    def integrate(self, logits, return_std=False):
        """Logits (B, K, D, H, W) -> coordinates, and standard deviations if asked for; see :meth:`forward`."""
        return soft_argmax_3d(remove_background(logits) if self.debias else logits, self.backend, return_std)

    def integrate_features(self, feats, return_std=False):
        """As :meth:`integrate` of :meth:`logits`, without a volume."""
        features = self.conv_layers(self.deconv_layers(feats[-1]))
        return linear_soft_argmax_3d(features, self.final_layer.weight, self.final_layer.bias, self.num_joints,
                                     self.backend, return_std)

    def forward(self, feats, return_std=False):
        """Coordinates of a batch.

        Args:
            feats (tuple[torch.Tensor]): the backbone's feature maps; the last one is used.
            return_std (bool): also return each axis' standard deviation.

        Returns:
            torch.Tensor | tuple[torch.Tensor]: (B, K, 3), normalised x, y, z, float32 at least.
        """
        if not self.materialize_volume:
            return self.integrate_features(feats, return_std)
        logits = self.logits(feats)
        if not self.peak:
            return self.integrate(logits, return_std)
        return (argmax_3d(logits), self.integrate(logits, True)[1]) if return_std else argmax_3d(logits)

    def loss(self, feats, batch_data_samples, train_cfg=None):
        """As :meth:`Coordinate3DHeadMixin.loss`, with ``loss_volume`` where there is a volume loss."""
        if not self.materialize_volume:
            return super().loss(feats, batch_data_samples, train_cfg)
        labels, weights = self.gather_labels(batch_data_samples)
        logits = self.logits(feats)
        losses = dict(loss_kpt=self.loss_module(self.integrate(logits), labels, weights))
        if self.volume_loss is not None:
            losses['loss_volume'] = self.volume_loss(logits, labels, weights)
        return dict(losses, outside_share=self.outside_share(labels, weights))
