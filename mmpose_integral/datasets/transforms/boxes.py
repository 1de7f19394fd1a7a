"""The box of a person before the crop: boxes around joints, whole images, errors of boxes, augmentation of the box."""
import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.datasets.transforms import RandomBBoxTransform, TopdownAffine
from mmpose.registry import TRANSFORMS
from mmpose.structures.bbox import bbox_cs2xyxy, bbox_xyxy2cs
from scipy.special import ndtr, ndtri

from mmpose_integral.structures.skeleton import trunk_angle
from mmpose_integral.utils.old_names import register_old_name


def joint_extent(keypoints: np.ndarray, present: np.ndarray, min_extent: float = 8.0) -> np.ndarray:
    """Compute the box that just contains the present joints of each person.

    Args:
        keypoints: (N, K, 2 | 3) image px.
        present: (N, K) bool; other joints are ignored.
        min_extent: Minimum of the longer side of a box, px.

    Returns:
        (N, 4) float32 x1, y1, x2, y2 image px; NaN for people whose box would be smaller, or without joints.
    """
    points = np.where(present[..., None], keypoints[..., :2], np.nan)
    boxes = np.concatenate([np.fmin.reduce(points, axis=1), np.fmax.reduce(points, axis=1)], axis=1)
    large = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) >= min_extent
    return np.where(large[:, None], boxes, np.nan).astype(np.float32)


@TRANSFORMS.register_module()
class GetBBoxFromKeypoints(BaseTransform):
    """Set the person box to the extent of the visible joints.

    It serves MPII, and H80K with ``box_source='keypoints'`` as in the released code. MPII's annotated scale is that of
    a square, so that the fix of the aspect ratio would make people smaller. mmpose's ``GetBBoxCenterScale`` adds the
    padding.

    Required keys: ``keypoints`` (1, K, 2 | 3) image px, ``keypoints_visible`` (1, K[, 3]).
    Modified keys: ``bbox`` (1, 4) xyxy image px; ``bbox_center`` and ``bbox_scale`` are removed as outdated.

    Args:
        min_extent: Minimum of the longer side, px. If it is shorter, as with a single visible joint, the annotated box
            is kept.

    Raises:
        KeyError: If such a sample has no annotated box; the message names its image.
    """

    def __init__(self, min_extent: float = 8.0) -> None:
        self.min_extent = min_extent

    def transform(self, results: dict) -> dict:
        visible = results['keypoints_visible'] > 0
        if visible.ndim == 3:
            visible = visible[..., :2].all(-1)
        box = joint_extent(results['keypoints'], visible, self.min_extent)
        if np.isfinite(box).all():
            results['bbox'] = box
        elif 'bbox' not in results:
            raise KeyError(f'{results.get("img_path")}: {np.count_nonzero(visible)} visible joints give no box, and '
                           'there is no annotated one')
        results.pop('bbox_center', None)
        results.pop('bbox_scale', None)
        return results


@TRANSFORMS.register_module()
class UnpadWholeImage(BaseTransform):
    """Undo the padding of ``GetBBoxCenterScale`` for a frame without a person box, whose box is the whole image.

    Required keys: ``bbox_center`` (1, 2) and ``bbox_scale`` (1, 2), image px, which are modified, and ``bbox`` (1, 4)
    xyxy image px. Optional key: ``box_found``; without it, as in the inferencer, nothing is modified.
    """

    def transform(self, results: dict) -> dict:
        if not results.get('box_found', True):
            results['bbox_center'], results['bbox_scale'] = bbox_xyxy2cs(results['bbox'])
        return results


@TRANSFORMS.register_module()
class PerturbBBox(BaseTransform):
    """Add errors to boxes as a detector makes them: to each edge independently, as a share of the box's side.

    In training, annotated boxes become similar to detected ones. In evaluation, ``seed`` gives every run the same
    errors, which shows how much worse boxes increase the error of a trained model.

    Required keys: ``bbox_center`` (1, 2) and ``bbox_scale`` (1, 2), image px, after ``GetBBoxCenterScale``; with
    ``seed`` also ``img_id``. Modified keys: these two.

    Args:
        edge_std: Standard deviation of an edge's error, as a share of the box's width or height.
        scale: Factor of the box size, applied after the errors.
        seed: Seed of the draws, together with ``img_id``. Default: numpy's global generator.
        prob: Probability of any error; ``scale`` is always applied.

    Raises:
        ValueError: If ``edge_std`` is negative, ``scale`` is not positive, or ``prob`` is outside [0, 1].
    """

    def __init__(self, edge_std: float = 0.05, scale: float = 1.0, seed: int | None = None, prob: float = 1.0) -> None:
        if not (edge_std >= 0 and scale > 0 and 0 <= prob <= 1):
            raise ValueError('edge_std >= 0, scale > 0 and 0 <= prob <= 1 expected, got '
                             f'{edge_std}, {scale} and {prob}')
        self.edge_std, self.scale, self.seed, self.prob = edge_std, scale, seed, prob

    def transform(self, results: dict) -> dict:
        rng = np.random if self.seed is None else np.random.default_rng((self.seed, int(results['img_id'])))
        center, size = results['bbox_center'], results['bbox_scale']
        if self.edge_std and rng.uniform() < self.prob:
            # Opposite edges keep a distance of at least a fifth of the side.
            shares = np.clip(rng.normal(0, self.edge_std, size=4), -0.4, 0.4)
            box = bbox_cs2xyxy(center, size) + (np.tile(size, 2) * shares).astype(np.float32)
            center, size = bbox_xyxy2cs(box)
        results['bbox_center'], results['bbox_scale'] = center, size * self.scale
        return results


