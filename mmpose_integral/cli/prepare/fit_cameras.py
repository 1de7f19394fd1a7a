"""Fit the camera of every frame of a split to its coarse 2D joints, and report how well they fit.

The cameras, which training reads, are written to ``--out`` (such as annotations/h80k_train_cameras.npz). The report is
written beside them: the same name with .png (distributions, joints, worst frames), .csv (one row per frame) and
_summary.json. The fit takes seconds, so it always starts over.
"""
import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmpose_integral.cli.argument_types import finite, positive, share
from mmpose_integral.formats.cameras import MODELS, save_cameras
from mmpose_integral.formats.h80k_index import load_index_with_poses
from mmpose_integral.formats.keypoints_2d import load_keypoints_2d
from mmpose_integral.formats.origin import check_images
from mmpose_integral.preparation.camera_statistics import fit_statistics, load_truth, summarise, write_table
from mmpose_integral.structures import FocalLength, estimate_focal_length, middle_of_image
from mmpose_integral.utils.files import write_json
from mmpose_integral.utils.outputs import check_arguments, output_file
from mmpose_integral.visualization.camera_figure import draw_report


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--index', type=Path, required=True, help='index of Train or Val, a product of `prepare index`')
    parser.add_argument('--keypoints-2d', type=Path, required=True, help='a product of `prepare keypoints-2d`')
    parser.add_argument('--out', type=output_file('.npz', of=Path), required=True,
                        help='cameras (.npz); the report is written beside them')
    parser.add_argument('--root', type=Path, help='folder that holds Train and Val, to show the worst frames')
    parser.add_argument('--truth', type=Path, help="the stand-in's truth/h80k_<split>.npz, to measure true errors")
    parser.add_argument('--model', choices=tuple(MODELS), default='weak',
                        help='camera model (default: weak, as in the paper); see docs/cameras.md')
    parser.add_argument('--focal-length', type=positive, metavar='PX', help=(
        'focal length of perspective cameras (default: one for all frames, estimated from them)'))
    parser.add_argument('--principal-point', type=finite, nargs=2, metavar=('X', 'Y'),
                        help='principal point of perspective cameras, px (default: the middle of each image)')
    parser.add_argument('--rotation', action='store_true', help='also fit an in-plane rotation (weak cameras only)')
    parser.add_argument('--plain', action='store_true', help='fit by plain least squares, also to outliers')
    parser.add_argument('--score-thr', type=share, default=0.0, help='score below which 2D joints are not used')
    args = parser.parse_args(argv)
    if args.model == 'weak' and (args.focal_length or args.principal_point):
        parser.error('--focal-length and --principal-point have an effect with --model perspective only')
    if args.model == 'perspective' and args.rotation:
        parser.error('--rotation has an effect with --model weak only')
    return args


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    check_arguments(args, 'out')
    index, keypoints_mm = load_index_with_poses(args.index)
    if args.root:
        check_images(index, args.index, args.root)
    keypoints_2d, scores = load_keypoints_2d(args.keypoints_2d, index)
    intrinsics: dict[str, Any] = {}
    found: dict[str, Any] = dict(model=args.model)
    if args.model == 'perspective':
        centre = np.broadcast_to(args.principal_point or middle_of_image(index.img_sizes), (len(keypoints_mm), 2))
        focal = args.focal_length and FocalLength(args.focal_length, (args.focal_length, ) * 2)
        if not focal:
            focal = estimate_focal_length(keypoints_mm, keypoints_2d, np.where(scores > args.score_thr, scores, 0),
                                          principal_point=centre)
        intrinsics = dict(focal_length=focal.value, principal_point=centre)
        found.update(focal_length_px=round(focal.value, 2),
                     focal_length_interval_px=[round(limit, 1) for limit in focal.interval])
    statistics = fit_statistics(
        index.frame_ids, keypoints_mm, keypoints_2d, scores, rotation=args.rotation, robust=not args.plain,
        score_thr=args.score_thr, truth=load_truth(args.truth, index.frame_ids) if args.truth else None, **intrinsics)
    summary = found | summarise(statistics)
    save_cameras(args.out, index, statistics.camera)
    report = args.out.with_suffix('')
    write_table(statistics, f'{report}.csv')
    write_json(f'{report}_summary.json', summary)

    def image_of(row: int) -> Path | None:
        return args.root / index.img_paths[row] if args.root else None

    kind = f'{args.model}, {"plain" if args.plain else "robust"} fit{", with rotation" if args.rotation else ""}'
    title = f'Cameras of {index.split}: {summary["frames"]} frames, {summary["degenerate"]} without a camera ({kind})'
    draw_report(statistics, keypoints_2d, image_of, title, f'{report}.png')
    print(json.dumps({key: value for key, value in summary.items() if not isinstance(value, (dict, list))}, indent=1))
    if summary['degenerate']:
        print(f'{summary["degenerate"]} frames have too few usable 2D joints for a camera; training ignores them. '
              f'{report}.csv lists them.')
    print(f'wrote {args.out}, and beside it .png, .csv and _summary.json')
    return 0
