"""Fit the camera of every frame as training will, and report how well that goes.

Writes ``<prefix>.png`` (distributions, joints, worst frames), ``<prefix>.csv`` (one row a frame) and
``<prefix>_summary.json``. Takes seconds, so it always starts over. Give ``--rotation``, ``--plain`` and
``--score-thr`` as the ``FitWeakPerspective`` of your training config has them.
"""
import argparse
import json
import sys
from pathlib import Path

from mmpose_integral.datasets.h80k_index import load_index
from mmpose_integral.preparation.camera_figure import draw_report
from mmpose_integral.preparation.camera_statistics import fit_statistics, load_truth, summarise, write_table
from mmpose_integral.preparation.launch import run_resumable
from mmpose_integral.preparation.products import load_keypoints_2d
from mmpose_integral.utils.files import write_json


def parse_args(args=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--index', type=Path, required=True, help='product of index_h80k.py, of a split with poses')
    parser.add_argument('--keypoints-2d', type=Path, required=True, help='product of predict_keypoints_2d.py')
    parser.add_argument('--out-prefix', type=Path, required=True, help='such as annotations/h80k_train_cameras')
    parser.add_argument('--root', type=Path, help='folder that holds Train and Val, to show the worst frames in')
    parser.add_argument('--truth', type=Path, help="the stand-in's truth/h80k_<split>.npz, to measure true errors")
    parser.add_argument('--rotation', action='store_true', help='fit an in-plane rotation too')
    parser.add_argument('--plain', action='store_true', help='least squares, without setting outliers aside')
    parser.add_argument('--score-thr', type=float, default=0.0, help='2D joints below this score are not used')
    return parser.parse_args(args)


def main(args=None):
    """Run the tool.

    Returns:
        int: exit status.
    """
    args = parse_args(args)
    index = load_index(args.index)
    if index.keypoints_mm is None:
        print(f'{args.index}: split {index.split} has no poses, so no cameras can be fitted', file=sys.stderr)
        return 1
    keypoints_2d, scores = load_keypoints_2d(args.keypoints_2d, index.frame_ids)
    statistics = fit_statistics(
        index.frame_ids, index.keypoints_mm, keypoints_2d, scores, rotation=args.rotation, robust=not args.plain,
        score_thr=args.score_thr, truth=load_truth(args.truth, index.frame_ids) if args.truth else None)
    summary = summarise(statistics)
    prefix = str(args.out_prefix)
    write_table(statistics, f'{prefix}.csv')
    write_json(f'{prefix}_summary.json', summary)

    def image_of(row):
        return args.root / index.img_paths[row] if args.root else None

    kind = f'{"plain" if args.plain else "robust"} fit{", with rotation" if args.rotation else ""}'
    title = f'Cameras of {index.split}: {summary["frames"]} frames, {summary["degenerate"]} without a camera ({kind})'
    draw_report(statistics, keypoints_2d, image_of, title, f'{prefix}.png')
    print(json.dumps({key: value for key, value in summary.items() if not isinstance(value, (dict, list))}, indent=1))
    print(f'wrote {prefix}.png, .csv and _summary.json')
    return 0


if __name__ == '__main__':
    sys.exit(run_resumable(main))
