"""A config of the paper's size, made small enough for the stand-in data and a CPU.

Rounding to the backbones' stride is not kind to proportions: of 288x384, a fourth is 64x96 here, as wide as of 256x256.
"""
STRIDE = 32  # of all backbones; inputs stay its multiples

SMALL_DEPTH = {50: 18, 101: 34, 152: 34}


def shrink_config(cfg, divisor=3, base_channels=32):
    """Divide the input size, and take a smaller backbone of the same kind from random weights.

    ResNet-50 becomes ResNet-18 and ResNet-152 ResNet-34, with ``base_channels`` for 64 and two deconvolutions of 64;
    HRNet and Swin get a quarter of their channels and one block where there are many. Depth stays W / 4 bins.

    Args:
        cfg (mmengine.Config): changed in place.
        divisor (float): input sides are divided by it and rounded to a multiple of 32, 32 at least.
        base_channels (int): of a ResNet.

    Returns:
        mmengine.Config: ``cfg``.

    Raises:
        ValueError: the backbone is of no kind that is known here.
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
    """Every ``input_size`` below a node, once: parts of a config may be the same object in several places."""
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
