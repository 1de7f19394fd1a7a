import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomChannelGain(BaseTransform):
    """Multiply each colour channel by its own random gain, which is the colour augmentation of the released code.

    Modified key: ``img`` (H, W, 3) uint8. Place it after the crop, where there are fewer pixels.

    Args:
        gain: Largest deviation of a gain from 1; gains are uniform in [1 - gain, 1 + gain].
    """

    def __init__(self, gain: float = 0.2) -> None:
        if not 0 <= gain < 1:
            raise ValueError(f'gain: a number in [0, 1) expected, got {gain}')
        self.gain = gain

    def transform(self, results: dict) -> dict:
        gains = np.random.uniform(1 - self.gain, 1 + self.gain, size=3)
        table = np.clip(np.arange(256) * gains[:, None] + 0.5, 0, 255).astype(np.uint8)
        image = results['img']
        if image.dtype != np.uint8 or image.shape[2:] != (3, ):
            raise ValueError(f'img: (H, W, 3) uint8 expected, got {image.shape} {image.dtype}')
        planes = np.empty((3, *image.shape[:2]), np.uint8)  # one plane per channel is faster, and packing needs planes
        cv2.split(image, list(planes))
        for plane, column in zip(planes, table, strict=True):
            cv2.LUT(plane, column, plane)
        results['img'] = planes.transpose(1, 2, 0)
        return results
