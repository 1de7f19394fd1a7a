"""Loading of mmengine's checkpoints with torch's safe unpickler, so that training can be resumed.

Since torch 2.6, ``torch.load`` admits only tensors and plain containers. The checkpoints of mmengine also hold numpy
arrays, scalars, and ``HistoryBuffer`` objects, whose state refers to four of its own methods. The names of these types
in a file lead to the stand-ins of this module. They check what the file says, and build the values themselves: numpy's
own functions would read the bytes of a file as pointers. A file with anything else is refused before any of it runs.
"""
import math
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.utils import digit_version

from mmpose_integral.formats.checkpoints import CheckpointError, check_meta, find_weights, read_checkpoint
from mmpose_integral.utils.files import check_text

# Methods that HistoryBuffer.__getstate__ refers to; pickle writes a method as a call of getattr.
HISTORY_METHODS = ('min', 'max', 'current', 'mean')


class StoredHistory:
    """Stand-in of ``HistoryBuffer``, into which it turns when its two arrays have been read."""

    def __setstate__(self, state: Any) -> None:
        arrays = [state.get(name) for name in ('_log_history', '_count_history')] if isinstance(state, dict) else []
        if not arrays or not all(isinstance(array, StoredArray) and array.ndim == 1 for array in arrays):
            raise CheckpointError('asks for a HistoryBuffer without its arrays of values and counts')
        # The methods in the state are left out: mmengine would add them to its class, under the names of the file.
        self.__class__ = HistoryBuffer
        HistoryBuffer.__init__(self, *map(np.asarray, arrays), max_length=max(int(state['max_length']), 1))


def restricted_getattr(owner: type, name: str) -> Any:
    """Replace ``builtins.getattr``, which checkpoints only use for the methods of HistoryBuffer.

    Raises:
        CheckpointError: If ``owner`` is another class, or ``name`` is none of ``HISTORY_METHODS``. With free access to
            attributes, a file could run any code.
    """
    if owner is not StoredHistory or name not in HISTORY_METHODS:
        raise CheckpointError(f'asks for the attribute {name!r} of {getattr(owner, "__name__", owner)}')
    return getattr(HistoryBuffer, name)


class StoredDtype:
    """Stand-in of ``numpy.dtype``: numbers, booleans or text, in ``dtype``. Objects, fields and sub-arrays are refused.

    Args:
        text: Name of the type, such as 'f8' or 'U3'.
        options: Alignment and copy, which have no effect on such types.
    """

    def __init__(self, text: Any, *options: Any) -> None:
        if not isinstance(text, str) or not re.fullmatch(r'\?|b1|[iufc][1-9]\d?|[SU][1-9]\d{0,8}', text):
            raise CheckpointError(f'asks for an array of type {str(text)[:80]!r}')
        self.dtype = np.dtype(text)

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 5 or any(part is not None for part in state[2:5]):
            raise CheckpointError('asks for an array with fields')
        if state[1] in ('<', '>'):
            self.dtype = self.dtype.newbyteorder(state[1])


class StoredArray(np.ndarray):
    """Stand-in of ``numpy.ndarray``: an array of plain values that owns its memory and is filled once.

    It is computed with and saved as a usual array.
    """

    def __new__(cls, *args: Any) -> 'StoredArray':
        if args:  # np.ndarray would use bytes of the file as memory
            raise CheckpointError(f'asks for an array over a buffer, with {len(args)} arguments')
        return super().__new__(cls, 0, np.int8)

    def __setstate__(self, state: Any) -> None:
        if self.__dict__.setdefault('filled', False):  # its memory may be that of a tensor by now
            raise CheckpointError('fills an array twice')
        _, shape, dtype, fortran, data = state if isinstance(state, tuple) and len(state) == 5 else [None] * 5
        content = check_content(shape, dtype, data)
        filling: Any = 1, shape, content.dtype, bool(fortran), content.tobytes()
        super().__setstate__(filling)
        self.filled = True

    def __reduce_ex__(self, protocol: Any) -> Any:
        return np.asarray(self).__reduce_ex__(protocol)

    def __array_wrap__(self, array: np.ndarray, context: Any = None, return_scalar: bool = False) -> Any:
        return array[()]  # as of a usual array, sums are numbers


