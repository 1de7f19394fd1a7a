"""Predict the challenge's Test frames and write a validated submission; --check validates any submission.

    submit CONFIG CHECKPOINT --out submission.zip         one model
    submit CONFIG A.pth B.pth C.pth --weights 2 1 1       the weighted mean of several checkpoints
    submit ENSEMBLE_CONFIG                                an ensemble, whose config names its checkpoints
    submit --check submission.zip --index h80k_test.npz   exit status 1 if the submission has faults

The frames are those of the config's ``submission_dataloader``. Skeletons are scaled to --bone-length, or to the mean
length of train+val that training stored in the checkpoints.
"""
import argparse
import hashlib
import os.path as osp
import pprint
from collections.abc import Sequence
from typing import Any

from mmengine.config import Config
from mmengine.runner.checkpoint import CheckpointLoader

from mmpose_integral.cli.argument_types import bone_length_mm, positive, submission
from mmpose_integral.engine.config_checks import apply_options
from mmpose_integral.engine.tool_config import add_common_arguments, explain_first_step, load_config, make_runner
from mmpose_integral.formats.h80k_index import load_index
from mmpose_integral.formats.submission import find_faults
from mmpose_integral.structures.bone_length import check_bone_length
from mmpose_integral.utils.errors import printable
from mmpose_integral.utils.files import check_file, write_whole
from mmpose_integral.utils.outputs import check_arguments, output_file

USUAL_INDEX = 'data/h80k/annotations/h80k_test.npz'
SAME_MM = 0.005
"""Bone lengths that differ by less than this, mm, give the same two decimals in a submission."""

EXPECTED_ERRORS = (FileNotFoundError, )  # a ValueError during a prediction needs its traceback


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', nargs='?', help='config file with a submission_dataloader; --check needs none')
    parser.add_argument('checkpoints', nargs='*', metavar='checkpoint',
                        help='checkpoint files of this config; none for an ensemble, whose config names its own')
    parser.add_argument('--out', type=submission, default='submission.zip',
                        help='archive to write (default: submission.zip)')
    parser.add_argument('--weights', type=positive, nargs='+', help='weight of each checkpoint (default: all equal)')
    parser.add_argument('--bone-length', type=bone_length_mm, metavar='MM', help='total skeleton length')
    parser.add_argument('--predictions', type=output_file('.npz'), metavar='NPZ',
                        help='also write predictions for the command ensemble')
    parser.add_argument('--flip-test', action='store_true', help='average with the prediction for the mirrored input')
    parser.add_argument('--check', metavar='SUBMISSION',
                        help='only check this ZIP archive, or this folder with Test_PRED and Test_Prediction.JSON: '
                             'print all faults; exit status 1 if there is one')
    parser.add_argument('--index', metavar='NPZ',
                        help=f'with --check: index of Test (default: that of the config, or {USUAL_INDEX})')
    add_common_arguments(parser)
    args = parser.parse_intermixed_args(argv)  # options may stand between the checkpoints
    if args.check is None:
        if args.config is None:
            parser.error('a config and its checkpoints are expected, or --check SUBMISSION')
        if args.index:
            parser.error('--index is for --check only; otherwise submission_dataloader names the index')
    elif args.checkpoints:
        parser.error(f'--check predicts nothing, so no checkpoint is expected; got {args.checkpoints[0]}')
    return args


def read_config(args: argparse.Namespace) -> Config:
    """Read the config and apply ``--cfg-options``; SystemExit if it has no ``submission_dataloader``."""
    cfg = load_config(args)
    for name in args.cfg_options:
        if name.split('.')[0] in ('test_dataloader', 'test_evaluator'):
            raise SystemExit(f'--cfg-options {name} has no effect on a submission: its frames are those of '
                             'submission_dataloader; --out, --bone-length and --predictions set the rest')
    apply_options(cfg, args.cfg_options)
    if 'submission_dataloader' not in cfg:
        raise SystemExit(f'{args.config}: no submission_dataloader; see configs/quickstart/integral_r18_standin.py')
    return cfg


def index_file(cfg: Config) -> str:
    """Path of the index of Test."""
    dataset = cfg.submission_dataloader.dataset
    return osp.join(dataset.get('data_root') or '', dataset.ann_file)


def check(args: argparse.Namespace) -> int:
    """Print all faults of a submission; return 0 for a valid submission, 1 for a faulty one."""
    path = args.index or (index_file(read_config(args)) if args.config else USUAL_INDEX)
    try:
        index = load_index(path)
    except (OSError, ValueError) as error:
        raise SystemExit(str(error) + ('' if args.index else '; --index names the index of Test')) from None
    faults = find_faults(args.check, index)
    print('\n'.join([*map(printable, faults), f'{args.check}: ' + (
        f'{len(faults)} fault(s)' if faults else f'valid, {len(index.frame_ids)} frames')]))
    return 1 if faults else 0


