"""Fit of one camera per frame of a split.

Baseline: Umeyama's 2D similarity with residuals, one numpy SVD per frame, in a loop over the first frames. The robust
fit finds wrong joints by itself. Its baseline is the same loop, which is given the wrong joints and leaves them out.
The baseline of the perspective fit is a loop over scipy's least_squares, which is given the focal length.
"""
import argparse
from collections.abc import Iterator

import baselines
import made_up
import numpy as np
from measure import ResultsDiffer, Row, compare, same_within

from mmpose_integral.structures import WeakPerspectiveCamera, fit_perspective, fit_weak_perspective

TITLE = 'Cameras: fit of a split'
LOOP, PLAIN, ROBUST = 'numpy SVD loop', 'fit_weak_perspective', 'fit_weak_perspective, robust'
LOOP_FRAMES, SCIPY_FRAMES, WRONG_JOINTS = 2000, 200, 3
FOCAL_LENGTH, PRINCIPAL_POINT = 1145.0, (500.0, 500.0)
# The estimated focal length differs a little from the one that scipy is given, and with it the depth of 5 m.
POSITION_TOLERANCE_MM = 30.0
# Both fits use the same right joints under noise of 3 px, with slightly different weights.
ROBUST_TOLERANCE_PX = 6.0


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument('--cameras-frames', type=int, default=80000, help='frames of the split')


def run(args: argparse.Namespace) -> Iterator[Row]:
    """Rows of the plain fit with rotation, of the robust one, and of the perspective fit."""
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
    rng = np.random.default_rng(0)
    points = keypoints_mm + rng.uniform((-1400, -300, 4000), (1400, 300, 6000), (frames, 1, 3))
    joints = FOCAL_LENGTH * points[..., :2] / points[..., 2:] + PRINCIPAL_POINT
    part = slice(0, 20 if args.quick else SCIPY_FRAMES)
    known = dict(principal_point=PRINCIPAL_POINT, focal_length=FOCAL_LENGTH)
    yield from compare(
        f'{frames} frames, perspective', {
            "scipy's least_squares, loop": (lambda: baselines.fit_perspective(
                keypoints_mm[part], joints[part], **known), len(joints[part])),
            'fit_perspective': (
                lambda: fit_perspective(keypoints_mm, joints, robust=False, **known).translation, frames),
            'fit_perspective, robust, focal length estimated': (lambda: fit_perspective(
                keypoints_mm, joints, principal_point=PRINCIPAL_POINT).translation, frames)},
        rounds, unit='frame', check=same_within(POSITION_TOLERANCE_MM))
