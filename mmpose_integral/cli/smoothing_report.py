"""Measure jitter, lag and error of a model's poses in videos, before and after One-Euro smoothing (infer --smooth).

Short videos of stand-in people are rendered, who walk about and move from pose to pose. The people are detected, their
poses are predicted and smoothed, and the result is compared with the truth. The table has one row per pair of
--min-cutoffs and --betas.
"""
import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmpose.apis import inference_topdown, init_model
from scipy.interpolate import make_interp_spline

from mmpose_integral.apis.model_zoo import index_file
from mmpose_integral.apis.smoothing import PoseSmoother
from mmpose_integral.cli.argument_types import at_least_one, not_negative, positive, seed
from mmpose_integral.evaluation.functional import label_intrinsics, mpjpe, px_to_mm, skeleton_length
from mmpose_integral.models.weights import load_weights_file
from mmpose_integral.preparation.detection import PersonDetector
from mmpose_integral.structures.skeleton import NUM_JOINTS
from mmpose_integral.synthetic.videos import render_video
from mmpose_integral.utils.files import read_arrays, write_arrays
from mmpose_integral.utils.outputs import check_arguments, output_file
from mmpose_integral.utils.progress import progress_bar

QUICKSTART = index_file().parent / 'configs' / 'quickstart'
ASSETS = Path(__file__).resolve().parents[1] / 'assets'


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = PoseSmoother().settings
    parser.add_argument('--config', default=str(QUICKSTART / 'integral_r18_standin.py'),
                        help='config of an integral model (default: model standin)')
    parser.add_argument('--checkpoint', default=str(ASSETS / 'integral_r18_standin.pth'), help='its checkpoint')
    parser.add_argument('--det-config', default=str(QUICKSTART / 'detector_rtmdet_nano.py'),
                        help='config of a person detector (default: detector of the stand-in)')
    parser.add_argument('--det-checkpoint', default=str(ASSETS / 'detector_rtmdet_nano_standin.pth'),
                        help='its checkpoint')
    parser.add_argument('--videos', type=at_least_one, default=6, help='number of videos (default: 6)')
    parser.add_argument('--seconds', type=positive, default=8.0, help='length of each video (default: 8)')
    parser.add_argument('--fps', type=positive, default=25.0, help='frames per second (default: 25)')
    parser.add_argument('--size', type=at_least_one, default=256,
                        help='width and height of the frames, px (default: 256)')
    parser.add_argument('--seed', type=seed, default=0, help='seed of the videos')
    parser.add_argument('--min-cutoffs', type=positive, nargs='+', metavar='HZ', default=[default['min_cutoff']],
                        help='smallest cutoff frequencies (default: that of infer --smooth)')
    parser.add_argument('--betas', type=not_negative, nargs='+', default=[default['beta']],
                        help='increases of the cutoff with speed (default: that of infer --smooth)')
    parser.add_argument('--d-cutoff', type=positive, default=1.0, metavar='HZ',
                        help='cutoff of the speed (default: 1)')
    parser.add_argument('--predictions', type=output_file('.npz', of=Path), metavar='NPZ',
                        help='file of predictions; it is read if it exists')
    parser.add_argument('--device', default='cpu', help='device of the models (default: cpu)')
    return parser.parse_args(argv)


