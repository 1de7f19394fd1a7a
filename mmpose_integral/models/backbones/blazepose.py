"""The network of MediaPipe's body landmark model ``pose_landmark_full.tflite`` (BlazePose GHUM 3D), in torch.

It is a MobileNetV2-like trunk with a top-down path to heat maps of stride 4, and a branch that regresses landmarks.
Batch norm is part of the convolutions, as in the released file. ``models/blazepose_checkpoint.py`` reads the weights of
that file. The model's third branch, a segmentation mask, is left out.
"""
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule, DepthwiseSeparableConvModule
from mmpose.models.backbones.base_backbone import BaseBackbone
from mmpose.models.backbones.utils import InvertedResidual
from mmpose.registry import MODELS
from torch import nn

NUM_LANDMARKS = 39  # 33 landmarks of the body, then 6 auxiliary points that MediaPipe uses to choose its crops
_RELU6 = dict(type='ReLU6')
_TENSORFLOW_SAME = dict(type='Conv2dAdaptivePadding')  # stride 2 pads an even input after its last cell only


class Block(NamedTuple):
    """An inverted residual: expansion, depthwise convolution, projection."""
    kernel_size: int
    mid_channels: int
    out_channels: int
    stride: int = 1


# Blocks per stage. A stage starts with stride 2, except the first, whose stride is in the layer before it.
STAGES = (
    (Block(3, 24, 16),),
    (Block(3, 64, 24, 2), Block(3, 144, 24)),
    (Block(5, 144, 32, 2), Block(5, 192, 32)),
    (Block(3, 192, 64, 2), Block(3, 384, 64), Block(3, 384, 64), Block(5, 384, 88), Block(5, 528, 88),
     Block(5, 528, 88)),
    (Block(5, 528, 144, 2), *[Block(5, 864, 144)] * 3),
)
STEM_CHANNELS, LAST_CHANNELS, FUSED_CHANNELS, LANDMARK_CHANNELS = 24, 864, 48, 288
LANDMARK_STRIDES = (2, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1)


class LandmarkBlock(DepthwiseSeparableConvModule):
    """Residual block of the landmark branch; with stride 2, the shortcut is the maximum of 2 x 2 cells."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__(channels, channels, 3, stride, dw_act_cfg=_RELU6, act_cfg=None, conv_cfg=_TENSORFLOW_SAME)
        self.shortcut = nn.MaxPool2d(stride) if stride > 1 else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, C, H / stride, W / stride)."""
        return F.relu6(self.shortcut(x) + super().forward(x))


