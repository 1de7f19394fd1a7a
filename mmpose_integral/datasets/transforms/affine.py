"""Flip and crop. Frames: image px -> (mirror) -> mirrored image px -> (crop) -> input px."""
import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.datasets.transforms import TopdownAffine
from mmpose.registry import TRANSFORMS
from mmpose.structures.bbox import flip_bbox, get_warp_matrix

# Set by RandomFlip3D, used up by TopdownAffine3D: the labels are mirrored, the pixels are not yet.
MIRROR_PENDING = 'mirror_pending'


@TRANSFORMS.register_module()
class RandomFlip3D(BaseTransform):
    """Mirror a sample left to right, in 3D, leaving the pixels to the crop that follows.

    x becomes w - 1 - x, left and right joints change places, z stays. The image itself is mirrored by
    :class:`TopdownAffine3D` as part of its one warp, since mirroring a full frame costs as much as decoding it.

    Required keys: ``img_shape``, ``flip_indices``; optional and modified: ``keypoints`` (1, K, 3) image px,
    ``keypoints_visible`` (1, K[, 3]), ``keypoints_mm`` (1, K, 3), ``bbox`` (1, 4), ``bbox_center`` (1, 2).
    Added keys: ``flip``, ``flip_direction``.

    Args:
        prob (float): probability of a flip.
    """

    def __init__(self, prob=0.5):
        if not 0 <= prob <= 1:
            raise ValueError(f'prob: a number in [0, 1] expected, got {prob}')
        self.prob = prob

    def transform(self, results):
        """Flip with probability ``prob``; see the class."""
        results['flip'] = bool(np.random.rand() < self.prob)
        results['flip_direction'] = 'horizontal' if results['flip'] else None
        if not results['flip']:
            return results
        height, width = results['img_shape'][:2]
        twins = results['flip_indices']
        if 'keypoints' in results:
            keypoints = results['keypoints'][:, twins].copy()
            keypoints[..., 0] = width - 1 - keypoints[..., 0]
            results['keypoints'] = keypoints
        if 'keypoints_visible' in results:
            results['keypoints_visible'] = results['keypoints_visible'][:, twins].copy()
        if 'keypoints_mm' in results:
            results['keypoints_mm'] = results['keypoints_mm'][:, twins] * np.float32([-1, 1, 1])
        for key, box_format in (('bbox', 'xyxy'), ('bbox_center', 'center')):
            if key in results:
                results[key] = flip_bbox(results[key], image_size=(width, height), bbox_format=box_format,
                                         direction='horizontal')
        results[MIRROR_PENDING] = True
        return results


@TRANSFORMS.register_module()
class TopdownAffine3D(TopdownAffine):
    """Cut the person box out of the image, with x, y and z labels in the pixels of the cut.

    The box is widened to the input's aspect ratio, its centre goes to (W / 2, H / 2), and one factor,
    W / ``input_scale[0]``, scales x, y and z alike. In-plane rotation leaves z.

    Required keys: ``img``, ``bbox_center`` (1, 2), ``bbox_scale`` (1, 2); optional ``bbox_rotation`` (1,) degrees,
    ``keypoints`` (1, K, 3) image px with root z = 0.
    Modified keys: ``img`` (H, W, 3), ``bbox_scale``. Added keys: ``transformed_keypoints`` (1, K, 3) input px,
    ``input_size``, ``input_center``, ``input_scale``.

    Args:
        input_size (tuple[int]): (W, H).
    """

    def __init__(self, input_size):
        super().__init__(input_size)

    def transform(self, results):
        """Crop; see the class."""
        width, height = self.input_size
        results['bbox_scale'] = self._fix_aspect_ratio(results['bbox_scale'], aspect_ratio=width / height)
        center, scale = results['bbox_center'][0], results['bbox_scale'][0]
        rotation = results['bbox_rotation'][0] if 'bbox_rotation' in results else 0.
        matrix = get_warp_matrix(center, scale, rotation, output_size=(width, height))
        image_matrix = matrix
        if results.pop(MIRROR_PENDING, False):
            mirror = np.array([[-1, 0, results['img_shape'][1] - 1], [0, 1, 0], [0, 0, 1]], dtype=np.float64)
            image_matrix = matrix @ mirror
        results['img'] = cv2.warpAffine(results['img'], image_matrix, (width, height), flags=cv2.INTER_LINEAR)
        if 'keypoints' in results:
            keypoints = results['keypoints']
            if keypoints.ndim != 3 or keypoints.shape[-1] != 3:
                raise ValueError(f'keypoints: shape (1, K, 3) expected, got {keypoints.shape}; 2D samples need '
                                 'KeypointConverter3D before TopdownAffine3D')
            xy = cv2.transform(keypoints[..., :2], matrix)
            z = keypoints[..., 2:] * (width / scale[0])
            results['transformed_keypoints'] = np.concatenate([xy, z], axis=-1).astype(np.float32)
        results.update(input_size=self.input_size, input_center=center, input_scale=scale)
        return results
