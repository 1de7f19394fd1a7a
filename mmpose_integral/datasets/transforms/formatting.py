import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform, Compose
from mmpose.datasets.transforms import PackPoseInputs
from mmpose.registry import TRANSFORMS

from mmpose_integral.utils.config_files import read_config


@TRANSFORMS.register_module()
class PackPose3DInputs(PackPoseInputs):
    """mmpose's packing, with the millimetres that the metric needs and whether the box was detected.

    Pixels stay uint8 BGR, because the data preprocessor converts and normalises them on the model's device.

    ``gt_instances`` also gets ``keypoints_mm`` (1, K, 3) and ``transformed_keypoints`` where present. The meta data
    also gets ``box_found`` and ``input_rotation``.
    """

    instance_mapping_table = dict(PackPoseInputs.instance_mapping_table, keypoints_mm='keypoints_mm')

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.meta_keys: tuple[str, ...] = (*self.meta_keys, 'box_found', 'input_rotation')

    def transform(self, results: dict) -> dict:
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


@TRANSFORMS.register_module()
class MemberInputs(BaseTransform):
    """Prepare one sample once for each member of an :class:`EnsembleEstimator`.

    The image is read once. The evaluation pipeline of each member crops and packs it.

    Required keys: ``img`` and those that the members' pipelines need.
    Result: ``inputs`` (list of tensors) and ``data_samples`` (list), one per member.

    Args:
        configs: Config files of the members, in the order of the ensemble.

    Raises:
        FileNotFoundError: If a config does not exist.
        ValueError: If there are no configs, or one has no ``test_dataloader.dataset.pipeline``.
    """

    def __init__(self, configs: list[str]) -> None:
        if not configs:
            raise ValueError('configs: at least one config file expected, got none')
        self.pipelines = []
        for path in configs:
            dataset = (read_config(path).get('test_dataloader') or {}).get('dataset', {})
            if not dataset.get('pipeline'):
                raise ValueError(f'{path}: no test_dataloader.dataset.pipeline to prepare its inputs with')
            self.pipelines.append(Compose(dataset['pipeline']))

    def transform(self, results: dict) -> dict:
        packed = [pipeline(dict(results)) for pipeline in self.pipelines]  # they change no value in place
        return {key: [one[key] for one in packed] for key in ('inputs', 'data_samples')}
