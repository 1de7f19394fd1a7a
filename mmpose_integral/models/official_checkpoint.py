"""Conversion of the checkpoints that the paper's authors released to weights of our model.

Their files are of torch 0.4: a dict whose ``network`` is the state dict, beside ``epoch``, ``optimizer``,
``scheduler`` and losses, which are not used here. The network is torchvision's ResNet without its classifier
(``backbone.*``), three deconvolutions with batch norm (``head.features.0`` to ``.7``) and a 1x1 convolution
(``head.features.9``) to J x D channels, joint by joint, with the depth bins of a joint in sequence. Layers, grid, depth
and normalisation of the input are the same as ours. Therefore the conversion only renames weights, and the same crop
gives the same coordinates.
"""
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmpose.models.backbones import ResNet
from mmpose.models.backbones.resnet import Bottleneck

from mmpose_integral.formats.checkpoints import read_checkpoint
from mmpose_integral.models.heads.integral_3d_head import Integral3DHead
from mmpose_integral.structures.skeleton import NUM_JOINTS

_PARALLEL_PREFIX = 'module.'  # of training on several GPUs
_OPTIONAL = '.num_batches_tracked'  # batch norm of torch 0.4.0 has no count of batches; inference does not need it
_SOURCE_AGAIN = 'get it again from where its authors published it'


class HeadNames(NamedTuple):
    """Names of the layers of a head in a file: prefix of the deconvolutions with batch norm, and of the last layer."""
    deconv: str = 'head.features.'
    final: str = 'head.features.9.'


class OfficialArchitecture(NamedTuple):
    """Architecture of a model, as the shapes of its weights determine it."""
    depth: int  # of the ResNet: 18, 34, 50, 101 or 152
    depth_bins: int  # D, the number of cells of the volume along z
    deconv_out_channels: tuple[int, ...]  # widths of the three deconvolutions

    @property
    def input_width(self) -> int:
        """Width of the input, px. The volume is as wide as it is deep, which is a quarter of the input."""
        return 4 * self.depth_bins

    def __str__(self) -> str:
        return f'ResNet-{self.depth}, {self.depth_bins} depth bins (input {self.input_width} px wide)'


def load_official(path: str | Path) -> Any:
    """Read a checkpoint of the authors with torch's safe unpickler, with its tensors on the CPU.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is not a torch file, or holds more than tensors, numbers and plain containers.
    """
    return read_checkpoint(path, remedy=_SOURCE_AGAIN)


def convert_official(checkpoint: dict[str, Any]) -> tuple[dict[str, torch.Tensor], OfficialArchitecture]:
    """Rename the authors' weights to those of our model.

    Args:
        checkpoint: Checkpoint as :func:`load_official` returns it; keys with or without ``module.``.

    Returns:
        State dict of :class:`Integral3DEstimator`, and its architecture.

    Raises:
        ValueError: If keys are unknown, missing or of a wrong shape; the message names all of them.
    """
    return convert_network(find_network(checkpoint), HeadNames())


def convert_network(weights: dict[str, torch.Tensor],
                    names: HeadNames) -> tuple[dict[str, torch.Tensor], OfficialArchitecture]:
    """Rename the weights of a ResNet with such a head; see :func:`convert_official`."""
    architecture = infer_architecture(weights, names)
    expected = expected_weights(architecture, names)
    faults = {'unknown': [name for name in weights if name not in expected], 'missing': [], 'of a wrong shape': []}
    converted = {}
    for theirs, (ours, shape) in expected.items():
        if theirs in weights and weights[theirs].shape == shape:
            converted[ours] = weights[theirs]
        elif theirs in weights:
            faults['of a wrong shape'].append(f'{theirs} {tuple(weights[theirs].shape)} instead of {tuple(shape)}')
        elif theirs.endswith(_OPTIONAL):
            converted[ours] = torch.zeros((), dtype=torch.long)
        else:
            faults['missing'].append(theirs)
    if any(faults.values()):
        found = '; '.join(f'{title}: {", ".join(names)}' for title, names in faults.items() if names)
        raise ValueError(f'network: keys of {architecture} with three deconvolutions and {NUM_JOINTS} joints expected; '
                         + found)
    return converted, architecture


