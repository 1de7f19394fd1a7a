"""Time a picture of IntegralPose3dVisualizer, and of mmpose's Pose3dLocalVisualizer on the same people in the same run.

Ours draws joints over the image, two 3D views with one-sigma ellipses, axes in mm and the legend; mmpose's draws joints
over the image and one 3D view by matplotlib. Median and interquartile range of CPU time on one core, so that other
programs count little; frames/s are of that core. Videos are drawn with steady=True, whose empty rooms are kept.

As a scenario of run.py, baseline and ours take turns; they draw different pictures of the same people, and mmpose's
cannot draw more than one person.
"""
import argparse
import itertools
import platform
import time
from functools import partial

import cv2
import matplotlib
import numpy as np
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample
from mmpose.visualization import Pose3dLocalVisualizer

import mmpose_integral  # noqa: F401  registers everything
from mmpose_integral.structures.skeleton import BONES, add_thorax, side_color
from mmpose_integral.synthetic.body import people_of_split
from mmpose_integral.synthetic.camera import studio_camera
from mmpose_integral.synthetic.kinematics import pose_figure
from mmpose_integral.synthetic.poses import random_pose
from mmpose_integral.visualization import IntegralPose3dVisualizer

TITLE = 'A picture of the visualizer'
PACKAGES = ('mmpose', 'matplotlib', 'opencv-python-headless')


def add_arguments(parser):
    """Options of the scenario."""
    parser.add_argument('--visualizer-sizes', nargs='+', default=['640x480', '1280x720', '1920x1080'], metavar='WxH')
    parser.add_argument('--visualizer-people', type=int, nargs='+', default=[1, 3])


def run(args):
    """Rows of each image size and number of people, in turns."""
    from measure import compare  # beside this file, which is also run and loaded by itself
    matplotlib.use('Agg')
    sizes, people = (['320x240'], [1, 2]) if args.quick else (args.visualizer_sizes, args.visualizer_people)
    rows = []
    for size, count in itertools.product(sizes, people):
        contestants = turns_of(tuple(int(part) for part in size.split('x')), count, 2 if args.quick else 30)
        more = compare(f'{size}, {count} {"person" if count == 1 else "people"}', contestants,
                       args.rounds or (2 if args.quick else 11), unit='picture')
        rows += more if 'mmpose' in contestants else [dict(row, wall_ratio=None, cpu_ratio=None) for row in more]
    return rows


def turns_of(size, people, count, seed=0):
    """Contestants of one image size: a call of ours draws all ``count`` samples, one of mmpose's a single one."""
    samples = make_samples(size, people, count, seed)
    image = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    contestants = {}
    if people == 1:
        theirs, turn = baseline_visualizer(), itertools.cycle(samples)
        contestants['mmpose'] = (lambda: draw_baseline(theirs, image, next(turn)), 1)
    for what, steady in (('ours, video', True), ('ours, pictures', False)):
        ours = IntegralPose3dVisualizer(what, steady=steady)
        contestants[what] = (lambda ours=ours: [draw_ours(ours, image, sample) for sample in samples], count)
    return contestants


