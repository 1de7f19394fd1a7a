"""Draw a run's learning curve: loss and validation errors against epochs."""
import argparse
import os.path as osp

from mmpose_integral.visualization import draw_curves, read_scalars, save_picture


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('work_dir', help='work folder of tools/train.py (or one scalars.json)')
    parser.add_argument('--out', help='picture to write; default <work_dir>/curve.png')
    parser.add_argument('--metrics', nargs='+', metavar='NAME',
                        help='validation metrics such as h80k/MPJPE; default: all position errors')
    parser.add_argument('--baseline', type=float, metavar='MM',
                        help='draw a line here, such as the mean pose\'s MPJPE')
    parser.add_argument('--baseline-name', default='mean pose')
    parser.add_argument('--title', help='default: the folder\'s name')
    return parser.parse_args()


def main():
    args = parse_args()
    folder = osp.dirname(args.work_dir) if osp.isfile(args.work_dir) else args.work_dir
    out = args.out or osp.join(folder, 'curve.png')
    title = osp.basename(osp.abspath(folder)) if args.title is None else args.title
    try:
        picture = draw_curves(read_scalars(args.work_dir), args.metrics, args.baseline, args.baseline_name, title)
        save_picture(picture, out)
    except (OSError, ValueError) as error:
        raise SystemExit(f'plot_curve: {error}') from None
    print(out)


if __name__ == '__main__':
    main()