def find_network(checkpoint: Any) -> dict[str, torch.Tensor]:
    """Return the weights in a checkpoint of the authors, keys without ``module.``, or raise ValueError."""
    if not isinstance(checkpoint, dict) or 'network' not in checkpoint:
        found = ', '.join(map(str, checkpoint)) if isinstance(checkpoint, dict) else type(checkpoint).__name__
        hint = '; this one is of mmengine and needs no conversion' if 'state_dict' in found.split(', ') else ''
        raise ValueError(f"checkpoint: a dict with 'network' expected, found {found[:200]}{hint}")
    network = checkpoint['network']
    if not isinstance(network, dict) or not network:
        raise ValueError(f"checkpoint: a state dict expected as its 'network', found {type(network).__name__}"
                         f'{" without keys" if isinstance(network, dict) else ""}')
    bad = [str(name) for name, value in network.items()
           if not isinstance(name, str) or not isinstance(value, torch.Tensor)]
    if bad:
        raise ValueError(f'network: tensors by name expected; these entries are not: {", ".join(bad)}')
    weights = {name.removeprefix(_PARALLEL_PREFIX): value for name, value in network.items()}
    without = [name for name in network if not name.startswith(_PARALLEL_PREFIX)]
    if len(without) not in (0, len(network)):
        raise ValueError(f"network: '{_PARALLEL_PREFIX}' expected before all keys or before none, but {without[0]} has "
                         'none')
    return weights


def infer_architecture(weights: dict[str, torch.Tensor], names: HeadNames) -> OfficialArchitecture:
    """Determine depth, bins and widths from the keys and shapes of the authors' weights.

    Raises:
        ValueError: If no ResNet has these blocks, or the last layer is missing or not of 18 joints.
    """
    blocks = [len({name.split('.')[2] for name in weights if name.startswith(f'backbone.layer{stage}.')})
              for stage in (1, 2, 3, 4)]
    has_bottlenecks = any('.conv3.' in name for name in weights)
    depths = [depth for depth, (block, counts) in ResNet.arch_settings.items()
              if list(counts) == blocks and (block is Bottleneck) == has_bottlenecks]
    if not depths:
        raise ValueError(f'network: {blocks} blocks in backbone.layer1 to .layer4 '
                         f'{"with" if has_bottlenecks else "without"} conv3; a ResNet of depth '
                         f'{", ".join(map(str, ResNet.arch_settings))} expected')
    final = weights.get(f'{names.final}weight')
    if final is None:
        raise ValueError(f'network: {names.final}weight is missing, the 1x1 convolution after three deconvolutions; '
                         f'keys of the head: {", ".join(k for k in weights if k.startswith("head")) or "none"}')
    depth_bins, rest = divmod(len(final), NUM_JOINTS) if final.ndim else (0, 0)
    if rest or not depth_bins:
        raise ValueError(f'network: {names.final}weight of shape {tuple(final.shape)}; {NUM_JOINTS} joints times '
                         'the depth bins expected in front')
    deconvs = (weights.get(f'{names.deconv}{index}.weight') for index in (0, 3, 6))
    widths = tuple(layer.shape[1] if layer is not None and layer.ndim == 4 else 256 for layer in deconvs)
    return OfficialArchitecture(depths[0], depth_bins, widths)


def expected_weights(architecture: OfficialArchitecture, names: HeadNames) -> dict[str, tuple[str, torch.Size]]:
    """Names and shapes of our model's weights, by the names in the file without ``module.``."""
    in_channels = 2048 if ResNet.arch_settings[architecture.depth][0] is Bottleneck else 512
    with torch.device('meta'):
        backbone = ResNet(depth=architecture.depth)
        head = Integral3DHead(in_channels, NUM_JOINTS, architecture.depth_bins, architecture.deconv_out_channels)
    ours = {f'backbone.{name}': value.shape for name, value in backbone.state_dict().items()}
    ours |= {f'head.{name}': value.shape for name, value in head.state_dict().items()}
    return {name.replace('head.deconv_layers.', names.deconv).replace('head.final_layer.', names.final):
            (name, shape) for name, shape in ours.items()}
