from mmpose.models.pose_estimators import TopdownPoseEstimator
from mmpose.registry import MODELS


@MODELS.register_module()
class Integral3DEstimator(TopdownPoseEstimator):
    """mmpose's top-down estimator, with depth and uncertainty taken back to the image as x and y are.

    Predictions leave it as ``pred_instances.keypoints`` (1, K, 3) and, from heads with a volume, ``keypoint_std``
    (1, K, 3), both image px with z in the same px (root near 0), and ``keypoint_scores`` (1, K).
    """

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
