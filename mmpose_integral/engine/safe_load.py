"""Checkpoints load with torch's safe unpickler, and training still resumes.

Since torch 2.6 ``torch.load`` admits tensors and plain containers only. The checkpoints of mmengine also hold
``HistoryBuffer`` objects, whose state names four of its own methods, and numpy arrays and scalars. This file
adds exactly these to what torch admits. A file with anything else in it is refused before any of it runs.
"""
import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.utils import digit_version

# What HistoryBuffer.__getstate__ refers to; pickle writes a method as a call of getattr.
HISTORY_METHODS = ('min', 'max', 'current', 'mean')


def restricted_getattr(owner, name):
    """Answer the one use that checkpoints have for ``builtins.getattr``: methods of HistoryBuffer.

    Args:
        owner (type): must be HistoryBuffer.
        name (str): one of ``HISTORY_METHODS``.

    Returns:
        Callable: the method.

    Raises:
        ValueError: for any other owner or name. Free access to attributes is the way out of a restricted unpickler.
    """
    if owner is not HistoryBuffer or name not in HISTORY_METHODS:
        raise ValueError(f'checkpoint asks for attribute {name!r} of {owner!r}; only the methods '
                         f'{", ".join(HISTORY_METHODS)} of HistoryBuffer are allowed. Do not trust this file.')
    return getattr(HistoryBuffer, name)


def numpy_globals():
    """What arrays and scalars of plain numbers, booleans and strings need; object arrays stay refused.

    Returns:
        list: functions and types, with the names that numpy 1 and numpy 2 give them in a file.
    """
    reconstruct, scalar = np.zeros(0).__reduce__()[0], np.float64(0).__reduce__()[0]
    allowed = [np.ndarray, np.dtype, bytes]  # an empty array, such as H36M's sigmas, is written as bytes()
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
        allowed += [(reconstruct, f'{module}._reconstruct'), (scalar, f'{module}.scalar')]
    # A dtype is an object of a class of its own, and the unpickler asks for that class.
    return allowed + [type(np.dtype(code)) for code in '?bhilqBHILQefdgFDSU']


def allow_mmengine_checkpoints():
    """Add what mmengine 0.10 writes to the globals that ``torch.load`` admits; calling it twice changes nothing."""
    if digit_version(torch.__version__) < digit_version('2.6.0'):
        return
    torch.serialization.add_safe_globals(
        [HistoryBuffer, (restricted_getattr, 'builtins.getattr')] + numpy_globals())
