import torch
from mmengine.structures import InstanceData
from mmpose.models.utils.tta import flip_coordinates
from mmpose.structures import PoseDataSample
from mmpose.utils.tensor_utils import to_numpy


class Coordinate3DHeadMixin:
    """Loss and prediction of heads whose ``forward`` returns normalised coordinates, (B, K, 3).

    The head has ``loss_module``, ``decoder`` (:class:`Integral3DLabel`), and ``forward(feats, return_std=False)``;
    the standard deviations may be None.
    """

    @staticmethod
    def gather_labels(batch_data_samples: list[PoseDataSample]) -> tuple[torch.Tensor, torch.Tensor]:
        """Labels and weights of a batch, (B, K, 3) each."""
        instances = [sample.gt_instance_labels for sample in batch_data_samples]
        return (torch.cat([one.keypoint_labels for one in instances]),
                torch.cat([one.keypoint_weights for one in instances]))

    @staticmethod
    def outside_share(labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Share of the supervised joints whose label lies outside the crop, a scalar tensor."""
        supervised = weights[..., :2].amin(-1) > 0
        outside = ((labels[..., :2] < 0) | (labels[..., :2] >= 1)).any(-1) & supervised
        return outside.sum() / supervised.sum().clamp(min=1)

    def loss(self, feats: tuple[torch.Tensor, ...], batch_data_samples: list[PoseDataSample],
             train_cfg: dict | None = None) -> dict[str, torch.Tensor]:
        """Compute the loss of a batch, and the share of supervised joints whose label lies outside the crop.

        Args:
            feats: Feature maps of the backbone.
            batch_data_samples: Samples with ``keypoint_labels`` and ``keypoint_weights`` (1, K, 3).
            train_cfg: Unused argument of mmpose's interface.

        Returns:
            Entries ``loss_kpt`` and ``outside_share``, scalars.
        """
        labels, weights = self.gather_labels(batch_data_samples)
        return dict(loss_kpt=self.loss_module(self.forward(feats), labels, weights),
                    outside_share=self.outside_share(labels, weights))

    def predict(self, feats: tuple[torch.Tensor, ...] | list[tuple[torch.Tensor, ...]],
                batch_data_samples: list[PoseDataSample], test_cfg: dict | None = None) -> list[InstanceData]:
        """Predict the joints of a batch.

        With ``test_cfg['flip_test']`` the coordinates of the plain and of the mirrored input are averaged. Averaging
        the mirrored volumes instead would be off by W / n - 1 px.

        Args:
            feats: Feature maps; two sets with ``flip_test``.
            batch_data_samples: Samples; their ``flip_indices`` are needed.
            test_cfg: Options; ``flip_test`` is used.

        Returns:
            Predictions per sample: ``keypoints`` (1, K, 3) in input px, root depth at 0, ``keypoint_scores`` (1, K),
            and ``keypoint_std`` (1, K, 3) in input px if the head has them.
        """
        if (test_cfg or {}).get('flip_test', False):
            feats, feats_flip = feats
            indices = batch_data_samples[0].metainfo['flip_indices']
            mean_flip, std_flip = self.forward(feats_flip, return_std=True)
            mean_flip = flip_coordinates(mean_flip, indices, shift_coords=True, input_size=self.decoder.input_size)
            mean, std = self.forward(feats, return_std=True)
            mean, std = (mean + mean_flip) / 2, None if std is None else (std + std_flip[:, indices]) / 2
        else:
            mean, std = self.forward(feats, return_std=True)
        mean, std = to_numpy(mean), None if std is None else to_numpy(std)
        keypoints, scores = self.decoder.decode(mean, std)
        fields = dict(keypoints=keypoints, keypoint_scores=scores)
        if std is not None:
            fields['keypoint_std'] = self.decoder.decode_std(std)
        return [InstanceData(**{name: field[i:i + 1] for name, field in fields.items()})
                for i in range(len(keypoints))]
