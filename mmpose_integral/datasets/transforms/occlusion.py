import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS

from mmpose_integral.datasets.transforms.occluders import GeneratedShapes, VocObjects


@TRANSFORMS.register_module()
class RandomOcclusion(BaseTransform):
    """Paste objects over the crop, as the winner of the 2018 challenge did.

    (Sarandi et al., "How Robust is 3D Human Pose Estimation to Occlusion?", IROS 2018 workshop: objects of Pascal VOC,
    at any place.) Labels stay as they are: hidden joints are to be guessed.

    Modified key: ``img`` (H, W, 3) uint8 BGR. Place it after the crop.

    Args:
        prob (float): probability that anything is pasted.
        voc_root (str, optional): folder ``VOC2012`` of Pascal VOC; without it, generated shapes.
        max_objects (int): from 1 to so many are pasted.
        scale (tuple[float]): longest side of an object, uniform in this range, in shares of the crop's shorter side.

    Raises:
        ValueError: ``prob`` outside [0, 1], no objects, or a range that is none.
        FileNotFoundError: ``voc_root`` is not Pascal VOC.
    """

    def __init__(self, prob=0.7, voc_root=None, max_objects=8, scale=(0.1, 0.5)):
        if not 0 <= prob <= 1:
            raise ValueError(f'prob: a number in [0, 1] expected, got {prob}')
        if max_objects < 1 or not 0 < scale[0] <= scale[1]:
            raise ValueError(f'max_objects >= 1 and 0 < scale[0] <= scale[1] expected, got {max_objects}, {scale}')
        self.prob, self.max_objects, self.scale = prob, max_objects, scale
        self.occluders = VocObjects(voc_root) if voc_root else GeneratedShapes()

    def transform(self, results):
        """Paste; see the class."""
        if np.random.uniform() >= self.prob:
            return results
        image = results['img'].copy()
        for _ in range(np.random.randint(1, self.max_objects + 1)):
            color, opacity = self.occluders.draw(np.random)
            longest = np.random.uniform(*self.scale) * min(image.shape[:2])
            factor = longest / max(opacity.shape)
            center = np.random.uniform(0, 1, size=2) * image.shape[1::-1]
            paste(image, color, opacity, factor, center)
        results['img'] = image
        return results


def paste(image, color, opacity, factor, center):
    """Blend an occluder into an image, in place; what sticks out of the image is cut.

    Args:
        image (np.ndarray): (H, W, 3) uint8.
        color (np.ndarray): (h, w, 3) uint8.
        opacity (np.ndarray): (h, w), 0 to 1.
        factor (float): the occluder is resized by it.
        center (np.ndarray): (2,), x, y of its middle, px.
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