def check_checkpoints(args: argparse.Namespace, members: list | None) -> list[str]:
    """The checkpoints to predict with: those of the arguments, or those that an ensemble's config names.

    SystemExit is raised if there are none or too many, one is given twice, or the weights do not fit.
    """
    if bool(args.checkpoints) == bool(members):
        raise SystemExit(f'{args.config}: ' + ('an ensemble names its own checkpoints, so none is expected here'
                                               if members else 'a checkpoint is expected as second argument'))
    checkpoints = [member.checkpoint for member in members or []] or args.checkpoints
    for path in checkpoints:
        check_file(path, 'checkpoint')
        if args.checkpoints.count(path) > 1:
            raise SystemExit(f'{path} is given more than once; use --weights to give a checkpoint more weight')
    if args.weights and (members or len(args.weights) != len(checkpoints) or len(checkpoints) == 1):
        raise SystemExit(f'--weights: one weight for each of several checkpoints expected, got {len(args.weights)} for '
                         + ('an ensemble, whose config has its own' if members else f'{len(checkpoints)}'))
    return checkpoints


def stored_bone_length(paths: Sequence[str]) -> float:
    """Mean skeleton length of train+val, mm, as training stored it in the checkpoints.

    SystemExit is raised if a checkpoint has none, one is no body's length, or they differ.
    """
    found: dict[str, Any] = {}
    for path in paths:
        meta = CheckpointLoader.load_checkpoint(path, map_location='cpu').get('meta') or {}
        found[path] = ((meta.get('dataset_meta') or {}).get('skeleton_length') or {}).get('train+val')
        if found[path] is None:
            raise SystemExit(f'{path} has no mean skeleton length of train+val (SkeletonLengthHook stores it during '
                             'training); give --bone-length')
        try:
            check_bone_length(found[path], f'{path}: mean skeleton length of train+val')
        except ValueError as error:
            raise SystemExit(f'{error}; give --bone-length') from None
    if max(found.values()) - min(found.values()) > SAME_MM:
        raise SystemExit('the checkpoints were trained with different mean skeleton lengths of train+val: '
                         + ', '.join(f'{path} {length:.3f} mm' for path, length in found.items())
                         + '; give --bone-length')
    return found[paths[0]]


def make_ensemble(cfg: Config, checkpoints: Sequence[str], weights: Sequence[float] | None = None) -> None:
    """Turn a config into the ensemble of several of its checkpoints, with equal weights by default.

    Members read their config from a file. Therefore this config, with --cfg-options and --flip-test applied, is written
    to the work folder. Every process writes the same file. A hash of the content in its name separates runs with
    different options.
    """
    # MemberInputs takes the crop of a member from its test_dataloader, and the crop of Test may be another one.
    member = dict(cfg.to_dict(), test_dataloader=cfg.to_dict()['submission_dataloader'])
    # The same Python text as Config.dump writes, without its formatting, which takes seconds.
    text = ''.join(f'{name} = {pprint.pformat(value, width=118, sort_dicts=False)}\n' for name, value in member.items())
    path = osp.join(cfg.work_dir, f'submission_member_{hashlib.sha256(text.encode()).hexdigest()[:8]}.py')
    write_whole(path, text)
    weights = weights or [1.0] * len(checkpoints)
    cfg.model = dict(type='EnsembleEstimator', members=[
        dict(config=path, checkpoint=checkpoint, weight=weight)
        for checkpoint, weight in zip(checkpoints, weights, strict=True)])
    pipeline = cfg.submission_dataloader.dataset.pipeline
    read_once = [step for step in pipeline[:1] if step.type == 'LoadImage']  # members do not read the image again
    cfg.submission_dataloader.dataset.pipeline = [*read_once, dict(type='MemberInputs', configs=[path] * len(weights))]


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    if args.check is not None:
        return check(args)
    check_arguments(args, 'out', 'predictions')
    cfg = read_config(args)
    checkpoints = check_checkpoints(args, cfg.model.get('members'))
    length = args.bone_length or stored_bone_length(checkpoints)
    if args.flip_test:
        cfg.model.test_cfg = dict(cfg.model.get('test_cfg') or {}, flip_test=True)
    if len(args.checkpoints) > 1:
        make_ensemble(cfg, args.checkpoints, args.weights)
    cfg.load_from = args.checkpoints[0] if len(args.checkpoints) == 1 else None
    cfg.test_dataloader = cfg.submission_dataloader
    cfg.test_evaluator = dict(type='SubmissionMetric', out=args.out, index_file=index_file(cfg), bone_length=length,
                              outfile=args.predictions)
    runner = make_runner(cfg)
    with explain_first_step(runner):
        runner.test()
    return 0
