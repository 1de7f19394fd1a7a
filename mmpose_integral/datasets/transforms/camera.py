import logging

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.logging import print_log
from mmpose.registry import TRANSFORMS

from mmpose_integral.structures import WeakPerspectiveCamera, fit_weak_perspective


@TRANSFORMS.register_module()
class FitWeakPerspective(BaseTransform):
    """Millimetres to image pixels by a weak-perspective camera fitted to coarse 2D joints (paper, section 2.1).

    :class:`H80KDataset` hands over all frames of its split at the start, which are fitted and projected at once and
    looked up by ``img_id``; a sample that comes without that (a user's own dataset) is fitted alone. Must precede every
    flip.

    Required keys: ``keypoints_mm`` (1, K, 3), ``keypoints_2d`` (1, K, 2) image px, ``keypoints_2d_score`` (1, K).
    Added keys: ``keypoints`` (1, K, 3) image px with root z = 0; ``keypoints_visible`` (1, K, 3), ones, or zeros
    where no camera can be fitted, so that the frame trains nothing; ``camera``, the frame's
    :class:`WeakPerspectiveCamera`.

    Args:
        rotation (bool): also fit an in-plane rotation; with ``robust=False`` this is the authors' 2D similarity.
        robust (bool): let joints that do not fit lose their weight.
        score_thr (float): 2D joints below this score are not used.
    """

    def __init__(self, rotation=False, robust=True, score_thr=0.0):
        self.rotation = rotation
        self.robust = robust
        self.score_thr = score_thr
        self._rows = {}
        self._cameras = self._keypoints = None

    def _fit(self, keypoints_mm, keypoints_2d, score):
        weights = np.where(score > self.score_thr, score, 0)
        return fit_weak_perspective(keypoints_mm, keypoints_2d, weights, rotation=self.rotation, robust=self.robust,
                                    degenerate='mark')

    def fit_split(self, img_ids, keypoints_mm, keypoints_2d, keypoints_2d_score):
        """Fit a whole split and keep its cameras.

        Args:
            img_ids (np.ndarray): (N,).
            keypoints_mm (np.ndarray): (N, K, 3).
            keypoints_2d (np.ndarray): (N, K, 2) image px.
            keypoints_2d_score (np.ndarray): (N, K).
        """
        self._cameras = self._fit(keypoints_mm, keypoints_2d, keypoints_2d_score)
        self._keypoints = project(self._cameras, keypoints_mm)
        self._rows = {int(img_id): row for row, img_id in enumerate(img_ids)}
        failed = int(np.count_nonzero(~np.isfinite(self._cameras.scale)))
        if failed:
            print_log(f'FitWeakPerspective: {failed} of {len(img_ids)} frames have too few usable 2D joints for a '
                      'camera; they train nothing. tools/dataset_converters/report_cameras.py lists them.',
                      logger='current', level=logging.WARNING)

    def transform(self, results):
        """Project one sample; see the class.

        Raises:
            KeyError: the sample has no coarse 2D joints.
        """
        if results.get('keypoints_2d') is None or results.get('keypoints_mm') is None:
            raise KeyError(f'{results.get("img_path")}: FitWeakPerspective needs keypoints_mm and keypoints_2d; '
                           'give the dataset a keypoints_2d_file, which '
                           'tools/dataset_converters/predict_keypoints_2d.py makes')
        row = self._rows.get(int(results['img_id'])) if 'img_id' in results else None
        if row is None:
            camera = self._fit(results['keypoints_mm'], results['keypoints_2d'], results['keypoints_2d_score'])
            keypoints = project(camera, results['keypoints_mm'])
        else:
            camera = WeakPerspectiveCamera(*(field[row:row + 1] for field in self._cameras))
            keypoints = self._keypoints[row:row + 1].copy()
        results['camera'] = camera
        results['keypoints'] = keypoints
        results['keypoints_visible'] = np.full(keypoints.shape, np.isfinite(camera.scale[0]), dtype=np.float32)
        return results


def project(camera, keypoints_mm):
    """Joints (N, K, 3) mm to image px, float32; zeros where there is no camera."""
    usable = np.isfinite(camera.scale)[..., None, None]
    return np.where(usable, camera.project(keypoints_mm), 0).astype(np.float32)