@MODELS.register_module()
class BlazePoseBackbone(BaseBackbone):
    """MediaPipe's body landmark network as a backbone; it returns the feature maps that ``outputs`` names, in order.

    The input is an RGB crop in [0, 1] of 256 x 256 px, for which the network was trained: ``mean=[0] * 3``,
    ``std=[255] * 3`` and ``bgr_to_rgb=True`` of the data preprocessor. Sides may be other multiples of 32, except for
    the last two outputs.

    ===================  ========  ======  ======================================================================
    output               channels  stride  content
    ===================  ========  ======  ======================================================================
    stride4              24        4       trunk
    stride8              32        8       trunk
    stride16             88        16      trunk
    stride32             864       32      trunk
    fused                48        4       sum of all trunk features, from which the heat maps are computed
    heatmaps             39        4       logits of 33 body landmarks and 6 auxiliary points
    landmark_features    288       128     last features of the landmark branch, 2 x 2 cells
    world_landmarks      117       256     x, y, z of the 39 points in metres, origin at the middle of the hips
    ===================  ========  ======  ======================================================================

    Args:
        outputs: Names of the outputs. Layers that none of them needs are not built.
        frozen: Whether the weights are not trained.
        init_cfg: Initialisation; ``dict(type='Pretrained', checkpoint=...)`` reads the file of ``get-model``.

    Raises:
        ValueError: If an output is unknown, or there is none.
    """

    def __init__(self, outputs: Sequence[str] = ('fused',), frozen: bool = False, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        unknown = [name for name in outputs if name not in OUTPUT_CHANNELS]
        if unknown or not outputs:
            raise ValueError(f'outputs: some of {", ".join(OUTPUT_CHANNELS)} expected, got {tuple(outputs)}')
        self.outputs = tuple(outputs)
        self.stem = ConvModule(3, STEM_CHANNELS, 3, stride=2, padding=1, act_cfg=_RELU6)
        self.stages = nn.ModuleList()
        channels, last = STEM_CHANNELS, STAGES[-1][-1].out_channels
        for blocks in STAGES:
            layers = []
            for block in blocks:
                layers.append(InvertedResidual(
                    channels, block.out_channels, block.mid_channels, block.kernel_size, stride=block.stride,
                    with_expand_conv=channels != block.mid_channels, norm_cfg=None, act_cfg=_RELU6))
                channels = block.out_channels
            self.stages.append(nn.Sequential(*layers))
        self.stages[-1].extend([
            ConvModule(last, LAST_CHANNELS, 1, act_cfg=_RELU6),
            ConvModule(LAST_CHANNELS, LAST_CHANNELS, 3, padding=1, groups=LAST_CHANNELS, act_cfg=_RELU6)])
        if self._needs('fused', 'heatmaps'):
            self.laterals = nn.ModuleList(
                DepthwiseSeparableConvModule(OUTPUT_CHANNELS[name], FUSED_CHANNELS, 3, padding=1, act_cfg=_RELU6)
                for name in reversed(_TRUNK))
        if self._needs('heatmaps'):
            self.heatmaps = nn.Conv2d(FUSED_CHANNELS, NUM_LANDMARKS, 1)
        if self._needs('landmark_features', 'world_landmarks'):
            self.landmark_features = nn.Sequential(
                DepthwiseSeparableConvModule(LAST_CHANNELS, LANDMARK_CHANNELS, 3, padding=1, act_cfg=_RELU6),
                *[LandmarkBlock(LANDMARK_CHANNELS, stride) for stride in LANDMARK_STRIDES])
        if self._needs('world_landmarks'):
            self.world_landmarks = nn.Conv2d(LANDMARK_CHANNELS, 3 * NUM_LANDMARKS, 2)
        self.requires_grad_(not frozen)
        # A convolution computes in the memory format of its weights. On a CPU, channels last takes 0.8 of the time of
        # the default format for one crop, and half of it for a batch of 16.
        self.to(memory_format=torch.channels_last)

    def _needs(self, *names: str) -> bool:
        return not set(names).isdisjoint(self.outputs)

    def fuse(self, trunk: Sequence[torch.Tensor]) -> torch.Tensor:
        """Sum the lateral features of the trunk's maps (strides 4, 8, 16, 32), upsampled, to (B, 48, H / 4, W / 4)."""
        fused = None
        for lateral, features in zip(self.laterals, reversed(trunk), strict=True):
            features = lateral(features)
            if fused is not None:
                features = features + F.interpolate(fused, size=features.shape[-2:], mode='bilinear')
            fused = features
        return fused

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Compute the outputs, (B, channels, H / stride, W / stride) each, of crops (B, 3, H, W)."""
        x, trunk = self.stages[0](self.stem(x)), []
        for stage in self.stages[1:]:
            x = stage(x)
            trunk.append(x)
        found = dict(zip(_TRUNK, trunk, strict=True))
        if self._needs('fused', 'heatmaps'):
            found['fused'] = self.fuse(trunk)
        if self._needs('heatmaps'):
            found['heatmaps'] = self.heatmaps(found['fused'])
        if self._needs('landmark_features', 'world_landmarks'):
            found['landmark_features'] = self.landmark_features(x)
        if self._needs('world_landmarks'):
            found['world_landmarks'] = self.world_landmarks(found['landmark_features'])
        return tuple(found[name] for name in self.outputs)


_TRUNK = ('stride4', 'stride8', 'stride16', 'stride32')
OUTPUT_CHANNELS = dict(
    zip(_TRUNK, [*(stage[-1].out_channels for stage in STAGES[1:-1]), LAST_CHANNELS], strict=True),
    fused=FUSED_CHANNELS, heatmaps=NUM_LANDMARKS, landmark_features=LANDMARK_CHANNELS,
    world_landmarks=3 * NUM_LANDMARKS)
