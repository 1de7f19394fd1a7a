"""Average the predictions of several models, and evaluate the mean or write it as a submission.

The predictions are those of ``test --predictions`` (Val) or of ``submit --predictions`` (Test). The config of an
ensemble does the same in one pass over the data; see configs/ablation.
"""
import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmpose_integral.cli.argument_types import bone_length_mm, positive, submission
from mmpose_integral.evaluation.functional import average_predictions
from mmpose_integral.evaluation.metrics import H80KMetric, SubmissionMetric
from mmpose_integral.formats.h80k_index import load_index_with_poses
from mmpose_integral.formats.predictions import INTRINSICS, STD, load_predictions, to_records
from mmpose_integral.utils.files import write_json
from mmpose_integral.utils.outputs import check_arguments, output_file


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('predictions', nargs='+', help='npz files')
    parser.add_argument('--annotations', type=Path, required=True,
                        help='folder with the indexes h80k_train.npz, h80k_val.npz and, for Test, h80k_test.npz')
    parser.add_argument('--weights', type=positive, nargs='+', help='weight of each file (default: equal weights)')
    parser.add_argument('--out', type=output_file(), help='write the metrics to this file (json)')
    parser.add_argument('--out-predictions', type=output_file('.npz'), metavar='NPZ',
                        help='write the mean to this file')
    parser.add_argument('--submission', type=submission, metavar='ZIP',
                        help='write a submission of these predictions of Test')
    parser.add_argument('--bone-length', type=bone_length_mm, metavar='MM',
                        help='with --submission: total skeleton length (default: mean of train and val)')
    return parser.parse_args(argv)


def average_files(paths: Sequence[str], weights: Sequence[float] | None = None) -> list[dict]:
    """Average files of predictions to records of the metrics; errors as of :func:`average_predictions`.

    The standard deviations are those of the mixture, as in :class:`EnsembleEstimator`.
    """
    files = [load_predictions(path) for path in paths]
    ids, predictions = ([file[name] for file in files] for name in ('frame_ids', 'pred_px'))
    means = dict(pred_px=average_predictions(ids, predictions, weights))
    if all(STD in file for file in files):  # by the law of total variance
        squares = [np.square(file[STD].astype(float)) + np.square(file['pred_px'].astype(float)) for file in files]
        order, square = average_predictions(ids, squares, weights)
        means[STD] = order, np.sqrt(np.maximum(square - np.square(means['pred_px'][1]), 0))
    first, order = files[0], np.argsort(files[0]['frame_ids'])
    kept = [name for name in ('paths', 'box_found', INTRINSICS) if name in first]
    for path, file in zip(paths, files, strict=True):
        if not np.array_equal(file.get(INTRINSICS, []), first.get(INTRINSICS, [])):
            raise ValueError(f'{path} and {paths[0]}: labels of one camera model with one focal length expected, '
                             'because their mean is decoded by one')
    return to_records(dict(frame_ids=means['pred_px'][0], **{name: first[name][order] for name in kept},
                           **{name: mean.astype(np.float32) for name, (_, mean) in means.items()}))


def attach_truth(records: list[dict], index_file: str) -> list[dict]:
    """Add the true poses of an index to records of predictions; raise ValueError if a frame is not in the index."""
    index, keypoints_mm = load_index_with_poses(index_file)
    poses = dict(zip(index.frame_ids.tolist(), keypoints_mm, strict=True))
    absent = [record['frame_id'] for record in records if record['frame_id'] not in poses]
    if absent:
        raise ValueError(f'{index_file} has no frame {absent[0]}; for predictions of Test, give --submission')
    return [dict(record, gt=poses[record['frame_id']][None]) for record in records]


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    check_arguments(args, 'out', 'out_predictions', 'submission')
    index_files = {split: str(args.annotations / f'h80k_{split}.npz') for split in ('train', 'val')}
    records = average_files(args.predictions, args.weights)
    metric: H80KMetric | SubmissionMetric
    if args.submission:
        metric = SubmissionMetric(args.submission, str(args.annotations / 'h80k_test.npz'), args.bone_length,
                                  None if args.bone_length else index_files, args.out_predictions)
    else:
        records = attach_truth(records, index_files['val'])
        metric = H80KMetric(index_files=index_files, outfile=args.out_predictions)
    metrics = metric.compute_metrics(records)
    for name, value in metrics.items():
        print(f'{name}: {value:.4g}' if isinstance(value, float) else f'{name}: {value}')
    if args.out:
        write_json(args.out, {f'{metric.default_prefix}/{name}': value for name, value in metrics.items()})
    return 0
