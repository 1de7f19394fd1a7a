"""Make a checkpoint small enough to hand on: weights in half precision, and what one needs to use them.

Kept beside the weights: ``dataset_meta`` (joints, mean skeleton lengths; a detector's classes) and the config's file
name and text.
Optimizer, schedulers and message hub go. Loading into a model turns the weights back into float32.
"""
import argparse
import os

import torch
from mmengine.config import Config
from mmengine.runner.checkpoint import CheckpointLoader

import mmpose_integral
from mmpose_integral.utils.files import replace_when_done


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config that the checkpoint was trained with')
    parser.add_argument('checkpoint', help='checkpoint of tools/train.py')
    parser.add_argument('out', help='file to write')
    parser.add_argument('--full-precision', action='store_true', help='leave the weights as they are')
    return parser.parse_args()


def publish(checkpoint, config, half=True):
    """Reduce a checkpoint.

    Args:
        checkpoint (dict): of mmengine's runner.
        config (mmengine.Config): its config.
        half (bool): store floating-point weights as float16.

    Returns:
        dict: ``state_dict`` and ``meta`` (``dataset_meta``, ``config_name``, ``cfg``, versions).

    Raises:
        ValueError: a pose model without mean skeleton lengths, without which nobody gets millimetres out of it.
    """
    meta = checkpoint.get('meta', {})
    dataset_meta = meta.get('dataset_meta', {})
    if 'skeleton_length' not in dataset_meta and 'classes' not in dataset_meta:
        raise ValueError('no skeleton_length in its dataset_meta; train with SkeletonLengthHook')
    weights = {name: value.half() if half and value.is_floating_point() else value
               for name, value in checkpoint['state_dict'].items()}
    return dict(state_dict=weights, meta=dict(
        dataset_meta=dataset_meta, config_name=os.path.basename(config.filename), cfg=config.pretty_text,
        epoch=meta.get('epoch'), mmpose_integral_version=mmpose_integral.__version__))


def main():
    args = parse_args()
    if not os.path.isfile(args.checkpoint):
        raise SystemExit(f'{args.checkpoint}: no such checkpoint')
    checkpoint = CheckpointLoader.load_checkpoint(args.checkpoint, map_location='cpu')
    try:
        small = publish(checkpoint, Config.fromfile(args.config), not args.full_precision)
    except ValueError as error:
        raise SystemExit(f'{args.checkpoint}: {error}') from None
    with replace_when_done(args.out) as temporary:
        torch.save(small, temporary)
    print(f'{args.out}: {os.path.getsize(args.out) / 1e6:.1f} MB')


if __name__ == '__main__':
    main()
