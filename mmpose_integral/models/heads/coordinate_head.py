import numpy as np
import torch
from mmengine.structures import InstanceData
from mmpose.models.heads.base_head import BaseHead
from mmpose.models.utils.tta import flip_coordinates
from mmpose.structures import PoseDataSample
from mmpose.utils.tensor_utils import to_numpy
from torch import nn

FeatureMaps = tuple[torch.Tensor, ...]
Coordinates = torch.Tensor | tuple[torch.Tensor, torch.Tensor | None]  # means, or means and standard deviations

_LOG_STD_RANGE = (-7.0, 1.0)  # 0.001 to 2.7 times the crop's width


def std_layers(in_channels: int, hidden_channels: int, num_joints: int) -> nn.Sequential:
    """Layers from features (B, in_channels) to logarithms of standard deviations, (B, K * 3)."""
    return nn.Sequential(
        nn.Linear(in_channels, hidden_channels), nn.ReLU(), nn.Linear(hidden_channels, num_joints * 3))


def to_std(log_std: torch.Tensor) -> torch.Tensor:
    """Standard deviations (B, K, 3), normalised, at least float32, from the output of :func:`std_layers`."""
    log_std = log_std.to(torch.promote_types(log_std.dtype, torch.float32))
    return log_std.unflatten(1, (-1, 3)).clamp(*_LOG_STD_RANGE).exp()


def combine_std(std: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
    """Standard deviation of the equal mixture of M predictions, by the law of total variance.

    Args:
        std, mean: (M, B, K, 3), standard deviations and means of the predictions.

    Returns:
        (B, K, 3): the errors of predictions from the same image are alike, so their mean is not more certain than they
        are, and it is less certain where they differ.
    """
    return (std.square().mean(0) + mean.var(0, correction=0)).sqrt()


class Coordinate3DHead(BaseHead):
    """Loss and prediction of heads whose ``forward`` returns normalised coordinates, (B, K, 3).

    Subclasses have ``loss_module``, ``decoder`` (:class:`Integral3DLabel`), and ``forward(feats, return_std=False)``;
    the standard deviations may be None.
    """

    @staticmethod
    def gather_labels(batch_data_samples: list[PoseDataSample]) -> tuple[torch.Tensor, torch.Tensor]:
        """Labels and weights of a batch, (B, K, 3) each."""
        instances = [sample.gt_instance_labels for sample in batch_data_samples]
        return (torch.cat([one.keypoint_labels for one in instances]),
                torch.cat([one.keypoint_weights for one in instances]))

    def coordinate_loss(self, output: torch.Tensor, labels: torch.Tensor,
                        weights: torch.Tensor) -> dict[str, torch.Tensor]:
        """Compute ``loss_kpt``, and per axis the share of supervised labels outside the volume.

        The shares are ``outside_x``, ``outside_y`` (outside the crop) and ``outside_z`` (outside the depth range).
        """
        supervised = weights > 0
        outside = ((labels < 0) | (labels >= 1)) & supervised
        shares = outside.sum((0, 1)) / supervised.sum((0, 1)).clamp(min=1)
        return dict(loss_kpt=self.loss_module(output, labels, weights),
                    **dict(zip(('outside_x', 'outside_y', 'outside_z'), shares, strict=True)))

    def loss(self, feats: FeatureMaps, batch_data_samples: list[PoseDataSample],
             train_cfg: dict | None = None) -> dict[str, torch.Tensor]:
        """Compute the losses of a batch (see :meth:`coordinate_loss`) from the backbone's feature maps."""
        return self.coordinate_loss(self.forward(feats), *self.gather_labels(batch_data_samples))

    def predict(self, feats: FeatureMaps | list[FeatureMaps], batch_data_samples: list[PoseDataSample],
                test_cfg: dict | None = None) -> list[InstanceData]:
        """Predict the joints of a batch.

        With ``test_cfg['flip_test']`` the coordinates of the plain and of the mirrored input are averaged. Averaging
        the mirrored volumes instead would be off by W / n - 1 px.

        Args:
            feats: Feature maps; with ``flip_test`` those of the plain and those of the mirrored input.
            batch_data_samples: Samples; their ``flip_indices`` are needed.
            test_cfg: Options; ``flip_test`` is used.

        Returns:
            Predictions per sample: ``keypoints`` (1, K, 3) in input px, root depth at 0, ``keypoint_scores`` (1, K),
            and ``keypoint_std`` (1, K, 3) in input px if the head has them. If the samples have labels, also ``loss``
            (1,): the mean loss of the plain crops of this batch, as in training, without that of the ``keypoint_std``.
        """
        flip_test = (test_cfg or {}).get('flip_test', False)
        plain, mirrored = feats if flip_test else (feats, None)
        mean, std = self.forward(plain, return_std=True)
        if flip_test:
            indices = batch_data_samples[0].metainfo['flip_indices']
            mean_flip, std_flip = self.forward(mirrored, return_std=True)
            mean_flip = flip_coordinates(mean_flip, indices, shift_coords=True, input_size=self.decoder.input_size)
            if std is not None:
                std = combine_std(torch.stack([std, std_flip[:, indices]]), torch.stack([mean, mean_flip]))
            mean = (mean + mean_flip) / 2
        std = None if std is None else to_numpy(std)
        mean = to_numpy(mean)
        keypoints, scores = self.decoder.decode(mean, std)
        fields = dict(keypoints=keypoints, keypoint_scores=scores)
        if std is not None:
            fields['keypoint_std'] = self.decoder.decode_std(std, mean)
        if 'keypoint_labels' in batch_data_samples[0].get('gt_instance_labels', {}):
            losses = self.loss(plain, batch_data_samples)
            # As mmengine's parse_losses, but without loss_std: a schedule waits until the coordinates saturate.
            total = sum(float(value) for name, value in losses.items() if 'loss' in name and name != 'loss_std')
            fields['loss'] = np.full(len(mean), total)
        return [InstanceData(**{name: field[i:i + 1] for name, field in fields.items()}) for i in range(len(mean))]
