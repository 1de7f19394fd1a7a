"""What a crop cache holds: for each image of a training set, the parts that its people's augmented boxes may show.

Frames: px of the full image throughout.
"""
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmcv.transforms import Compose
from torch.utils.data import Dataset

from mmpose_integral.datasets.window_jpeg import MARGIN, MCU, encode, quantisation
from mmpose_integral.preparation.frames import read_image

LOADING = ('LoadImage', 'LoadPersonImage')


class Augmentation(NamedTuple):
    """The largest changes of a box that training makes."""
    scale: float
    """factor of the box"""
    rotation: float
    """degrees, both ways"""
    shift: float
    """of the box's sides, both ways"""


def largest_augmentation(transforms):
    """Read the limits off a pipeline.

    Args:
        transforms (list[dict]): configs of its steps. The errors of ``PerturbBBox``, which have no limit, count up to
            two standard deviations; beyond, a sample falls back to the image.

    Returns:
        Augmentation: of all steps together.
    """
    scale, rotation, shift = 1.0, 0.0, 0.0
    for step in transforms:
        if step['type'] in ('RandomBBoxTransform', 'RandomBBoxTransform3D'):
            scale *= max(step.get('scale_factor', (0.5, 1.5)))
            rotation += step.get('rotate_factor', 80.0)
            shift += step.get('shift_factor', 0.16)
        elif step['type'] == 'RandomBBoxReleased':
            scale *= 1 + step.get('scale_factor', 0.25)
            rotation += 2 * step.get('rotate_factor', 30.0)
        elif step['type'] == 'PerturbBBox':
            error = min(2 * step.get('edge_std', 0.05), 0.4)
            scale *= step.get('scale', 1.0) * (1 + 2 * error)
            shift += error
    return Augmentation(scale, rotation, shift)


def reachable_boxes(centers, sizes, input_size, augmentation):
    """Parts of the images that crops may show.

    Args:
        centers (np.ndarray): (N, 2) of the boxes, as ``GetBBoxCenterScale`` gives them.
        sizes (np.ndarray): (N, 2) width and height, padding included.
        input_size (tuple[int]): (W, H) of the model's input, whose aspect ratio the boxes are widened to.
        augmentation (Augmentation): limits.

    Returns:
        np.ndarray: (N, 4) int64 x0, y0, x1, y1, the last ones exclusive; they may reach beyond the image.
    """
    aspect = input_size[0] / input_size[1]
    half_width = augmentation.scale * np.maximum(sizes[:, 0], sizes[:, 1] * aspect) / 2
    half_height = half_width / aspect
    limit, corner = np.deg2rad(min(augmentation.rotation, 90.0)), np.arctan2(1, aspect)
    widest, highest = min(limit, corner), min(limit, np.pi / 2 - corner)  # the angles at which the box reaches furthest
    reach = np.stack([half_width * np.cos(widest) + half_height * np.sin(widest),
                      half_height * np.cos(highest) + half_width * np.sin(highest)], axis=1)
    reach += augmentation.shift * sizes + MARGIN + 2
    return np.concatenate([np.floor(centers - reach), np.ceil(centers + reach) + 1], axis=1).astype(np.int64)


def boxes_of_dataset(dataset, pipeline, input_size, progress=None):
    """Run a data set's own steps without images, up to its boxes.

    Args:
        dataset (BaseDataset): a source, whose pipeline ends with the box.
        pipeline (list[dict]): configs of all steps that a sample passes.
        input_size (tuple[int]): (W, H).
        progress (callable, optional): called with 1 for each sample.

    Returns:
        dict[str, np.ndarray]: image path to (P, 4) boxes of its people; see :func:`reachable_boxes`.
    """
    steps = Compose([step for step in dataset.pipeline.transforms if type(step).__name__ not in LOADING])
    paths, centers, sizes = [], [], []
    for number in range(len(dataset)):
        sample = steps(dataset.get_data_info(number))
        paths.append(sample['img_path'])
        centers.append(sample['bbox_center'][0])
        sizes.append(sample['bbox_scale'][0])
        if progress:
            progress(1)
    boxes = reachable_boxes(np.float64(centers), np.float64(sizes), input_size, largest_augmentation(pipeline))
    by_image = {}
    for path, box in zip(paths, boxes, strict=True):
        by_image.setdefault(path, []).append(box)
    return {path: np.array(rows) for path, rows in by_image.items()}


def clip_boxes(boxes, size):
    """Boxes inside an image, with corners on the grid of its JPEG blocks.

    People whose parts together are larger than the image share one crop, the whole image.

    Args:
        boxes (np.ndarray): (P, 4), which may reach beyond the image.
        size (tuple[int]): (width, height).

    Returns:
        np.ndarray: (Q, 4), Q <= P; none where no box touches the image.
    """
    limits = np.array([*size, *size])
    boxes = np.clip(boxes, 0, limits)
    boxes = boxes[(boxes[:, 2:] > boxes[:, :2]).all(1)]
    boxes[:, :2] -= boxes[:, :2] % MCU
    boxes = np.unique(boxes, axis=0)
    if len(boxes) and np.prod(boxes[:, 2:] - boxes[:, :2], axis=1).sum() >= np.prod(size):
        return np.array([[0, 0, *size]])
    return boxes


class CropsOfImages(Dataset):
    """Images of a data set, each as its crops, cut and encoded in a worker process.

    Args:
        boxes (dict[str, np.ndarray]): of :func:`boxes_of_dataset`.
        numbers (list[int]): the images wanted, by their places in ``boxes``.
        quality (int | None): of the JPEGs; None is that of the image itself, or 95 where it is no JPEG.
    """

    def __init__(self, boxes, numbers, quality):
        self.paths, self.boxes = list(boxes), list(boxes.values())
        self.numbers, self.quality = numbers, quality

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, i):
        """Number, (width, height), bytes of the file, and a list of (box, JPEG)."""
        number = self.numbers[i]
        image = read_image(self.paths[number])
        size = image.shape[1::-1]
        quality = self.quality or quantisation(self.paths[number]) or 95
        crops = [(box.tolist(), encode(image[box[1]:box[3], box[0]:box[2]], quality))
                 for box in clip_boxes(self.boxes[number], size)]
        return number, size, os.path.getsize(self.paths[number]), crops


def image_key(path, root):
    """An image's name in the cache: relative to its data set's root, at most three parts.

    Raises:
        ValueError: the name could not be found again.
    """
    key = Path(os.path.relpath(path, root)).as_posix() if root else Path(path).as_posix()
    if key.startswith('..') or len(Path(key).parts) > 3:
        raise ValueError(f'{path}: an image at most two folders below {root!r} expected (data_root of its data set)')
    return key
