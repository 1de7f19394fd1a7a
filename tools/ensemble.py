"""Average the predictions of several models, and evaluate the mean or write it as a submission.

Predictions come from ``tools/test.py --predictions`` (Val) or ``tools/submit.py --predictions`` (Test). An ensemble's
config does the same in one pass over the data; see configs/ablation.
"""
import argparse
from pathlib import Path

import mmengine
import numpy as np

import mmpose_integral  # noqa: F401  registers everything
from mmpose_integral.evaluation.functional import average_predictions
from mmpose_integral.evaluation.metrics import H80KMetric, SubmissionMetric
from mmpose_integral.formats.h80k_index import load_index
from mmpose_integral.formats.predictions import STD, load_predictions, to_records
from mmpose_integral.utils.files import replace_when_done


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('predictions', nargs='+', help='npz files')
    parser.add_argument('--annotations', type=Path, required=True,
                        help='folder with the indexes h80k_train.npz, h80k_val.npz and, for Test, h80k_test.npz')
    parser.add_argument('--weights', type=float, nargs='+', help='one a file; equal without it')
    parser.add_argument('--out', help='write the metrics to this file (json)')
    parser.add_argument('--out-predictions', metavar='NPZ', help='write the mean to this file')
    parser.add_argument('--submission', metavar='ZIP', help='the predictions are of Test: write a submission')
    parser.add_argument('--bone-length', type=float, metavar='MM',
                        help='with --submission; default: the mean of train and val')
    return parser.parse_args()


def average_files(paths, weights=None):
    """Records of the weighted mean of files.

    Args:
        paths (list[str]): npz files.
        weights (list[float], optional): one a file.

    Returns:
        list[dict]: one a frame, as the metrics keep them; the boxes are those of the first file.

    Raises:
        ValueError: see :func:`average_predictions` and :func:`load_predictions`; FileNotFoundError likewise.
    """
    files = [load_predictions(path) for path in paths]
    means = {name: average_predictions([file['frame_ids'] for file in files], [file[name] for file in files], weights)
             for name in ('pred_px', STD) if all(name in file for file in files)}
    first, order = files[0], np.argsort(files[0]['frame_ids'])
    return to_records(dict(frame_ids=means['pred_px'][0], paths=first['paths'][order],
                           box_found=first['box_found'][order],
                           **{name: mean.astype(np.float32) for name, (_, mean) in means.items()}))


def main():
    args = parse_args()
    index_files = {split: str(args.annotations / f'h80k_{split}.npz') for split in ('train', 'val')}
    try:
        records = average_files(args.predictions, args.weights)
        if args.submission:
            metric = SubmissionMetric(args.submission, str(args.annotations / 'h80k_test.npz'), args.bone_length,
                                      None if args.bone_length else index_files, args.out_predictions)
        else:
            index = load_index(index_files['val'])
            poses = dict(zip(index.frame_ids.tolist(), index.keypoints_mm, strict=True))
            absent = [record['frame_id'] for record in records if record['frame_id'] not in poses]
            if absent:
                raise ValueError(f'{index_files["val"]} has no frame {absent[0]}; are these predictions of Test? '
                                 'Then give --submission')
            records = [dict(record, gt=poses[record['frame_id']][None]) for record in records]
            metric = H80KMetric(index_files=index_files, outfile=args.out_predictions)
        metrics = metric.compute_metrics(records)
    except (ValueError, FileNotFoundError) as error:
        raise SystemExit(str(error)) from None
    for name, value in metrics.items():
        print(f'{name}: {value:.4g}' if isinstance(value, float) else f'{name}: {value}')
    if args.out:
        with replace_when_done(args.out) as temporary:
            mmengine.dump({f'{metric.default_prefix}/{name}': value for name, value in metrics.items()}, temporary)


if __name__ == '__main__':
    main()
