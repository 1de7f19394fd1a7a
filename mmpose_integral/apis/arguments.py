"""Checks of the arguments of the inferencers."""
from collections.abc import Iterable

import torch
from mmpose.apis.inferencers import Hand3DInferencer, Pose2DInferencer, Pose3DInferencer
from mmpose.apis.inferencers import MMPoseInferencer as StockInferencer


def arguments_of(*classes: type) -> set[str]:
    """Names of all keyword arguments that the given inferencer classes accept in a call."""
    steps = ('preprocess', 'forward', 'visualize', 'postprocess')
    return set().union(*(getattr(cls, f'{step}_kwargs') for cls in classes for step in steps))


# All arguments that a call of mmpose's MMPoseInferencer may contain. It passes on those of its inner inferencer and
# drops the rest. The last two are valid for the 2D and 3D inferencers, although not every class lists them.
_STOCK_ARGUMENTS = arguments_of(StockInferencer, Pose2DInferencer, Pose3DInferencer, Hand3DInferencer) | {
    'skeleton_style', 'draw_heatmap'}


def check_arguments(names: Iterable[str], cls: type) -> None:
    """Raise a TypeError if a keyword argument is neither one of mmpose's inferencers nor of ``cls``.

    Without this check, a misspelt argument would be ignored silently.
    """
    known = _STOCK_ARGUMENTS | arguments_of(cls)
    unknown = sorted(set(names) - known)
    if unknown:
        raise TypeError(f'unexpected keyword argument {unknown[0]!r}; known ones: {", ".join(sorted(known))}')


def check_device(device: str | None) -> None:
    """Raise a ValueError if a tensor cannot be created on a device; None is torch's default device."""
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f'device {device} cannot be used here: {first_line(error)}') from error


def first_line(error: BaseException) -> str:
    """First line of an exception's message, or the name of its class if the message is empty."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
