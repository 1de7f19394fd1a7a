"""Reduction of a config of the paper's size for the stand-in data and a CPU."""
from mmengine.config import Config, ConfigDict

STRIDE = 32  # stride of all backbones; input sides are multiples of it
SMALL_DEPTH = {50: 18, 101: 34, 152: 34}


def shrink_config(cfg: Config, divisor: float = 3, base_channels: int = 32) -> Config:
    """Divide the input size, and use a smaller backbone of the same kind with random weights.

    ResNet-50 becomes ResNet-18 and ResNet-152 becomes ResNet-34, with ``base_channels`` instead of 64 and two
    deconvolutions of 64 channels. HRNet and Swin get a quarter of their channels and fewer blocks. The number of depth
    bins stays W / 4.

    Args:
        cfg: Config; changed in place.
        divisor: Divisor of the input sides, which are rounded to a multiple of 32 and at least 32. This changes
            proportions: a quarter of 288x384 is 64x96, which is as wide as a quarter of 256x256.
        base_channels: Base channels of a ResNet.

    Returns:
        The same ``cfg``.

    Raises:
        ValueError: If the kind of the backbone is unknown.
    """
    _divide_input_sizes(cfg._cfg_dict, divisor)
    backbone, head = cfg.model.get('backbone'), cfg.model.get('head')
    if backbone is None:
        return cfg
    head.in_channels = _shrink_backbone(backbone, base_channels)
    if 'depth_bins' in head:
        head.depth_bins = head.decoder.input_size[0] // 4
        if head.get('deconv_out_channels', True):
            head.update(deconv_out_channels=(64, 64), deconv_kernel_sizes=(4, 4))
    return cfg


def _divide_input_sizes(root: ConfigDict, divisor: float) -> None:
    """Divide every ``input_size`` and ``depth_range`` once; a config may hold the same object in several places."""
    def divided(side: float) -> int:
        return max(1, int(side / divisor / STRIDE + 0.5)) * STRIDE

    todo, seen = [root], {id(root)}
    while todo:
        node = todo.pop()
        if isinstance(node, dict) and 'input_size' in node:
            node['input_size'] = tuple(map(divided, node['input_size']))
            if node.get('depth_range'):
                node['depth_range'] = divided(node['depth_range'])
        for child in node.values() if isinstance(node, dict) else node:
            if isinstance(child, (dict, list)) and id(child) not in seen:
                seen.add(id(child))
                todo.append(child)


def _shrink_backbone(backbone: ConfigDict, base_channels: int) -> int:
    """Make a backbone smaller and its weights random; return its number of output channels."""
    backbone.pop('init_cfg', None)
    if backbone.type == 'ResNet':
        backbone.update(depth=SMALL_DEPTH.get(backbone.depth, backbone.depth), base_channels=base_channels)
        return base_channels * 8
    if backbone.type == 'HRNet':
        for stage in backbone.extra.values():
            stage.update(num_modules=1, num_blocks=(1, ) * len(stage.num_blocks),
                         num_channels=tuple(channels // 4 for channels in stage.num_channels))
        return backbone.extra.stage4.num_channels[0]
    if backbone.type == 'SwinTransformer':
        backbone.update(embed_dims=backbone.embed_dims // 4, depths=[2, 2, 2, 2], convert_weights=False)
        return backbone.embed_dims * 8
    raise ValueError(f"model.backbone.type: 'ResNet', 'HRNet' or 'SwinTransformer' expected, got {backbone.type!r}")
