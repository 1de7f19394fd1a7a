"""Reduce a checkpoint to what inference needs, with weights in half precision.

The weights, ``dataset_meta`` (joints, mean skeleton lengths; a detector's classes), and the name and text of the config
are kept. Optimizer, schedulers and message hub are left out. A model that loads the weights converts them to float32.
"""
import argparse
import os
from collections.abc import Sequence

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner.checkpoint import save_checkpoint

import mmpose_integral
from mmpose_integral.formats.checkpoints import find_weights
from mmpose_integral.models.weights import find_not_finite, load_weights_file
from mmpose_integral.utils.config_files import explain_building, read_config
from mmpose_integral.utils.files import check_file
from mmpose_integral.utils.outputs import check_arguments, output_file


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config that the checkpoint was trained with')
    parser.add_argument('checkpoint', help='checkpoint of a training')
    parser.add_argument('out', type=output_file(), help='file to write')
    parser.add_argument('--full-precision', action='store_true', help='keep the precision of the weights')
    parser.add_argument('--head-only', action='store_true', help='leave out the backbone, if its weights are of others')
    return parser.parse_args(argv)


def pack(weights: dict[str, torch.Tensor], dataset_meta: dict, config: Config, epoch: int | None) -> dict:
    """Make a checkpoint for inference: ``state_dict``, and ``meta`` with joints, lengths, config, epoch and version."""
    return dict(state_dict=weights, meta=dict(
        dataset_meta=dataset_meta, config_name=os.path.basename(config.filename), cfg=config.pretty_text, epoch=epoch,
        mmpose_integral_version=mmpose_integral.__version__))


def publish(path: str, config: Config, half: bool = True, head_only: bool = False) -> dict:
    """Load and reduce a checkpoint of mmengine's runner; with ``half``, floating-point weights become float16.

    With ``head_only``, the weights of the backbone are left out.

    Raises:
        CheckpointError: If the checkpoint is not of this config, see :func:`load_weights_file`.
        ValueError: If a pose model has no mean skeleton lengths, which the conversion to millimetres needs, or a weight
            is too large for float16.
    """
    init_default_scope(config.get('default_scope', 'mmpose'))
    with explain_building(str(config.filename)):
        model = MODELS.build(config.model)
    checkpoint = load_weights_file(model, path)
    meta = checkpoint.get('meta') or {}
    dataset_meta = meta.get('dataset_meta') or {}
    if 'skeleton_length' not in dataset_meta and 'classes' not in dataset_meta:
        raise ValueError(f'{path}: its dataset_meta has no skeleton_length; train with SkeletonLengthHook')
    weights = {name: value.half() if half and value.is_floating_point() else value
               for name, value in find_weights(checkpoint).items() if not head_only or name.startswith('head.')}
    if too_large := find_not_finite(weights):
        raise ValueError(f'{path}: {too_large} has values above 65504, the largest number of float16; use '
                         '--full-precision')
    return pack(weights, dataset_meta, config, meta.get('epoch'))


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    check_arguments(args, 'out')
    check_file(args.config, 'config file')
    check_file(args.checkpoint, 'checkpoint')
    small = publish(args.checkpoint, read_config(args.config, 'model'), not args.full_precision, args.head_only)
    save_checkpoint(small, args.out, backend_args=dict(backend='atomic_local'))
    print(f'{args.out}: {os.path.getsize(args.out) / 1e6:.1f} MB')
    return 0
