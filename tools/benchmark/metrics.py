"""Figures of a validation pass: scaling, MPJPE, rigidly aligned MPJPE, error per joint, PCK@150.

Baseline: loops over the first frames, over bones and over joints. In its time, evaluate_h80k also computes the errors
after a similarity, the errors along the axes, and the AUC.
"""
import argparse
from collections.abc import Iterator

import baselines
import made_up
from measure import Row, compare, same_within

from mmpose_integral.evaluation.functional import PUBLISHED_SKELETON_LENGTHS, evaluate_h80k

TITLE = 'Metrics of a validation pass'
LOOP_FRAMES, LENGTH_MM = 600, PUBLISHED_SKELETON_LENGTHS['train+val']


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument('--metrics-frames', type=int, default=19312, help='frames of the validation split')


def run(args: argparse.Namespace) -> Iterator[Row]:
    """Rows of the loops and of evaluate_h80k, with one bone length and with the four of Table 1."""
    frames, count = (300, 40) if args.quick else (args.metrics_frames, LOOP_FRAMES)
    truth = made_up.poses(frames)
    pred = made_up.predictions(truth)
    first, count = slice(0, count), min(count, frames)
    one: dict[str, float | str] = dict(headline=LENGTH_MM)
    four: dict[str, float | str] = {**PUBLISHED_SKELETON_LENGTHS, 'per-frame': 'per-frame'}

    def same_figures(expected: dict, _: object) -> float:
        found, keys = evaluate_h80k(pred[first], truth[first], one), ('errors', 'pred_mm', 'per_joint', 'rigid', 'pck')
        return same_within(1e-9)([expected['mpjpe'], *(expected[key] for key in keys)],
                                 [found.mpjpe['headline'], *(getattr(found, key) for key in keys)])

    yield from compare(
        f'{frames} frames', {
            'loops': (lambda: baselines.evaluate(pred[first], truth[first], LENGTH_MM), count),
            'evaluate_h80k': (lambda: evaluate_h80k(pred, truth, one), frames),
            'evaluate_h80k, 4 bone lengths': (lambda: evaluate_h80k(pred, truth, four), frames)},
        args.rounds or (2 if args.quick else 9), unit='frame', targets={'evaluate_h80k': 25}, check=same_figures)
