"""Conversion of predictions from px to mm, the only one in the package.

Metrics, submission, inferencer and visualizer call it. Only ``deployment/onnx_runtime.py``, which runs without this
package, has a copy; a test compares the two.
"""
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from mmpose_integral.structures.bone_length import scale_to_bone_length
from mmpose_integral.structures.perspective import middle_of_image, to_root_plane


class PosesInMm(NamedTuple):
    """Poses in mm, and the scale that converts other values of the same poses, such as standard deviations."""
    keypoints: np.ndarray
    """(..., 18, 3), mm, root at the origin, float64."""
    mm_per_px: np.ndarray
    """(...), mm per px at the depth of the root, float64."""


def px_to_mm(keypoints: np.ndarray, bone_length: np.ndarray | float,
             intrinsics: np.ndarray | None = None) -> PosesInMm:
    """Convert poses from px to mm with the camera model of the labels that the model was trained on.

    Weak perspective scales all axes of a person by one factor. Perspective needs the intrinsics of the image. A model
    that was trained on labels of one camera model must not be decoded by the other; see ``docs/cameras.md``.

    Args:
        keypoints: (..., 18, 3), px, z in the same px, root anywhere.
        bone_length: Total skeleton length of the result, mm; broadcasts over ``...``.
        intrinsics: (..., 3), focal length and principal point x, y, px, for labels of a perspective camera. None stands
            for labels of weak-perspective cameras.

    Returns:
        Poses in mm and their scale.

    Raises:
        ValueError: If a pose cannot be converted; see :mod:`mmpose_integral.structures.bone_length` and
            :func:`mmpose_integral.structures.perspective.to_root_plane`.
    """
    if intrinsics is not None:
        intrinsics = np.asarray(intrinsics, dtype=np.float64)
        keypoints = to_root_plane(keypoints, intrinsics[..., 0], intrinsics[..., 1:])
    return PosesInMm(*scale_to_bone_length(keypoints, bone_length))


def label_intrinsics(sample: Mapping[str, Any]) -> np.ndarray | None:
    """Intrinsics (3,) of a data sample of the training's camera, for :func:`px_to_mm`.

    Args:
        sample: ``label_camera`` of :class:`Integral3DEstimator`, and ``ori_shape``, height and width of the image, px.

    Returns:
        Focal length of the labels, and the middle of the image, px; None for weak-perspective labels.
    """
    camera = sample.get('label_camera') or {}
    if camera.get('model') != 'perspective':
        return None
    return np.array([camera['focal_length'], *middle_of_image(sample['ori_shape'][1::-1])])
