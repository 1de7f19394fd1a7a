import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.datasets.transforms import RandomBBoxTransform, TopdownAffine
from mmpose.registry import TRANSFORMS
from mmpose.structures.bbox import bbox_cs2xyxy, bbox_xyxy2cs
from scipy.special import ndtr, ndtri

from mmpose_integral.utils.old_names import register_old_name


@TRANSFORMS.register_module()
class PerturbBBox(BaseTransform):
    """Make boxes err as a detector's do: each edge by itself, in shares of the box's side.

    In training it lets annotated boxes look like detected ones; with ``seed`` it asks a trained model how much worse
    boxes cost, every run with the same errors.

    Required keys: ``bbox_center`` (1, 2) and ``bbox_scale`` (1, 2), image px, after ``GetBBoxCenterScale``; with
    ``seed`` also ``img_id``. Modified keys: these two.

    Args:
        edge_std (float): standard deviation of an edge's error, in shares of the box's width or height.
        scale (float): factor of the box, after the errors.
        seed (int, optional): draw from (seed, img_id) instead of numpy's global generator.
        prob (float): probability of any error; ``scale`` is always applied.

    Raises:
        ValueError: a negative ``edge_std``, a ``scale`` that is not positive, or a ``prob`` outside [0, 1].
    """

    def __init__(self, edge_std=0.05, scale=1.0, seed=None, prob=1.0):
        if edge_std < 0 or scale <= 0 or not 0 <= prob <= 1:
            raise ValueError('edge_std >= 0, scale > 0 and 0 <= prob <= 1 expected, got '
                             f'{edge_std}, {scale} and {prob}')
        self.edge_std, self.scale, self.seed, self.prob = edge_std, scale, seed, prob

    def transform(self, results):
        """Move the edges; see the class. Opposite edges never come closer than a fifth of the side."""
        rng = np.random if self.seed is None else np.random.default_rng((self.seed, int(results['img_id'])))
        center, size = results['bbox_center'], results['bbox_scale']
        if self.edge_std and rng.uniform() < self.prob:
            shares = np.clip(rng.normal(0, self.edge_std, size=4), -0.4, 0.4)
            box = bbox_cs2xyxy(center, size) + (np.tile(size, 2) * shares).astype(np.float32)
            center, size = bbox_xyxy2cs(box)
        results['bbox_center'], results['bbox_scale'] = center, size * self.scale
        return results


@TRANSFORMS.register_module()
class RandomCropBox(RandomBBoxTransform):
    """Move, scale and rotate the box of the crop; the defaults are the paper's augmentation.

    The box is first widened to the aspect ratio of the input, so that the translation is a share of the crop on both
    axes. All draws are from normal distributions that are cut off at the given factors, as in mmpose's
    ``RandomBBoxTransform``.

    Required keys: ``bbox_center`` (1, 2) and ``bbox_scale`` (1, 2), image px. Both are modified. Added key:
    ``bbox_rotation`` (1,) degrees.

    Args:
        input_size (tuple[int] | None): Width and height of the crop, px; None keeps the aspect ratio of the box.
        shift_factor (float): Largest translation, as a share of the crop's width and height.
        shift_prob (float): Probability of a translation.
        scale_factor (tuple[float]): Smallest and largest factor of the box.
        scale_prob (float): Probability of another scale.
        rotate_factor (float): Largest rotation, degrees.
        rotate_prob (float): Probability of a rotation.
    """

    def __init__(self, input_size, shift_factor=0.02, shift_prob=1.0, scale_factor=(0.75, 1.25), scale_prob=1.0,
                 rotate_factor=30.0, rotate_prob=1.0):
        super().__init__(shift_factor, shift_prob, scale_factor, scale_prob, rotate_factor, rotate_prob)
        self.aspect_ratio = input_size and input_size[0] / input_size[1]

    def transform(self, results):
        """Draw and apply; see the class."""
        if self.aspect_ratio is not None:
            results['bbox_scale'] = TopdownAffine._fix_aspect_ratio(results['bbox_scale'], self.aspect_ratio)
        return super().transform(results)

    @staticmethod
    def _truncnorm(low=-1., high=1., size=()):
        """Draw numbers as mmpose's scipy distribution does, in a tenth of its time (0.25 ms per sample)."""
        start, end = ndtr(low), ndtr(high)
        return ndtri(start + np.random.uniform(size=size) * (end - start)).astype(np.float32)


@TRANSFORMS.register_module()
class ReleasedCodeCropBox(BaseTransform):
    """Scale and rotate the box of the crop as the authors' released code does; it has no translation.

    scale = 1 + 0.25 clip(N(0, 1), -1, 1); rotation = 30 degrees x clip(N(0, 1), -2, 2) with probability 0.6.

    Required key: ``bbox_scale`` (1, 2) image px, which is modified. Added key: ``bbox_rotation`` (1,) degrees.

    Args:
        scale_factor (float): Largest change of the scale.
        rotate_factor (float): Standard deviation of the rotation, degrees.
        rotate_prob (float): Probability of a rotation.
    """

    def __init__(self, scale_factor=0.25, rotate_factor=30.0, rotate_prob=0.6):
        self.scale_factor, self.rotate_factor, self.rotate_prob = scale_factor, rotate_factor, rotate_prob

    def transform(self, results):
        """Draw and apply; see the class."""
        results['bbox_scale'] = results['bbox_scale'] * (1 + self.scale_factor * np.clip(np.random.randn(), -1, 1))
        rotation = self.rotate_factor * np.clip(np.random.randn(), -2, 2) * (np.random.rand() < self.rotate_prob)
        results['bbox_rotation'] = np.array([rotation], dtype=np.float32)
        return results


register_old_name(TRANSFORMS, 'RandomBBoxTransform3D', RandomCropBox, input_size=None)
register_old_name(TRANSFORMS, 'RandomBBoxReleased', ReleasedCodeCropBox)
