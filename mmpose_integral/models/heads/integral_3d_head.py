import torch
from mmengine.structures import InstanceData
from mmpose.models.heads import HeatmapHead
from mmpose.models.utils.tta import flip_coordinates
from mmpose.registry import MODELS
from mmpose.utils.tensor_utils import to_numpy

from mmpose_integral.ops import soft_argmax_3d


@MODELS.register_module()
class Integral3DHead(HeatmapHead):
    """Deconvolutions and a 1x1 convolution to a (D, H, W) volume a joint, integrated to x, y, z.

    The layers are those of mmpose's :class:`HeatmapHead`; channel k * D + d of the last one is depth bin d of joint
    k, the order of the authors' released weights. The state dict holds these layers and nothing else.

    Args:
        in_channels (int): channels of the backbone's last feature map.
        num_joints (int): K.
        depth_bins (int): D; the paper takes a quarter of the input's width.
        deconv_out_channels (Sequence[int]): widths of the deconvolutions, each of which doubles the resolution.
        deconv_kernel_sizes (Sequence[int]): their kernels.
        loss (dict, optional): config of a loss called with output, target and weights, (B, K, 3) each; defaults to
            :class:`CoordinateL1Loss`.
        decoder (dict): config of the codec, :class:`Integral3DLabel`.
        backend (str): of :func:`soft_argmax_3d`.
        **kwargs: of :class:`HeatmapHead`.
    """

    def __init__(self, in_channels, num_joints, depth_bins, deconv_out_channels=(256, 256, 256),
                 deconv_kernel_sizes=(4, 4, 4), loss=None, decoder=None, backend='auto', **kwargs):
        super().__init__(in_channels, num_joints * depth_bins, deconv_out_channels, deconv_kernel_sizes,
                         loss=loss or dict(type='CoordinateL1Loss'), decoder=decoder, **kwargs)
        self.num_joints = num_joints
        self.depth_bins = depth_bins
        self.backend = backend

    def logits(self, feats):
        """Feature maps (last one (B, C, h, w)) -> logits (B, K, D, H, W)."""
        return super().forward(feats).unflatten(1, (self.num_joints, self.depth_bins))

    def forward(self, feats, return_std=False):
        """Coordinates of a batch.

        Args:
            feats (tuple[torch.Tensor]): the backbone's feature maps; the last one is used.
            return_std (bool): also return each axis' standard deviation.

        Returns:
            torch.Tensor | tuple[torch.Tensor]: (B, K, 3), normalised x, y, z, float32 at least.
        """
        return soft_argmax_3d(self.logits(feats), self.backend, return_std)

    def loss(self, feats, batch_data_samples, train_cfg=None):
        """Loss of a batch, and the share of supervised joints whose label lies outside the crop.

        Args:
            feats (tuple[torch.Tensor]): the backbone's feature maps.
            batch_data_samples (list[PoseDataSample]): with ``keypoint_labels`` and ``keypoint_weights`` (1, K, 3).
            train_cfg (dict, optional): unused; part of mmpose's interface.

        Returns:
            dict[str, torch.Tensor]: ``loss_kpt`` and ``outside_share``, scalars.
        """
        labels = torch.cat([d.gt_instance_labels.keypoint_labels for d in batch_data_samples])
        weights = torch.cat([d.gt_instance_labels.keypoint_weights for d in batch_data_samples])
        supervised = weights[..., :2].amin(-1) > 0
        outside = ((labels[..., :2] < 0) | (labels[..., :2] >= 1)).any(-1) & supervised
        return dict(loss_kpt=self.loss_module(self.forward(feats), labels, weights),
                    outside_share=outside.sum() / supervised.sum().clamp(min=1))

    def predict(self, feats, batch_data_samples, test_cfg=None):
        """Joints of a batch.

        With ``test_cfg['flip_test']`` the coordinates of the plain and of the mirrored input are averaged. Averaging
        the mirrored volumes instead would be off by W / n - 1 px.

        Args:
            feats (tuple[torch.Tensor] | list[tuple[torch.Tensor]]): features; two sets under ``flip_test``.
            batch_data_samples (list[PoseDataSample]): for ``flip_indices``.
            test_cfg (dict, optional): ``flip_test``.

        Returns:
            list[InstanceData]: a sample's ``keypoints`` (1, K, 3) and ``keypoint_std`` (1, K, 3) in input px, root
            depth at 0, and ``keypoint_scores`` (1, K).
        """
        if (test_cfg or {}).get('flip_test', False):
            feats, feats_flip = feats
            indices = batch_data_samples[0].metainfo['flip_indices']
            mean_flip, std_flip = self.forward(feats_flip, return_std=True)
            mean_flip = flip_coordinates(mean_flip, indices, shift_coords=True, input_size=self.decoder.input_size)
            mean, std = self.forward(feats, return_std=True)
            mean, std = (mean + mean_flip) / 2, (std + std_flip[:, indices]) / 2
        else:
            mean, std = self.forward(feats, return_std=True)
        mean, std = to_numpy(mean), to_numpy(std)
        keypoints, scores = self.decoder.decode(mean, std)
        std = self.decoder.decode_std(std)
        return [InstanceData(keypoints=keypoints[i:i + 1], keypoint_scores=scores[i:i + 1], keypoint_std=std[i:i + 1])
                for i in range(len(keypoints))]
