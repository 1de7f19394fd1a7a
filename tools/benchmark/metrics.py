"""Figures of a validation pass: rescale, MPJPE, rigidly aligned MPJPE, per joint, PCK@150.

Baseline: loops over frames, bones and joints, of the first frames only. evaluate_h80k gives more in its time: errors
after a similarity and along the axes, AUC. Times are per frame.
"""
import baselines
import made_up
import numpy as np
from measure import compare, same_within

from mmpose_integral.evaluation.functional import PUBLISHED_SKELETON_LENGTHS, evaluate_h80k

TITLE = 'Metrics of a validation pass'
LENGTH_MM = PUBLISHED_SKELETON_LENGTHS['train+val']


def add_arguments(parser):
    parser.add_argument('--metrics-frames', type=int, default=19312)
    parser.add_argument('--metrics-loop-frames', type=int, default=600, help='frames of the baseline')


def run(args):
    """Rows of the loops and of evaluate_h80k, with one bone length and with the four of Table 1."""
    frames, first = (300, 40) if args.quick else (args.metrics_frames, args.metrics_loop_frames)
    truth = made_up.poses(frames)
    pred = made_up.predictions(truth)
    first = slice(0, min(first, frames))
    one = dict(headline=LENGTH_MM)
    four = {**PUBLISHED_SKELETON_LENGTHS, 'per-frame': 'per-frame'}

    def ours(lengths):
        return lambda: evaluate_h80k(pred, truth, lengths)

    def same(expected, _):
        found = evaluate_h80k(pred[first], truth[first], one)
        keys = ('errors', 'pred_mm', 'per_joint', 'rigid', 'pck')
        means = same_within(1e-9)(np.array(expected['mpjpe']), np.array(found.mpjpe['headline']))
        return max(means, same_within(1e-9)([expected[key] for key in keys], [getattr(found, key) for key in keys]))

    contestants = {'loops': (lambda: baselines.evaluate(pred[first], truth[first], LENGTH_MM), first.stop),
                   'evaluate_h80k': (ours(one), frames), 'evaluate_h80k, 4 bone lengths': (ours(four), frames)}
    return compare(f'{frames} frames', contestants, args.rounds or (2 if args.quick else 9), unit='frame',
                   target={'evaluate_h80k': 25}, check=same)
