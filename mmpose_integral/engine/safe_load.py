"""Loading of mmengine's checkpoints with torch's safe unpickler, so that training can be resumed.

Since torch 2.6, ``torch.load`` admits only tensors and plain containers. The checkpoints of mmengine also hold numpy
arrays, scalars, and ``HistoryBuffer`` objects, whose state refers to four of its own methods. This module adds exactly
these to the types that torch admits. A file with anything else is refused before any of it runs.
"""
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.utils import digit_version

# Methods that HistoryBuffer.__getstate__ refers to; pickle writes a method as a call of getattr.
HISTORY_METHODS = ('min', 'max', 'current', 'mean')


def restricted_getattr(owner: type, name: str) -> Callable:
    """Replace ``builtins.getattr``, which checkpoints only use for the methods of HistoryBuffer.

    Raises:
        ValueError: If ``owner`` is another class, or ``name`` is none of ``HISTORY_METHODS``. With free access to
            attributes, a file could run any code.
    """
    if owner is not HistoryBuffer or name not in HISTORY_METHODS:
        raise ValueError(f'checkpoint asks for attribute {name!r} of {owner!r}; only the methods '
                         f'{", ".join(HISTORY_METHODS)} of HistoryBuffer are allowed. Do not trust this file.')
    return getattr(HistoryBuffer, name)


def numpy_globals() -> list:
    """List what arrays and scalars of plain numbers, booleans and strings need; object arrays are still refused.

    Returns:
        Functions and types, with the names that numpy 1 and numpy 2 give them in a file.
    """
    reconstruct: Any = np.zeros(0).__reduce__()[0]
    scalar: Any = np.float64(0).__reduce__()[0]
    named = [(function, f'{module}.{name}') for module in ('numpy.core.multiarray', 'numpy._core.multiarray')
             for function, name in ((reconstruct, '_reconstruct'), (scalar, 'scalar'))]
    # Each dtype has its own class, which the unpickler needs. An empty array, such as H36M's sigmas, holds bytes.
    return [np.ndarray, np.dtype, bytes, *named, *(type(np.dtype(code)) for code in '?bhilqBHILQefdgFDSU')]


def allow_mmengine_checkpoints() -> None:
    """Add the types that mmengine 0.10 writes to those that ``torch.load`` admits; a second call has no effect."""
    if digit_version(torch.__version__) >= digit_version('2.6.0'):
        torch.serialization.add_safe_globals(
            [HistoryBuffer, (restricted_getattr, 'builtins.getattr'), *numpy_globals()])
