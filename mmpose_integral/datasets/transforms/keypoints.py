"""The first step of a source: it gives ``keypoints`` (1, 18, 3) in image px, and their weights."""
from abc import abstractmethod

import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import TRANSFORMS

from mmpose_integral.formats.cameras import Camera
from mmpose_integral.structures import (
    PerspectiveCamera,
    WeakPerspectiveCamera,
    fit_perspective,
    fit_weak_perspective,
    middle_of_image,
)
from mmpose_integral.structures.skeleton import JOINT_MAPS, NUM_JOINTS, build_metainfo

# Keys of a sample that depend on the joint set. All must change with it, or a later flip swaps the wrong joints.
JOINT_SET_KEYS = ('upper_body_ids', 'lower_body_ids', 'flip_pairs', 'dataset_keypoint_weights', 'flip_indices',
                  'skeleton_links')


class ProjectWithCamera(BaseTransform):
    """Base of the transforms that project millimetres into the image with the camera of the frame.

    :class:`H80KDataset` attaches the camera that ``fit_cameras.py`` fitted. For a sample without one, a camera is
    fitted here, to its coarse 2D joints.

    Required keys: ``keypoints_mm`` (1, K, 3), and ``camera``, or ``keypoints_2d`` (1, K, 2) image px with
    ``keypoints_2d_score`` (1, K). Added keys: ``keypoints`` (1, K, 3) image px with root z = 0; ``keypoints_visible``
    (1, K, 3), ones, or zeros if no camera can be fitted, so that the frame has no effect in training; ``camera``.

    Args:
        robust: Whether joints with large residuals get a lower weight. This and the next one are for samples without a
            camera.
        score_thr: Score below which 2D joints are not used.

    Raises:
        KeyError: If the sample has neither a camera nor coarse 2D joints, or no millimetres.
        TypeError: If its camera is of another kind.
    """

    camera_type: type[Camera]

    def __init__(self, robust: bool = True, score_thr: float = 0.0) -> None:
        self.robust, self.score_thr = robust, score_thr

    @abstractmethod
    def fit(self, results: dict, weights: np.ndarray) -> Camera:
        """Fit the camera of one frame to its coarse 2D joints, with weights (1, K)."""

    def transform(self, results: dict) -> dict:
        name, camera = type(self).__name__, results.get('camera')
        if results.get('keypoints_mm') is None or camera is None and results.get('keypoints_2d') is None:
            raise KeyError(f'{results.get("img_path")}: {name} needs keypoints_mm and a camera; give the dataset a '
                           'camera_file, which mmpose-integral prepare cameras makes')
        if camera is None:
            score = results['keypoints_2d_score']
            camera = self.fit(results, np.where(score > self.score_thr, score, 0))
        if not isinstance(camera, self.camera_type):
            raise TypeError(f'{results.get("img_path")}: camera: a {self.camera_type.__name__} expected by {name}, got '
                            f'{type(camera).__name__}; the camera_file is of another --model')
        usable = camera.known[:, None, None]
        keypoints = np.where(usable, camera.project(results['keypoints_mm']), 0).astype(np.float32)
        results.update(camera=camera, keypoints=keypoints,
                       keypoints_visible=np.broadcast_to(usable, keypoints.shape).astype(np.float32))
        return results


@TRANSFORMS.register_module()
class FitWeakPerspective(ProjectWithCamera):
    """Project with a weak-perspective camera (paper, section 2.1); see the base class.

    Args:
        rotation: Whether to fit an in-plane rotation, too; with ``robust=False`` this is the authors' 2D similarity. It
            is for samples without a camera.
        robust, score_thr: Arguments of the base class.
    """

    camera_type = WeakPerspectiveCamera

    def __init__(self, rotation: bool = False, robust: bool = True, score_thr: float = 0.0) -> None:
        super().__init__(robust, score_thr)
        self.rotation = rotation

    def fit(self, results: dict, weights: np.ndarray) -> WeakPerspectiveCamera:
        """Fit a camera to the coarse 2D joints of the sample."""
        return fit_weak_perspective(results['keypoints_mm'], results['keypoints_2d'], weights, rotation=self.rotation,
                                    robust=self.robust, degenerate='mark')


@TRANSFORMS.register_module()
class FitPerspective(ProjectWithCamera):
    """Project with a perspective camera; see the base class. Predictions then have to be decoded by perspective, too.

    Args:
        focal_length: Focal length, px, for samples without a camera. Their principal point is the middle of the image.
        robust, score_thr: Arguments of the base class.
    """

    camera_type = PerspectiveCamera

    def __init__(self, focal_length: float | None = None, robust: bool = True, score_thr: float = 0.0) -> None:
        super().__init__(robust, score_thr)
        self.focal_length = focal_length

    def fit(self, results: dict, weights: np.ndarray) -> PerspectiveCamera:
        """Fit a camera to the coarse 2D joints of the sample, which has ``ori_shape``."""
        if self.focal_length is None:
            raise KeyError(f'{results.get("img_path")}: FitPerspective needs a camera or focal_length; give the '
                           'dataset a camera_file, which mmpose-integral prepare cameras --model perspective makes')
        return fit_perspective(
            results['keypoints_mm'], results['keypoints_2d'], weights, focal_length=self.focal_length,
            principal_point=middle_of_image(results['ori_shape'][::-1]), robust=self.robust, degenerate='mark')


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

    Raises:
        ValueError: If the source is another one, or a sample has fewer joints than the source data set.
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
