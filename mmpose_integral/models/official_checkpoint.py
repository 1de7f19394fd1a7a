"""The checkpoints that the paper's authors released, as weights of our model.

Theirs is a torch file of version 0.4: a dict whose ``network`` is the state dict, beside ``epoch``, ``optimizer``,
``scheduler`` and losses, which are of no use here. The network is torchvision's ResNet without its classifier
(``backbone.*``), three deconvolutions with batch norm (``head.features.0`` to ``.7``) and a 1x1 convolution
(``head.features.9``) to J x D channels, joint by joint, depth bins within. Layers, grid, depth and normalisation of
the input are ours as well, so conversion is a matter of names, and the same crop gives the same coordinates.
"""
import os
import pickle
import re
from typing import NamedTuple

import torch
from mmpose.models.backbones import ResNet
from mmpose.models.backbones.resnet import Bottleneck

from mmpose_integral.models.heads.integral_3d_head import Integral3DHead
from mmpose_integral.structures.skeleton import NUM_JOINTS

_FINAL_LAYER = 'head.features.9.'
_PARALLEL_PREFIX = 'module.'
# Batch norm of torch 0.4.0 did not count its batches. Inference does not need the number.
_OPTIONAL = '.num_batches_tracked'
_SOURCE_AGAIN = 'get it again from where its authors published it'


class OfficialArchitecture(NamedTuple):
    """What the shapes of the weights tell."""
    depth: int
    """Of the ResNet: 18, 34, 50, 101 or 152."""
    depth_bins: int
    """D, cells of the volume along z."""
    deconv_out_channels: tuple
    """Widths of the three deconvolutions."""

    @property
    def input_width(self):
        """W of the input, px: the heat map is as wide as it is deep, and a quarter of the input."""
        return 4 * self.depth_bins

    def __str__(self):
        return f'ResNet-{self.depth}, {self.depth_bins} depth bins (input {self.input_width} px wide)'


