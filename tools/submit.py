"""Predict the challenge's Test frames with a checkpoint and write a validated submission.

The config names the frames (``submission_dataloader``). Skeletons are scaled to --bone-length, or to the mean
length of train+val that training stored in the checkpoint.
"""
import argparse
import os
import os.path as osp

from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader

import mmpose_integral  # noqa: F401  registers everything and makes checkpoints loadable
from mmpose_integral.engine.launch import add_common_arguments, load_config, start_processes


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file with a submission_dataloader')
    parser.add_argument('checkpoint', nargs='?', help='checkpoint file; none for an ensemble, whose config names them')
    parser.add_argument('--out', default='submission.zip', help='the archive (default: submission.zip)')
    parser.add_argument('--bone-length', type=float, metavar='MM', help='total skeleton length')
    parser.add_argument('--predictions', metavar='NPZ', help='also write them for tools/ensemble.py to this file')
    parser.add_argument('--flip-test', action='store_true', help='average with the mirrored input')
    add_common_arguments(parser)
    return parser.parse_args()


def stored_bone_length(path):
    """Mean skeleton length of train+val, mm, as training wrote it into a checkpoint.

    Raises:
        SystemExit: the checkpoint has none.
    """
    meta = CheckpointLoader.load_checkpoint(path, map_location='cpu').get('meta', {})
    lengths = meta.get('dataset_meta', {}).get('skeleton_length', {})
    if 'train+val' not in lengths:
        raise SystemExit(f'{path}: no mean skeleton length of train+val in it (SkeletonLengthHook writes it while '
                         'training); give --bone-length')
    return lengths['train+val']


def main():
    args = parse_args()
    cfg = load_config(args)
    members = cfg.model.get('members')
    if bool(args.checkpoint) == bool(members):
        raise SystemExit(f'{args.config}: ' + ('an ensemble names its own checkpoints, none is expected beside it'
                                               if members else 'a checkpoint is needed, as second argument'))
    first = members[0].checkpoint if members else args.checkpoint
    if not osp.isfile(first):
        raise SystemExit(f'{first}: no such checkpoint')
    if 'submission_dataloader' not in cfg:
        raise SystemExit(f'{args.config}: no submission_dataloader; see configs/quickstart/integral_r18_standin.py')
    dataset = cfg.submission_dataloader.dataset
    cfg.load_from, cfg.resume = args.checkpoint, False  # a config from a work folder may say resume
    cfg.test_dataloader = cfg.submission_dataloader
    cfg.test_evaluator = dict(
        type='SubmissionMetric', out=args.out, index_file=osp.join(dataset.get('data_root') or '', dataset.ann_file),
        bone_length=args.bone_length or stored_bone_length(first), outfile=args.predictions)
    if args.flip_test:
        cfg.model.test_cfg.flip_test = True
    cfg.merge_from_dict(args.cfg_options)
    os.makedirs(osp.dirname(osp.abspath(args.out)), exist_ok=True)
    start_processes(cfg)
    Runner.from_cfg(cfg).test()


if __name__ == '__main__':
    main()
