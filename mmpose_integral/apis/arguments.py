"""The keyword arguments of the inferencers, and the step that takes each of them."""
from collections.abc import Mapping
from typing import Any

from mmpose.apis.inferencers import Hand3DInferencer, Pose2DInferencer, Pose3DInferencer
from mmpose.apis.inferencers import MMPoseInferencer as StockInferencer

STEPS = ('preprocess', 'forward', 'visualize', 'postprocess')


def arguments_of(*classes: type) -> set[str]:
    """Names of all keyword arguments that the given inferencer classes accept in a call."""
    return set().union(*(getattr(cls, f'{step}_kwargs') for cls in classes for step in STEPS))


# All arguments that a call of mmpose's MMPoseInferencer may contain. It passes on those of its inner inferencer and
# drops the rest. The last two are valid for the 2D and 3D inferencers, although not every class lists them.
STOCK_ARGUMENTS = arguments_of(StockInferencer, Pose2DInferencer, Pose3DInferencer, Hand3DInferencer) | {
    'skeleton_style', 'draw_heatmap'}
# Arguments without effect on an image-based 3D model: it has no 2D stage, no heat map, and another skeleton.
NO_EFFECT = {'disable_norm_pose_2d', 'disable_rebase_keypoint', 'draw_heatmap', 'merge_results', 'pose_based_nms',
             'skeleton_style', 'use_oks_tracking'}


def check_arguments(kwargs: Mapping[str, Any], *classes: type) -> None:
    """Check that every keyword argument is one of mmpose's inferencers or of the given ones.

    Without this check, a misspelt argument would be ignored silently.

    Args:
        kwargs: Keyword arguments of a call.
        *classes: Inferencer classes beyond mmpose's.

    Raises:
        TypeError: If a name is unknown.
    """
    known = STOCK_ARGUMENTS | arguments_of(*classes)
    unknown = sorted(set(kwargs) - known)
    if unknown:
        raise TypeError(f'unexpected keyword argument {unknown[0]!r}; known ones: {", ".join(sorted(known))}')


def split_arguments(kwargs: Mapping[str, Any], cls: type) -> list[dict[str, Any]]:
    """Split keyword arguments by step; arguments without effect are left out.

    Args:
        kwargs: Keyword arguments, checked by :func:`check_arguments`.
        cls: Inferencer class.

    Returns:
        One dict for each of :data:`STEPS`.
    """
    return [{name: value for name, value in kwargs.items() if name in getattr(cls, f'{step}_kwargs')}
            for step in STEPS]
