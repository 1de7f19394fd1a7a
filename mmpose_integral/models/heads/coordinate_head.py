import torch
from mmengine.structures import InstanceData
from mmpose.models.utils.tta import flip_coordinates
from mmpose.utils.tensor_utils import to_numpy


class Coordinate3DHeadMixin:
    """Loss and prediction of heads whose ``forward`` gives normalised coordinates, (B, K, 3).

    The head has ``loss_module``, ``decoder`` (:class:`Integral3DLabel`), and ``forward(feats, return_std=False)``;
    the standard deviations may be None.
    """

    @staticmethod
    def gather_labels(batch_data_samples):
        """Labels and weights of a batch, (B, K, 3) each."""
        instances = [sample.gt_instance_labels for sample in batch_data_samples]
        return (torch.cat([one.keypoint_labels for one in instances]),
                torch.cat([one.keypoint_weights for one in instances]))

    @staticmethod
    def outside_share(labels, weights):
        """Share of the supervised joints whose label lies outside the crop, a scalar tensor."""
        supervised = weights[..., :2].amin(-1) > 0
        outside = ((labels[..., :2] < 0) | (labels[..., :2] >= 1)).any(-1) & supervised
        return outside.sum() / supervised.sum().clamp(min=1)

    def loss(self, feats, batch_data_samples, train_cfg=None):
        """Loss of a batch, and the share of supervised joints whose label lies outside the crop.

        Args:
            feats (tuple[torch.Tensor]): the backbone's feature maps.
            batch_data_samples (list[PoseDataSample]): with ``keypoint_labels`` and ``keypoint_weights`` (1, K, 3).
            train_cfg (dict, optional): unused; part of mmpose's interface.

        Returns:
            dict[str, torch.Tensor]: ``loss_kpt`` and ``outside_share``, scalars.
        """
        labels, weights = self.gather_labels(batch_data_samples)
        return dict(loss_kpt=self.loss_module(self.forward(feats), labels, weights),
                    outside_share=self.outside_share(labels, weights))

    def predict(self, feats, batch_data_samples, test_cfg=None):
        """Joints of a batch.

        With ``test_cfg['flip_test']`` the coordinates of the plain and of the mirrored input are averaged. Averaging
        the mirrored volumes instead would be off by W / n - 1 px.

        Args:
            feats (tuple[torch.Tensor] | list[tuple[torch.Tensor]]): features; two sets under ``flip_test``.
            batch_data_samples (list[PoseDataSample]): for ``flip_indices``.
            test_cfg (dict, optional): ``flip_test``.

        Returns:
            list[InstanceData]: a sample's ``keypoints`` (1, K, 3) in input px, root depth at 0, ``keypoint_scores``
            (1, K), and ``keypoint_std`` (1, K, 3) in input px if the head has any.
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
