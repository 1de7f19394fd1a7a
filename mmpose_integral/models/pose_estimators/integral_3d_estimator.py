from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from mmengine.structures import InstanceData, PixelData
from mmpose.models.pose_estimators import TopdownPoseEstimator
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

from mmpose_integral.evaluation.functional.uncertainty import calibrate
from mmpose_integral.structures.bone_length import resolve_bone_length


def split_halves(feats: torch.Tensor | Sequence[Any]) -> tuple[Any, ...]:
    """Split feature maps of a doubled batch into those of its halves; a tensor, or nested sequences of tensors."""
    if isinstance(feats, torch.Tensor):
        return feats.chunk(2)
    return tuple(zip(*map(split_halves, feats), strict=True))


def rotate_back(pred: InstanceData, center: np.ndarray, degrees: float) -> None:
    """Rotate the prediction for a rotated crop about the crop's centre, in place, as the crop lies in the image.

    A vector of the crop is that of the image after a rotation R by ``degrees``, x to y, as in mmpose's
    ``get_warp_matrix``. With errors along the crop's x and y that are independent, the variances along the axes of the
    image are those of x cos - y sin and x sin + y cos. Depth is unchanged.

    Args:
        pred: ``keypoints`` (1, K, 2 | 3), and optional ``keypoint_std`` (1, K, 3) and ``person_circles`` (1, 3), image
            px, before the rotation.
        center: (2,) x, y of the crop's centre, image px.
        degrees: Rotation of the crop in the image.
    """
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    rotation = np.array([[cos, -sin], [sin, cos]])
    for points in (pred.keypoints, pred.get('person_circles')):
        if points is not None:
            points[..., :2] = (points[..., :2] - center) @ rotation.T + center
    if 'keypoint_std' in pred:
        pred.keypoint_std[..., :2] = np.sqrt(np.square(pred.keypoint_std[..., :2]) @ np.square(rotation).T)


@MODELS.register_module()
class Integral3DEstimator(TopdownPoseEstimator):
    """mmpose's top-down estimator, with depth and standard deviations converted to image px as x and y are.

    Predictions are ``pred_instances.keypoints`` (1, K, 3) and, from heads with a volume, ``keypoint_std`` (1, K, 3),
    both in image px with z in the same px (root near 0), and ``keypoint_scores`` (1, K). Other fields of the head are
    kept; ``person_circles`` (1, 3), x, y and radius, are also converted to image px.

    ``test_cfg`` has two options beside mmpose's ``flip_test``:

    - ``flip_batched`` (bool | str, default 'auto'): True sends plain and mirrored crops through the backbone in one
      batch. Half as many crops then fill a GPU, and the backbone takes twice the memory. Volumes are still made for one
      half at a time. False sends the mirrored crops after the plain ones, as mmpose does. 'auto' is False for several
      crops on a CPU, whose caches suit one half better than both, and otherwise True.
    - ``autocast`` (str | None, default None): Type of the convolutions in prediction, 'bfloat16' or 'float16'.
      Coordinates are integrated in float32.
    """

    def predict(self, inputs: torch.Tensor, data_samples: list[PoseDataSample]) -> list[PoseDataSample]:
        """Predict a batch of crops (B, 3, H, W), normalised; see the class.

        Raises:
            ValueError: If the value of ``autocast`` or ``flip_batched`` is unknown.
        """
        name = self.test_cfg.get('autocast')
        if name not in (None, 'bfloat16', 'float16'):
            raise ValueError(f"test_cfg.autocast: 'bfloat16', 'float16' or None expected, got {name!r}")
        # Without the option, an autocast region around the call stays in force.
        with torch.autocast(inputs.device.type, getattr(torch, name)) if name else nullcontext():
            if not self.test_cfg.get('flip_test', False) or not self._wants_one_batch(inputs):
                return super().predict(inputs, data_samples)
            halves = split_halves(self.extract_feat(torch.cat([inputs, inputs.flip(-1)])))
            preds = self.head.predict(list(halves), data_samples, test_cfg=self.test_cfg)
        instances, fields = preds if isinstance(preds, tuple) else (preds, None)
        return self.add_pred_to_datasample(instances, fields, data_samples)

    def _wants_one_batch(self, inputs: torch.Tensor) -> bool:
        """Whether ``flip_batched`` puts these crops into one batch."""
        value = self.test_cfg.get('flip_batched', 'auto')
        if value not in (True, False, 'auto'):
            raise ValueError(f"test_cfg.flip_batched: True, False or 'auto' expected, got {value!r}")
        return inputs.device.type != 'cpu' or len(inputs) == 1 if value == 'auto' else value

    def add_pred_to_datasample(self, batch_pred_instances: list[InstanceData],
                               batch_pred_fields: list[PixelData] | None,
                               batch_data_samples: list[PoseDataSample]) -> list[PoseDataSample]:
        """Convert input px to image px, in place, then continue as :class:`TopdownPoseEstimator` does.

        The crop keeps the aspect ratio, so one factor, box width divided by input width, applies to every axis.

        The samples need ``input_center``, ``input_scale`` and ``input_size``; without ``input_rotation``, the crop is
        not rotated. They get ``label_camera``, the camera model of the training labels from ``dataset_meta``, by which
        the prediction has to be decoded. If ``dataset_meta`` has ``std_factors``, they calibrate ``keypoint_std``, and
        the scores become probabilities (:func:`calibrate`).
        """
        meta = getattr(self, 'dataset_meta', None) or {}
        camera, factors = meta.get('camera'), meta.get('std_factors')
        for pred, sample in zip(batch_pred_instances, batch_data_samples, strict=True):
            if camera:
                sample.set_metainfo(dict(label_camera=camera))
            px_per_input_px = sample.metainfo['input_scale'][0] / sample.metainfo['input_size'][0]
            pred.keypoints[..., 2:] *= px_per_input_px  # empty with the 2D codec
            if 'keypoint_std' in pred:
                pred.keypoint_std *= px_per_input_px
            if 'person_circles' in pred:
                pred.person_circles *= px_per_input_px
                pred.person_circles[:, :2] += sample.metainfo['input_center'] - sample.metainfo['input_scale'] / 2
        samples = super().add_pred_to_datasample(batch_pred_instances, batch_pred_fields, batch_data_samples)
        for sample in samples if factors else ():
            pred = sample.pred_instances
            pred.keypoint_std, pred.keypoint_scores = calibrate(
                pred.keypoints, pred.keypoint_std, np.array(factors), resolve_bone_length(dataset_meta=meta))
            sample.set_metainfo(dict(std_factors=factors))
        for sample in samples:  # after the calibration, whose factors belong to the axes of the crop
            degrees = sample.metainfo.get('input_rotation', 0.0)
            if degrees:
                rotate_back(sample.pred_instances, sample.metainfo['input_center'], degrees)
        return samples
