"""Occlusion of the crop by objects cut out of Pascal VOC, or by generated shapes without VOC.

An occluder is a pair of arrays: colours (h, w, 3) uint8 BGR, and opacity (h, w) float32 in [0, 1]. The functions that
draw a random one use numpy's global generator.
"""
import os
import xml.etree.ElementTree as ElementTree  # nosec B405 # see _usable

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS
from PIL import Image

MIN_AREA = 500  # px; smaller objects are not used
FEATHER = 5  # px; width of the soft edge, so that a network cannot detect sharp cuts
CACHE_SIZE = 500  # cut-out objects that stay in memory


class VocObjects:
    """Objects of Pascal VOC 2012 that are not people, cut out along their segmentation.

    Annotations are read at the start. Images are read when an object is drawn, and the last objects stay in memory.
    ``root`` is the folder ``VOC2012``, with ``Annotations``, ``JPEGImages`` and ``SegmentationObject``.
    """

    def __init__(self, root: str) -> None:
        for folder in ('Annotations', 'JPEGImages', 'SegmentationObject'):
            if not os.path.isdir(os.path.join(root, folder)):
                raise FileNotFoundError(f'voc_root: {root} has no folder {folder}; the VOC2012 folder of Pascal VOC is '
                                        'expected, or None for generated shapes')
        self.root = root
        self._cache: dict[int, tuple[np.ndarray, np.ndarray] | None] = {}
        self.objects = [(name[:-4], number) for name in sorted(os.listdir(os.path.join(root, 'SegmentationObject')))
                        if name.endswith('.png') for number in self._usable(name[:-4])]
        if not self.objects:
            raise ValueError(f'voc_root: {root} has no segmented object that is whole and no person')

    def _usable(self, stem: str) -> list[int]:
        """Numbers (1-based, as in the mask) of the objects of an image that are neither truncated nor persons."""
        # The parser loads no external entities, and expat 2.4.1 and newer refuse nested ones that grow too much.
        file = os.path.join(self.root, 'Annotations', f'{stem}.xml')
        tree = ElementTree.parse(file).getroot()  # nosec B314
        return [number for number, item in enumerate(tree.findall('object'), 1)
                if item.findtext('name') != 'person' and item.findtext('difficult', '0') == '0'
                and item.findtext('truncated', '0') == '0']

    def draw(self) -> tuple[np.ndarray, np.ndarray]:
        for _ in range(50):
            index = np.random.randint(len(self.objects))
            if index not in self._cache:
                if len(self._cache) >= CACHE_SIZE:
                    self._cache.pop(next(iter(self._cache)))
                self._cache[index] = self._cut(*self.objects[index])
            if (occluder := self._cache[index]) is not None:
                return occluder
        raise ValueError(f'voc_root: {self.root}: none of 50 drawn objects has {MIN_AREA} px')

    def _cut(self, stem: str, number: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Cut one object out, or return None if it is too small."""
        image = mmcv.imread(os.path.join(self.root, 'JPEGImages', f'{stem}.jpg'))
        # The mask is a palette image. Its index is the object's number, which OpenCV would convert to colours.
        mask = np.asarray(Image.open(os.path.join(self.root, 'SegmentationObject', f'{stem}.png'))) == number
        if image is None or mask.shape != image.shape[:2]:
            raise ValueError(f'voc_root: {self.root}: JPEGImages/{stem}.jpg and SegmentationObject/{stem}.png: two '
                             'images of one size expected')
        if mask.sum() < MIN_AREA:
            return None
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        return np.ascontiguousarray(image[box]), feather(mask[box])


def draw_shape(size: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Draw an ellipse or a polygon with stripes and noise, which needs no data; its sides are at most ``size`` px."""
    height, width = (int(size * share) for share in np.random.uniform(0.35, 1.0, size=2))
    mask = np.zeros((height, width), dtype=np.uint8)
    middle = np.array([width, height]) / 2
    if np.random.uniform() < 0.4:
        cv2.ellipse(mask, tuple(map(int, middle)), tuple(map(int, middle - 2)), 0, 0, 360, 1, -1)
    else:
        count = np.random.randint(3, 9)
        angles = (np.arange(count) + np.random.uniform(-0.3, 0.3, size=count)) * 2 * np.pi / count
        radius = np.random.uniform(0.6, 1.0, size=count)
        corners = middle + (middle - 2) * radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
        cv2.fillPoly(mask, [corners.astype(np.int32)], 1)
    return _stripes(height, width), feather(mask > 0)


def _stripes(height: int, width: int) -> np.ndarray:
    """Stripes of two colours, with noise."""
    colors = np.random.uniform(0, 255, size=(2, 3))
    period, angle = np.random.uniform(4, 60), np.random.uniform(0, np.pi)
    y, x = np.mgrid[:height, :width]
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period)[..., None]
    color = colors[0] + (colors[1] - colors[0]) * (wave > np.random.uniform(-1, 1))
    color = color + np.random.normal(0, np.random.uniform(0, 25), size=(height, width, 1))
    return np.clip(color, 0, 255).astype(np.uint8)


