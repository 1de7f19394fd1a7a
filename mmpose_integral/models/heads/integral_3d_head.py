import warnings
from collections.abc import Sequence
from typing import Any

import torch
from mmpose.models.heads import HeatmapHead
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

from mmpose_integral.models.heads.coordinate_head import Coordinate3DHead, Coordinates, FeatureMaps, std_layers, to_std
from mmpose_integral.models.losses import std_loss
from mmpose_integral.ops import argmax_3d, remove_background, soft_argmax_3d


@MODELS.register_module()
class Integral3DHead(Coordinate3DHead, HeatmapHead):
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
        argmax: Whether to predict the position of the largest cell instead of the integral. A model that is trained
            with a volume loss alone needs this.
        std_channels: Number of hidden channels of two further layers, which predict the standard deviations from the
            mean of the feature map (:func:`std_loss`). They change neither the other weights nor the coordinates.
            Default: no such layers; the standard deviations are those of the volume, which are not trained.
        decoder: Config of the codec, :class:`Integral3DLabel`.
        backend: Backend of :func:`soft_argmax_3d`.
        peak: Old name of ``argmax``, which works for one more release.
        **kwargs: Further arguments of :class:`HeatmapHead`.
    """

    def __init__(self, in_channels: int, num_joints: int, depth_bins: int,
                 deconv_out_channels: Sequence[int] = (256, 256, 256), deconv_kernel_sizes: Sequence[int] = (4, 4, 4),
                 loss: dict | None = None, volume_loss: dict | None = None, debias: bool = False, argmax: bool = False,
                 std_channels: int | None = None, decoder: dict | None = None, backend: str = 'auto',
                 peak: bool | None = None, **kwargs: Any) -> None:
        super().__init__(in_channels, num_joints * depth_bins, deconv_out_channels, deconv_kernel_sizes,
                         loss=loss or dict(type='CoordinateL1Loss'), decoder=decoder, **kwargs)
        if peak is not None:
            warnings.warn('Integral3DHead: the argument peak is now called argmax; the old name will be removed in the '
                          'next release', DeprecationWarning, stacklevel=2)
            argmax = peak
        self.num_joints = num_joints
        self.depth_bins = depth_bins
        self.volume_loss = MODELS.build(volume_loss) if volume_loss else None
        self.debias = debias
        self.argmax = argmax
        self.backend = backend
        self.std_layers = std_layers(in_channels, std_channels, num_joints) if std_channels else None

    def logits(self, feats: FeatureMaps) -> torch.Tensor:
        """Convert feature maps (last one (B, C, h, w)) to logits (B, K, D, H, W)."""
        return super().forward(feats).unflatten(1, (self.num_joints, self.depth_bins))

    def integrate(self, logits: torch.Tensor, return_std: bool = False) -> Coordinates:
        """Convert logits (B, K, D, H, W) to integrals and, on request, standard deviations; see :meth:`forward`."""
        return soft_argmax_3d(remove_background(logits) if self.debias else logits, self.backend, return_std)

    def forward(self, feats: FeatureMaps, return_std: bool = False) -> Coordinates:
        """Predict (B, K, 3), normalised x, y, z, at least float32, from the backbone's last feature map.

        With ``return_std``, the result is a pair of this and the standard deviation of each axis, (B, K, 3).
        """
        logits = self.logits(feats)
        if not return_std or self.std_layers is not None:
            mean = argmax_3d(logits) if self.argmax else self.integrate(logits)
            return (mean, self.predict_std(feats)) if return_std else mean
        mean, std = self.integrate(logits, True)
        return (argmax_3d(logits) if self.argmax else mean), std

    def predict_std(self, feats: FeatureMaps) -> torch.Tensor:
        """Standard deviations (B, K, 3), normalised, from the layers of ``std_channels``; RuntimeError without them."""
        if self.std_layers is None:
            raise RuntimeError('predict_std: this head has no std_channels')
        return to_std(self.std_layers(feats[-1].detach().mean((2, 3))))

    def loss(self, feats: FeatureMaps, batch_data_samples: list[PoseDataSample],
             train_cfg: dict | None = None) -> dict[str, torch.Tensor]:
        """Compute the losses of :meth:`Coordinate3DHead.loss`, and ``loss_volume`` and ``loss_std`` if present."""
        labels, weights = self.gather_labels(batch_data_samples)
        logits = self.logits(feats)
        output = self.integrate(logits)
        losses = self.coordinate_loss(output, labels, weights)
        if self.std_layers is not None:
            losses['loss_std'] = std_loss(self.predict_std(feats), output, labels, weights)
        if self.volume_loss is not None:
            losses['loss_volume'] = self.volume_loss(logits, labels, weights)
        return losses
