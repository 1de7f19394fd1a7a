"""Predict 3D poses, in millimetres, of the people in images, folders, videos or a camera stream.

The command writes annotated pictures and videos, JSON files in the format of mmpose's inferencers, and optionally one
CSV or NPZ file of all people. Images are rotated as their EXIF data says. docs/cli.md describes the files.

Exit status: 0 success; 1 an input failed, or another error, see stderr; 2 wrong usage; 3 no person was found in any
input (with --strict: in one of the inputs); 130 interrupted, finished work is kept.
"""
import argparse
import contextlib
import io
import os
import urllib.error
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from mmengine.logging import MMLogger
from mmpose.models.pose_estimators.base import BasePoseEstimator

from mmpose_integral.apis.arguments import first_line
from mmpose_integral.apis.integral_pose3d_inferencer import IntegralPose3DInferencer
from mmpose_integral.apis.model_zoo import list_aliases
from mmpose_integral.apis.result_files import names_file
from mmpose_integral.apis.videos import is_camera
from mmpose_integral.cli.infer.arguments import parse_args
from mmpose_integral.cli.infer.batch_run import BatchRun, say
from mmpose_integral.cli.infer.command_inputs import Inputs, find_inputs, originals_of, outputs_of
from mmpose_integral.formats.people_table import write_csv, write_npz
from mmpose_integral.utils.errors import explain, printable
from mmpose_integral.utils.launch import sigterm_as_ctrl_c
from mmpose_integral.utils.outputs import check_originals, check_writable
from mmpose_integral.visualization import check_window
from mmpose_integral.visualization.view_3d import resolve_view

# Arguments that are passed on to each call of the inferencer.
CALL_ARGUMENTS = (
    'bbox_thr', 'nms_thr', 'bone_length', 'body_height', 'focal_length', 'principal_point', 'distortion',
    'tracking_thr', 'upright', 'show',
    'draw_bbox', 'kpt_thr', 'num_instances', 'radius', 'thickness', 'black_background', 'draw_std')


class UsageError(ValueError):
    """Arguments that contradict each other or the inputs."""


def check_inputs(args: argparse.Namespace, inputs: Inputs) -> None:
    """Raise UsageError if the arguments do not fit the inputs, and OSError if no window can be opened but is needed."""
    if args.bbox and (len(inputs.images) != 1 or inputs.videos):
        raise UsageError(f'--bbox needs exactly one image; got {len(inputs.images)} images and '
                         f'{len(inputs.videos)} videos')
    if args.smooth and not inputs.videos:
        raise UsageError('--smooth is for videos and cameras, but none is given')
    if names_file(args.vis_out_dir) and len(inputs.images) + len(inputs.videos) != 1:
        raise UsageError(f'--vis-out-dir {args.vis_out_dir} is taken for a file because of its ending, but there are '
                         'several inputs; give a folder, or --out-dir')
    reason = '--show' if args.show else next(filter(is_camera, inputs.videos), None)
    if reason:
        try:
            check_window()
        except OSError as error:
            raise OSError(f'{reason}: {error}') from error


def check_outputs(args: argparse.Namespace, inputs: Inputs) -> None:
    """Raise OutputError if one of the outputs cannot be written, or would replace an input or another output."""
    for path in (args.vis_out_dir, args.pred_out_dir, args.csv, args.npz):
        if path:
            check_writable(path, folder=path == args.pred_out_dir or path == args.vis_out_dir and not names_file(path))
    tables = [path for path in (args.csv, args.npz) if path]
    models = filter(None, (args.pose3d, args.pose3d_weights, args.det_model, args.det_weights))
    check_originals([*tables, *outputs_of(inputs, args.vis_out_dir, args.pred_out_dir)],
                    [*originals_of(inputs), *models])


def call_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """Keyword arguments of the inferencer's calls."""
    call = {name: getattr(args, name) for name in CALL_ARGUMENTS}
    if args.bbox:
        call['bboxes'] = np.array(args.bbox, dtype=np.float32)
    if args.views is not None:
        call['views'] = [] if args.views == 'none' else args.views.split(',')
        try:
            for view in call['views']:
                resolve_view(view)
        except ValueError as error:
            raise UsageError(f'--views: {error}') from error
    return call


def load_inferencer(args: argparse.Namespace) -> IntegralPose3DInferencer:
    """Load the model and the person detector without printing to stdout; OSError or ValueError if that fails."""
    det_model = 'whole_image' if args.whole_image or args.bbox else args.det_model
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            inferencer = IntegralPose3DInferencer(
                args.pose3d, args.pose3d_weights, args.device, det_model=det_model, det_weights=args.det_weights,
                det_cat_ids=args.det_cat_ids)
            inferencer.load_detector()
    except urllib.error.URLError as error:
        raise OSError(f'the weights of pose3d {args.pose3d} could not be fetched ({error.reason}); where there is no '
                      'network, give the file') from error
    except (RuntimeError, KeyError) as error:
        raise ValueError(f'the model cannot be loaded: {first_line(error)}') from error
    if args.flip_test:
        for module in inferencer.model.modules():  # includes the members of an ensemble
            if isinstance(module, BasePoseEstimator):
                module.test_cfg = dict(module.test_cfg or {}, flip_test=True)
    return inferencer


def run(args: argparse.Namespace) -> int:
    """Process all inputs; return the exit status."""
    inputs, call = find_inputs(args.inputs), call_arguments(args)
    check_inputs(args, inputs)
    check_outputs(args, inputs)
    for note in inputs.notes:
        say(note)
    inferencer = load_inferencer(args)
    work = BatchRun(args, inferencer, call)
    interrupted = False
    try:
        work.process(inputs)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        for path, write in ((args.csv, write_csv), (args.npz, write_npz)):
            if path:
                try:
                    write(path, work.table())
                except OSError as error:  # the other table is written all the same
                    work.fail(path, error)
    places = [('CSV', args.csv), ('NPZ', args.npz)]
    if work.counts['images'] or work.counts['videos']:
        places = [('pictures in', args.vis_out_dir), ('JSON in', args.pred_out_dir), *places]
    print(printable(work.summary() + ''.join(f'; {what} {where}' for what, where in places if where)))
    if interrupted:
        say('interrupted; finished work is kept')
        return 130
    return work.exit_status()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence warnings and log lines of other packages, which would break the progress bar."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')  # FFmpeg reads it when the first video is opened
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('ERROR')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try:
            yield
        finally:
            logger.setLevel(level)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv, __doc__)
    if args.show_alias:
        print('\n'.join(f'{name:20} {config}' for name, config in sorted(list_aliases().items())))
        return 0
    try:
        with quiet(), sigterm_as_ctrl_c():
            return run(args)
    except KeyboardInterrupt:
        say('interrupted before any input was finished')
        return 130
    except Exception as error:
        message = explain(error, (OSError, ValueError))
        if message is None:
            raise
        say(message)
        return 2 if isinstance(error, UsageError) else 1
