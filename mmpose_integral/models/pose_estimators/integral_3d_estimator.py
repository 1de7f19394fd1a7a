from contextlib import nullcontext

import torch
from mmpose.models.pose_estimators import TopdownPoseEstimator
from mmpose.registry import MODELS


def split_halves(feats):
    """Feature maps of a doubled batch as those of its two halves; tensor, or nested sequences of tensors."""
    if isinstance(feats, torch.Tensor):
        return feats.chunk(2)
    return tuple(zip(*map(split_halves, feats), strict=True))


@MODELS.register_module()
class Integral3DEstimator(TopdownPoseEstimator):
    """mmpose's top-down estimator, with depth and uncertainty taken back to the image as x and y are.

    Predictions leave it as ``pred_instances.keypoints`` (1, K, 3) and, from heads with a volume, ``keypoint_std``
    (1, K, 3), both image px with z in the same px (root near 0), and ``keypoint_scores`` (1, K).

    ``test_cfg`` has, beside mmpose's ``flip_test``,

    - ``flip_batched`` (bool | str, default 'auto'): True sends the mirrored crops through the backbone in one batch
      with the plain ones, not after them. It fills a GPU with half as many crops, and takes twice the backbone's
      memory; volumes are still made for one half at a time. False is mmpose's way. 'auto' is True but for several crops
      on a CPU, whose caches hold one half better than both.
    - ``autocast`` (str | None, default None): 'bfloat16' or 'float16', the type of convolutions in prediction.
      Coordinates are integrated in float32.
    """

    def predict(self, inputs, data_samples):
        """Predictions of a batch; see the class.

        Args:
            inputs (torch.Tensor): (B, 3, H, W), normalised.
            data_samples (list[PoseDataSample]): as for :meth:`add_pred_to_datasample`.

        Returns:
            list[PoseDataSample]: with ``pred_instances``.

        Raises:
            ValueError: an unknown value of ``autocast`` or ``flip_batched``.
        """
        name = self.test_cfg.get('autocast')
        if name not in (None, 'bfloat16', 'float16'):
            raise ValueError(f"test_cfg.autocast: 'bfloat16', 'float16' or None expected, got {name!r}")
        # Without a wish of ours, what encloses the call stays in force.
        with torch.autocast(inputs.device.type, getattr(torch, name)) if name else nullcontext():
            if self.test_cfg.get('flip_test', False) and self._wants_one_batch(inputs):
                return self._predict_doubled(inputs, data_samples)
            return super().predict(inputs, data_samples)

    def _wants_one_batch(self, inputs):
        """What ``flip_batched`` means for these crops."""
        wish = self.test_cfg.get('flip_batched', 'auto')
        if wish not in (True, False, 'auto'):
            raise ValueError(f"test_cfg.flip_batched: True, False or 'auto' expected, got {wish!r}")
        return inputs.device.type != 'cpu' or len(inputs) == 1 if wish == 'auto' else wish

    def _predict_doubled(self, inputs, data_samples):
        """The flip test with one pass through the backbone."""
        halves = split_halves(self.extract_feat(torch.cat([inputs, inputs.flip(-1)])))
        preds = self.head.predict(list(halves), data_samples, test_cfg=self.test_cfg)
        instances, fields = preds if isinstance(preds, tuple) else (preds, None)
        return self.add_pred_to_datasample(instances, fields, data_samples)

    def add_pred_to_datasample(self, batch_pred_instances, batch_pred_fields, batch_data_samples):
        """Input px -> image px, in place, then as :class:`TopdownPoseEstimator`.

        The crop keeps the aspect ratio, so one factor, box width over input width, serves every axis.

        Args:
            batch_pred_instances (list[InstanceData]): see :meth:`Integral3DHead.predict`.
            batch_pred_fields (list[PixelData], optional): passed on.
            batch_data_samples (list[PoseDataSample]): with ``input_center``, ``input_scale``, ``input_size``.

        Returns:
            list[PoseDataSample]: with ``pred_instances``.
        """
        for pred, sample in zip(batch_pred_instances, batch_data_samples, strict=True):
            px_per_input_px = sample.metainfo['input_scale'][0] / sample.metainfo['input_size'][0]
            pred.keypoints[..., 2:] *= px_per_input_px  # nothing, of the 2D codec
            if 'keypoint_std' in pred:
                pred.keypoint_std *= px_per_input_px
        return super().add_pred_to_datasample(batch_pred_instances, batch_pred_fields, batch_data_samples)
