"""What --smooth does to a video: jitter, lag and error of a model's poses before and after One-Euro smoothing.

Renders short videos of stand-in people who move between poses of the stand-in's mixture and walk about, finds them
with a detector, predicts, smooths, and compares with the truth. Prints a table; --min-cutoffs and --betas make it a
grid.
"""
import argparse
import os.path as osp
from pathlib import Path

import numpy as np
from mmengine.dataset import pseudo_collate
from mmpose.apis import inference_topdown, init_model

import mmpose_integral  # noqa: F401  registers everything and makes checkpoints loadable
from mmpose_integral.apis.smoothing import PoseSmoother
from mmpose_integral.evaluation.functional import mpjpe, rescale_to_bone_length, skeleton_length
from mmpose_integral.preparation.detection import PersonDetector
from mmpose_integral.structures.skeleton import add_thorax
from mmpose_integral.synthetic.body import people_of_split
from mmpose_integral.synthetic.camera import studio_camera
from mmpose_integral.synthetic.kinematics import pose_figure
from mmpose_integral.synthetic.outfits import studio_outfit
from mmpose_integral.synthetic.poses import random_pose
from mmpose_integral.synthetic.render import Actor, draw_people, place_figure
from mmpose_integral.synthetic.sensor import expose
from mmpose_integral.synthetic.studio import studio_background
from mmpose_integral.synthetic.studio_frame import STUDIO_LIGHT
from mmpose_integral.utils.progress import progress_bar

REPO = Path(__file__).resolve().parents[1]
QUICKSTART, ASSETS = REPO / 'configs' / 'quickstart', REPO / 'mmpose_integral' / 'assets'
NUMBERS = ('pelvis', 'belly', 'chest', 'head', 'arms', 'legs')


