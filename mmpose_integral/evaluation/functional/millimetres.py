"""Conversion of predictions from px to mm, the only one in the package.

Metrics, submission, inferencer and visualizer call it. Only ``deployment/onnx_runtime.py``, which runs without this
package, has a copy; a test compares the two.
"""
from typing import NamedTuple

import numpy as np

from mmpose_integral.structures.bone_length import scale_to_bone_length


class PosesInMm(NamedTuple):
    """Poses in mm, and the scale that converts other values of the same poses, such as standard deviations."""
    keypoints: np.ndarray
    """(..., 18, 3), mm, root at the origin, float64."""
    mm_per_px: np.ndarray
    """(...), mm per px at the depth of the root, float64."""


def px_to_mm(keypoints: np.ndarray, bone_length: np.ndarray | float) -> PosesInMm:
    """Convert poses from px to mm under weak perspective, which scales all axes of a person by one factor.

    Args:
        keypoints: (..., 18, 3), px, z in the same px, root anywhere.
        bone_length: Total skeleton length of the result, mm; broadcasts over ``...``.

    Returns:
        Poses in mm and their scale.

    Raises:
        ValueError: If a pose cannot be scaled; see :mod:`mmpose_integral.structures.bone_length`.
    """
    return PosesInMm(*scale_to_bone_length(keypoints, bone_length))
