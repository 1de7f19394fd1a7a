"""A trained model as one graph for other runtimes, and the facts that such a runtime needs.

Frames: the graph takes crops, BGR 0 ... 255, and returns normalised x, y, z; the facts say how these become input px.
"""
import copy
import functools

import numpy as np
import torch
from mmpose.models.backbones.swin import ShiftWindowMSA
from mmpose.models.utils.tta import flip_coordinates

from mmpose_integral.codecs import Integral3DLabel, MetricDepthLabel
from mmpose_integral.deployment.onnx_runtime import FORMAT_VERSION
from mmpose_integral.models.heads import Integral3DHead, Landmark3DHead, Regression3DHead
from mmpose_integral.structures.skeleton import JOINT_NAMES, NUM_JOINTS, PARENTS, flip_indices


def check_deployable(model: torch.nn.Module) -> None:
    """Check that a model from ``mmpose.apis.init_model`` can become one graph from a crop to 18 joints in 3D.

    Raises:
        ValueError: If it is an ensemble or a 2D model, has another kind of head or another number of joints, or its
            preprocessor pads or augments batches.
    """
    head = getattr(model, 'head', None)
    if not isinstance(head, Integral3DHead | Landmark3DHead | Regression3DHead):
        raise ValueError('head: Integral3DHead, Landmark3DHead or Regression3DHead expected, got '
                         f'{type(head).__name__}')
    probe = np.zeros((1, head.num_joints, 3), dtype=np.float32)
    if head.decoder is None or head.decoder.decode(probe)[0].shape[-1] != 3:
        raise ValueError(f'head.decoder: Integral3DLabel expected, got {type(head.decoder).__name__}; a 2D model has '
                         'no depth and so no millimetres')
    if head.num_joints != NUM_JOINTS:
        raise ValueError(f'head.num_joints: the {NUM_JOINTS} joints of CHALL_H80K expected, got {head.num_joints}')
    preprocessor = model.data_preprocessor
    if getattr(preprocessor, 'batch_augments', None) or getattr(preprocessor, 'pad_size_divisor', 1) != 1:
        raise ValueError('data_preprocessor: batch_augments and pad_size_divisor cannot be exported; mean, std, '
                         'bgr_to_rgb and rgb_to_bgr can')


def free_batch_size(model: torch.nn.Module) -> None:
    """Make Swin's blocks independent of the batch size, in place; the outputs stay the same.

    mmpose's blocks compute the batch size in Python, so an exported graph would be limited to one size.
    """
    for block in model.modules():
        if isinstance(block, ShiftWindowMSA):
            block.window_reverse = functools.partial(_join_windows, side=block.window_size)


def _join_windows(windows: torch.Tensor, height: int, width: int, side: int) -> torch.Tensor:
    """Join windows as ``ShiftWindowMSA.window_reverse`` does, (B * number, side, side, C) -> (B, height, width, C)."""
    rows = windows.unflatten(0, (-1, height // side, width // side)).transpose(2, 3)
    return rows.flatten(3, 4).flatten(1, 2)


class CropToPose(torch.nn.Module):
    """Normalisation, backbone and head of a trained model as one module without data samples.

    Args:
        model: Trained :class:`Integral3DEstimator`; it is used, not copied.

    Raises:
        ValueError: If :func:`check_deployable` rejects the model.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        check_deployable(model)
        free_batch_size(model)
        self.model = model
        self.head = copy.copy(model.head)  # the layers are shared
        self.output_names = ['xyz']
        if not isinstance(model.head, Regression3DHead):
            self.head.backend = 'reference'  # other backends have their own backward pass, which cannot be exported
            self.output_names.append('std')

    def forward(self, crop: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Predict coordinates from crops, (B, 3, H, W) float32, channels B, G, R from 0 to 255.

        Returns:
            ``xyz`` (B, K, 3) normalised, and ``std`` (B, K, 3) for heads that have it, as from
            ``head.forward(feats, return_std=True)``.
        """
        preprocessor = self.model.data_preprocessor
        if preprocessor._channel_conversion:
            crop = crop.flip(1)
        if preprocessor._enable_normalize:
            crop = (crop - preprocessor.mean) / preprocessor.std
        outputs = self.head(self.model.extract_feat(crop), return_std=True)
        return outputs[:len(self.output_names)]


def deployment_facts(model: torch.nn.Module, padding: float) -> dict:
    """Collect the facts that a runtime needs besides the graph, as plain numbers, strings and lists (docs/export.md).

    Units are measured by calling codec and flip, which therefore remain the only place that defines them.

    Args:
        model: Model that passed :func:`check_deployable`.
        padding: Factor by which the box is enlarged before the crop.
    """
    codec, ones, metric_depth = model.head.decoder, np.ones((1, 1, 3), dtype=np.float32), None
    if isinstance(codec, MetricDepthLabel):
        metric_depth = dict(bone_length=float(codec.bone_length), largest_depth_px=codec.largest_depth_px)
        codec = Integral3DLabel(codec.input_size, codec.depth_range_mm)  # z in mm
    zero, (one, score) = codec.decode(0 * ones)[0], codec.decode(ones, std=ones)
    unit, offset = (one - zero)[0, 0], ((0 - zero) / (one - zero))[0, 0]
    factor = round(-np.log(score.astype(np.float64)).item(), 4)  # the digits that float32 resolves
    width, height = codec.input_size
    meta = getattr(model, 'dataset_meta', None) or {}
    mirrored = flip_coordinates(
        torch.zeros(1, 1, 3, dtype=torch.float64), [0], shift_coords=True, input_size=(width, height))
    return dict(
        format_version=FORMAT_VERSION, input_size=[int(width), int(height)], padding=float(padding),
        unit=unit.tolist(), offset=offset.tolist(), metric_depth=metric_depth, score_factor=factor,
        joints=list(JOINT_NAMES), parents=list(PARENTS), flip_indices=flip_indices(), flip_x=mirrored[0, 0, 0].item(),
        flip_test=bool((model.test_cfg or {}).get('flip_test', False)),
        std_factors=meta.get('std_factors'), camera_model=(meta.get('camera') or {}).get('model', 'weak'))
