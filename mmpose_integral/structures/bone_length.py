"""Scaling of a skeleton of unknown size to millimetres: root at the origin, with a given total bone length.

Weak perspective leaves one number undetermined, the person's size. The challenge's total skeleton length (the sum over
the 17 bones of ``structures/skeleton.py``) determines it (arXiv 1809.06079, section 3).
"""
import numpy as np

from mmpose_integral.structures.skeleton import BONES, NUM_JOINTS

# Mean lengths of the real CHALL_H80K, mm, as its authors published them.
PUBLISHED_SKELETON_LENGTHS = {'train+val': 4502.881, 'train': 4522.828, 'val': 4465.869}

# Total skeleton length divided by standing height. The bones of an actor of Human3.6M sum to 4470 mm, with 897 mm from
# hip to ankle, 490 mm from root to neck and 192 mm from neck to head. With about 80 mm below the ankles and 50 mm from
# the head joint to the crown, this person is 1709 mm tall.
LENGTH_PER_HEIGHT = 2.62


def skeleton_length(keypoints: np.ndarray) -> np.ndarray:
    """Sum of the lengths of all 17 bones.

    Args:
        keypoints: (..., 18, 3), any isotropic unit, anywhere in space.

    Returns:
        (...), in the unit of ``keypoints``, float64; NaN where a joint is not finite.

    Raises:
        ValueError: If the last axes are not (18, 3).
    """
    keypoints = _check_skeleton(keypoints)
    parents, children = np.transpose(BONES)
    with np.errstate(invalid='ignore'):
        bones = np.subtract(*(keypoints.take(ends, axis=-2) for ends in (children, parents)), dtype=np.float64)
    return np.sqrt(np.einsum('...c,...c->...', bones, bones)).sum(axis=-1)  # norm() is slow along so short an axis


def mean_skeleton_length(*keypoints: np.ndarray) -> float:
    """Mean skeleton length over all frames of one or more splits.

    Args:
        *keypoints: (N, 18, 3) each, mm. Two arrays give the mean over the frames of both, such as
            'train+val'.

    Returns:
        Mean length, mm.

    Raises:
        ValueError: If there are no frames, or a frame has a length that is zero or not finite.
    """
    lengths = np.concatenate([np.zeros(0), *(_checked_length(part).ravel() for part in keypoints)])
    if not lengths.size:
        raise ValueError('mean_skeleton_length: at least one frame expected, got none')
    return float(lengths.mean())


def skeleton_length_from_height(height_mm: np.ndarray | float) -> np.ndarray | float:
    """Estimate the total skeleton length of a person from the standing height.

    The lengths of people of the same height differ by about 4 %.

    Args:
        height_mm: Standing height, mm.

    Returns:
        Total skeleton length, mm, same shape.

    Raises:
        ValueError: If a height is outside 500 to 2500 mm, for example because it is in metres or centimetres.
    """
    height = np.asarray(height_mm, dtype=np.float64)
    if not ((height >= 500) & (height <= 2500)).all():
        raise ValueError(f'body height: mm expected, 500 to 2500, got {height_mm}')
    return LENGTH_PER_HEIGHT * (float(height) if height.ndim == 0 else height)


def resolve_bone_length(bone_length: float | None = None, body_height: float | None = None,
                        dataset_meta: dict | None = None) -> float:
    """Total bone length that a skeleton is scaled to, from the first of these sources that is given.

    Args:
        bone_length: Total bone length, mm.
        body_height: Standing height of the person, mm; the length is estimated from it.
        dataset_meta: Meta data of a checkpoint. Its ``skeleton_length`` is a dict of mean lengths, mm; 'train+val'
            takes precedence over 'train'.

    Returns:
        Total bone length, mm; without any source, the published mean of train+val.

    Raises:
        ValueError: If the height is outside 500 to 2500 mm.
    """
    if bone_length is not None:
        return float(bone_length)
    if body_height is not None:
        return skeleton_length_from_height(body_height)
    lengths = (dataset_meta or {}).get('skeleton_length') or PUBLISHED_SKELETON_LENGTHS
    return float(lengths.get('train+val') or lengths['train'])


def rescale_to_bone_length(keypoints: np.ndarray, target_mm: np.ndarray | float) -> np.ndarray:
    """Move a skeleton's root to the origin and scale it to a total bone length.

    Args:
        keypoints: (..., 18, 3), any isotropic unit.
        target_mm: Wanted total length, mm; broadcasts over ``...``.

    Returns:
        (..., 18, 3), mm, root at the origin, float64.

    Raises:
        ValueError: If a skeleton has zero or non-finite length, or a target is not a positive number; the message names
            its index.
    """
    target = np.asarray(target_mm, dtype=np.float64)
    if not (np.isfinite(target) & (target > 0)).all():
        bad = np.argwhere(~(np.isfinite(target) & (target > 0)))
        raise ValueError(f'target_mm: positive lengths expected, got {target[tuple(bad[0])]}'
                         + (f' at index {_readable(bad[0])}' if target.ndim else ''))
    length = _checked_length(keypoints)
    keypoints = _check_skeleton(keypoints)
    centred = np.subtract(keypoints, keypoints[..., :1, :], dtype=np.float64)
    centred *= (target / length)[..., None, None]
    return centred


def _check_skeleton(keypoints):
    """Return the keypoints as an array of 18 joints, or raise ValueError."""
    keypoints = np.asarray(keypoints)
    if keypoints.shape[-2:] != (NUM_JOINTS, 3):
        raise ValueError(f'keypoints: shape (..., {NUM_JOINTS}, 3) expected, got {keypoints.shape}; a pose file has '
                         '17 joints, structures.skeleton.add_thorax appends the 18th')
    return keypoints


def _checked_length(keypoints):
    """Return skeleton lengths that are all positive and finite, or raise ValueError."""
    length = skeleton_length(keypoints)
    good = np.isfinite(length) & (length > 0)
    if not good.all():
        bad = np.argwhere(~good)
        where = f' of {good.size}, first at index {_readable(bad[0])}' if length.ndim else ''
        raise ValueError(f'keypoints: skeleton length is zero or not finite for {len(bad)} skeleton(s){where} '
                         f'(length {length[tuple(bad[0])]})')
    return length


def _readable(index):
    """Convert an index row to an int (one axis) or a tuple of ints."""
    index = tuple(int(i) for i in index)
    return index[0] if len(index) == 1 else index
