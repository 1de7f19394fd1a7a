"""A picture of IntegralPose3dVisualizer, and of mmpose's Pose3dLocalVisualizer, the baseline, on the same people.

Ours draws joints over the image, two 3D views with one-sigma ellipses, axes in mm and the legend; mmpose's draws joints
over the image and one 3D view by matplotlib, of one person only. Videos are drawn with steady=True, which keeps the
empty rooms. The pictures differ, so nothing is compared.
"""
from functools import partial

import numpy as np
from made_up import poses
from measure import compare
from mmengine.structures import InstanceData
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.structures import PoseDataSample
from mmpose.visualization import Pose3dLocalVisualizer

from mmpose_integral.structures.skeleton import build_metainfo
from mmpose_integral.visualization import IntegralPose3dVisualizer

TITLE = 'A picture of the visualizer'
PACKAGES = ('mmpose', 'matplotlib', 'opencv-python', 'opencv-python-headless')


def add_arguments(parser):
    parser.add_argument('--visualizer-sizes', nargs='+', default=['640x480', '1280x720', '1920x1080'], metavar='WxH')


def run(args):
    """Rows of each image size with one person."""
    theirs, rows = Pose3dLocalVisualizer('mmpose'), []
    theirs.set_dataset_meta(parse_pose_metainfo(build_metainfo()))
    for size in ['320x240'] if args.quick else args.visualizer_sizes:
        width, height = map(int, size.split('x'))
        image, people = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8), []
        for mm in poses(10)[:, None]:
            flat = mm[..., :2] * (height / 2250) + (width / 2, height / 2)
            box = np.concatenate([flat.min(axis=1) - 9, flat.max(axis=1) + 9], axis=1)
            people.append(InstanceData(keypoints=mm, keypoints_2d=flat, keypoint_std=np.full(mm.shape, 30.0),
                                       keypoint_scores=np.ones(mm.shape[:2]), bboxes=box))
        ours = {f'ours, {what}': (partial(draw_ours, IntegralPose3dVisualizer(what, steady=what == 'video'), image,
                                          people), len(people)) for what in ('video', 'pictures')}
        rows += compare(size, {'mmpose': partial(draw_theirs, theirs, image, people[0]), **ours},
                        args.rounds or (1 if args.quick else 11), unit='picture')
    return rows


def draw_ours(visualizer, image, people):
    """Pictures of ours; returns the last one."""
    for one in people:
        picture = visualizer.add_datasample('ours', image, PoseDataSample(pred_instances=one), draw_bbox=True)
    return picture


def draw_theirs(visualizer, image, person):
    """mmpose's picture: its unit is the metre, its third axis points up, and 2D comes as a sample of its own."""
    metres, flat = person.clone(), person.clone()
    metres.keypoints, flat.keypoints = person.keypoints[..., [0, 2, 1]] * (1e-3, 1e-3, -1e-3), person.keypoints_2d
    visualizer.add_datasample('mmpose', image, PoseDataSample(pred_instances=metres), draw_gt=False, draw_2d=True,
                              det_data_sample=PoseDataSample(pred_instances=flat), draw_bbox=True,
                              convert_keypoint=False)
    return visualizer.get_image()