def parse_args(args=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--config', default=str(QUICKSTART / 'integral_r18_standin.py'))
    parser.add_argument('--checkpoint', default=str(ASSETS / 'integral_r18w32_standin.pth'))
    parser.add_argument('--det-config', default=str(QUICKSTART / 'detector_rtmdet_nano.py'))
    parser.add_argument('--det-checkpoint', default=str(ASSETS / 'detector_rtmdet_nano_standin.pth'))
    parser.add_argument('--videos', type=int, default=6)
    parser.add_argument('--seconds', type=float, default=8.0, help='of each video')
    parser.add_argument('--fps', type=float, default=25.0)
    parser.add_argument('--size', type=int, default=256, help='side of the frames, px')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--min-cutoffs', type=float, nargs='+', metavar='HZ', help='default: the built-in one')
    parser.add_argument('--betas', type=float, nargs='+', help='default: the built-in one')
    parser.add_argument('--d-cutoff', type=float, default=1.0, metavar='HZ')
    parser.add_argument('--predictions', type=Path, metavar='NPZ', help='keep predictions here, and use those there')
    parser.add_argument('--device', default='cpu')
    return parser.parse_args(args)


def ease(t):
    """Minimum-jerk way from 0 to 1: as people move a hand from place to place."""
    t = np.clip(t, 0.0, 1.0)
    return t ** 3 * (10 - 15 * t + 6 * t ** 2)


def motion(rng, body, seconds, fps):
    """Figures, world mm, of somebody who takes a pose, keeps it for a while, takes the next, and strolls meanwhile."""
    pose, place, yaw = random_pose(rng), rng.uniform(-500, 500, 2), rng.uniform(0, 360)
    time, start, figures = 0.0, 0.0, []
    while time < seconds:
        move, rest = rng.uniform(0.5, 1.4), rng.uniform(0.2, 0.8)
        after, place_after = random_pose(rng), np.clip(place + rng.normal(0, 300, 2), -900, 900)
        yaw_after = yaw + rng.normal(0, 40)
        while time < min(start + move + rest, seconds):
            share = ease((time - start) / move)
            angles = {name: getattr(pose, name) * (1 - share) + getattr(after, name) * share for name in NUMBERS}
            figure = pose_figure(body, pose._replace(planted=False, seat=False, **angles),
                                 yaw * (1 - share) + yaw_after * share)
            figures.append(place_figure(figure, place * (1 - share) + place_after * share))
            time = len(figures) / fps
        pose, place, yaw, start = after, place_after, yaw_after, start + move + rest
    return figures


def render_video(seed, index, args):
    """Yield (frame (S, S, 3) uint8 BGR, truth (18, 3) mm in camera axes)."""
    people = people_of_split(seed, 'val')
    rank = index % len(people)
    subject, body = people[rank]
    rng = np.random.default_rng((seed, index))
    camera, outfit = studio_camera(index % 4, args.size), studio_outfit(subject, 'val', rank)
    for figure in motion(rng, body, args.seconds, args.fps):
        image = studio_background(camera, index % 4, args.size)
        draw_people(image, camera, [Actor(figure, body, outfit)], [], STUDIO_LIGHT)
        yield expose(image, rng, noise=2.2), camera.to_camera(add_thorax(figure.joints))


def predict_video(detector, model, frames):
    """Best box (4,) px and joints (18, 3) px of every frame; the box before where nobody is found."""
    boxes, keypoints = [], []
    for image in frames:
        found = detector.model.test_step(pseudo_collate([detector.prepare(0, image)[1]]))[0].pred_instances
        sure = found.labels == detector.person_label
        if not sure.any() and not boxes:
            raise SystemExit('the detector finds nobody in the first frame of a video; try another --seed')
        boxes.append(found[sure].bboxes[0].cpu().numpy() if sure.any() else boxes[-1])
        keypoints.append(inference_topdown(model, image, boxes[-1][None])[0].pred_instances.keypoints[0])
    return np.array(boxes), np.array(keypoints)


def make_predictions(args):
    """Predictions and truth of all videos: boxes (V, T, 4) px, keypoints (V, T, 18, 3) px, truth (V, T, 18, 3) mm."""
    detector = PersonDetector(args.det_config, args.det_checkpoint, args.device)
    model = init_model(args.config, args.checkpoint, device=args.device)
    videos = []
    for index in progress_bar(range(args.videos), unit='video'):
        frames, truth = zip(*render_video(args.seed, index, args), strict=True)
        videos.append((*predict_video(detector, model, frames), np.array(truth)))
    return dict(zip(('boxes', 'keypoints', 'truth'), map(np.stack, zip(*videos, strict=True)), strict=True))


def smooth_videos(data, fps, **settings):
    """Smoothed keypoints (V, T, 18, 3) px."""
    smoothed = []
    for boxes, keypoints in zip(data['boxes'], data['keypoints'], strict=True):
        smoother = PoseSmoother(**settings)
        smoothed.append([smoother(boxes[t:t + 1], keypoints[t:t + 1], t / fps)[1][0] for t in range(len(boxes))])
    return np.array(smoothed)


def lag_s(poses, truth, fps):
    """Shift of the truth in time that fits best, s: (V, T, 18, 3) mm both."""
    times = np.arange(poses.shape[1]) / fps
    inner = slice(round(0.3 * fps), None)

    def cost(lag):
        place = np.clip((times - lag) * fps, 0, len(times) - 1)
        low = np.minimum(place.astype(int), len(times) - 2)
        share = (place - low)[:, None, None]
        shifted = truth[:, low] * (1 - share) + truth[:, low + 1] * share
        return np.square(poses - shifted)[:, inner].sum()

    lags = np.arange(-0.1, 0.3, 0.002)
    return lags[np.argmin([cost(lag) for lag in lags])]


def measure(keypoints, truth, fps):
    """Error mm, jitter (mean acceleration, m/s^2) of the pose and of the root in the image, and lag ms.

    Poses get the true bone length of each frame, so that only what smoothing touches is measured.
    """
    lengths = skeleton_length(truth)
    pose, truth = rescale_to_bone_length(keypoints, lengths), truth - truth[..., :1, :]
    accelerations = [np.linalg.norm(np.diff(points, 2, axis=1), axis=-1).mean() * fps ** 2
                     for points in (pose / 1e3, keypoints[:, :, 0, :2])]
    return mpjpe(pose, truth).mean(), *accelerations, 1e3 * lag_s(pose, truth, fps)


def report(data, args):
    """Print the table."""
    truth, fps = data['truth'], args.fps
    true_pose = truth - truth[:, :, :1]
    acceleration = np.linalg.norm(np.diff(true_pose / 1e3, 2, axis=1), axis=-1).mean() * fps ** 2
    print(f'{truth.shape[0]} videos of {truth.shape[1]} frames at {fps:g} frames/s; acceleration of the truth '
          f'{acceleration:.2f} m/s^2')
    row = '{:>10} {:>6} | {:>10.1f} {:>13.2f} {:>13.0f} {:>7.0f}'
    print('min_cutoff   beta | MPJPE (mm)  jitter m/s^2  root px/s^2  lag ms')
    print(row.format('off', '', *measure(data['keypoints'], truth, fps)))
    default = PoseSmoother().settings
    for min_cutoff in args.min_cutoffs or [default['min_cutoff']]:
        for beta in args.betas or [default['beta']]:
            settings = dict(min_cutoff=min_cutoff, beta=beta, d_cutoff=args.d_cutoff)
            keypoints = smooth_videos(data, fps, **settings)
            print(row.format(min_cutoff, beta, *measure(keypoints, truth, fps)))


def main(args=None):
    """Run the tool."""
    args = parse_args(args)
    if args.predictions and osp.isfile(args.predictions):
        data = dict(np.load(args.predictions))
    else:
        data = make_predictions(args)
        if args.predictions:
            np.savez(args.predictions, **data)
    report(data, args)


if __name__ == '__main__':
    main()
