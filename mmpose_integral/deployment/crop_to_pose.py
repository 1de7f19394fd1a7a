"""A trained model as one graph for other runtimes, and the facts that such a runtime needs.

Frames: the graph takes crops, BGR 0 ... 255, and returns normalised x, y, z; the facts say how these become input px.
"""
import functools

import numpy as np
import torch
from mmpose.models.backbones.swin import ShiftWindowMSA
from mmpose.models.utils.tta import flip_coordinates

from mmpose_integral.models.heads import Integral3DHead, Regression3DHead
from mmpose_integral.models.pose_estimators import EnsembleEstimator
from mmpose_integral.ops import argmax_3d, axis_grid, remove_background
from mmpose_integral.ops.soft_argmax_eager import moments
from mmpose_integral.structures.skeleton import JOINT_NAMES, NUM_JOINTS, PARENTS, flip_indices

METADATA_KEY = 'mmpose_integral'
FORMAT_VERSION = 1
"""Version of the format of :func:`deployment_facts`; a runtime accepts its own version only."""


def check_deployable(model: torch.nn.Module) -> None:
    """Check that a model can become one graph from a crop to 18 joints in 3D.

    Args:
        model: Model from ``mmpose.apis.init_model``.

    Raises:
        ValueError: If it is an ensemble or a 2D model, has another kind of head or another number of joints, or its
            preprocessor pads or augments batches.
    """
    if isinstance(model, EnsembleEstimator):
        raise ValueError('an ensemble has a crop for each member and is not one graph; export its members one by one '
                         'and average their millimetres')
    head = getattr(model, 'head', None)
    if not isinstance(head, Integral3DHead | Regression3DHead):
        raise ValueError(f'head: Integral3DHead or Regression3DHead expected, got {type(head).__name__}')
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
    """Make Swin's blocks independent of the batch size.

    mmpose's blocks compute the batch size in Python, so an exported graph would be limited to one size.

    Args:
        model: Model to change in place; its outputs stay the same.
    """
    for block in model.modules():
        if isinstance(block, ShiftWindowMSA):
            block.window_reverse = functools.partial(_join_windows, side=block.window_size)


def _join_windows(windows, height, width, side):
    """Join windows as ``ShiftWindowMSA.window_reverse`` does, (B * number, side, side, C) -> (B, height, width, C)."""
    channels = windows.shape[-1]
    rows = windows.reshape(-1, height // side, width // side, side, side, channels).transpose(2, 3)
    return rows.reshape(-1, height, width, channels)


class CropToPose(torch.nn.Module):
    """Normalisation, backbone, head and integral as one module without data samples.

    A graph needs neither the integral's own backward pass nor a choice of backend.

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
        preprocessor = model.data_preprocessor
        self.swap_channels = preprocessor._channel_conversion
        if preprocessor._enable_normalize:
            # Not `mean` and `std`: the names of a graph's buffers must differ from those of its outputs.
            self.register_buffer('pixel_mean', preprocessor.mean.clone())
            self.register_buffer('pixel_std', preprocessor.std.clone())
        else:
            self.pixel_mean = None
        self.output_names = ['xyz', 'std'] if isinstance(model.head, Integral3DHead) else ['xyz']

    def forward(self, crop: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Predict coordinates from crops.

        Args:
            crop: (B, 3, H, W) float32, channels B, G, R from 0 to 255.

        Returns:
            ``xyz`` (B, K, 3) normalised, and ``std`` (B, K, 3) for heads with a volume, as from
            ``head.forward(feats, return_std=True)``.
        """
        if self.swap_channels:
            crop = crop.flip(1)
        if self.pixel_mean is not None:
            crop = (crop - self.pixel_mean) / self.pixel_std
        feats, head = self.model.extract_feat(crop), self.model.head
        if not isinstance(head, Integral3DHead):
            return (head(feats), )
        logits = head.logits(feats).float()
        volume = remove_background(logits) if head.debias else logits
        grids = tuple(axis_grid(size, device=volume.device) for size in volume.shape[:1:-1])  # x, y, z
        # This is the forward pass of the eager backend. It divides by the sum of the weights, because a float32 softmax
        # over so many cells does not sum to 1. Autograd functions and autocast regions cannot be exported.
        _, mean, std = moments(volume, grids)
        return (argmax_3d(logits) if head.peak else mean), std


def deployment_facts(model: torch.nn.Module, padding: float) -> dict:
    """Collect the facts that a runtime needs besides the graph.

    Units are measured by calling codec and flip, which therefore remain the only place that defines them.

    Args:
        model: Model that passed :func:`check_deployable`.
        padding: Factor by which the box is enlarged before the crop.

    Returns:
        Dict of plain numbers, strings and lists; see ``docs/export.md``.
    """
    codec = model.head.decoder
    zero, one = (codec.decode(np.full((1, 1, 3), value, dtype=np.float32))[0][0, 0] for value in (0, 1))
    unit = one - zero
    probe = np.full((1, 1, 3), 0.1, dtype=np.float32)
    score = codec.decode(probe, probe)[1].astype(np.float64).item()
    factor = float(f'{-np.log(score) / probe[0, 0, 0].item()**2:.6g}')  # the digits that float32 resolves
    width, height = codec.input_size
    mirrored = flip_coordinates(
        torch.zeros(1, 1, 3, dtype=torch.float64), [0], shift_coords=True, input_size=(width, height))
    return dict(
        format_version=FORMAT_VERSION, input_size=[int(width), int(height)], padding=float(padding),
        unit=unit.tolist(), offset=((0 - zero) / unit).tolist(), score_factor=factor,
        joints=list(JOINT_NAMES), parents=list(PARENTS), flip_indices=flip_indices(), flip_x=mirrored[0, 0, 0].item(),
        flip_test=bool((model.test_cfg or {}).get('flip_test', False)))
