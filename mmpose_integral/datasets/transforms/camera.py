import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS

from mmpose_integral.structures import WeakPerspectiveCamera, fit_weak_perspective


@TRANSFORMS.register_module()
class FitWeakPerspective(BaseTransform):
    """Project millimetres into the image with the frame's weak-perspective camera (paper, section 2.1).

    :class:`H80KDataset` attaches the camera that ``fit_cameras.py`` fitted. For a sample without one, a camera is
    fitted here, to its coarse 2D joints.

    Required keys: ``keypoints_mm`` (1, K, 3), and ``camera``, or ``keypoints_2d`` (1, K, 2) image px with
    ``keypoints_2d_score`` (1, K). Added keys: ``keypoints`` (1, K, 3) image px with root z = 0; ``keypoints_visible``
    (1, K, 3), ones, or zeros if no camera can be fitted, so that the frame has no effect in training; ``camera``.

    Args:
        rotation: Whether to fit an in-plane rotation, too; with ``robust=False`` this is the authors' 2D similarity.
            This and the next two are for samples without a camera.
        robust: Whether joints with large residuals get a lower weight.
        score_thr: Score below which 2D joints are not used.
    """

    def __init__(self, rotation: bool = False, robust: bool = True, score_thr: float = 0.0) -> None:
        self.rotation = rotation
        self.robust = robust
        self.score_thr = score_thr

    def transform(self, results: dict) -> dict:
        """Project one sample; see the class.

        Raises:
            KeyError: If the sample has neither a camera nor coarse 2D joints, or no millimetres.
        """
        if results.get('keypoints_mm') is None or (
                results.get('camera') is None and results.get('keypoints_2d') is None):
            raise KeyError(f'{results.get("img_path")}: FitWeakPerspective needs keypoints_mm and a camera; give the '
                           'dataset a camera_file, which tools/dataset_converters/fit_cameras.py makes')
        camera = results.get('camera') or self._fit(results)
        if not isinstance(camera, WeakPerspectiveCamera):
            raise TypeError(f'{results.get("img_path")}: camera: a WeakPerspectiveCamera expected, got '
                            f'{type(camera).__name__}')
        usable = np.isfinite(camera.scale)[:, None, None]
        keypoints = np.where(usable, camera.project(results['keypoints_mm']), 0).astype(np.float32)
        results.update(camera=camera, keypoints=keypoints,
                       keypoints_visible=np.broadcast_to(usable, keypoints.shape).astype(np.float32))
        return results

    def _fit(self, results):
        score = results['keypoints_2d_score']
        return fit_weak_perspective(
            results['keypoints_mm'], results['keypoints_2d'], np.where(score > self.score_thr, score, 0),
            rotation=self.rotation, robust=self.robust, degenerate='mark')
