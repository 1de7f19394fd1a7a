"""Reduction of a config of the paper's size for the stand-in data and a CPU.

Sides are rounded to the stride of the backbones, which changes proportions: a quarter of 288x384 is 64x96, which is as
wide as a quarter of 256x256.
"""
from mmengine.config import Config

STRIDE = 32  # stride of all backbones; input sides are multiples of it

SMALL_DEPTH = {50: 18, 101: 34, 152: 34}


def shrink_config(cfg: Config, divisor: float = 3, base_channels: int = 32) -> Config:
    """Divide the input size, and use a smaller backbone of the same kind with random weights.

    ResNet-50 becomes ResNet-18 and ResNet-152 becomes ResNet-34, with ``base_channels`` instead of 64 and two
    deconvolutions of 64 channels. HRNet and Swin get a quarter of their channels and fewer blocks. The number of depth
    bins stays W / 4.

    Args:
        cfg: Config; changed in place.
        divisor: Divisor of the input sides, which are rounded to a multiple of 32 and at least 32.
        base_channels: Base channels of a ResNet.

    Returns:
        The same ``cfg``.

    Raises:
        ValueError: If the kind of the backbone is unknown.
    """
    _resize(cfg._cfg_dict, divisor, set())
    backbone, head = cfg.model.get('backbone'), cfg.model.get('head')
    if backbone is None:
        return cfg
    kind = backbone.type
    if kind not in SHRINK:
        raise ValueError(f'model.backbone.type: one of {sorted(SHRINK)} expected, got {kind!r}')
    head.in_channels = SHRINK[kind](backbone, base_channels)
    backbone.pop('init_cfg', None)
    if 'depth_bins' in head:
        head.depth_bins = head.decoder.input_size[0] // 4
        if head.get('deconv_out_channels', True):
            head.update(deconv_out_channels=(64, 64), deconv_kernel_sizes=(4, 4))
    return cfg


def _resize(node, divisor, seen):
    """Divide every ``input_size`` below a node once; parts of a config may be the same object in several places."""
    if id(node) in seen:
        return
    seen.add(id(node))
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        if key == 'input_size':
            node[key] = tuple(max(1, int(side / divisor / STRIDE + 0.5)) * STRIDE for side in value)
        elif isinstance(value, (dict, list)):
            _resize(value, divisor, seen)


def _shrink_resnet(backbone, base_channels):
    backbone.update(depth=SMALL_DEPTH.get(backbone.depth, backbone.depth), base_channels=base_channels)
    return base_channels * 8


def _shrink_hrnet(backbone, _):
    for stage in backbone.extra.values():
        stage.update(num_modules=1, num_blocks=(1, ) * len(stage.num_blocks),
                     num_channels=tuple(channels // 4 for channels in stage.num_channels))
    return backbone.extra.stage4.num_channels[0]


def _shrink_swin(backbone, _):
    backbone.update(embed_dims=backbone.embed_dims // 4, depths=[2, 2, 2, 2], convert_weights=False)
    return backbone.embed_dims * 8


SHRINK = dict(ResNet=_shrink_resnet, HRNet=_shrink_hrnet, SwinTransformer=_shrink_swin)
