"""A picture of IntegralPose3dVisualizer beside one of mmpose's Pose3dLocalVisualizer, the baseline, of the same people.

Ours shows joints over the image, two 3D views with one-sigma ellipses, axes in mm and the legend. mmpose's shows joints
over the image and one 3D view by matplotlib, of one person only. Videos are drawn with steady=True, which keeps the
empty rooms. The pictures differ in content, so their results are not compared.
"""
import argparse
from collections.abc import Iterator
from functools import partial

import numpy as np
from made_up import poses
from measure import Row, compare
from mmengine.structures import InstanceData
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.structures import PoseDataSample
from mmpose.visualization import Pose3dLocalVisualizer

from mmpose_integral.structures.skeleton import build_metainfo
from mmpose_integral.visualization import IntegralPose3dVisualizer

TITLE = 'A picture of the visualizer'
PACKAGES = ('mmpose', 'matplotlib', 'opencv-python', 'opencv-python-headless')
SIZES = ((640, 480), (1280, 720), (1920, 1080))


def run(args: argparse.Namespace) -> Iterator[Row]:
    """Rows per image size, with one person."""
    theirs = Pose3dLocalVisualizer('mmpose')
    theirs.set_dataset_meta(parse_pose_metainfo(build_metainfo()))
    for width, height in [(320, 240)] if args.quick else SIZES:
        image, people = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8), []
        for mm in poses(10)[:, None]:
            flat = mm[..., :2] * (height / 2250) + (width / 2, height / 2)
            box = np.concatenate([flat.min(axis=1) - 9, flat.max(axis=1) + 9], axis=1)
            people.append(InstanceData(keypoints=mm, keypoints_2d=flat, keypoint_std=np.full(mm.shape, 30.0),
                                       keypoint_scores=np.ones(mm.shape[:2]), bboxes=box))
        ours = {f'ours, {what}': (partial(draw_ours, IntegralPose3dVisualizer(what, steady=what == 'video'), image,
                                          people), len(people)) for what in ('video', 'pictures')}
        yield from compare(f'{width}x{height}', {'mmpose': partial(draw_theirs, theirs, image, people[0]), **ours},
                           args.rounds or (1 if args.quick else 11), unit='picture')


def draw_ours(visualizer: IntegralPose3dVisualizer, image: np.ndarray, people: list[InstanceData]) -> np.ndarray:
    """Draw one picture per person; returns the last one."""
    for one in people:
        drawn = visualizer.add_datasample('ours', image, PoseDataSample(pred_instances=one), draw_bbox=True, unit='mm')
    return drawn


def draw_theirs(visualizer: Pose3dLocalVisualizer, image: np.ndarray, person: InstanceData) -> np.ndarray:
    """Draw mmpose's picture: its unit is the metre, its third axis points up, and the 2D joints are another sample."""
    metres, flat = person.clone(), person.clone()
    metres.keypoints, flat.keypoints = person.keypoints[..., [0, 2, 1]] * (1e-3, 1e-3, -1e-3), person.keypoints_2d
    visualizer.add_datasample('mmpose', image, PoseDataSample(pred_instances=metres), draw_gt=False, draw_2d=True,
                              det_data_sample=PoseDataSample(pred_instances=flat), draw_bbox=True,
                              convert_keypoint=False)
    return visualizer.get_image()
