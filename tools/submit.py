"""Predict the challenge's Test frames and write a validated submission; --check validates any submission.

    python tools/submit.py CONFIG CHECKPOINT --out submission.zip              one model
    python tools/submit.py CONFIG A.pth B.pth C.pth --weights 2 1 1            the mean of several, as an ensemble
    python tools/submit.py ENSEMBLE_CONFIG                                     an ensemble that names its checkpoints
    python tools/submit.py --check submission.zip --index h80k_test.npz        exit status 1 if it has faults

The config names the frames (``submission_dataloader``). Skeletons are scaled to --bone-length, or to the mean
length of train+val that training stored in the checkpoints.
"""
import argparse
import hashlib
import os
import os.path as osp
import pprint

from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader

import mmpose_integral  # noqa: F401  registers everything and makes checkpoints loadable
from mmpose_integral.engine.tool_config import add_common_arguments, load_config, start_processes
from mmpose_integral.engine.weights import check_runner
from mmpose_integral.formats.h80k_index import load_index
from mmpose_integral.formats.submission import find_faults
from mmpose_integral.utils.files import write_whole

SAME_MM = 0.005  # bone lengths that differ by less give the same two decimals


def parse_args(args=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', nargs='?', help='config file with a submission_dataloader; --check can do without')
    parser.add_argument('checkpoints', nargs='*', metavar='checkpoint',
                        help='checkpoint files of this config; none for an ensemble, whose config names them')
    parser.add_argument('--out', default='submission.zip', help='the archive (default: submission.zip)')
    parser.add_argument('--weights', type=float, nargs='+', help='one a checkpoint; equal without it')
    parser.add_argument('--bone-length', type=float, metavar='MM', help='total skeleton length')
    parser.add_argument('--predictions', metavar='NPZ', help='also write them for tools/ensemble.py to this file')
    parser.add_argument('--flip-test', action='store_true', help='average with the mirrored input')
    parser.add_argument('--check', metavar='SUBMISSION',
                        help='only check this ZIP archive, or folder with Test_PRED and Test_Prediction.JSON: print '
                             'all its faults and exit with 1 if there is one')
    parser.add_argument('--index', metavar='NPZ', help="with --check: Test's index; default: that of the config, or "
                                                       'data/h80k/annotations/h80k_test.npz')
    add_common_arguments(parser)
    args = parser.parse_intermixed_args(args)  # options may stand between the checkpoints
    if args.check is None:
        if args.config is None:
            parser.error('a config and its checkpoints are needed, or --check SUBMISSION')
        if args.index:
            parser.error("--index goes with --check; to predict, the config's submission_dataloader names the index")
    elif args.checkpoints:
        parser.error(f'--check predicts nothing, so no checkpoint is expected; got {args.checkpoints[0]}')
    return args


def read_config(args):
    """Config with the caller's ``--cfg-options``, which are about what the file holds: the tool's own come later.

    Raises:
        SystemExit: no such file, no ``submission_dataloader``, or options that would not be heeded.
    """
    cfg = load_config(args)
    for name in args.cfg_options:
        if name.split('.')[0] in ('test_dataloader', 'test_evaluator'):
            raise SystemExit(f'--cfg-options {name}: the frames of a submission are those of submission_dataloader, '
                             'and what is done with them is said by --out, --bone-length and --predictions')
    cfg.merge_from_dict(args.cfg_options)
    if 'submission_dataloader' not in cfg:
        raise SystemExit(f'{args.config}: no submission_dataloader; see configs/quickstart/integral_r18_standin.py')
    return cfg


def index_file(cfg):
    """Path of Test's index."""
    dataset = cfg.submission_dataloader.dataset
    return osp.join(dataset.get('data_root') or '', dataset.ann_file)


def check(args):
    """Print all faults of a submission.

    Returns:
        int: 0 for a sound submission, 1 for a faulty one.

    Raises:
        SystemExit: the index cannot be read.
    """
    path = args.index or (index_file(read_config(args)) if args.config else 'data/h80k/annotations/h80k_test.npz')
    try:
        index = load_index(path)
    except (OSError, ValueError) as error:
        raise SystemExit(f'{error}' + ('' if args.index else "; --index names Test's index")) from None
    faults = find_faults(args.check, index)
    for fault in faults:
        print(fault)
    print(f'{args.check}: ' + (f'{len(faults)} fault(s)' if faults else f'valid, {len(index.frame_ids)} frames'))
    return 1 if faults else 0


def check_checkpoints(args, members):
    """Checkpoints to predict with: the arguments, or those that an ensemble's config names.

    Raises:
        SystemExit: none or too many, one that is not there or there twice, or weights that do not fit.
    """
    if bool(args.checkpoints) == bool(members):
        raise SystemExit(f'{args.config}: ' + ('an ensemble names its own checkpoints, none is expected beside it'
                                               if members else 'a checkpoint is needed, as second argument'))
    checkpoints = [member.checkpoint for member in members or []] or args.checkpoints
    for path in checkpoints:
        if not osp.isfile(path) and '://' not in path:
            raise SystemExit(f'{path}: no such checkpoint')
        if args.checkpoints.count(path) > 1:
            raise SystemExit(f'{path}: given more than once; --weights lets a checkpoint count for more')
    if args.weights and (members or len(args.weights) != len(checkpoints) or len(checkpoints) == 1):
        raise SystemExit(f'--weights: one for each of several checkpoints expected, got {len(args.weights)} for '
                         + ('an ensemble, whose config has them' if members else f'{len(checkpoints)}'))
    if args.weights and min(args.weights) <= 0:
        raise SystemExit(f'--weights: numbers above 0 expected, got {args.weights}')
    return checkpoints


def stored_bone_length(paths):
    """Mean skeleton length of train+val, mm, as training wrote it into checkpoints.

    Raises:
        SystemExit: one of them has none, or they differ.
    """
    found = {}
    for path in paths:
        meta = CheckpointLoader.load_checkpoint(path, map_location='cpu').get('meta', {})
        found[path] = meta.get('dataset_meta', {}).get('skeleton_length', {}).get('train+val')
        if found[path] is None:
            raise SystemExit(f'{path}: no mean skeleton length of train+val in it (SkeletonLengthHook writes it while '
                             'training); give --bone-length')
    if max(found.values()) - min(found.values()) > SAME_MM:
        raise SystemExit('the checkpoints were trained with different mean skeleton lengths of train+val: '
                         + ', '.join(f'{path} {length:.3f} mm' for path, length in found.items())
                         + '; give --bone-length')
    return found[paths[0]]


def make_ensemble(cfg, checkpoints, weights=None):
    """Turn a config into the ensemble of several of its checkpoints.

    Members read their config from a file. So that --cfg-options and --flip-test count for them, it is this config as
    it stands, written to the work folder; every process writes the same one. A hash of its content in its name keeps
    runs with other options apart.

    Args:
        cfg (mmengine.Config): changed in place.
        checkpoints (list[str]): of the members.
        weights (list[float], optional): one each.
    """
    # MemberInputs takes a member's crop from its val_dataloader, and Test's may be another.
    member = dict(cfg.to_dict(), val_dataloader=cfg.to_dict()['submission_dataloader'])
    # Python, as Config.dump would write it, but without yapf, which takes seconds.
    text = ''.join(f'{name} = {pprint.pformat(value, width=118, sort_dicts=False)}\n' for name, value in member.items())
    path = osp.join(cfg.work_dir, f'submission_member_{hashlib.sha256(text.encode()).hexdigest()[:8]}.py')
    write_whole(path, text)
    weights = weights or [1.0] * len(checkpoints)
    cfg.model = dict(type='EnsembleEstimator', members=[
        dict(config=path, checkpoint=checkpoint, weight=weight)
        for checkpoint, weight in zip(checkpoints, weights, strict=True)])
    pipeline = cfg.submission_dataloader.dataset.pipeline
    read_once = [step for step in pipeline[:1] if step.type == 'LoadImage']  # members do not read what is there
    cfg.submission_dataloader.dataset.pipeline = [*read_once, dict(type='MemberInputs', configs=[path] * len(weights))]


def main():
    args = parse_args()
    if args.check is not None:
        return check(args)
    cfg = read_config(args)
    checkpoints = check_checkpoints(args, cfg.model.get('members'))
    length = args.bone_length or stored_bone_length(checkpoints)
    if args.flip_test:
        cfg.model.test_cfg = dict(cfg.model.get('test_cfg') or {}, flip_test=True)
    if len(args.checkpoints) > 1:
        make_ensemble(cfg, args.checkpoints, args.weights)
    cfg.load_from = args.checkpoints[0] if len(args.checkpoints) == 1 else None
    cfg.resume = False  # a config from a work folder may say so
    cfg.test_dataloader = cfg.submission_dataloader
    cfg.test_evaluator = dict(type='SubmissionMetric', out=args.out, index_file=index_file(cfg), bone_length=length,
                              outfile=args.predictions)
    os.makedirs(osp.dirname(osp.abspath(args.out)), exist_ok=True)
    start_processes(cfg)
    runner = Runner.from_cfg(cfg)
    if cfg.load_from:
        check_runner(runner, cfg.load_from)
    runner.test()
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
