import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.datasets.transforms import RandomBBoxTransform
from mmpose.registry import TRANSFORMS
from mmpose.structures.bbox import bbox_cs2xyxy, bbox_xyxy2cs
from scipy.special import ndtr, ndtri


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
class RandomBBoxReleased(BaseTransform):
    """Scale and rotation as the authors' released code draws them; it does not shift.

    scale = 1 + 0.25 clip(N(0, 1), -1, 1); rotation = 30 degrees x clip(N(0, 1), -2, 2) with probability 0.6.

    Required key: ``bbox_scale`` (1, 2) image px. Modified: ``bbox_scale``; added: ``bbox_rotation`` (1,) degrees.

    Args:
        scale_factor (float): 0.25.
        rotate_factor (float): degrees.
        rotate_prob (float): probability of any rotation.
    """

    def __init__(self, scale_factor=0.25, rotate_factor=30.0, rotate_prob=0.6):
        self.scale_factor, self.rotate_factor, self.rotate_prob = scale_factor, rotate_factor, rotate_prob

    def transform(self, results):
        """Draw and apply; see the class."""
        results['bbox_scale'] = results['bbox_scale'] * (1 + self.scale_factor * np.clip(np.random.randn(), -1, 1))
        rotation = self.rotate_factor * np.clip(np.random.randn(), -2, 2) * (np.random.rand() < self.rotate_prob)
        results['bbox_rotation'] = np.array([rotation], dtype=np.float32)
        return results


@TRANSFORMS.register_module()
class RandomBBoxTransform3D(RandomBBoxTransform):
    """mmpose's ``RandomBBoxTransform`` with the same random numbers in a tenth of the time.

    mmpose asks scipy's truncated normal distribution, which checks its arguments and takes logarithms for every sample;
    here it is the inverse of the normal distribution between the two ends.
    """

    @staticmethod
    def _truncnorm(low=-1., high=1., size=()):
        """Truncated normal numbers in [low, high], float32, of numpy's global generator."""
        start, end = ndtr(low), ndtr(high)
        return ndtri(start + np.random.uniform(size=size) * (end - start)).astype(np.float32)
