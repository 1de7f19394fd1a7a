"""The crop, and the flip after it. Frames: image px -> (crop) -> input px -> (flip) -> mirrored input px."""
import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.datasets.transforms import TopdownAffine
from mmpose.registry import TRANSFORMS
from mmpose.structures.bbox import get_warp_matrix


@TRANSFORMS.register_module()
class TopdownAffine3D(TopdownAffine):
    """Cut the person box out of the image, with x, y and z labels in the pixels of the crop.

    The box is widened to the input's aspect ratio, its centre goes to (W / 2, H / 2), and one factor,
    W / ``input_scale[0]``, scales x, y and z. In-plane rotation does not change z.

    Required keys: ``img``, ``bbox_center`` (1, 2), ``bbox_scale`` (1, 2); optional ``bbox_rotation`` (1,) degrees,
    ``keypoints`` (1, K, 3) image px with root z = 0.
    Modified keys: ``img`` (H, W, 3), ``bbox_scale``. Added keys: ``transformed_keypoints`` (1, K, 3) input px,
    ``input_size``, ``input_center``, ``input_scale``, ``input_rotation`` (degrees).

    Args:
        input_size: Size of the model input (W, H), px.

    Raises:
        ValueError: If the size or the box is not positive, or ``keypoints`` have no depth.
    """

    def __init__(self, input_size: tuple[int, int]) -> None:
        if len(input_size) != 2 or not min(input_size) > 0:
            raise ValueError(f'input_size: two positive numbers (W, H) expected, got {input_size}')
        super().__init__(input_size)

    def transform(self, results: dict) -> dict:
        width, height = self.input_size
        if not (np.isfinite(results['bbox_center']).all() and np.isfinite(results['bbox_scale']).all()
                and (results['bbox_scale'] > 0).all()):
            raise ValueError(f'{results.get("img_path")}: bbox_center, bbox_scale: finite px, and a scale above 0, '
                             f'expected, got {results["bbox_center"].tolist()} and {results["bbox_scale"].tolist()}')
        results['bbox_scale'] = self._fix_aspect_ratio(results['bbox_scale'], aspect_ratio=width / height)
        center, scale = results['bbox_center'][0], results['bbox_scale'][0]
        rotation = float(results['bbox_rotation'][0]) if 'bbox_rotation' in results else 0.
        matrix = get_warp_matrix(center, scale, rotation, output_size=(width, height))
        results['img'] = cv2.warpAffine(results['img'], matrix, (width, height), flags=cv2.INTER_LINEAR)
        if 'keypoints' in results:
            keypoints = results['keypoints']
            if keypoints.ndim != 3 or keypoints.shape[-1] != 3:
                raise ValueError(f'keypoints: shape (1, K, 3) expected, got {keypoints.shape}; 2D samples need '
                                 'KeypointConverter3D before TopdownAffine3D')
            xy = cv2.transform(keypoints[..., :2], matrix)
            z = keypoints[..., 2:] * (width / scale[0])
            results['transformed_keypoints'] = np.concatenate([xy, z], axis=-1).astype(np.float32)
        results.update(input_size=self.input_size, input_center=center, input_scale=scale, input_rotation=rotation)
        return results


@TRANSFORMS.register_module()
class RandomFlip3D(BaseTransform):
    """Mirror a crop from left to right, in pixels and in 3D.

    x becomes W - 1 - x in the crop and -x in millimetres, and z does not change. Left and right joints are swapped in
    every array. Values that refer to the whole image (``keypoints``, ``bbox``) keep their coordinates. The flip follows
    :class:`TopdownAffine3D`, because mirroring a whole frame takes as long as decoding it.

    Required keys: ``img`` (H, W, 3), ``transformed_keypoints`` (1, K, 3) input px, ``flip_indices``; optional:
    ``keypoints`` (1, K, 3), ``keypoints_visible`` (1, K[, 3]), ``keypoints_mm`` (1, K, 3). All are modified.
    Added keys: ``flip``, ``flip_direction``.

    Args:
        prob: Probability of a flip.

    Raises:
        ValueError: If ``prob`` is not between 0 and 1.
        KeyError: If the sample has not been cropped.
    """

    def __init__(self, prob: float = 0.5) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'prob: a number in [0, 1] expected, got {prob}')
        self.prob = prob

    def transform(self, results: dict) -> dict:
        if 'transformed_keypoints' not in results:
            raise KeyError('transformed_keypoints: RandomFlip3D must follow TopdownAffine3D in the pipeline')
        results['flip'] = bool(np.random.rand() < self.prob)
        results['flip_direction'] = 'horizontal' if results['flip'] else None
        if not results['flip']:
            return results
        results['img'] = cv2.flip(results['img'], 1)
        for key in ('transformed_keypoints', 'keypoints', 'keypoints_visible', 'keypoints_mm'):
            if key in results:
                results[key] = results[key][:, results['flip_indices']]  # indexing copies
        x = results['transformed_keypoints'][..., 0]
        x[:] = results['img'].shape[1] - 1 - x
        if 'keypoints_mm' in results:
            results['keypoints_mm'][..., 0] *= -1
        return results
