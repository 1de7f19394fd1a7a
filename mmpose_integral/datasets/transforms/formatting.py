import cv2
import numpy as np
import torch
from mmpose.datasets.transforms import PackPoseInputs
from mmpose.registry import TRANSFORMS


@TRANSFORMS.register_module()
class PackPose3DInputs(PackPoseInputs):
    """mmpose's packing, with the millimetres that the metric needs and whether the box was detected.

    Pixels stay uint8 BGR, because the data preprocessor converts and normalises them on the model's device.

    ``gt_instances`` also gets ``keypoints_mm`` (1, K, 3) and ``transformed_keypoints`` where present. The meta data
    also gets ``box_found``.
    """

    instance_mapping_table = dict(PackPoseInputs.instance_mapping_table, keypoints_mm='keypoints_mm')

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.meta_keys = (*self.meta_keys, 'box_found')

    def transform(self, results: dict) -> dict:
        """Pack one sample; see the class."""
        image = results.get('img')
        if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3:
            return super().transform(results)
        planes = image.transpose(2, 0, 1)
        if not planes.flags.c_contiguous:
            planes = np.empty(planes.shape, image.dtype)
            cv2.split(image, list(planes))  # permute and copy in torch take twenty times as long
        # mmpose packs a single pixel, which is fast; the planes then replace it
        packed = super().transform(dict(results, img=image[:1, :1]))
        packed['inputs'] = torch.from_numpy(planes)
        return packed