def predict_video(detector: PersonDetector, model: torch.nn.Module,
                  frames: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Best boxes (T, 4) px and joints (T, 18, 3) px; a frame without a detection gets the box of the frame before."""
    boxes: list[np.ndarray] = []
    keypoints = []
    for image in frames:
        found = detector.model.test_step(pseudo_collate([detector.prepare(0, image)[1]]))[0].pred_instances
        sure = found.labels == detector.person_label
        if not sure.any() and not boxes:
            raise SystemExit('no person was detected in the first frame of a video; try another --seed')
        boxes.append(found[sure].bboxes[0].cpu().numpy() if sure.any() else boxes[-1])
        keypoints.append(inference_topdown(model, image, boxes[-1][None])[0].pred_instances.keypoints[0])
    return np.array(boxes), np.array(keypoints)


def make_predictions(args: argparse.Namespace) -> dict[str, np.ndarray]:
    """Boxes (V, T, 4) px, keypoints (V, T, 18, 3) px and truth (V, T, 18, 3) mm of all videos.

    Also ``intrinsics`` (3,), if the labels of the model were made by perspective cameras.
    """
    detector = PersonDetector(args.det_config, args.det_checkpoint, args.device)
    model = init_model(args.config, args.checkpoint, device=args.device)
    load_weights_file(model, args.checkpoint)
    videos = []
    for index in progress_bar(range(args.videos), unit='video'):
        frames, truth = zip(*render_video(args.seed, index, args.seconds, args.fps, args.size), strict=True)
        videos.append((*predict_video(detector, model, frames), np.array(truth)))
    intrinsics = label_intrinsics(dict(label_camera=model.dataset_meta.get('camera'), ori_shape=frames[0].shape[:2]))
    return dict(zip(('boxes', 'keypoints', 'truth'), map(np.stack, zip(*videos, strict=True)), strict=True),
                **({} if intrinsics is None else dict(intrinsics=intrinsics)))


def smooth_videos(data: dict[str, np.ndarray], fps: float, **settings: float) -> np.ndarray:
    """Smoothed keypoints (V, T, 18, 3) px."""
    smoothed = []
    for boxes, keypoints in zip(data['boxes'], data['keypoints'], strict=True):
        smoother = PoseSmoother(**settings)
        smoothed.append([smoother(boxes[t:t + 1], keypoints[t:t + 1], t / fps)[1][0] for t in range(len(boxes))])
    return np.array(smoothed)


def lag_s(poses: np.ndarray, truth: np.ndarray, fps: float) -> float:
    """Time, s, by which the truth has to be delayed to fit the poses best: (V, T, 18, 3) mm both."""
    times, lags = np.arange(poses.shape[1]) / fps, np.arange(-0.1, 0.3, 0.002)
    truth_at, inner = make_interp_spline(times, truth, k=1, axis=1), times >= 0.3
    costs = [np.square(poses - truth_at(np.clip(times - lag, 0, times[-1])))[:, inner].sum() for lag in lags]
    return float(lags[np.argmin(costs)])


def acceleration(points: np.ndarray, fps: float) -> float:
    """Mean size of the acceleration of points (V, T, ..., D), in their unit per s^2."""
    return float(np.linalg.norm(np.diff(points, 2, axis=1), axis=-1).mean() * fps ** 2)


def measure(keypoints: np.ndarray, data: dict[str, np.ndarray], fps: float) -> tuple[float, ...]:
    """Error, mm; jitter (mean acceleration) of the pose, m/s^2, and of the root in the image, px/s^2; lag, ms.

    Poses are scaled to the true bone length of each frame, so that only effects of smoothing are measured.
    """
    truth = data['truth'] - data['truth'][..., :1, :]
    pose = px_to_mm(keypoints, skeleton_length(truth), data.get('intrinsics')).keypoints
    return (mpjpe(pose, truth).mean(), acceleration(pose / 1e3, fps), acceleration(keypoints[:, :, 0, :2], fps),
            1e3 * lag_s(pose, truth, fps))


def report(data: dict[str, np.ndarray], args: argparse.Namespace) -> None:
    """Print the table."""
    truth, fps = data['truth'], args.fps
    print(f'{truth.shape[0]} videos of {truth.shape[1]} frames at {fps:g} frames/s; acceleration of the truth '
          f'{acceleration((truth - truth[:, :, :1]) / 1e3, fps):.2f} m/s^2')
    row = '{:>10} {:>6} | {:>10.1f} {:>13.2f} {:>13.0f} {:>7.0f}'
    print('min_cutoff   beta | MPJPE (mm)  jitter m/s^2  root px/s^2  lag ms')
    print(row.format('off', '', *measure(data['keypoints'], data, fps)))
    for min_cutoff, beta in itertools.product(args.min_cutoffs, args.betas):
        keypoints = smooth_videos(data, fps, min_cutoff=min_cutoff, beta=beta, d_cutoff=args.d_cutoff)
        print(row.format(min_cutoff, beta, *measure(keypoints, data, fps)))


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    check_arguments(args, 'predictions')
    if args.predictions and args.predictions.is_file():
        data = read_arrays(args.predictions, 'file of predictions', ('boxes', 'keypoints', 'truth'),
                           'delete it, so that it is made again')
        poses = (*data['boxes'].shape[:2], NUM_JOINTS, 3)
        if data['boxes'].shape != (*poses[:2], 4) or any(
                data[name].shape != poses or data[name].dtype.kind != 'f' for name in ('keypoints', 'truth')):
            raise ValueError(f'{args.predictions}: boxes (V, T, 4), keypoints and truth (V, T, {NUM_JOINTS}, 3) '
                             'expected; delete it, so that it is made again')
    else:
        data = make_predictions(args)
        if args.predictions:
            write_arrays(args.predictions, **data)
    report(data, args)
    return 0
