"""Arguments of the command infer. Those that mmpose's demo/inferencer_demo.py has too have the same meaning."""
import argparse
from collections.abc import Sequence

from mmpose_integral.cli.argument_types import at_least_one, at_least_zero, bone_length_mm, finite, positive, share

_DEFAULT_OUT_DIR = 'work_dirs/infer'


def _add_model_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument('--pose3d', metavar='NAME|CONFIG', help='alias (see --show-alias), name of model-index.yml, or '
                       'config: standin for rendered people; official for photos, after mmpose-integral '
                       'convert-official')
    group.add_argument('--pose3d-weights', metavar='FILE', help='checkpoint of the model (default: that of the name)')
    group.add_argument('--show-alias', action='store_true', help='list the aliases and exit')
    group.add_argument('--flip-test', action='store_true',
                       help='average with the prediction for the mirrored input; takes twice the time')
    group.add_argument('--upright', action=argparse.BooleanOptionalAction,
                       help='predict people who lean again, in a crop that is turned until the trunk stands (default: '
                       "the model's, which is no for most)")
    group.add_argument('--device', help='cpu, cuda, cuda:1, ... (default: a GPU if there is one)')
    group.add_argument('--batch-size', type=at_least_one, default=8, help='images or frames per batch (default: 8)')


def _add_people_arguments(group: argparse._ArgumentGroup) -> None:
    where = group.add_mutually_exclusive_group()
    where.add_argument('--det-model', metavar='NAME|CONFIG', help='person detector of MMDetection (default: that of '
                       'the pose model, else RTMDet-m with public weights)')
    where.add_argument('--bbox', type=finite, nargs=4, action='append', metavar=('X1', 'Y1', 'X2', 'Y2'),
                       help='box of a person in the only image, px; may be repeated')
    where.add_argument('--whole-image', action='store_true', help='use the whole image as the box of one person')
    group.add_argument('--det-weights', metavar='FILE', help='checkpoint of the detector')
    group.add_argument('--det-cat-ids', type=at_least_zero, nargs='+', metavar='N',
                       help='its classes that are people')
    group.add_argument('--bbox-thr', type=share, default=0.3, metavar='SCORE',
                       help='smallest score of a box (default: 0.3)')
    group.add_argument('--nms-thr', type=share, default=0.3, metavar='IOU',
                       help='largest overlap of two boxes (default: 0.3)')
    group.add_argument('--smooth', action='store_true', help='track people in videos and smooth their joints')
    group.add_argument('--tracking-thr', type=share, metavar='IOU',
                       help='smallest overlap of the boxes of a person in consecutive frames (default: 0.3)')


def _add_size_arguments(group: argparse._ArgumentGroup) -> None:
    size = group.add_mutually_exclusive_group()
    size.add_argument('--bone-length', type=bone_length_mm, metavar='MM',
                      help='total length of the 17 bones of a person (default: mean of the training data)')
    size.add_argument('--body-height', type=positive, metavar='MM', help='standing height, to estimate the bone length')
    group.add_argument('--focal-length', type=positive, metavar='PX',
                       help="also compute each person's position in front of the camera")
    group.add_argument('--principal-point', type=finite, nargs=2, metavar=('CX', 'CY'),
                       help='principal point, px (default: centre of the image)')
    group.add_argument('--distortion', type=finite, nargs=5, metavar=('K1', 'K2', 'P1', 'P2', 'K3'),
                       help='distortion of the lens, as in OpenCV (default: none)')