def load_official(path):
    """Read a checkpoint of the authors with torch's safe unpickler.

    Args:
        path (str | Path): the file.

    Returns:
        object: what it holds, tensors on the CPU.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is no torch file, or holds more than tensors, numbers and plain containers.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f'{path}: no such checkpoint')
    with open(path, 'rb') as file:
        if file.read(256).lstrip().startswith(b'<'):
            raise ValueError(f'{path} is a web page, not a torch checkpoint: open its link in a browser, save the '
                             'file and give the path')
    try:
        return torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own text goes on to recommend loading without the safe mode.
        wanted = re.search(r'(?:GLOBAL|class) ([\w.]+)', str(error))
        if wanted:
            raise ValueError(
                f'{path} asks for {wanted[1]}, but tensors, numbers and plain containers are expected; nothing of it '
                f'was run. Do not trust this file; {_SOURCE_AGAIN}') from None
        raise ValueError(f'{path} is no torch checkpoint that can be loaded safely; {_SOURCE_AGAIN}') from error
    except Exception as error:  # a file that is cut short can raise nearly any of them
        raise ValueError(f'{path} is no torch checkpoint, or is cut short ({type(error).__name__}: '
                         f'{str(error)[:200]}); {_SOURCE_AGAIN}') from error


def convert_official(checkpoint):
    """Rename the authors' weights to those of our model.

    Args:
        checkpoint (dict): as :func:`load_official` returns it; keys with or without ``module.``.

    Returns:
        tuple[dict[str, torch.Tensor], OfficialArchitecture]: state dict of ``Integral3DEstimator``, and its shape.

    Raises:
        ValueError: keys that are unknown, missing or of a wrong shape, all of them by name.
    """
    weights = strip_parallel_prefix(find_network(checkpoint))
    architecture = infer_architecture(weights)
    converted, missing, misshapen = {}, [], []
    expected = {to_official_name(name): (name, like) for name, like in expected_weights(architecture).items()}
    for official, (ours, like) in expected.items():
        if official not in weights:
            if official.endswith(_OPTIONAL):
                converted[ours] = torch.zeros((), dtype=torch.long)
            else:
                missing.append(official)
        elif weights[official].shape != like.shape:
            misshapen.append(f'{official} {tuple(weights[official].shape)} instead of {tuple(like.shape)}')
        else:
            converted[ours] = weights[official]
    unknown = [name for name in weights if name not in expected]
    faults = [f'{title}: {", ".join(names)}' for title, names in (
        ('unknown', unknown), ('missing', missing), ('of a wrong shape', misshapen)) if names]
    if faults:
        raise ValueError(f'network: keys of {architecture} with three deconvolutions and {NUM_JOINTS} joints expected; '
                         + '; '.join(faults))
    return converted, architecture


def find_network(checkpoint):
    """The state dict in a checkpoint of the authors, or ValueError."""
    if not isinstance(checkpoint, dict) or 'network' not in checkpoint:
        found = ', '.join(map(str, checkpoint)) if isinstance(checkpoint, dict) else type(checkpoint).__name__
        hint = '; this one is of mmengine and needs no conversion' if 'state_dict' in found.split(', ') else ''
        raise ValueError(f"checkpoint: a dict with 'network' expected, found {found[:200]}{hint}")
    network = checkpoint['network']
    if not isinstance(network, dict) or not network:
        raise ValueError(f"checkpoint: its 'network' must be a state dict, found {type(network).__name__}"
                         f'{" without keys" if isinstance(network, dict) else ""}')
    bad = [str(name) for name, value in network.items()
           if not isinstance(name, str) or not isinstance(value, torch.Tensor)]
    if bad:
        raise ValueError(f'network: tensors by name expected, which these are not: {", ".join(bad)}')
    return network


def strip_parallel_prefix(weights):
    """Take ``module.``, which training on several GPUs adds, off every key; ValueError where only some have it."""
    with_prefix = [name for name in weights if name.startswith(_PARALLEL_PREFIX)]
    if not with_prefix:
        return dict(weights)
    if len(with_prefix) != len(weights):
        without = next(name for name in weights if name not in with_prefix)
        raise ValueError(f"network: '{_PARALLEL_PREFIX}' expected before all keys or before none, but {without} has "
                         f'none and {with_prefix[0]} has it')
    return {name[len(_PARALLEL_PREFIX):]: value for name, value in weights.items()}


def infer_architecture(weights):
    """Read depth, bins and widths off the keys and shapes.

    Args:
        weights (dict[str, torch.Tensor]): the authors' keys, without ``module.``.

    Returns:
        OfficialArchitecture: what they tell.

    Raises:
        ValueError: no ResNet has these blocks, or the last layer is not there or not of 18 joints.
    """
    blocks = [len({name.split('.')[2] for name in weights if name.startswith(f'backbone.layer{stage}.')})
              for stage in (1, 2, 3, 4)]
    kind = Bottleneck if any('.conv3.' in name for name in weights) else None
    depths = [depth for depth, (block, counts) in ResNet.arch_settings.items()
              if list(counts) == blocks and (block is Bottleneck) == (kind is Bottleneck)]
    if not depths:
        raise ValueError(f'network: {blocks} blocks in backbone.layer1 to .layer4 {"with" if kind else "without"} '
                         f'conv3; a ResNet of depth {", ".join(map(str, ResNet.arch_settings))} expected')
    final = weights.get(f'{_FINAL_LAYER}weight')
    if final is None:
        raise ValueError(f'network: {_FINAL_LAYER}weight is missing, the 1x1 convolution after three deconvolutions; '
                         f'keys of the head: {", ".join(k for k in weights if k.startswith("head")) or "none"}')
    depth_bins, rest = divmod(len(final), NUM_JOINTS) if final.ndim else (0, 0)
    if rest or not depth_bins:
        raise ValueError(f'network: {_FINAL_LAYER}weight of shape {tuple(final.shape)}; {NUM_JOINTS} joints times '
                         'the depth bins expected in front')
    deconvs = (weights.get(f'head.features.{index}.weight') for index in (0, 3, 6))
    widths = tuple(layer.shape[1] if layer is not None and layer.ndim == 4 else 256 for layer in deconvs)
    return OfficialArchitecture(depths[0], depth_bins, widths)


def expected_weights(architecture):
    """Our model's keys and shapes, as tensors without memory.

    Args:
        architecture (OfficialArchitecture): of the model.

    Returns:
        dict[str, torch.Tensor]: ``backbone.*`` and ``head.*`` on the meta device.
    """
    in_channels = 2048 if ResNet.arch_settings[architecture.depth][0] is Bottleneck else 512
    with torch.device('meta'):
        parts = dict(backbone=ResNet(depth=architecture.depth), head=Integral3DHead(
            in_channels, NUM_JOINTS, architecture.depth_bins, architecture.deconv_out_channels))
    return {f'{part}.{name}': value for part, module in parts.items() for name, value in module.state_dict().items()}


def to_official_name(name):
    """Our name of a weight -> the authors', without ``module.``."""
    return name.replace('head.deconv_layers.', 'head.features.').replace('head.final_layer.', _FINAL_LAYER)
