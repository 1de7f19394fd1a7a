"""Weak-perspective cameras of a split.

Baseline: Umeyama's 2D similarity, one numpy SVD a frame, in a loop, with residuals. The robust fit stands beside the
same loop, which is told the wrong joints and leaves them out; the robust fit must find them. The loop runs over the
first frames only; times are for a frame.
"""
import baselines
import made_up
import numpy as np
from measure import ResultsDiffer, compare, same_within

from mmpose_integral.structures import fit_weak_perspective

TITLE = 'Cameras: fit of a split'
LOOP, PLAIN, ROBUST = 'numpy SVD loop', 'fit_weak_perspective', 'fit_weak_perspective, robust'
WRONG_JOINTS = 3
# Both fits see noise of 3 px; the robust one weighs the same right joints a little otherwise.
ROBUST_TOLERANCE_PX = 6.0


def add_arguments(parser):
    parser.add_argument('--cameras-frames', type=int, default=80000)
    parser.add_argument('--cameras-loop-frames', type=int, default=2000, help='frames of the baseline')


def run(args):
    """Rows of the plain fit with rotation, and of the robust one."""
    frames, first = (300, 50) if args.quick else (args.cameras_frames, args.cameras_loop_frames)
    keypoints_mm = made_up.poses(frames)
    rounds = args.rounds or (2 if args.quick else 9)
    flat, _ = made_up.image_joints(keypoints_mm)
    messy, is_wrong = made_up.image_joints(keypoints_mm, wrong=WRONG_JOINTS)
    first = slice(0, first)

    def loop():
        return baselines.fit_cameras(keypoints_mm[first], flat[first])

    def loop_told():
        return baselines.fit_cameras(keypoints_mm[first], messy[first], ~is_wrong[first])

    def plain():
        return fit_weak_perspective(keypoints_mm, flat, rotation=True, robust=False)[:4]

    def robust():
        return fit_weak_perspective(keypoints_mm, messy, rotation=True)

    def near(expected, found):
        camera = type(found)(*expected, inlier=None)
        difference = camera.project(keypoints_mm[first]) - found.project(keypoints_mm)[first]
        typical = float(np.median(np.abs(difference[..., :2]).max(axis=(1, 2))))
        if not typical <= ROBUST_TOLERANCE_PX:
            raise ResultsDiffer(f'joints of half of the frames differ by more than {typical:.2g} px, '
                                f'{ROBUST_TOLERANCE_PX:g} px expected')
        return typical

    told, count = f'{LOOP}, told the wrong joints', len(flat[first])
    return compare(f'{frames} frames, 18 joints, rotation', {LOOP: (loop, count), PLAIN: (plain, frames)}, rounds,
                   unit='frame', target=50, check=same_within(2e-3)) + compare(
        f'the same, {WRONG_JOINTS} joints wrong', {told: (loop_told, count), ROBUST: (robust, frames)}, rounds,
        unit='frame', target=20, check=near)