def _add_output_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument('--out-dir', metavar='FOLDER', help='write pictures to FOLDER/visualizations and JSON to '
                       f'FOLDER/predictions (default without any other output: {_DEFAULT_OUT_DIR})')
    group.add_argument('--vis-out-dir', default='', metavar='FOLDER', help='folder for pictures and videos')
    group.add_argument('--pred-out-dir', default='', metavar='FOLDER', help='folder for JSON files')
    group.add_argument('--csv', metavar='FILE', help='table of all people, with one line per joint')
    group.add_argument('--npz', metavar='FILE', help='the same table as numpy arrays')
    group.add_argument('--skip-done', action='store_true',
                       help='read the JSON of images that have one; videos are always processed again')
    group.add_argument('--strict', action='store_true', help='exit status 3 if an image or a video has no person')
    group.add_argument('--no-progress', action='store_true', default=None, help='show no progress bar')
    group.add_argument('--show-progress', dest='no_progress', action='store_false', default=None,
                       help='show a progress bar even if stderr is no terminal')


def _add_drawing_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument('--show', action='store_true', help='show results in a window')
    group.add_argument('--draw-bbox', action='store_true', help='draw the boxes')
    group.add_argument('--kpt-thr', type=share, default=0.3, metavar='SCORE',
                       help='joints with a lower score are drawn hollow (default: 0.3)')
    group.add_argument('--views', metavar='A,B', help='views of the 3D pose: front, side, back, left, top, oblique, or '
                       'none (default: front,side)')
    group.add_argument('--num-instances', type=int, default=-1, help='largest number of people to draw (default: all)')
    group.add_argument('--radius', type=at_least_one, default=3, help='radius of joints, px (default: 3)')
    group.add_argument('--thickness', type=at_least_one, default=1, help='thickness of limbs, px (default: 1)')
    group.add_argument('--black-background', action='store_true', help='do not draw the image')
    group.add_argument('--draw-std', action='store_true', help='shade one standard deviation around each joint in 3D')


def parse_args(argv: Sequence[str] | None, description: str) -> argparse.Namespace:
    """Parse the arguments and check them as far as this is possible without the inputs.

    ``out_dir`` is resolved into ``vis_out_dir`` and ``pred_out_dir``.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     allow_abbrev=False, usage='%(prog)s INPUT [INPUT ...] --pose3d NAME [options]')
    parser.add_argument('inputs', nargs='*', metavar='INPUT',
                        help='image, folder of images, video, URL of an image or video, address of a live stream such '
                        'as rtsp://, or webcam[:N]')
    _add_model_arguments(parser.add_argument_group('model'))
    _add_people_arguments(parser.add_argument_group('people'))
    _add_size_arguments(parser.add_argument_group('millimetres'))
    _add_output_arguments(parser.add_argument_group('output'))
    _add_drawing_arguments(parser.add_argument_group('drawing'))
    args = parser.parse_intermixed_args(argv)
    if args.show_alias:
        return args
    if not args.inputs:
        parser.error('INPUT: an image, a folder, a video or webcam expected')
    if not args.pose3d:
        parser.error('--pose3d: a model is expected. "--pose3d photo" is for photographs, after mmpose-integral '
                     'get-model photo; "--pose3d standin" is for rendered people only; or give a CONFIG with '
                     '--pose3d-weights. --show-alias lists all names')
    if args.npz and not args.npz.endswith('.npz'):
        parser.error(f'--npz: a name that ends in .npz expected, got {args.npz}')
    if (args.principal_point or args.distortion) and not args.focal_length:
        parser.error('--principal-point and --distortion need --focal-length')
    if args.tracking_thr is not None and not args.smooth:
        parser.error('--tracking-thr needs --smooth')
    if args.det_weights and not args.det_model:
        parser.error('--det-weights needs --det-model')
    if args.out_dir is None and not any((args.vis_out_dir, args.pred_out_dir, args.csv, args.npz, args.show)):
        args.out_dir = _DEFAULT_OUT_DIR
    if args.out_dir is not None:
        args.vis_out_dir = args.vis_out_dir or f'{args.out_dir}/visualizations'
        args.pred_out_dir = args.pred_out_dir or f'{args.out_dir}/predictions'
    if args.skip_done and not args.pred_out_dir:
        parser.error('--skip-done needs the JSON files: give --out-dir or --pred-out-dir')
    return args