def feather(mask: np.ndarray) -> np.ndarray:
    """Opacity (h, w) of a boolean mask with soft edges that lie inside it."""
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]
    return np.clip(distance / FEATHER, 0, 1).astype(np.float32)


@TRANSFORMS.register_module()
class RandomOcclusion(BaseTransform):
    """Paste objects over the crop at any place, as the winner of the 2018 challenge did.

    Source: Sarandi et al., "How Robust is 3D Human Pose Estimation to Occlusion?", IROS 2018 workshop, with objects of
    Pascal VOC. Labels do not change, so that a model learns to predict hidden joints.

    Modified key: ``img`` (H, W, 3) uint8 BGR. Place it after the crop.

    Args:
        prob: Probability that anything is pasted.
        voc_root: Folder ``VOC2012`` of Pascal VOC. Default: generated shapes.
        max_objects: Largest number of objects; the smallest is 1.
        scale: Range of the longest side of an object, as a share of the crop's shorter side.

    Raises:
        ValueError: If ``prob`` is outside [0, 1], ``max_objects`` is below 1, ``scale`` is not an ascending range
            above 0, or Pascal VOC has no usable object.
        FileNotFoundError: If ``voc_root`` is not Pascal VOC.
    """

    def __init__(self, prob: float = 0.7, voc_root: str | None = None, max_objects: int = 8,
                 scale: tuple[float, float] = (0.1, 0.5)) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'prob: a number in [0, 1] expected, got {prob}')
        if max_objects < 1 or not 0 < scale[0] <= scale[1]:
            raise ValueError(f'max_objects >= 1 and 0 < scale[0] <= scale[1] expected, got {max_objects}, {scale}')
        self.prob, self.max_objects, self.scale = prob, max_objects, scale
        self.draw = VocObjects(voc_root).draw if voc_root else draw_shape

    def transform(self, results: dict) -> dict:
        if np.random.uniform() >= self.prob:
            return results
        image = results['img'].copy()
        for _ in range(np.random.randint(1, self.max_objects + 1)):
            color, opacity = self.draw()
            factor = np.random.uniform(*self.scale) * min(image.shape[:2]) / max(opacity.shape)
            center = np.random.uniform(0, 1, size=2) * image.shape[1::-1]
            paste(image, color, opacity, factor, center)
        results['img'] = image
        return results


def paste(image: np.ndarray, color: np.ndarray, opacity: np.ndarray, factor: float, center: np.ndarray) -> None:
    """Blend an occluder into an image (H, W, 3) uint8, in place; parts outside the image are cut off.

    The occluder is resized by ``factor``, and its centre is at ``center`` (x, y), px.
    """
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    size = tuple(max(1, round(side * factor)) for side in opacity.shape[::-1])
    color, opacity = (cv2.resize(array, size, interpolation=interpolation) for array in (color, opacity))
    left, top = (round(float(c)) - s // 2 for c, s in zip(center, size, strict=True))
    rows = slice(max(top, 0), min(top + size[1], image.shape[0]))
    columns = slice(max(left, 0), min(left + size[0], image.shape[1]))
    inner = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    alpha, under = opacity[inner][..., None], image[rows, columns]
    image[rows, columns] = np.rint(alpha * color[inner] + (1 - alpha) * under).astype(np.uint8)