@TRANSFORMS.register_module()
class RandomCropBox(RandomBBoxTransform):
    """Move, scale and rotate the box of the crop; the defaults are the paper's augmentation.

    The box is first widened to the aspect ratio of the input, so that the translation is a share of the crop on both
    axes. All draws are from normal distributions that are truncated at the given factors, as in mmpose's
    ``RandomBBoxTransform``.

    Required keys: ``bbox_center`` (1, 2) and ``bbox_scale`` (1, 2), image px. Both are modified. Added key:
    ``bbox_rotation`` (1,) degrees.

    Args:
        input_size: Width and height of the crop, px; None keeps the aspect ratio of the box.
        shift_factor: Largest translation, as a share of the crop's width and height.
        shift_prob: Probability of a translation.
        scale_factor: Smallest and largest factor of the box.
        scale_prob: Probability of another scale.
        rotate_factor: Largest rotation, degrees.
        rotate_prob: Probability of a rotation.
    """

    def __init__(self, input_size: tuple[int, int] | None, shift_factor: float = 0.02, shift_prob: float = 1.0,
                 scale_factor: tuple[float, float] = (0.75, 1.25), scale_prob: float = 1.0, rotate_factor: float = 30.0,
                 rotate_prob: float = 1.0) -> None:
        super().__init__(shift_factor, shift_prob, scale_factor, scale_prob, rotate_factor, rotate_prob)
        self.aspect_ratio = input_size and input_size[0] / input_size[1]

    def transform(self, results: dict) -> dict:
        if self.aspect_ratio is not None:
            results['bbox_scale'] = TopdownAffine._fix_aspect_ratio(results['bbox_scale'], self.aspect_ratio)
        return super().transform(results)

    @staticmethod
    def _truncnorm(low: float = -1., high: float = 1., size: tuple[int, ...] = ()) -> np.ndarray:
        """Draw numbers as mmpose's scipy distribution does, in a tenth of its time (0.25 ms per sample)."""
        start, end = ndtr(low), ndtr(high)
        return ndtri(start + np.random.uniform(size=size) * (end - start)).astype(np.float32)


@TRANSFORMS.register_module()
class TurnUpright(BaseTransform):
    """Turn the crop by the angle of the trunk, as the inferencer does with ``upright=True``.

    Required key: ``keypoints`` (1, 18, 3) image px. ``bbox_rotation`` (1,) degrees is increased, or added.
    """

    def transform(self, results: dict) -> dict:
        rotation = results.get('bbox_rotation', np.zeros(1, np.float32))
        results['bbox_rotation'] = rotation + np.float32(trunk_angle(results['keypoints'][0]))
        return results


@TRANSFORMS.register_module()
class ReleasedCodeCropBox(BaseTransform):
    """Scale and rotate the box of the crop as the authors' released code does; it has no translation.

    scale = 1 + 0.25 clip(N(0, 1), -1, 1); rotation = 30 degrees x clip(N(0, 1), -2, 2) with probability 0.6.

    Required key: ``bbox_scale`` (1, 2) image px, which is modified. Added key: ``bbox_rotation`` (1,) degrees.

    Args:
        scale_factor: Largest change of the scale.
        rotate_factor: Standard deviation of the rotation, degrees.
        rotate_prob: Probability of a rotation.
    """

    def __init__(self, scale_factor: float = 0.25, rotate_factor: float = 30.0, rotate_prob: float = 0.6) -> None:
        self.scale_factor, self.rotate_factor, self.rotate_prob = scale_factor, rotate_factor, rotate_prob

    def transform(self, results: dict) -> dict:
        results['bbox_scale'] = results['bbox_scale'] * (1 + self.scale_factor * np.clip(np.random.randn(), -1, 1))
        rotation = self.rotate_factor * np.clip(np.random.randn(), -2, 2) * (np.random.rand() < self.rotate_prob)
        results['bbox_rotation'] = np.array([rotation], dtype=np.float32)
        return results


register_old_name(TRANSFORMS, 'RandomBBoxTransform3D', RandomCropBox, input_size=None)
register_old_name(TRANSFORMS, 'RandomBBoxReleased', ReleasedCodeCropBox)
