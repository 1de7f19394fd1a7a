"""Keyword arguments of inferencers: which exist, and to which step they go."""
from mmpose.apis.inferencers import Hand3DInferencer, Pose2DInferencer, Pose3DInferencer
from mmpose.apis.inferencers import MMPoseInferencer as StockInferencer

STEPS = ('preprocess', 'forward', 'visualize', 'postprocess')


def arguments_of(*classes):
    """Names of all keyword arguments that some inferencers take in a call.

    Args:
        *classes (type): inferencers.

    Returns:
        set[str]: names.
    """
    return set().union(*(getattr(cls, f'{step}_kwargs') for cls in classes for step in STEPS))


# What a call of mmpose's MMPoseInferencer may hold. It hands on what the inferencer inside takes and drops the rest.
# The last two are taken by the 2D and 3D inferencers' settings, though no set lists them for each.
STOCK_ARGUMENTS = arguments_of(StockInferencer, Pose2DInferencer, Pose3DInferencer, Hand3DInferencer) | {
    'skeleton_style', 'draw_heatmap'}
# Of these, what an image-based 3D model has no use for: it has no 2D stage, no heat map, and another skeleton.
NO_EFFECT = {'disable_norm_pose_2d', 'disable_rebase_keypoint', 'draw_heatmap', 'merge_results', 'pose_based_nms',
             'skeleton_style', 'use_oks_tracking'}


def check_arguments(kwargs, *classes):
    """Refuse what neither mmpose's inferencers nor the given ones know: a slip of the pen would go unnoticed.

    Args:
        kwargs (dict): of a call.
        *classes (type): inferencers beyond mmpose's.

    Raises:
        TypeError: an unknown name.
    """
    known = STOCK_ARGUMENTS | arguments_of(*classes)
    unknown = sorted(set(kwargs) - known)
    if unknown:
        raise TypeError(f'unexpected keyword argument {unknown[0]!r}; known ones: {", ".join(sorted(known))}')


def split_arguments(kwargs, cls):
    """Keyword arguments by step, those without effect left out.

    Args:
        kwargs (dict): checked by :func:`check_arguments`.
        cls (type): the inferencer.

    Returns:
        list[dict]: for each of :data:`STEPS`.
    """
    return [{name: value for name, value in kwargs.items() if name in getattr(cls, f'{step}_kwargs')}
            for step in STEPS]
