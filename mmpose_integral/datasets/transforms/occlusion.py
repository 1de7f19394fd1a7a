import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS

from mmpose_integral.datasets.transforms.occluders import GeneratedShapes, VocObjects


@TRANSFORMS.register_module()
class RandomOcclusion(BaseTransform):
    """Paste objects over the crop, as the winner of the 2018 challenge did.

    (Sarandi et al., "How Robust is 3D Human Pose Estimation to Occlusion?", IROS 2018 workshop: objects of Pascal VOC,
    at any place.) Labels do not change, so that a model learns to predict hidden joints.

    Modified key: ``img`` (H, W, 3) uint8 BGR. Place it after the crop.

    Args:
        prob: Probability that anything is pasted.
        voc_root: Folder ``VOC2012`` of Pascal VOC. Default: generated shapes.
        max_objects: Largest number of objects; the smallest is 1.
        scale: Range of the longest side of an object, as a share of the crop's shorter side.

    Raises:
        ValueError: If ``prob`` is outside [0, 1], ``max_objects`` is below 1, or ``scale`` is not an ascending range
            above 0.
        FileNotFoundError: If ``voc_root`` is not Pascal VOC.
    """

    def __init__(self, prob: float = 0.7, voc_root: str | None = None, max_objects: int = 8,
                 scale: tuple[float, float] = (0.1, 0.5)) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'prob: a number in [0, 1] expected, got {prob}')
        if max_objects < 1 or not 0 < scale[0] <= scale[1]:
            raise ValueError(f'max_objects >= 1 and 0 < scale[0] <= scale[1] expected, got {max_objects}, {scale}')
        self.prob, self.max_objects, self.scale = prob, max_objects, scale
        self.occluders = VocObjects(voc_root) if voc_root else GeneratedShapes()

    def transform(self, results: dict) -> dict:
        """Paste objects into one sample; see the class."""
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


def paste(image: np.ndarray, color: np.ndarray, opacity: np.ndarray, factor: float, center: np.ndarray) -> None:
    """Blend an occluder into an image, in place; parts outside the image are cut off.

    Args:
        image: (H, W, 3) uint8, image.
        color: (h, w, 3) uint8, colours of the occluder.
        opacity: (h, w), opacity of the occluder, 0 to 1.
        factor: Factor by which the occluder is resized.
        center: (2,), x, y of the occluder's centre, px.
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
