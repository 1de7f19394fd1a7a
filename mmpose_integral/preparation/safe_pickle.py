"""Pickles that hold data only: numbers, text, containers and numpy arrays. Anything else is refused before it runs.

A pickle is a program: ``pickle.load`` of a foreign file may do anything. Here a file only describes what it wants;
``_build`` then makes that with the functions of ``_CALLS``, and what it copies and how deep it goes is bounded. The
unpickler is the one in Python, for the one in C allocates what a file announces. Files of Python 2 and 3 and of numpy
1 and 2 are read alike.
"""
import io
import math
import pickle
import re
from collections import OrderedDict

import numpy as np

_MAX_BYTES, _MAX_DEPTH = 2**28, 64


class _RefusedGlobal(pickle.UnpicklingError):
    """The file asks for a function or a class that is no plain data."""


class _Call(list):
    """A call that the file wants: of ``name`` with ``args``, then with ``state``; the list holds items added later."""

    def __init__(self, name, args=(), items=()):
        super().__init__(items)
        self.name, self.args, self.state = name, args, None


class _Describer(pickle._Unpickler):
    """Each method ``load_...`` is one of pickle's instructions; these append a :class:`_Call` and make nothing."""

    def find_class(self, module, name):
        place = re.sub('^__builtin__', 'builtins', module).replace('numpy._core', 'numpy.core') + '.' + name
        if place not in _CALLS:
            raise _RefusedGlobal(f'{module}.{name}')
        return None if place == 'numpy.ndarray' else _Call(place)

    def load_reduce(self):
        args = self.stack.pop()
        self.stack[-1] = _Call(self.stack[-1].name, args)

    def load_build(self):
        state = self.stack.pop()
        self.stack[-1].state = state

    def load_bytearray8(self):
        self.load_binbytes8()
        self.stack[-1] = bytearray(self.stack[-1])

    def load_empty_dictionary(self):
        self.append(_Call('builtins.dict'))

    def load_empty_set(self):
        self.append(_Call('builtins.set'))

    def load_dict(self):
        items = self.pop_mark()
        self.append(_Call('builtins.dict', items=items))

    def load_frozenset(self):
        items = self.pop_mark()
        self.append(_Call('builtins.frozenset', items=items))

    def load_setitem(self):
        pair = self.stack[-2:]
        del self.stack[-2:]
        self.stack[-1].extend(pair)

    load_setitems = load_additems = pickle._Unpickler.load_appends


_Describer.dispatch = {code: getattr(_Describer, load.__name__) for code, load in pickle._Unpickler.dispatch.items()}


def _to_bytes(data=b'', encoding='latin1'):
    """Bytes as such, or as the text that Python 2, and Python 3 in protocols 0 to 2, write for them."""
    if encoding not in ('latin1', 'latin-1'):
        raise ValueError(f'text in encoding {encoding!r}, latin1 expected')
    return data.encode('latin1') if isinstance(data, str) else data


def _keys(items):
    """The items, unless many of them could have the same hash, so that a dict of them takes for ever."""
    if any(isinstance(item, complex) or isinstance(item, int) and abs(item) >= 2**60 for item in items):
        raise ValueError('complex or huge number as key')
    return items


def _make_dtype(text, state):
    if not re.fullmatch(r'[<>|=]?(\?|[biufcO]\d*|[SU][1-9]\d*)', text) or state and state[2:5] != (None, None, None):
        raise ValueError(f'array of type {text!r}, numbers or text without fields expected')
    dtype = np.dtype(text)
    return np.dtype(dtype.newbyteorder(state[1]).str) if state and state[1] in '<>' else dtype


def _make_array(shape, dtype, fortran, data):
    """Array of (bytes | str of Python 2), or of a list of objects; numpy alone would take bytes for pointers."""
    data = _to_bytes(data)
    if not isinstance(data, list if dtype.hasobject else (bytes, bytearray)) or (
            len(data) != math.prod(shape) * (1 if dtype.hasobject else dtype.itemsize)
            or not all(0 <= size <= max(len(data), 1000) for size in shape)):
        raise ValueError(f'array of shape {shape} and type {dtype} with a content of length {len(data)}')
    array = np.zeros(0)
    array.__setstate__((1, shape, dtype, fortran, data if dtype.hasobject else bytes(data)))
    return array.astype(dtype, copy=False)


# Each takes the items that were added after the call, the state, and the call's own arguments.
_CALLS = {
    'builtins.dict': lambda items, _: dict(zip(_keys(items[::2]), items[1::2], strict=True)),
    'collections.OrderedDict': lambda items, _, pairs=(): OrderedDict(
        [*zip(_keys([key for key, _ in pairs] + items[::2]), [value for _, value in pairs] + items[1::2], strict=True)]),
    'builtins.set': lambda items, _, start=(): {*_keys([*start, *items])},
    'builtins.frozenset': lambda items, _, start=(): frozenset(_keys([*start, *items])),
    'builtins.complex': lambda items, _, *args: complex(*args),
    'builtins.bytes': lambda items, _, *args: bytes(memoryview(_to_bytes(*args))),
    '_codecs.encode': lambda items, _, *args: bytes(memoryview(_to_bytes(*args))),
    'builtins.bytearray': lambda items, _, *args: bytearray(memoryview(_to_bytes(*args))),
    'numpy.ndarray': None, 'numpy.dtype': lambda items, state, text, *_: _make_dtype(text, state),
    'numpy.core.multiarray._reconstruct': lambda items, state, *_: _make_array(*state[1:]),
    'numpy.core.multiarray.scalar': lambda items, _, dtype, data: _make_array((), dtype, False, data)[()],
    'numpy.core.numeric._frombuffer': lambda items, _, data, dtype, shape, order: _make_array(
        shape, dtype, order == 'F', data)}


def _build(value, left, depth=0):
    """What a description stands for; ``left`` (list[int]) is the number of items and bytes that may still be made."""
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


def loads_plain(data, where):
    """Read a pickle of plain data.

    Args:
        data (bytes): Content of a pickle file of any protocol, written by Python 2 or 3.
        where (str | Path): Name of the file in error messages.

    Returns:
        object: Numbers, text, bytes, lists, tuples, dicts, sets and numpy arrays, nested in any way. Text of Python 2
        is decoded as latin1. Arrays are of numbers, text or objects, without fields.

    Raises:
        ValueError: The data ask for anything else, which is named and not run, or are damaged.
    """
    try:
        if len(data) > _MAX_BYTES:
            raise ValueError(f'larger than {_MAX_BYTES} bytes')
        # Python 2 wrote text and array bytes alike as 8-bit strings; latin1 keeps both whole.
        return _build(_Describer(io.BytesIO(data), encoding='latin1').load(), [10**6 + 8 * len(data)])
    except _RefusedGlobal as error:
        raise ValueError(f'{where} asks for {error}, which is no plain data, and was not loaded: numbers, text, '
                         'containers and numpy arrays expected. Do not trust this file; get it from its source again'
                         ) from None
    except Exception as error:  # a damaged pickle can raise nearly any of them
        raise ValueError(f'{where} is no readable pickle of plain data ({type(error).__name__}: {error}); it may be '
                         'cut short, get it from its source again') from error


def load_plain_pickle(path):
    """Read a pickle file; see :func:`loads_plain`."""
    with open(path, 'rb') as file:
        return loads_plain(file.read(_MAX_BYTES + 1), path)
