import collections
import os
import pickle
import struct

import numpy as np
import pytest

from mmpose_integral.preparation.safe_pickle import load_plain_pickle

VALUES = [
    {('S1', '54138969'): dict(R=np.eye(3), T=np.zeros((3, 1)), w=1000, name='camera1')},
    [dict(kpts=np.arange(54.).reshape(18, 3), vis=np.ones((18, 3), np.float32)), (1, [np.array([True])]), None],
    np.asfortranarray(np.arange(6).reshape(2, 3)), np.arange(3, dtype='>i2'), np.array(['a', 'bcd']), np.array([b'x']),
    np.zeros((0, 3)), np.array(2.5), np.float64(3), np.int64(-1), np.bool_(True), np.str_('text'), np.array([1 + 2j]),
    np.array(['a', None, np.arange(2)], dtype=object), np.dtype('float32'), b'ab\xff', bytearray(b'x'), {1, 2},
    frozenset([1]), 1 - 2j, collections.OrderedDict(a=np.ones(1)), 'übung', 2**70]


@pytest.fixture
def save(tmp_path):
    def write(data):
        (tmp_path / 'data.pkl').write_bytes(data)
        return tmp_path / 'data.pkl'
    return write


class Call:
    """Calls a function when it is unpickled."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize('value', VALUES, ids=repr)
def test_plain_data_comes_back(value, protocol, save):
    loaded = load_plain_pickle(save(pickle.dumps(value, protocol)))
    assert type(loaded) is type(value) and repr(loaded) == repr(value)
    if isinstance(value, np.ndarray):
        assert loaded.dtype == value.dtype and loaded.flags.writeable
        assert loaded.flags.f_contiguous == value.flags.f_contiguous


def test_shared_and_self_containing_lists(save):
    value = [np.ones(2)]
    value += [value, value[0]]
    loaded = load_plain_pickle(save(pickle.dumps(value)))
    assert loaded[1] is loaded and isinstance(loaded[0], np.ndarray) and isinstance(loaded[2], np.ndarray)


def test_python_2_pickle(save):
    # What cPickle of Python 2 wrote for {'f': array([1., -2.])} in protocol 2: text and array bytes as 8-bit strings.
    data = struct.pack('<2d', 1, -2)
    loaded = load_plain_pickle(save(
        b'\x80\x02}q\x01U\x01fq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85'
        b'U\x01b\x87Rq\x05(K\x01K\x02\x85cnumpy\ndtype\nq\x06U\x02f8K\x00K\x01\x87Rq\x07(K\x03U\x01<NNNJ\xff\xff\xff\xff'
        b'J\xff\xff\xff\xffK\x00tb\x89U\x10' + data + b'tbs.'))
    assert list(loaded) == ['f'] and loaded['f'].tolist() == [1, -2]


@pytest.mark.parametrize('name', ['numpy.core', 'numpy._core'])
def test_arrays_of_numpy_1_and_2(name, save):
    data = pickle.dumps(np.arange(4), 2)
    for core in (b'numpy._core.', b'numpy.core.'):
        data = data.replace(core, name.encode() + b'.')
    assert load_plain_pickle(save(data)).tolist() == [0, 1, 2, 3]


def test_a_command_is_refused_and_does_not_run(tmp_path, save):
    flag = tmp_path / 'ran'
    path = save(pickle.dumps(dict(camera=np.eye(3), extra=Call(os.system, f'touch {flag}'))))
    with pytest.raises(ValueError, match=r'data\.pkl asks for \w+\.system, .*Do not trust'):
        load_plain_pickle(path)
    assert not flag.exists()
    pickle.loads(path.read_bytes())  # the file is as bad as it is meant to be
    assert flag.exists()


@pytest.mark.parametrize('function, args', [
    (eval, ('1',)), (getattr, ({}, 'keys')), (np.load, ('x',)), (np.fromfile, ('x',)), (np.memmap, ('x',)),
    (collections.defaultdict, (list,)), (type, ('a', (), {}))])
def test_other_functions_are_refused(function, args, save):
    with pytest.raises(ValueError, match=f'asks for .*{function.__name__}'):
        load_plain_pickle(save(pickle.dumps(Call(function, *args))))


def crafted(dtype_state=None, dtype='O', shape=(1,), data=b'12345678'):
    """Pickle of an array whose dtype claims to be something else, or whose bytes do not fill its shape."""
    function, start, _ = np.zeros(1).__reduce__()

    class Dtype:
        def __reduce__(self):
            return (np.dtype, (dtype, False, True), *([dtype_state] if dtype_state else []))

    class Array:
        def __reduce__(self):
            return function, start, (1, shape, Dtype(), False, data)

    return pickle.dumps(Array(), 2)


@pytest.mark.parametrize('data', [
    crafted(),  # bytes as pointers
    crafted((3, '|', None, None, None, -1, -1, 0)),  # the same, with the flag taken off that tells of pointers
    crafted((3, '|', None, ('a',), {'a': (np.dtype('O'), 0)}, 8, 1, 0), dtype='V8'),
    crafted(dtype='f8', shape=(2,)), crafted(dtype='f8', shape=(-1, -1)), crafted(dtype='O', shape=(9,), data=[1]),
    pickle.dumps(Call(np.ndarray, (1,), np.dtype('O'), b'12345678')),
    pickle.dumps(Call(np.float64(0).__reduce__()[0], np.dtype('O'), b'12345678')),
    pickle.dumps(np.zeros(2, [('a', 'f4')])), b'', b'not a pickle', pickle.dumps(np.eye(3))[:-20]])
def test_damaged_and_crafted_files_are_refused(data, save):
    with pytest.raises(ValueError, match=r'data\.pkl is no readable pickle'):
        load_plain_pickle(save(data))


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match='none.pkl'):
        load_plain_pickle(tmp_path / 'none.pkl')


def test_npz_with_and_without_objects(tmp_path):
    path = tmp_path / 'a.npz'
    np.savez(path, text=np.array(['a', 'b']), objects=np.array([['a', None]], dtype=object), numbers=np.eye(2))
    arrays = load_plain_npz(path, ('objects', 'numbers', 'text'))
    assert arrays['objects'].tolist() == [['a', None]] and arrays['text'].tolist() == ['a', 'b']
    np.testing.assert_array_equal(arrays['numbers'], np.eye(2))
    with pytest.raises(ValueError, match=r"a\.npz holds the arrays .* and lacks \['S'\]"):
        load_plain_npz(path, ('S', 'text'))


def test_npz_with_a_command(tmp_path):
    flag = tmp_path / 'ran'
    np.savez(tmp_path / 'a.npz', names=np.array([Call(os.system, f'touch {flag}')], dtype=object))
    with pytest.raises(ValueError, match=r'a\.npz: names asks for \w+\.system'):
        load_plain_npz(tmp_path / 'a.npz', ('names',))
    assert not flag.exists()


def test_damaged_npz(tmp_path):
    (tmp_path / 'a.npz').write_bytes(b'no archive')
    with pytest.raises(ValueError, match=r'a\.npz is no readable \.npz'):
        load_plain_npz(tmp_path / 'a.npz', ('names',))
