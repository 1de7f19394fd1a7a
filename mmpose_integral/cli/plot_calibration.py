"""Draw how the standard deviations that a model predicts compare with its errors: reliability and coverage.

The predictions are those of ``test --predictions``, which also stores the truth and the standard deviations. With
``--store``, the checkpoint that made them gets one factor per joint and axis, after which the intervals of one and two
standard deviations contain about as many of these errors as those of a normal distribution. From then on, its standard
deviations are calibrated, and its scores are probabilities.
The people in the predictions should be neither in the training data nor in the data of a later evaluation.
"""
import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.runner.checkpoint import CheckpointLoader, save_checkpoint

from mmpose_integral.cli.argument_types import at_least_one
from mmpose_integral.evaluation.functional import skeleton_length
from mmpose_integral.evaluation.functional.calibration import (
    Calibration,
    PoseCalibration,
    calibrate_poses,
    normal_coverage,
)
from mmpose_integral.evaluation.functional.uncertainty import SCORE_RADIUS_MM
from mmpose_integral.formats.predictions import load_predictions
from mmpose_integral.structures.skeleton import JOINT_NAMES, NUM_FILE_JOINTS
from mmpose_integral.utils.files import write_json
from mmpose_integral.utils.outputs import PICTURES, check_arguments, output_file
from mmpose_integral.visualization import draw_calibration, save_picture


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('predictions', help='npz file')
    parser.add_argument('--out', type=output_file(*PICTURES), default='calibration.png',
                        help='picture to write (default: calibration.png)')
    parser.add_argument('--json', type=output_file(), metavar='FILE', help='write the figures to this file')
    parser.add_argument('--bins', type=at_least_one, default=10,
                        help='number of bins with equal counts (default: 10)')
    parser.add_argument('--store', type=output_file(), metavar='CHECKPOINT',
                        help='checkpoint to which the factors are written')
    parser.add_argument('--title', default='', help='title of the picture')
    return parser.parse_args(argv)


def calibrate_file(file: dict[str, np.ndarray], path: str, num_bins: int) -> PoseCalibration:
    """Calibration of predictions, with the bone length of their evaluation.

    ValueError is raised if the file has no standard deviations or no truth; see also :func:`calibrate_poses`.
    """
    absent = [name for name in ('std_px', 'gt_mm', 'pred_mm') if name not in file]
    if absent:
        raise ValueError(f'predictions {path} have no {", ".join(absent)}; expected are those of mmpose-integral test '
                         '--predictions, on a split with truth, of a model whose head has a volume; make files of an '
                         'earlier version again')
    return calibrate_poses(file['pred_px'], file['std_px'], file['gt_mm'], skeleton_length(file['pred_mm']), num_bins,
                           file.get('intrinsics'))


def store_factors(path: str, factors: np.ndarray) -> None:
    """Write factors (18, 3) of the standard deviations to ``dataset_meta['std_factors']`` of a checkpoint.

    ValueError is raised if the checkpoint has no ``dataset_meta``.
    """
    checkpoint = CheckpointLoader.load_checkpoint(path, map_location='cpu')
    meta = checkpoint.get('meta', {}).get('dataset_meta')
    if meta is None:
        raise ValueError(f'{path}: a checkpoint with dataset_meta expected, as mmpose-integral train writes it')
    meta['std_factors'] = factors.tolist()
    save_checkpoint(checkpoint, path, backend_args=dict(backend='atomic_local'))


def figures_of_axis(axis: Calibration) -> dict[str, Any]:
    """The figures of an axis as plain numbers; the coverage at 1 and 2 standard deviations."""
    shares = zip(axis.levels.tolist(), axis.coverage.tolist(), axis.coverage_scaled.tolist(), strict=True)
    coverage = {str(level): dict(predicted=share, scaled=scaled, normal=float(normal_coverage(level)))
                for level, share, scaled in shares if level in (1.0, 2.0)}
    return dict(factor=axis.factor, rank_correlation=axis.rank_correlation, coverage=coverage,
                bin_std_mm=axis.bin_std.tolist(), bin_error_mm=axis.bin_error.tolist())


def to_figures(result: PoseCalibration) -> dict[str, Any]:
    """All figures as plain numbers, for JSON and for the printed text."""
    joints = zip(JOINT_NAMES[1:NUM_FILE_JOINTS], result.joint_factors.tolist(),
                 result.joint_rank_correlations.tolist(), strict=True)
    return dict(axes={name: figures_of_axis(axis) for name, axis in result.axes.items()},
                joints={name: dict(factor=factor, rank_correlation=rank) for name, factor, rank in joints},
                scores=dict(predicted=result.score_bins[0].tolist(), within_75_mm=result.score_bins[1].tolist()),
                person_rank_correlation=result.person_rank_correlation,
                frame_rank_correlation=result.frame_rank_correlation,
                frame_quarters_error_mm=result.quarter_errors.tolist())


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    check_arguments(args, 'out', 'json', 'store')
    file = load_predictions(args.predictions)
    result = calibrate_file(file, args.predictions, args.bins)
    figures = to_figures(result)
    save_picture(draw_calibration(result, args.title), args.out)
    if args.store:
        store_factors(args.store, file.get('std_factors', 1.0) * result.std_factors)
    if args.json:
        write_json(args.json, figures)
    for name, axis in figures['axes'].items():
        one, two = axis['coverage']['1.0'], axis['coverage']['2.0']
        print(f'{name:>3}: factor {axis["factor"]:.3f}, rank correlation {axis["rank_correlation"]:+.2f}, within 1 and '
              f'2 std {one["predicted"]:.1%} and {two["predicted"]:.1%}, scaled {one["scaled"]:.1%} and '
              f'{two["scaled"]:.1%} (normal {one["normal"]:.1%} and {two["normal"]:.1%})')
    factors, ranks = result.joint_factors, result.joint_rank_correlations
    quarters = ', '.join(f'{error:.1f}' for error in result.quarter_errors)
    print(f'one joint over frames: factor {factors.min():.3f} to {factors.max():.3f}, rank correlation '
          f'{ranks.min():+.2f} to {ranks.max():+.2f}')
    print(f'joints of one person: rank correlation {result.person_rank_correlation:+.2f}')
    print(f'frames: rank correlation {result.frame_rank_correlation:+.2f}, mean error by quarters of increasing '
          f'standard deviation {quarters} mm')
    print('scores, predicted and actual share within '
          f'{SCORE_RADIUS_MM:.0f} mm: ' + ', '.join(f'{p:.2f} {share:.2f}' for p, share in result.score_bins.T))
    print(args.out)
    if args.store:
        print(f'{args.store}: its standard deviations are calibrated now')
    return 0
