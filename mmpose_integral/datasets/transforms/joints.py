import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import TRANSFORMS

from mmpose_integral.structures.skeleton import JOINT_MAPS, NUM_JOINTS, build_metainfo

# Keys of a sample that depend on the joint set. All must change with it, or a later flip swaps the wrong joints.
JOINT_SET_KEYS = ('upper_body_ids', 'lower_body_ids', 'flip_pairs', 'dataset_keypoint_weights', 'flip_indices',
                  'skeleton_links')


@TRANSFORMS.register_module()
class KeypointConverter3D(BaseTransform):
    """Convert the 2D joints of MPII or COCO to our 18, with masked depth.

    Joints that the source lacks, or that are not labelled, get weight 0 in every coordinate. The others get weight
    (1, 1, 0): their z is 0 and has no effect in training. COCO's "labelled but hidden" (v = 1) counts as labelled.

    Required keys: ``keypoints`` (1, K', 2) image px, ``keypoints_visible`` (1, K'[, 2]).
    Modified keys: ``keypoints`` (1, 18, 3), ``keypoints_visible`` (1, 18, 3), and all keys that depend on the
    joint set (``flip_indices``, ``flip_pairs``, ...). Removed key: ``raw_ann_info``. Only metrics of the source's own
    joints read it, and its outlines would be copied with every sample. Place this transform before any flip.

    Args:
        source: Source of the joints, 'mpii' or 'coco'.
    """

    def __init__(self, source: str) -> None:
        if source not in JOINT_MAPS:
            raise ValueError(f'source: one of {sorted(JOINT_MAPS)} expected, got {source!r}')
        self.source = source
        joint_map = np.array(JOINT_MAPS[source])
        self._present = joint_map >= 0
        self._index = joint_map[self._present]
        metainfo = parse_pose_metainfo(build_metainfo())
        self._joint_set = {key: metainfo[key] for key in JOINT_SET_KEYS}

    def transform(self, results: dict) -> dict:
        """Convert one sample; see the class.

        Raises:
            ValueError: If the sample has fewer joints than the source data set.
        """
        if results['keypoints'].shape[1] <= self._index.max():
            raise ValueError(f'{results.get("img_path")}: keypoints of shape {results["keypoints"].shape} are not '
                             f'the joints of {self.source}')
        visible = results['keypoints_visible']
        visible = visible[..., 0] if visible.ndim == 3 else visible
        keypoints = np.zeros((1, NUM_JOINTS, 3), dtype=np.float32)
        weights = np.zeros_like(keypoints)
        keypoints[:, self._present, :2] = results['keypoints'][:, self._index, :2]
        weights[:, self._present, :2] = (visible[:, self._index] > 0)[..., None]
        results.pop('raw_ann_info', None)
        results.update(self._joint_set, keypoints=keypoints, keypoints_visible=weights)
        return results
