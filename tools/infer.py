"""Body joints in millimetres of the people in images, folders, videos, or before a camera.

Writes annotated pictures and videos, JSON as mmpose's inferencers do, and on request one CSV or NPZ of everybody.
Images are turned as their EXIF data says. docs/cli.md describes the files.

Exit codes: 0 all well; 1 something could not be done, stderr says what; 2 wrong usage; 3 nobody was found in any input
(with --strict: in some input); 130 interrupted, what was done until then is kept.
"""
import contextlib
import os
import signal
import sys
import tempfile
import warnings
from pathlib import Path

from infer_arguments import parse_args


class UsageError(ValueError):
    """Arguments that do not go with each other or with the inputs."""


def check_inputs(args, inputs):
    """UsageError for arguments that do not fit the inputs."""
    if args.bbox and (len(inputs.images) != 1 or inputs.videos):
        raise UsageError(f'--bbox is of one image; got {len(inputs.images)} images and {len(inputs.videos)} videos')
    if args.smooth and not inputs.videos:
        raise UsageError('--smooth is for videos and cameras, none of which is given')
    if Path(args.vis_out_dir).suffix and len(inputs.images) + len(inputs.videos) != 1:
        raise UsageError(f'--vis-out-dir {args.vis_out_dir} is taken for a file, by its ending, and there is more than '
                         'one input; give a folder, or --out-dir')


def check_display(args, inputs):
    """Raise OSError if a window is wanted and none can be opened."""
    from mmpose_integral.apis.media import is_camera
    from mmpose_integral.visualization import check_window
    wanted = '--show' if args.show else next(filter(is_camera, inputs.videos), None)
    if wanted:
        try:
            check_window()
        except OSError as error:
            raise OSError(f'{wanted}: {error}') from error


def make_folders(args):
    """Make the folders of all outputs; OSError where one cannot be written to, before any work is done."""
    files = [Path(file) for file in (args.csv, args.npz) if file]
    folders = [Path(folder) for folder in (args.vis_out_dir, args.pred_out_dir) if folder]
    if folders and args.vis_out_dir and folders[0].suffix:
        files.append(folders.pop(0))
    for folder in (*folders, *(file.parent for file in files)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise OSError(f'{folder}: nothing can be written there ({error.strerror})') from error


def call_arguments(args):
    """Keyword arguments of the inferencer's calls."""
    import numpy as np

    from mmpose_integral.visualization.view_3d import resolve_view
    names = ('bbox_thr', 'nms_thr', 'bone_length', 'body_height', 'focal_length', 'principal_point', 'tracking_thr',
             'show', 'draw_bbox', 'kpt_thr', 'num_instances', 'radius', 'thickness', 'black_background', 'draw_std')
    call = {name: getattr(args, name) for name in names}
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


def run(args, say):
    """Do it; returns the exit status."""
    from mmpose_integral.cli.batch_run import BatchRun
    from mmpose_integral.cli.command_inputs import find_inputs
    from mmpose_integral.cli.exports import write_csv, write_npz
    from mmpose_integral.cli.loading import load_inferencer
    inputs, call = find_inputs(args.inputs), call_arguments(args)
    check_inputs(args, inputs)
    check_display(args, inputs)
    inferencer = load_inferencer(
        args.pose3d, args.pose3d_weights, args.device, args.flip_test, det_weights=args.det_weights,
        det_model='whole_image' if args.whole_image or args.bbox else args.det_model, det_cat_ids=args.det_cat_ids)
    make_folders(args)
    work = BatchRun(inferencer, call, args.vis_out_dir, args.pred_out_dir, args.batch_size, args.smooth,
                    args.skip_done, bool(args.csv or args.npz), say, args.show_progress)
    interrupted = False
    try:
        work.look_at(inputs)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        for path, write in ((args.csv, write_csv), (args.npz, write_npz)):
            if path:
                write(path, work.table())
    places = [('CSV', args.csv), ('NPZ', args.npz)]
    if work.images or work.videos:
        places = [('pictures in', args.vis_out_dir), ('JSON in', args.pred_out_dir), *places]
    print(work.summary() + ''.join(f'; {what} {where}' for what, where in places if where))
    if interrupted:
        say('interrupted; what was done until then is kept')
        return 130
    return 1 if work.failed else 3 if work.nobody(args.strict) else 0


def show_aliases():
    """Print what --pose3d may be."""
    from mmpose_integral.apis import load_aliases
    from mmpose_integral.apis.model_index import indexed_models
    known = {entry['Alias']: entry['Config'] for entry in indexed_models().values() if 'Alias' in entry}
    known.update((name, alias.config) for name, alias in load_aliases().items())
    for name, config in sorted(known.items()):
        print(f'{name:20} {config}')
    return 0


@contextlib.contextmanager
def quiet():
    """Third parties' warnings and log lines would tear the progress bar; what matters is said by this tool."""
    from mmengine.logging import MMLogger
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('ERROR')
    try:
        yield
    finally:
        logger.setLevel(level)


def main(args=None):
    """Run the tool; returns the exit status."""
    args = parse_args(args, __doc__)
    # OpenCV and its FFmpeg write to stderr by themselves, and read these when they are loaded.
    os.environ.setdefault('OPENCV_LOG_LEVEL', 'SILENT')
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')

    def say(text):
        from tqdm import tqdm
        tqdm.write(f'infer: {text}', file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try:
            with quiet():
                return show_aliases() if args.show_alias else run(args, say)
        except KeyboardInterrupt:
            say('interrupted before anything was done')
            return 130
        except UsageError as error:
            say(error)
            return 2
        except (OSError, ValueError) as error:
            say(error)
            return 1
        except RuntimeError as error:
            import torch
            if not isinstance(error, torch.cuda.OutOfMemoryError):
                raise
            say('the GPU has too little memory; a smaller --batch-size needs less')
            return 1


if __name__ == '__main__':
    # A scheduler's kill keeps as much as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
