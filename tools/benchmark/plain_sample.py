"""The baseline of data_loading.py: one training sample as the paper's method would first be written."""
import cv2
import numpy as np
import torch
from baselines import similarity_2d

from mmpose_integral.datasets.transforms import RandomCropBox

MEAN, STD = np.float32([123.675, 116.28, 103.53]), np.float32([58.395, 57.12, 57.375])  # RGB
PADDING, SHIFT, SCALE, ROTATION, GAIN = 1.25, 0.02, 0.25, 30.0, 0.2
PAIRS = ((1, 4), (2, 5), (3, 6), (11, 14), (12, 15), (13, 16))


def plain_sample(frame, input_size):
    """Read, fit, crop, mirror, colour, normalise.

    The random numbers come from numpy's global generator in the order in which the transforms of this package draw
    them, so that both give the same sample.

    Args:
        frame (dict): ``path``, ``bbox`` (4,) xyxy px, ``keypoints_mm`` (18, 3), ``keypoints_2d`` (18, 2) px.
        input_size (tuple[int]): (W, H).

    Returns:
        tuple[torch.Tensor]: (3, H, W) float32 RGB, normalised; (18, 3) float32 labels x/W, y/H, z/W + 0.5.
    """
    width, height = input_size
    image = cv2.cvtColor(cv2.imread(frame['path']), cv2.COLOR_BGR2RGB)
    scale, rotation, translation = similarity_2d(np.float64(frame['keypoints_mm'][:, :2]),
                                                 np.float64(frame['keypoints_2d']))
    joints = np.zeros((18, 3))
    for k in range(18):
        joints[k, :2] = scale * rotation @ frame['keypoints_mm'][k, :2] + translation
        joints[k, 2] = scale * (frame['keypoints_mm'][k, 2] - frame['keypoints_mm'][0, 2])
    x0, y0, x1, y1 = (float(value) for value in frame['bbox'])
    center = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    size = np.array([x1 - x0, y1 - y0]) * PADDING
    size = np.array([max(size[0], size[1] * width / height), max(size[1], size[0] * height / width)])
    change, _ = RandomCropBox._truncnorm(size=(4,)), np.random.rand(3)  # these three: whether to change at all
    center = center + change[:2] * SHIFT * size
    size = size * (1 + SCALE * change[2])
    matrix = crop_matrix(center, width / size[0], change[3] * ROTATION, input_size)
    crop = cv2.warpAffine(image, matrix, input_size, flags=cv2.INTER_LINEAR)
    for k in range(18):
        joints[k, :2] = matrix @ np.array([joints[k, 0], joints[k, 1], 1.0])
        joints[k, 2] *= width / size[0]
    if np.random.rand() < 0.5:
        crop = crop[:, ::-1]
        for k in range(18):
            joints[k, 0] = width - 1 - joints[k, 0]
        for right, left in PAIRS:
            joints[[right, left]] = joints[[left, right]]
    labels = np.zeros((18, 3), np.float32)
    for k in range(18):
        labels[k] = joints[k, 0] / width, joints[k, 1] / height, joints[k, 2] / width + 0.5
    crop = crop.astype(np.float32)
    gains = np.random.uniform(1 - GAIN, 1 + GAIN, size=3)[::-1]  # drawn for BGR
    for channel in range(3):
        crop[..., channel] = np.clip(crop[..., channel] * gains[channel], 0, 255)
    crop = (crop - MEAN) / STD
    return torch.from_numpy(np.ascontiguousarray(crop.transpose(2, 0, 1))), torch.from_numpy(labels)


def crop_matrix(center, factor, degrees, input_size):
    """(2, 3) matrix that turns, scales, and brings the box's centre to the middle of the input."""
    angle = np.deg2rad(degrees)
    turn = factor * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.concatenate([turn, (np.array(input_size) / 2 - turn @ center)[:, None]], axis=1)
