"""Arguments of ``tools/infer.py``. Names that mmpose's demo/inferencer_demo.py has too mean the same there."""
import argparse
import math

_DEFAULT_OUT_DIR = 'work_dirs/infer'


def positive(text):
    """A type for argparse: positive and finite."""
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f'a positive number expected, got {text}')
    return number


def share(text):
    """A type for argparse: 0 to 1."""
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f'a number from 0 to 1 expected, got {text}')
    return number


def at_least_one(text):
    """A type for argparse: a positive whole number."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f'at least 1 expected, got {text}')
    return int(text)


def build_parser(description):
    """All arguments, in groups."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     allow_abbrev=False, usage='%(prog)s INPUT [INPUT ...] --pose3d NAME [options]')
    parser.add_argument('inputs', nargs='*', metavar='INPUT',
                        help='image, folder of images, video, address of one of these, or webcam[:N]')
    _add_model_arguments(parser.add_argument_group('model'))
    _add_people_arguments(parser.add_argument_group('people'))
    _add_size_arguments(parser.add_argument_group('millimetres'))
    _add_output_arguments(parser.add_argument_group('output'))
    _add_drawing_arguments(parser.add_argument_group('drawing'))
    return parser


def _add_model_arguments(group):
    group.add_argument('--pose3d', metavar='NAME|CONFIG', help='alias (see --show-alias), name of model-index.yml, or '
                       'config: standin for rendered people, official for photos once convert_official.py was run')
    group.add_argument('--pose3d-weights', metavar='FILE', help='its checkpoint; a name brings its own')
    group.add_argument('--show-alias', action='store_true', help='list the aliases and stop')
    group.add_argument('--flip-test', action='store_true', help='average with the mirrored input; twice the time')
    group.add_argument('--device', help='cpu, cuda, cuda:1, ... (default: a GPU if there is one)')
    group.add_argument('--batch-size', type=at_least_one, default=8, metavar='N',
                       help='images or frames that go through together (default: 8)')


def _add_people_arguments(group):
    where = group.add_mutually_exclusive_group()
    where.add_argument('--det-model', metavar='NAME|CONFIG', help="person detector of MMDetection (default: the pose "
                       "model's own, else RTMDet-m with public weights)")
    where.add_argument('--bbox', type=float, nargs=4, action='append', metavar=('X1', 'Y1', 'X2', 'Y2'),
                       help='box of a person in the one image given, px; may be repeated')
    where.add_argument('--whole-image', action='store_true', help='one person fills each image')
    group.add_argument('--det-weights', metavar='FILE', help="the detector's checkpoint")
    group.add_argument('--det-cat-ids', type=int, nargs='+', metavar='N', help='its classes that count as people')
    group.add_argument('--bbox-thr', type=share, default=0.3, metavar='SCORE', help='of a box (default: 0.3)')
    group.add_argument('--nms-thr', type=share, default=0.3, metavar='IOU', help='of two boxes (default: 0.3)')
    group.add_argument('--smooth', action='store_true', help='videos: follow people and smooth their joints')
    group.add_argument('--tracking-thr', type=share, metavar='IOU', help='of a box with its next one (default: 0.3)')


def _add_size_arguments(group):
    size = group.add_mutually_exclusive_group()
    size.add_argument('--bone-length', type=positive, metavar='MM',
                      help="total length of a person's 17 bones (default: the training data's mean)")
    size.add_argument('--body-height', type=positive, metavar='MM', help='standing height, to estimate it from')
    group.add_argument('--focal-length', type=positive, metavar='PX', help="adds each person's place before the camera")
    group.add_argument('--principal-point', type=float, nargs=2, metavar=('CX', 'CY'),
                       help='px (default: the middle of the image)')


def _add_output_arguments(group):
    group.add_argument('--out-dir', metavar='FOLDER', help='pictures into FOLDER/visualizations, JSON into '
                       f'FOLDER/predictions (default, if no other output is named: {_DEFAULT_OUT_DIR})')
    group.add_argument('--vis-out-dir', default='', metavar='FOLDER', help='pictures and videos')
    group.add_argument('--pred-out-dir', default='', metavar='FOLDER', help='JSON')
    group.add_argument('--csv', metavar='FILE', help='one table of everybody, a line for each joint')
    group.add_argument('--npz', metavar='FILE', help='the same as numpy arrays')
    group.add_argument('--skip-done', action='store_true',
                       help='take the JSON of images that have one already; videos are done again')
    group.add_argument('--strict', action='store_true', help='exit code 3 if any image or video shows nobody')
    group.add_argument('--no-progress', dest='show_progress', action='store_false', default=None, help='no bar')
    group.add_argument('--show-progress', action='store_true', default=None,
                       help='a bar even if stderr is no terminal')


def _add_drawing_arguments(group):
    group.add_argument('--show', action='store_true', help='open a window')
    group.add_argument('--draw-bbox', action='store_true', help='draw the boxes')
    group.add_argument('--kpt-thr', type=share, default=0.3, metavar='SCORE', help='hollow below (default: 0.3)')
    group.add_argument('--views', metavar='A,B', help='of the 3D pose: front, side, back, left, top, oblique, or none '
                       '(default: front,side)')
    group.add_argument('--num-instances', type=int, default=-1, metavar='N', help='people drawn (default: all)')
    group.add_argument('--radius', type=at_least_one, default=3, metavar='N', help='size of joints (default: 3)')
    group.add_argument('--thickness', type=at_least_one, default=1, metavar='N', help='of limbs (default: 1)')
    group.add_argument('--black-background', action='store_true', help='leave the image out')
    group.add_argument('--draw-std', action='store_true', help='shade one standard deviation of each joint in 3D')


def parse_args(args, description):
    """Arguments, with what does not need a look at the inputs checked; argparse ends the process with code 2.

    Args:
        args (list[str] | None): None for those of the process.
        description (str): what the tool does.

    Returns:
        argparse.Namespace: ``vis_out_dir`` and ``pred_out_dir`` say what ``out_dir`` stands for.
    """
    parser = build_parser(description)
    args = parser.parse_intermixed_args(args)
    if args.show_alias:
        return args
    if not args.inputs:
        parser.error('INPUT: an image, a folder, a video or webcam expected')
    if not args.pose3d:
        parser.error('--pose3d: which model? "--pose3d standin" knows rendered people alone; "--pose3d official" is '
                     'for photos, once tools/model_converters/convert_official.py was run; or give a CONFIG with '
                     '--pose3d-weights. --show-alias lists all names')
    if args.npz and not args.npz.endswith('.npz'):
        parser.error(f'--npz: a name that ends in .npz expected, got {args.npz}')
    if args.principal_point and not args.focal_length:
        parser.error('--principal-point is of use with --focal-length only')
    if args.tracking_thr is not None and not args.smooth:
        parser.error('--tracking-thr is of use with --smooth only')
    if args.det_weights and not args.det_model:
        parser.error('--det-weights is of a --det-model, which is not given')
    if args.out_dir is None and not any((args.vis_out_dir, args.pred_out_dir, args.csv, args.npz, args.show)):
        args.out_dir = _DEFAULT_OUT_DIR
    if args.out_dir is not None:
        args.vis_out_dir = args.vis_out_dir or f'{args.out_dir}/visualizations'
        args.pred_out_dir = args.pred_out_dir or f'{args.out_dir}/predictions'
    if args.skip_done and not args.pred_out_dir:
        parser.error('--skip-done goes by the JSON files: give --out-dir or --pred-out-dir')
    return args
