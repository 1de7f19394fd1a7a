"""Pickles that hold data only: numbers, text, containers and numpy arrays. Anything else is refused before it runs.

A pickle is a program: ``pickle.load`` of a file from elsewhere may do anything. Here it reaches a few constructors
without side effects, and numpy itself not at all: ``np.ndarray`` and the state of ``np.dtype`` can turn bytes of the
file into pointers, so arrays are described by stand-ins first and built here, with all sizes checked.
Files written by Python 2 or 3 and by numpy 1 or 2 are read alike.
"""
import collections
import pickle
import re
import zipfile
import zlib

import numpy as np

_ARRAY_TYPE = 'numpy.ndarray'  # what a file gets when it asks for the type: a word, which cannot be called


class _Dtype:
    """Stand-in for a dtype; ``text`` is what numpy calls it, such as 'f8'."""

    def __init__(self, text, *_):
        if not re.fullmatch(r'[<>|=]?(\?|[biufcSUO]\d*)', text):
            raise ValueError(f'array of type {text!r}, numbers or text expected')
        self.value = np.dtype(text)

    def __setstate__(self, state):
        _, byte_order, subarray, names, fields = state[:5]
        if (subarray, names, fields) != (None, None, None):
            raise ValueError('array with fields, numbers or text expected')
        if byte_order in ('<', '>'):
            self.value = np.dtype(self.value.newbyteorder(byte_order).str)  # by its text: '<' on such a machine is '='


class _Array:
    """Stand-in for an array; :func:`_resolve` puts ``value`` in its place."""

    def __setstate__(self, state):
        _, shape, dtype, fortran_order, data = state
        self.value = _build_array(data, dtype, shape, 'F' if fortran_order else 'C')


def _build_array(data, dtype, shape, order):
    """Array of (list | bytes | str of Python 2) data; numpy checks that its size is that of ``shape``."""
    dtype = dtype.value
    if dtype.hasobject:
        flat = np.empty(len(data), dtype=object)
        flat[:] = _resolve(list(data), set())
        return flat.reshape(shape, order=order)
    data = data.encode('latin1') if isinstance(data, str) else data
    if len(data) != dtype.itemsize * np.prod(shape, dtype=int):
        raise ValueError(f'array of shape {shape} and type {dtype} with {len(data)} bytes')
    return np.ndarray(shape, dtype, buffer=bytes(data) or None, order=order).copy(order)


def _start_array(kind, *_):
    if kind is not _ARRAY_TYPE:
        raise ValueError(f'array of kind {kind!r}, numpy.ndarray expected')
    return _Array()


def _build_scalar(dtype, data):
    if dtype.value.hasobject:
        raise ValueError('numpy scalar of type object')
    return _build_array(data, dtype, (), 'C')[()]


def _encode_latin1(text, encoding):
    """What Python 3 writes for ``bytes`` in protocols 0 to 2; ``codecs.encode`` itself would know other codecs too."""
    if encoding not in ('latin1', 'latin-1'):
        raise ValueError(f'text in encoding {encoding!r}, latin1 expected')
    return text.encode('latin1')


def _make_dtype(text, *_):
    return _Dtype(text)


def _allowed_globals():
    """Module and name in a file to what stands for it."""
    allowed = {('collections', 'OrderedDict'): collections.OrderedDict, ('_codecs', 'encode'): _encode_latin1,
               ('numpy', 'ndarray'): _ARRAY_TYPE, ('numpy', 'dtype'): _make_dtype}
    for builtins in ('builtins', '__builtin__'):
        allowed.update({(builtins, kind.__name__): kind for kind in (set, frozenset, bytes, bytearray, complex)})
    for core in ('numpy.core', 'numpy._core'):
        allowed.update({(f'{core}.multiarray', '_reconstruct'): _start_array,
                        (f'{core}.multiarray', 'scalar'): _build_scalar,
                        (f'{core}.numeric', '_frombuffer'): _build_array})
    return allowed


class _RefusedGlobal(pickle.UnpicklingError):
    """The file asks for something that is no plain data."""


class _PlainUnpickler(pickle.Unpickler):
    allowed = _allowed_globals()

    def find_class(self, module, name):
        try:
            return self.allowed[module, name]
        except KeyError:
            raise _RefusedGlobal(f'{module}.{name}') from None


def _resolve(value, seen):
    """Replace the stand-ins in nested containers by what they stand for, in place where that is possible."""
    if isinstance(value, (_Array, _Dtype)):
        return value.value
    if isinstance(value, tuple):
        return tuple(_resolve(item, seen) for item in value)
    if isinstance(value, (list, dict)) and id(value) not in seen:  # a list may hold itself
        seen.add(id(value))
        for key, item in enumerate(value) if isinstance(value, list) else list(value.items()):
            value[key] = _resolve(item, seen)
    return value


def _load(file, where):
    """Read one pickle from an open binary file; ``where`` names it in errors."""
    try:
        # Python 2 wrote text and array bytes alike as 8-bit strings; latin1 keeps both whole.
        return _resolve(_PlainUnpickler(file, encoding='latin1').load(), set())
    except _RefusedGlobal as error:
        raise ValueError(f'{where} asks for {error}, which is no plain data, and was not loaded: numbers, text, '
                         'containers and numpy arrays expected. Do not trust this file; get it from its source again'
                         ) from None
    except Exception as error:  # a damaged pickle can raise nearly any of them
        raise ValueError(f'{where} is no readable pickle of plain data ({type(error).__name__}: {error}); it may be '
                         'cut short, get it from its source again') from error


def load_plain_pickle(path):
    """Read a pickle of plain data.

    Args:
        path (str | Path): the file; of any pickle protocol, written by Python 2 or 3.

    Returns:
        object: numbers, text, bytes, lists, tuples, dicts, sets and numpy arrays, nested in any way. Text of
        Python 2 is decoded as latin1. Arrays are of numbers, text or objects, without fields.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file asks for anything else, which is named and not run, or is damaged.
    """
    with open(path, 'rb') as file:
        return _load(file, path)


def load_plain_npz(path, names):
    """Read some arrays of an ``.npz``; arrays of objects may hold plain data only.

    Args:
        path (str | Path): the file.
        names (Sequence[str]): arrays wanted; the others are not read.

    Returns:
        dict[str, np.ndarray]: by name.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not an ``.npz``, damaged, an array is not in it, or an object in it is no plain data.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = [name[:-4] for name in archive.namelist() if name.endswith('.npy')]
            lacking = [name for name in names if name not in found]
            if lacking:
                raise ValueError(f'{path} holds the arrays {found} and lacks {lacking}; give the file that has them')
            arrays = {}
            for name in names:
                with archive.open(f'{name}.npy') as file:
                    arrays[name] = _read_member(file, f'{path}: {name}')
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise ValueError(f'{path} is no readable .npz ({error}); it may be cut short, get it again') from error
    return arrays


def _read_member(file, where):
    """One array of an ``.npz``: numpy reads it, unless it holds objects, which are a pickle after numpy's header."""
    try:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
        if not dtype.hasobject:
            file.seek(0)
            return np.lib.format.read_array(file, allow_pickle=False)
    except ValueError as error:
        raise ValueError(f'{where} is no readable array ({error}); the file may be damaged, get it again') from error
    array = _load(file, where)
    if not isinstance(array, np.ndarray) or array.shape != shape:
        raise ValueError(f'{where} does not hold the array of shape {shape} that it announces; get the file again')
    return array
