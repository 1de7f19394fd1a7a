"""Configs and samples that the tests of this folder share. B, K, D, H, W all differ."""
import numpy as np
import torch
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

from mmpose_integral.structures.skeleton import flip_indices

WIDTH, HEIGHT, DEPTH, JOINTS = 32, 64, 6, 18
CODEC = dict(type='Integral3DLabel', input_size=(WIDTH, HEIGHT))
HEAD = dict(type='Integral3DHead', in_channels=7, num_joints=JOINTS, depth_bins=DEPTH, deconv_out_channels=(5, 4),
            deconv_kernel_sizes=(4, 4), decoder=CODEC)
REGRESSION = dict(type='Regression3DHead', in_channels=7, num_joints=JOINTS, decoder=CODEC)


def feature_maps(count=2):
    """Random feature maps, from which HEAD makes volumes of 6 x 16 x 8 cells."""
    return (torch.randn(count, 7, 4, 2), )


def estimator(head, **test_cfg):
    """A small model with random weights; ``head`` is the config of its head for 7 channels."""
    backbone = dict(type='ResNet', depth=18, base_channels=8)
    return dict(type='Integral3DEstimator', backbone=backbone, head=dict(head, in_channels=64), test_cfg=test_cfg)


def make_samples(count):
    """Samples with random labels; crop number i shows (2 + i) times the input's size in image px, around (100, 80)."""
    generator, samples = torch.Generator().manual_seed(0), []
    for i in range(count):
        sample = PoseDataSample(metainfo=dict(
            flip_indices=flip_indices(), input_center=np.array([100., 80.]), input_size=(WIDTH, HEIGHT),
            input_scale=np.array([WIDTH, HEIGHT]) * (2. + i)))
        sample.gt_instance_labels = InstanceData(keypoint_labels=torch.rand(1, JOINTS, 3, generator=generator),
                                                 keypoint_weights=torch.ones(1, JOINTS, 3))
        sample.gt_instances = InstanceData(bboxes=np.zeros((1, 4)), bbox_scores=np.ones(1))
        samples.append(sample)
    return samples
