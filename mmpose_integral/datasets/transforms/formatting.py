from mmpose.datasets.transforms import PackPoseInputs
from mmpose.registry import TRANSFORMS


@TRANSFORMS.register_module()
class PackPose3DInputs(PackPoseInputs):
    """mmpose's packing, plus the millimetres that the metric needs and whether the box was detected.

    ``gt_instances`` also gets ``keypoints_mm`` (1, K, 3) and ``transformed_keypoints`` where present; the meta data
    gets ``box_found``.
    """

    instance_mapping_table = dict(PackPoseInputs.instance_mapping_table, keypoints_mm='keypoints_mm')

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.meta_keys = (*self.meta_keys, 'box_found')
