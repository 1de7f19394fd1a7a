"""Pickles that hold data only: numbers, text, containers and numpy arrays. Anything else is refused before it runs.

A pickle is a program: ``pickle.load`` of an untrusted file may run any code. Here, a file only yields a description of
its content. :func:`_build` builds the content with the functions of ``_CALLS`` and limits its depth and size. The
unpickler is the one written in Python, because the one in C allocates as much memory as a file announces. Files of
Python 2 and 3 and of numpy 1 and 2 can be read.
"""
import collections
import io
import itertools
import math
import pickle
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mmpose_integral.utils.errors import in_line
from mmpose_integral.utils.files import check_text
from mmpose_integral.utils.reading import read_limited

_MAX_DEPTH, _MAX_EQUAL_HASHES = 64, 16


class _RefusedGlobal(pickle.UnpicklingError):
    """The file refers to a function or a class that is no plain data."""


class _Call(list):
    """A call in the file: of ``name`` with ``args``, then with ``state``; the list holds items that are added later."""

    def __init__(self, name: str, args: Any = (), items: Iterable = ()) -> None:
        super().__init__(items)
        self.name, self.args, self.state = name, args, None


_LOAD = pickle._Unpickler.dispatch  # function that reads an operation of a pickle, by the code of the operation


class _Describer(pickle._Unpickler):
    """Unpickler that records a :class:`_Call` for all that is not a number, text, a list or a tuple."""

    def find_class(self, module: str, name: str) -> str | _Call:
        place = f'{module}.{name}'.replace('__builtin__', 'builtins').replace('numpy._core', 'numpy.core')
        if place == 'numpy.ndarray':
            return place  # an argument of other calls, which is not called itself
        if place not in _CALLS:
            raise _RefusedGlobal(in_line(f'{module}.{name}'))
        return _Call(place, args=None)  # without arguments, this is no call yet

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        **_LOAD,
        pickle.REDUCE[0]: lambda self: self.append(_Call(self.stack.pop(-2).name, self.stack.pop())),
        pickle.BUILD[0]: lambda self: setattr(self.stack[-2], 'state', self.stack.pop()),
        pickle.EMPTY_DICT[0]: lambda self: self.append(_Call('builtins.dict')),
        pickle.EMPTY_SET[0]: lambda self: self.append(_Call('builtins.set')),
        pickle.DICT[0]: lambda self: self.metastack[-1].append(_Call('builtins.dict', (), self.pop_mark())),
        pickle.FROZENSET[0]: lambda self: self.metastack[-1].append(_Call('builtins.frozenset', (), self.pop_mark())),
        pickle.SETITEM[0]: lambda self: self.stack[-3].extend([self.stack.pop(-2), self.stack.pop()]),
        pickle.SETITEMS[0]: _LOAD[pickle.APPENDS[0]], pickle.ADDITEMS[0]: _LOAD[pickle.APPENDS[0]],
        pickle.BYTEARRAY8[0]: lambda self: self.append(bytearray(self.read(int.from_bytes(self.read(8), 'little'))))}


# The arguments of the functions below are the items that are added after a call, its state, and its own arguments.
def _bytes(items: list, state: Any, data: Any = b'', encoding: Any = 'latin1') -> bytes:
    """Convert the text that Python 2, and Python 3 in protocols 0 to 2, write for bytes."""
    if encoding not in ('latin1', 'latin-1') or not isinstance(data, (str, bytes, bytearray)):
        raise ValueError(f'bytes, or text in latin1, expected, found {type(data).__name__} in {encoding!r}')
    return data.encode('latin1') if isinstance(data, str) else bytes(data)


def _dict(items: list, state: Any, pairs: Iterable[Iterable] = ()) -> dict:
    items = [*itertools.chain(*pairs), *items]
    return dict(zip(_keys(items[::2]), items[1::2], strict=True))


def _keys(items: list) -> list:
    """Refuse items of which many share a hash, because a dict of them would take too long to build."""
    if max(collections.Counter(map(hash, items)).values(), default=0) > _MAX_EQUAL_HASHES or any(
            isinstance(item, complex) or isinstance(item, int) and abs(item) >= 2**60 for item in items):
        raise ValueError('complex or huge number as key, or many keys that share a hash')
    return items


