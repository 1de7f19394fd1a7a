"""The script `mmpose-integral`, which is also `python -m mmpose_integral`: one command per module of this package."""
import io
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from mmpose_integral.utils.errors import explain, printable
from mmpose_integral.utils.launch import end_with_torchrun

# Command: (module below mmpose_integral.cli, what it does).
COMMANDS = {
    'infer': ('infer.command', 'predict 3D poses in images, folders, videos or a camera stream'),
    'demo': ('demo', 'serve a web page that shows the 3D pose of the people in a photo'),
    'train': ('train', 'train a model'),
    'test': ('test', 'evaluate a checkpoint'),
    'submit': ('submit', 'write or check a challenge submission'),
    'ensemble': ('ensemble', 'average the predictions of several models'),
    'export': ('export', 'write a model as ONNX, TorchScript or a torch.export program'),
    'convert-official': ('convert_official', "fetch and convert the authors' released weights"),
    'convert-3dmppe': ('convert_3dmppe', 'convert a released PoseNet model of 3DMPPE'),
    'get-model': ('get_model', 'fetch and convert public weights: the model for photographs'),
    'publish': ('publish', 'reduce a checkpoint to what inference needs'),
    'prepare index': ('prepare.index_h80k', 'check the files of CHALL_H80K and write an index per split'),
    'prepare boxes': ('prepare.detect_boxes', 'detect the person in every frame'),
    'prepare keypoints-2d': ('prepare.predict_keypoints_2d', 'predict coarse 2D joints in every frame'),
    'prepare cameras': ('prepare.fit_cameras', 'fit a camera per frame to the coarse 2D joints'),
    'prepare h36m': ('prepare.h36m_to_h80k', 'convert the full Human3.6M into the layout of CHALL_H80K'),
    'prepare official-caches': ('prepare.import_official_caches', "import the authors' cache files"),
    'quickstart': ('quickstart.command', 'run the whole chain on rendered stand-in data'),
    'make-standin': ('make_standin', 'render the stand-in data'),
    'ablation': ('ablation.command', "train and evaluate the rows of the paper's Table 2"),
    'visualize-batch': ('visualize_batch', 'draw augmented training samples with their labels'),
    'plot-curve': ('plot_curve', 'draw the learning curve of a training'),
    'plot-calibration': ('plot_calibration', 'compare predicted standard deviations with errors'),
    'plateau-epochs': ('plateau_epochs', 'read from a log when the learning rate dropped'),
    'box-sensitivity': ('box_sensitivity', 'measure how errors of the boxes change MPJPE'),
    'smoothing-report': ('smoothing_report', 'measure what smoothing does to videos'),
    'photo-report': ('photo_report.command', 'compare models, and MediaPipe, on photographs'),
}


def run_command(command: str, argv: Sequence[str] | None = None) -> int:
    """Run a command of ``COMMANDS`` as :func:`run_safely` does; return the exit status.

    The module of a command may have ``EXPECTED_ERRORS``, which replaces the default, OSError and ValueError, and
    ``AFTER_CTRL_C``, a sentence about the work of a stopped run.
    """
    def run() -> int | None:
        end_with_torchrun()
        if isinstance(sys.stdout, io.TextIOWrapper):  # names of files may be no UTF-8; stderr is so from the start
            sys.stdout.reconfigure(errors='backslashreplace')
        module = import_module(f'mmpose_integral.cli.{COMMANDS[command][0]}')
        return run_safely(lambda: module.main(argv), getattr(module, 'EXPECTED_ERRORS', (OSError, ValueError)),
                          getattr(module, 'AFTER_CTRL_C', ''))

    return run_safely(run)  # the imports take seconds, in which Ctrl-C has to work, too


def run_safely(main: Callable[[], int | None], expected: tuple[type[BaseException], ...] = (),
               after_ctrl_c: str = '') -> int:
    """Run a function. Errors that a user can foresee and Ctrl-C end with a sentence on stderr, others with a traceback.

    Args:
        main: Function that returns the exit status; None is success.
        expected: Types of foreseeable errors beside those of :func:`mmpose_integral.utils.errors.explain`.
        after_ctrl_c: Sentence that follows after Ctrl-C.

    Returns:
        Exit status: that of the function, 1 for an error, 130 for Ctrl-C.

    Raises:
        SystemExit: If the function raises it with a number, as argparse does for wrong arguments (2).
    """
    try:
        try:
            return main() or 0
        except SystemExit as stop:
            if not isinstance(stop.code, str):
                raise
            message = printable(stop.code)
        except Exception as error:  # with Ctrl-C in several processes, also the end of another one
            explanation = explain(error, expected)
            if explanation is None:
                raise
            message = explanation
    except KeyboardInterrupt:
        print(f'\nStopped. {after_ctrl_c}'.rstrip(), file=sys.stderr)
        return 130
    print(message, file=sys.stderr)
    return 1


def usage() -> str:
    """All commands, one per line."""
    lines = [f'  {command:24} {what}' for command, (_, what) in COMMANDS.items()]
    return '\n'.join(['usage: mmpose-integral COMMAND [arguments]; COMMAND --help lists its arguments', '', *lines])


def main() -> int:
    """Run the command that the arguments of the process name; return its exit status."""
    arguments = sys.argv[1:]
    words = next((n for n in (2, 1) if ' '.join(arguments[:n]) in COMMANDS), None)
    if words is None:
        is_help = arguments[:1] in (['-h'], ['--help'])
        unknown = [] if is_help or not arguments else [f'mmpose-integral: no such command: {" ".join(arguments[:2])}']
        print('\n'.join([*unknown, usage()]), file=sys.stdout if is_help else sys.stderr)
        return 0 if is_help else 2
    command = ' '.join(arguments[:words])
    sys.argv = [f'mmpose-integral {command}', *arguments[words:]]  # argparse shows the first as the program's name
    return run_command(command)
