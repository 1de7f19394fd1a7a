"""Fit of one weak-perspective camera per frame of a split.

Baseline: Umeyama's 2D similarity with residuals, one numpy SVD per frame, in a loop over the first frames. The robust
fit finds wrong joints by itself. Its baseline is the same loop, which is given the wrong joints and leaves them out.
"""
import argparse
from collections.abc import Iterator

import baselines
import made_up
import numpy as np
from measure import ResultsDiffer, Row, compare, same_within

from mmpose_integral.structures import WeakPerspectiveCamera, fit_weak_perspective

TITLE = 'Cameras: fit of a split'
LOOP, PLAIN, ROBUST = 'numpy SVD loop', 'fit_weak_perspective', 'fit_weak_perspective, robust'
LOOP_FRAMES, WRONG_JOINTS = 2000, 3
# Both fits use the same right joints under noise of 3 px, with slightly different weights.
ROBUST_TOLERANCE_PX = 6.0


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument('--cameras-frames', type=int, default=80000, help='frames of the split')


def run(args: argparse.Namespace) -> Iterator[Row]:
    """Rows of the plain fit with rotation, and of the robust one."""
    frames, count = (300, 50) if args.quick else (args.cameras_frames, LOOP_FRAMES)
    keypoints_mm, rounds = made_up.poses(frames), args.rounds or (2 if args.quick else 9)
    first, count = slice(0, count), min(count, frames)
    clean, _ = made_up.image_joints(keypoints_mm)
    yield from compare(
        f'{frames} frames, 18 joints, rotation', {
            LOOP: (lambda: baselines.fit_cameras(keypoints_mm[first], clean[first]), count),
            PLAIN: (lambda: fit_weak_perspective(keypoints_mm, clean, rotation=True, robust=False)[:4], frames)},
        rounds, unit='frame', targets={PLAIN: 50}, check=same_within(2e-3))

    def projections_agree(expected: tuple[np.ndarray, ...], found: WeakPerspectiveCamera) -> float:
        camera = WeakPerspectiveCamera(*expected, inlier=found.inlier[first])
        difference = camera.project(keypoints_mm[first]) - found.project(keypoints_mm)[first]
        typical = float(np.median(np.abs(difference[..., :2]).max(axis=(1, 2))))
        if not typical <= ROBUST_TOLERANCE_PX:
            raise ResultsDiffer(f'in half of the frames, joints differ by more than {typical:.2g} px, '
                                f'{ROBUST_TOLERANCE_PX:g} px expected')
        return typical

    messy, is_wrong = made_up.image_joints(keypoints_mm, wrong=WRONG_JOINTS)
    yield from compare(
        f'the same, {WRONG_JOINTS} joints wrong', {
            f'{LOOP}, wrong joints given': (
                lambda: baselines.fit_cameras(keypoints_mm[first], messy[first], ~is_wrong[first]), count),
            ROBUST: (lambda: fit_weak_perspective(keypoints_mm, messy, rotation=True), frames)},
        rounds, unit='frame', targets={ROBUST: 20}, check=projections_agree)
