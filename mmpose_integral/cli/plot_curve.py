"""Draw the learning curve of a training: loss and validation errors against epochs."""
import argparse
from collections.abc import Sequence
from pathlib import Path

from mmpose_integral.cli.argument_types import finite
from mmpose_integral.utils.outputs import PICTURES, check_arguments, output_file
from mmpose_integral.visualization import draw_curves, read_scalars, save_picture


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('work_dir', type=Path, help='work folder of a training, or one scalars.json')
    parser.add_argument('--out', type=output_file(*PICTURES), help='picture to write (default: <work_dir>/curve.png)')
    parser.add_argument('--metrics', nargs='+', metavar='NAME',
                        help='validation metrics such as h80k/MPJPE (default: all position errors)')
    parser.add_argument('--baseline', type=finite, metavar='MM',
                        help='draw a horizontal line, for example at the MPJPE of the mean pose')
    parser.add_argument('--baseline-name', default='mean pose', help='text at that line (default: mean pose)')
    parser.add_argument('--title', help='title of the picture (default: name of the folder)')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    check_arguments(args, 'out')
    folder = args.work_dir.parent if args.work_dir.is_file() else args.work_dir
    out = args.out or folder / 'curve.png'
    title = folder.absolute().name if args.title is None else args.title
    save_picture(draw_curves(read_scalars(args.work_dir), args.metrics, args.baseline, args.baseline_name, title), out)
    print(out)
    return 0