def _dtype(items: list, state: Any, text: str, *_: Any) -> np.dtype:
    if not re.fullmatch(r'[<>|=]?(\?|[biufcO]\d*|[SU][1-9]\d*)', text) or state and state[2:5] != (None, None, None):
        raise ValueError(f'array of type {text!r}, numbers or text without fields expected')
    order: Any = state[1] if state and state[1] in '<>' else '|'
    return np.dtype(np.dtype(text).newbyteorder(order).str)  # made from its text: '<' on a little-endian machine is '='


def _array(shape: tuple[int, ...], dtype: np.dtype, fortran: bool, data: Any) -> np.ndarray:
    """Make an array from bytes, or from a list of objects; numpy alone would read bytes as pointers."""
    data, size = (data, 1) if dtype.hasobject else (_bytes([], None, data), dtype.itemsize)
    if (len(data) != math.prod(shape) * size or not all(0 <= length <= max(len(data), 1000) for length in shape)
            or dtype.hasobject and type(data) is not list):
        raise ValueError(f'array of shape {shape} and type {dtype} with a content of length {len(data)}')
    array: Any = np.zeros(0)
    array.__setstate__((1, shape, dtype, fortran, data))
    return check_text(array.astype(dtype, copy=False))


_CALLS: dict[str, Callable] = {
    'builtins.bytes': _bytes, '_codecs.encode': _bytes, 'builtins.bytearray': lambda *args: bytearray(_bytes(*args)),
    'builtins.dict': _dict, 'collections.OrderedDict': lambda *args: collections.OrderedDict(_dict(*args)),
    'builtins.set': lambda items, _, start=(): {*_keys([*start, *items])},
    'builtins.frozenset': lambda items, _, start=(): frozenset(_keys([*start, *items])),
    'builtins.complex': lambda items, _, *args: complex(*args),
    'numpy.dtype': _dtype,
    'numpy.core.multiarray._reconstruct': lambda items, state, *_: _array(*state[1:]),
    'numpy.core.multiarray.scalar': lambda items, _, dtype, data: _array((), dtype, False, data)[()],
    'numpy.core.numeric._frombuffer': lambda _, __, data, dtype, *form: _array(form[0], dtype, form[1] == 'F', data)}


def _build(value: Any, left: list[int], depth: int = 0) -> Any:
    """Build the content of a description; ``left`` holds the number of items and bytes that are still allowed."""
    left[0] -= 1 + (len(value) if hasattr(value, '__len__') else value.bit_length() // 8 if type(value) is int else 0)
    if left[0] < 0 or depth > _MAX_DEPTH:
        raise ValueError(f'nested more than {_MAX_DEPTH} deep, or the same content in very many places')
    if isinstance(value, _Call):
        items, state, args = (_build(part, left, depth + 1) for part in ([*value], value.state, tuple(value.args)))
        return _CALLS[value.name](items, state, *args)
    if type(value) in (list, tuple):
        return type(value)([_build(item, left, depth + 1) for item in value])
    if type(value) not in (bool, int, float, str, bytes, bytearray, type(None)):
        raise ValueError(f'{type(value).__name__} is no plain data')
    return value


def loads_plain(data: bytes, where: str | Path) -> object:
    """Read a pickle of plain data.

    Args:
        data: Content of a pickle file of any protocol, written by Python 2 or 3.
        where: Name of the file in error messages.

    Returns:
        Numbers, text, bytes, lists, tuples, dicts, sets and numpy arrays, nested in any way. Text of Python 2 is
        decoded as latin1. Arrays hold numbers, text or objects, without fields.

    Raises:
        ValueError: If the data are damaged, or refer to anything else. The message names it, and it is not run.
    """
    try:
        # Python 2 wrote both text and array bytes as 8-bit strings; latin1 preserves both.
        return _build(_Describer(io.BytesIO(data), encoding='latin1').load(), [10**6 + 8 * len(data)])
    except _RefusedGlobal as error:
        raise ValueError(f'{where} asks for {error}, which is no plain data, and was not loaded: numbers, text, '
                         'containers and numpy arrays expected. Do not trust this file; get it from its source again'
                         ) from None
    except Exception as error:  # a damaged pickle can raise nearly any exception
        raise ValueError(f'{where} is no readable pickle of plain data ({type(error).__name__}: {in_line(error)}); '
                         'it may be cut short, get it from its source again') from error


def load_plain_pickle(path: str | Path) -> object:
    """Read a pickle file; see :func:`loads_plain` and :func:`mmpose_integral.utils.reading.read_limited`."""
    return loads_plain(read_limited(path), path)
