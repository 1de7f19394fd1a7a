"""Occluders to paste over people: objects cut out of Pascal VOC, or generated shapes without VOC.

An occluder is a pair of arrays: colours (h, w, 3) uint8 BGR, and opacity (h, w) float32 in [0, 1].
"""
import os
import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np

MIN_AREA = 500  # px; smaller objects are not used
FEATHER = 5  # px; width of the soft edge, so that a network cannot detect sharp cuts


class VocObjects:
    """Objects of Pascal VOC 2012 that are not people, cut out along their segmentation.

    Annotations are read at the start. Images are read when an object is drawn, and the last objects stay in memory.

    Args:
        root: Folder ``VOC2012`` with ``Annotations``, ``JPEGImages`` and ``SegmentationObject``.
        cache_size: Number of cut-out objects that stay in memory.

    Raises:
        FileNotFoundError: If a folder does not exist.
        ValueError: If there is no usable object.
    """

    def __init__(self, root: str, cache_size: int = 500) -> None:
        for folder in ('Annotations', 'JPEGImages', 'SegmentationObject'):
            if not os.path.isdir(os.path.join(root, folder)):
                raise FileNotFoundError(f'voc_root: {root} has no folder {folder}; the VOC2012 folder of Pascal VOC is '
                                        'expected, or None for generated shapes')
        self.root = root
        self.cache_size = cache_size
        self._cache = {}
        self.objects = [(name[:-4], number) for name in sorted(os.listdir(os.path.join(root, 'SegmentationObject')))
                        if name.endswith('.png') for number in self._usable(name[:-4])]
        if not self.objects:
            raise ValueError(f'voc_root: {root} has no segmented object that is whole and no person')

    def __len__(self):
        return len(self.objects)

    def _usable(self, stem):
        """Numbers (1-based, as in the mask) of the objects of an image that are neither truncated nor persons."""
        path = os.path.join(self.root, 'Annotations', f'{stem}.xml')
        tree = ElementTree.parse(path).getroot()
        return [number for number, item in enumerate(tree.findall('object'), 1)
                if item.findtext('name') != 'person' and item.findtext('difficult', '0') == '0'
                and item.findtext('truncated', '0') == '0']

    def draw(self, rng):
        """Draw a random occluder; see the module.

        Args:
            rng (np.random.RandomState | module): Random generator, such as ``numpy.random``.
        """
        for _ in range(50):
            index = rng.randint(len(self.objects))
            if index not in self._cache:
                if len(self._cache) >= self.cache_size:
                    self._cache.pop(next(iter(self._cache)))
                self._cache[index] = self._cut(*self.objects[index])
            if self._cache[index] is not None:
                return self._cache[index]
        raise ValueError(f'voc_root: {self.root}: of 50 objects drawn none has {MIN_AREA} px')

    def _cut(self, stem, number):
        """Cut one object out, or return None if it is too small."""
        image = cv2.imread(os.path.join(self.root, 'JPEGImages', f'{stem}.jpg'))
        # The mask is a palette image. Its index is the object's number, which OpenCV would convert to colours.
        from PIL import Image
        mask = np.asarray(Image.open(os.path.join(self.root, 'SegmentationObject', f'{stem}.png'))) == number
        if image is None or mask.shape != image.shape[:2]:
            raise ValueError(f'voc_root: {self.root}: JPEGImages/{stem}.jpg and SegmentationObject/{stem}.png: two '
                             'images of one size expected')
        if mask.sum() < MIN_AREA:
            return None
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        return np.ascontiguousarray(image[box]), feather(mask[box])


class GeneratedShapes:
    """Ellipses and polygons with stripes and noise, which need no data.

    Args:
        size: Longest side, px.
    """

    def __init__(self, size: int = 128) -> None:
        self.size = size

    def draw(self, rng):
        """Draw a random occluder; see the module."""
        height, width = (int(self.size * share) for share in rng.uniform(0.35, 1.0, size=2))
        mask = np.zeros((height, width), dtype=np.uint8)
        middle = np.array([width, height]) / 2
        if rng.uniform() < 0.4:
            cv2.ellipse(mask, tuple(map(int, middle)), tuple(map(int, middle - 2)), 0, 0, 360, 1, -1)
        else:
            count = rng.randint(3, 9)
            angles = (np.arange(count) + rng.uniform(-0.3, 0.3, size=count)) * 2 * np.pi / count
            radius = rng.uniform(0.6, 1.0, size=len(angles))
            corners = middle + (middle - 2) * radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
            cv2.fillPoly(mask, [corners.astype(np.int32)], 1)
        return self._texture(rng, height, width), feather(mask > 0)

    @staticmethod
    def _texture(rng, height, width):
        """Stripes of two colours, with noise."""
        colors = rng.uniform(0, 255, size=(2, 3))
        period, angle = rng.uniform(4, 60), rng.uniform(0, np.pi)
        y, x = np.mgrid[:height, :width]
        wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period)[..., None]
        color = colors[0] + (colors[1] - colors[0]) * (wave > rng.uniform(-1, 1))
        color = color + rng.normal(0, rng.uniform(0, 25), size=(height, width, 1))
        return np.clip(color, 0, 255).astype(np.uint8)


def feather(mask: np.ndarray) -> np.ndarray:
    """Opacity (h, w) of a boolean mask with soft edges that lie inside it."""
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]
    return np.clip(distance / FEATHER, 0, 1).astype(np.float32)
