"""Scaling of a skeleton of unknown size to millimetres: root at the origin, with a given total bone length.

Weak perspective leaves one number undetermined, the person's size. The challenge's total skeleton length (the sum over
the 17 bones of ``structures/skeleton.py``) determines it (arXiv 1809.06079, section 3).
"""
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from mmpose_integral.structures.skeleton import BONES, NUM_JOINTS

# Mean lengths of the real CHALL_H80K, mm, as its authors published them.
PUBLISHED_SKELETON_LENGTHS = {'train+val': 4502.881, 'train': 4522.828, 'val': 4465.869}

BONE_LENGTH_LIMITS_MM = (500.0, 20000.0)
"""Limits of a total bone length, mm. The lengths of people in metres or in centimetres are outside."""

# Total skeleton length divided by standing height. The bones of an actor of Human3.6M sum to 4470 mm, with 897 mm from
# hip to ankle, 490 mm from root to neck and 192 mm from neck to head. With about 80 mm below the ankles and 50 mm from
# the head joint to the crown, this person is 1709 mm tall.
LENGTH_PER_HEIGHT = 2.62

_NEWTON_STEPS = 12  # about 6 are needed for float64


def skeleton_length(keypoints: np.ndarray) -> np.ndarray:
    """Sum of the lengths of all 17 bones.

    Args:
        keypoints: (..., 18, 3), any isotropic unit, anywhere in space.

    Returns:
        (...), in the unit of ``keypoints``, float64; NaN where a joint is not finite.

    Raises:
        ValueError: If the last axes are not (18, 3).
    """
    keypoints = np.asarray(keypoints)
    if keypoints.shape[-2:] != (NUM_JOINTS, 3):
        raise ValueError(f'keypoints: shape (..., {NUM_JOINTS}, 3) expected, got {keypoints.shape}; a pose file has '
                         '17 joints, structures.skeleton.add_thorax appends the 18th')
    parents, children = np.transpose(BONES)
    with np.errstate(invalid='ignore'):
        bones = np.subtract(*(keypoints.take(ends, axis=-2) for ends in (children, parents)), dtype=np.float64)
    return np.sqrt(np.einsum('...c,...c->...', bones, bones)).sum(axis=-1)  # norm() is slow along so short an axis


def mean_skeleton_length(*keypoints: np.ndarray) -> float:
    """Mean skeleton length, mm, over all frames of one or more splits, (N, 18, 3) mm each.

    Raises:
        ValueError: If there are no frames, or a frame has a length that is zero or not finite.
    """
    lengths = np.concatenate([np.zeros(0), *(_positive_length(part).ravel() for part in keypoints)])
    if not lengths.size:
        raise ValueError('mean_skeleton_length: at least one frame expected, got none')
    return float(lengths.mean())


def check_bone_length(length_mm: float, name: str) -> None:
    """Raise ValueError unless a total bone length is within ``BONE_LENGTH_LIMITS_MM``; ``name`` is its source."""
    low, high = BONE_LENGTH_LIMITS_MM
    if not low <= length_mm <= high:
        raise ValueError(f'{name}: mm expected, {low:g} to {high:g} (an adult has about 4500), got {length_mm:g}')


def skeleton_length_from_height(height_mm: float) -> float:
    """Estimate the total skeleton length of a person, mm, from the standing height.

    The lengths of people of the same height differ by about 4 %.

    Raises:
        ValueError: If the height is outside 500 to 2500 mm, for example because it is in metres or centimetres.
    """
    if not 500 <= height_mm <= 2500:
        raise ValueError(f'body height: mm expected, 500 to 2500, got {height_mm}')
    return LENGTH_PER_HEIGHT * height_mm


def resolve_bone_length(bone_length: float | None = None, body_height: float | None = None,
                        dataset_meta: Mapping[str, Any] | None = None) -> float:
    """Total bone length, mm, to which a skeleton is scaled, from the first of these sources that is given.

    Without any source, it is the published mean of train+val.

    Args:
        bone_length: Total bone length, mm.
        body_height: Standing height of the person, mm; the length is estimated from it.
        dataset_meta: Metadata of a checkpoint. Its ``skeleton_length`` is a dict of mean lengths, mm; 'train+val'
            takes precedence over 'train'.

    Raises:
        ValueError: If the height is outside 500 to 2500 mm, or the length outside ``BONE_LENGTH_LIMITS_MM``.
    """
    if bone_length is None and body_height is not None:
        return skeleton_length_from_height(body_height)
    name, length = 'bone_length', bone_length
    if length is None:
        lengths = (dataset_meta or {}).get('skeleton_length') or PUBLISHED_SKELETON_LENGTHS
        name = 'train+val' if 'train+val' in lengths else 'train'
        name, length = f'skeleton_length[{name!r}] of the checkpoint', lengths[name]
    check_bone_length(length, name)
    return float(length)


