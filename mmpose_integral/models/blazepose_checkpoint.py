"""Conversion of MediaPipe's ``pose_landmark_full.tflite`` to weights of :class:`BlazePoseBackbone`.

The file stores the weights with 16 bits, and its graph computes with 32 bits. The outputs of its graph are, in this
order: image landmarks, score of the person, segmentation mask, heat maps, world landmarks.
"""
from pathlib import Path

import torch
from torch import nn

from mmpose_integral.formats.tflite_weights import read_convolutions
from mmpose_integral.models.backbones.blazepose import OUTPUT_CHANNELS, BlazePoseBackbone

# The last two outputs need every layer of the backbone, and in this order the depth-first order of the file's
# convolutions is the order in which the backbone defines its layers.
_FILE_OUTPUTS = (3, 4)


def convert_blazepose(path: str | Path) -> dict[str, torch.Tensor]:
    """Read the weights of a backbone with all outputs, float32.

    Args:
        path: ``pose_landmark_full.tflite``.

    Raises:
        FileNotFoundError, OSError: If there is no such file, or the package ``tflite`` is not installed.
        ValueError: If the file is of another network; the message names the first difference.
    """
    with torch.device('meta'):
        backbone = BlazePoseBackbone(tuple(OUTPUT_CHANNELS))
    layers = [(name, layer) for name, layer in backbone.named_modules() if isinstance(layer, nn.Conv2d)]
    convolutions = read_convolutions(path, _FILE_OUTPUTS)
    if len(layers) != len(convolutions):
        raise ValueError(f'{path}: {len(layers)} convolutions before heat maps and world landmarks expected, found '
                         f'{len(convolutions)}; this is not pose_landmark_full.tflite')
    weights = {}
    for (name, layer), convolution in zip(layers, convolutions, strict=True):
        for key, value in convolution._asdict().items():
            if value.shape != getattr(layer, key).shape:
                raise ValueError(f'{path}: {name}.{key} of shape {tuple(getattr(layer, key).shape)} expected, found '
                                 f'{value.shape}; this is not pose_landmark_full.tflite')
            weights[f'{name}.{key}'] = torch.from_numpy(value.copy())
    return weights
