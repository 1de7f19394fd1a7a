"""Draw how a model's keypoint_std compares with its errors: reliability by size, and coverage.

The predictions come from ``tools/test.py --predictions``, which also stores the truth and the standard deviations.
"""
import argparse

from mmpose_integral.evaluation.functional import skeleton_length
from mmpose_integral.evaluation.functional.calibration import calibrate_poses, normal_coverage
from mmpose_integral.formats.predictions import load_predictions
from mmpose_integral.structures.skeleton import JOINT_NAMES, NUM_FILE_JOINTS
from mmpose_integral.utils.files import write_json
from mmpose_integral.visualization import draw_calibration, save_picture


def parse_args(args=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('predictions', help='npz file')
    parser.add_argument('--out', default='calibration.png', help='picture to write (default: calibration.png)')
    parser.add_argument('--json', metavar='FILE', help='write the figures to this file')
    parser.add_argument('--bins', type=int, default=10, help='of as many coordinates each (default: 10)')
    parser.add_argument('--title', default='', help='above the picture')
    return parser.parse_args(args)


def calibrate_file(path, num_bins):
    """Calibration of a file of predictions, with the bone length that they were evaluated with.

    Raises:
        ValueError: the file has no standard deviations or no truth, and see :func:`calibrate_poses`.
        FileNotFoundError: no such file.
    """
    file = load_predictions(path)
    absent = [name for name in ('std_px', 'gt_mm', 'pred_mm') if name not in file]
    if absent:
        raise ValueError(f'predictions {path} have no {", ".join(absent)}: expected are those of tools/test.py '
                         '--predictions on a split with truth, of a model whose head has a volume; files of versions '
                         'that did not store them must be made again')
    return calibrate_poses(file['pred_px'], file['std_px'], file['gt_mm'], skeleton_length(file['pred_mm']), num_bins)


def to_figures(result):
    """The figures as plain numbers, for JSON and print."""
    def of_axis(one):
        coverage = {str(level): dict(predicted=float(share), scaled=float(scaled), normal=float(normal_coverage(level)))
                    for level, share, scaled in zip(one.levels.tolist(), one.coverage, one.coverage_scaled, strict=True)
                    if level in (1.0, 2.0)}
        return dict(factor=one.factor, rank_correlation=one.rank_correlation, coverage=coverage,
                    bin_std_mm=one.bin_std.tolist(), bin_error_mm=one.bin_error.tolist())

    joints = zip(JOINT_NAMES[1:NUM_FILE_JOINTS], result.joint_factors.tolist(),
                 result.joint_rank_correlations.tolist(), strict=True)
    return dict(axes={name: of_axis(one) for name, one in result.axes.items()},
                joints={name: dict(factor=factor, rank_correlation=rank) for name, factor, rank in joints},
                person_rank_correlation=result.person_rank_correlation,
                frame_rank_correlation=result.frame_rank_correlation,
                frame_quarters_error_mm=result.quarter_errors.tolist())


def main(args=None):
    args = parse_args(args)
    try:
        result = calibrate_file(args.predictions, args.bins)
        figures = to_figures(result)
        save_picture(draw_calibration(result.axes, args.title), args.out)
    except (OSError, ValueError) as error:
        raise SystemExit(f'plot_calibration: {error}') from None
    if args.json:
        write_json(args.json, figures)
    for name, axis in figures['axes'].items():
        one, two = axis['coverage']['1.0'], axis['coverage']['2.0']
        print(f'{name:>3}: factor {axis["factor"]:.3f}, rank correlation {axis["rank_correlation"]:+.2f}, within 1 and '
              f'2 std {one["predicted"]:.1%} and {two["predicted"]:.1%}, scaled {one["scaled"]:.1%} and '
              f'{two["scaled"]:.1%} (normal {one["normal"]:.1%} and {two["normal"]:.1%})')
    ranks = [joint['rank_correlation'] for joint in figures['joints'].values()]
    factors = [joint['factor'] for joint in figures['joints'].values()]
    quarters = ', '.join(f'{error:.1f}' for error in figures['frame_quarters_error_mm'])
    print(f'one joint over frames: factor {min(factors):.3f} to {max(factors):.3f}, rank correlation {min(ranks):+.2f} '
          f'to {max(ranks):+.2f}\njoints of one person: rank correlation {figures["person_rank_correlation"]:+.2f}\n'
          f'frames: rank correlation {figures["frame_rank_correlation"]:+.2f}, mean error by quarters, surest first, '
          f'{quarters} mm')
    print(args.out)


if __name__ == '__main__':
    main()