def check_content(shape: Any, dtype: Any, data: Any) -> np.ndarray:
    """Values of an array, 1-D, from its shape, :class:`StoredDtype` and bytes; CheckpointError if they do not agree."""
    if not isinstance(dtype, StoredDtype) or not isinstance(data, bytes) or not isinstance(shape, tuple) or not all(
            type(length) is int and 0 <= length < 2**40 for length in shape) or len(shape) > 32:
        raise CheckpointError('asks for an array of another content than plain values')
    if math.prod(shape) * dtype.dtype.itemsize != len(data):
        raise CheckpointError(f'asks for an array of shape {shape} and type {dtype.dtype} with {len(data)} bytes')
    try:
        return check_text(np.frombuffer(data, dtype.dtype))
    except ValueError as error:
        raise CheckpointError(f'asks for {error}') from None


def stored_array(kind: Any, *_: Any) -> StoredArray:
    """Stand-in of numpy's ``_reconstruct``, which makes an array that is filled later."""
    if kind is not StoredArray:
        raise CheckpointError(f'asks for an array of class {str(kind)[:80]}')
    return StoredArray()


def stored_scalar(dtype: Any, data: Any) -> np.generic:
    """Stand-in of numpy's ``scalar``."""
    return check_content((), dtype, data)[0]


def no_bytes() -> bytes:
    """Stand-in of ``bytes``, which pickle calls for an empty one."""
    return b''


def allow_mmengine_checkpoints() -> None:
    """Add what mmengine 0.10 writes to what ``torch.load`` admits, and let mmengine read files with our checks.

    A second call has no effect.
    """
    mmengine_checkpoint.CheckpointLoader.register_scheme('', load_from_local, force=True)
    mmengine_checkpoint.load_url = load_url
    if digit_version(torch.__version__) >= digit_version('2.6.0'):
        numpy = [(stand_in, f'{module}.{name}') for module in ('numpy.core.multiarray', 'numpy._core.multiarray')
                 for stand_in, name in ((stored_array, '_reconstruct'), (stored_scalar, 'scalar'))]
        torch.serialization.add_safe_globals([
            *numpy, (StoredArray, 'numpy.ndarray'), (StoredDtype, 'numpy.dtype'), (no_bytes, 'builtins.bytes'),
            (StoredHistory, 'mmengine.logging.history_buffer.HistoryBuffer'),
            (restricted_getattr, 'builtins.getattr')])


def load_from_local(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read a checkpoint for mmengine, which replaces its own function of this name.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is damaged, holds more than data, or its ``state_dict`` holds more than tensors.
    """
    return _load(os.path.expanduser(filename), map_location)


def load_url(url: str, model_dir: str | None = None, map_location: Any = None, progress: bool = True,
             check_hash: bool = False, file_name: str | None = None) -> dict[str, Any]:
    """Read a checkpoint from a URL, or from the file that an earlier call has saved.

    It replaces the function of torch that mmengine calls, which loads files from the internet without the safe mode.
    The arguments are those of ``torch.hub.load_state_dict_from_url``.

    Raises:
        URLError: If the file cannot be fetched.
        CheckpointError: See :func:`load_from_local`.
    """
    folder = Path(model_dir or os.path.join(torch.hub.get_dir(), 'checkpoints'))
    path = folder / (file_name or os.path.basename(urlparse(url).path))
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        prefix = re.search(r'-([a-f0-9]{8,})\.', path.name) if check_hash else None
        torch.hub.download_url_to_file(url, str(path), prefix and prefix[1], progress)
    return _load(path, map_location, f'delete it, so that it is fetched again from {url}')


def _load(path: str | Path, map_location: Any, *remedy: str) -> dict[str, Any]:
    checkpoint = read_checkpoint(path, map_location, *remedy)
    if not isinstance(checkpoint, dict) or 'state_dict' in checkpoint:
        try:
            find_weights(checkpoint)
            check_meta(checkpoint)
        except CheckpointError as error:
            raise CheckpointError(f'{path}: {error}') from None
    return checkpoint