def rescale_to_bone_length(keypoints: np.ndarray, target_mm: np.ndarray | float) -> np.ndarray:
    """Move a skeleton's root to the origin and scale it to a total bone length.

    Args:
        keypoints: (..., 18, 3), any isotropic unit.
        target_mm: Wanted total length, mm; broadcasts over ``...``.

    Returns:
        (..., 18, 3), mm, root at the origin, float64.

    Raises:
        ValueError: If a skeleton's length is zero or not finite, or a target is not a positive number. The message
            names the first index.
    """
    return scale_to_bone_length(keypoints, target_mm)[0]


def scale_to_bone_length(keypoints: np.ndarray, target_mm: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Compute :func:`rescale_to_bone_length`, and the factor (...) of each skeleton, mm per unit, float64."""
    length, target = _positive_length(keypoints), np.asarray(target_mm, dtype=np.float64)
    bad = np.argwhere(~(np.isfinite(target) & (target > 0)))
    if len(bad):
        where = f' at index {index_text(bad[0])}' if target.ndim else ''
        raise ValueError(f'target_mm: positive lengths expected, got {target[tuple(bad[0])]}{where}')
    keypoints = np.asarray(keypoints)
    centred = np.subtract(keypoints, keypoints[..., :1, :], dtype=np.float64)
    factor = target / length
    centred *= factor[..., None, None]
    return centred, factor


def mm_per_px_of_depth(keypoints_2d: np.ndarray, depth_mm: np.ndarray, bone_length: float,
                       largest_depth_px: float) -> np.ndarray:
    r"""Scale of poses whose x and y are in px and whose z is in mm, from their total bone length.

    The scale m is the root of :math:`\sum_b \sqrt{m^2 a_b^2 + d_b^2} = L`, where a bone b is :math:`a_b` px long in the
    image and :math:`d_b` mm deep. The sum is convex and increases with m. Newton's method from
    :math:`m = L / \sum_b a_b`, which is too large, therefore decreases towards the root.

    Args:
        keypoints_2d: (..., 18, 2), px.
        depth_mm: (..., 18), mm, relative to about the root.
        bone_length: Total skeleton length L, mm.
        largest_depth_px: Limit of the depths in px, which bounds the scale from below. Depths that add up to more than
            L, and have no scale of their own, are at this limit.

    Returns:
        (...), mm per px, float64; infinite for poses without any extent in x and y.
    """
    joints, parents = np.transpose(BONES)[::-1]
    steps = keypoints_2d.take(joints, axis=-2).astype(np.float64) - keypoints_2d.take(parents, axis=-2)
    flat = np.square(steps).sum(axis=-1)
    deep = np.square(depth_mm.take(joints, axis=-1).astype(np.float64) - depth_mm.take(parents, axis=-1))
    extent = np.sqrt(flat).sum(axis=-1)
    known = extent > 0
    scale, smallest = bone_length / np.where(known, extent, 1), np.abs(depth_mm).max(axis=-1) / largest_depth_px
    for _ in range(_NEWTON_STEPS):
        bones = np.sqrt(np.square(scale)[..., None] * flat + deep)
        slope = scale * np.divide(flat, bones, out=np.zeros_like(bones), where=bones > 0).sum(axis=-1)
        scale = np.maximum(scale - (bones.sum(axis=-1) - bone_length) / np.where(known, slope, 1), smallest)
    return np.where(known, scale, np.inf)


def _positive_length(keypoints: np.ndarray) -> np.ndarray:
    """Compute skeleton lengths, or raise ValueError if one is zero or not finite."""
    length = skeleton_length(keypoints)
    bad = np.argwhere(~(np.isfinite(length) & (length > 0)))
    if len(bad):
        where = f' of {length.size}, first at index {index_text(bad[0])}' if length.ndim else ''
        raise ValueError(f'keypoints: skeleton length is zero or not finite for {len(bad)} skeleton(s){where} '
                         f'(length {length[tuple(bad[0])]})')
    return length


def index_text(index: Iterable[int]) -> str:
    """Write an index for an error message: ``3`` for one axis, ``(3, 1)`` for several."""
    numbers = [str(int(number)) for number in index]
    return numbers[0] if len(numbers) == 1 else f'({", ".join(numbers)})'