def parse_args(args=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--sizes', nargs='+', default=['640x480', '1280x720', '1920x1080'], metavar='WxH')
    parser.add_argument('--people', type=int, nargs='+', default=[1, 3])
    parser.add_argument('--frames', type=int, default=60, help='timed pictures of ours a row')
    parser.add_argument('--baseline-frames', type=int, default=5, help="of mmpose's; 0 leaves it out")
    parser.add_argument('--seed', type=int, default=0)
    return parser.parse_args(args)


def make_samples(size, people, count, seed):
    """People of a standing size that suits the image, side by side; a new pose in each sample.

    Returns:
        list[PoseDataSample]: ``count`` samples as the inferencer gives them, mm and px.
    """
    rng, (width, height) = np.random.default_rng(seed), size
    body, camera, samples = people_of_split(seed, 'val')[0][1], studio_camera(0, 256), []
    for _ in range(count):
        joints = np.stack([camera.to_camera(add_thorax(pose_figure(body, random_pose(rng), rng.uniform(0, 360)).joints))
                           for _ in range(people)])
        mm = joints - joints[:, :1]
        places = np.stack([width * (np.arange(people) + 1) / (people + 1), np.full(people, height / 2)], axis=1)
        flat = mm[..., :2] * (0.8 * height / 1800) + places[:, None]
        sample = PoseDataSample()
        sample.pred_instances = InstanceData(
            keypoints=mm, keypoints_2d=flat, keypoint_std=rng.uniform(10, 60, mm.shape),
            keypoint_scores=rng.uniform(0.4, 1.0, mm.shape[:2]),
            bboxes=np.concatenate([flat.min(axis=1) - 9, flat.max(axis=1) + 9], axis=1))
        samples.append(sample)
    return samples


def draw_ours(visualizer, image, sample):
    """One picture of ours."""
    return visualizer.add_datasample('ours', image, sample, draw_bbox=True)


def baseline_visualizer():
    """mmpose's, with our skeleton."""
    links = np.array([side_color(*bone) for bone in BONES])
    joints = np.array([side_color(joint) for joint in range(len(BONES) + 1)])
    return Pose3dLocalVisualizer('baseline', kpt_color=joints, link_color=links, skeleton=list(BONES))


def draw_baseline(visualizer, image, sample):
    """One picture of mmpose's: its unit is the metre, its third axis points up, and 2D comes as a sample of its own."""
    instances, metres, flat = sample.pred_instances, PoseDataSample(), PoseDataSample()
    keypoints = instances.keypoints[..., [0, 2, 1]] * (1e-3, 1e-3, -1e-3)
    metres.pred_instances = InstanceData(keypoints=keypoints, keypoint_scores=instances.keypoint_scores)
    flat.pred_instances = InstanceData(keypoints=instances.keypoints_2d, keypoint_scores=instances.keypoint_scores,
                                       bboxes=instances.bboxes)
    visualizer.add_datasample('baseline', image, metres, det_data_sample=flat, draw_gt=False, draw_2d=True,
                              draw_bbox=True, convert_keypoint=False)
    return visualizer.get_image()


def time_of(draw, image, samples, frames, warm_up):
    """Quartiles (3,) of ms a picture."""
    times = []
    for n in range(warm_up + frames):
        start = time.process_time()
        draw(image, samples[n % len(samples)])
        times.append(1e3 * (time.process_time() - start))
    return np.percentile(times[warm_up:], [25, 50, 75])


def measure(size, people, args):
    """Rows of (what, quartiles in ms), None for quartiles where a visualizer cannot draw that many people."""
    samples = make_samples(size, people, 30, args.seed)
    image = np.random.default_rng(args.seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    rows = []
    for what, steady in (('ours, video', True), ('ours, pictures', False)):
        draw = partial(draw_ours, IntegralPose3dVisualizer(what, steady=steady))
        rows.append((what, time_of(draw, image, samples, args.frames, len(samples))))
    if args.baseline_frames:
        draw = partial(draw_baseline, baseline_visualizer())
        try:
            quartiles = time_of(draw, image, samples, args.baseline_frames, 1)
        except ValueError:
            quartiles = None
        rows.append(('mmpose', quartiles))
    return rows


def print_row(size, people, what, quartiles, base):
    """A line of the table; ``base`` are the baseline's quartiles, or None."""
    if quartiles is None:
        print(f'{size:>10} {people:>6}  {what:<15} {"cannot draw them":>21}')
        return
    low, ms, high = quartiles
    gain = '' if base is None else f'{base[1] / ms:.1f}'
    spread = f'{ms:.1f} ({low:.1f}-{high:.1f})'
    print(f'{size:>10} {people:>6}  {what:<15} {spread:>21} {1e3 / ms:>9.1f} {gain:>9}')


def main(args=None):
    """Run the benchmark; returns its rows, a dict each of size, people, what, ms (None where it cannot draw them)."""
    args = parse_args(args)
    matplotlib.use('Agg')
    threads, records = cv2.getNumThreads(), []
    print(f'{platform.machine()}, Python {platform.python_version()}, OpenCV {cv2.__version__}, '
          f'matplotlib {matplotlib.__version__}, numpy {np.__version__}')
    print(f'{"image":>10} {"people":>6}  {"":<15} {"ms (IQR)":>21} {"frames/s":>9} {"x mmpose":>9}')
    cv2.setNumThreads(1)
    try:
        for size, people in itertools.product(args.sizes, args.people):
            rows = measure(tuple(int(part) for part in size.split('x')), people, args)
            for what, quartiles in rows:
                print_row(size, people, what, quartiles, dict(rows).get('mmpose'))
                ms = None if quartiles is None else float(quartiles[1])
                records.append(dict(size=size, people=people, what=what, ms=ms))
    finally:
        cv2.setNumThreads(threads)
    return records


if __name__ == '__main__':
    main()
