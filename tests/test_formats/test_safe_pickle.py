"""Plain data of every protocol are read; everything else is refused, without running it or using up time or memory."""
import collections
import os
import pickle
import resource
import struct
from pathlib import Path

import numpy as np
import pytest

from mmpose_integral.formats.safe_pickle import load_plain_pickle, loads_plain
from mmpose_integral.utils.files import read_arrays

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
VALUES = [
    {('S1', '54138969'): dict(R=np.eye(3), T=np.zeros((3, 1)), w=1000, name='camera1')},
    [dict(kpts=np.arange(54.).reshape(18, 3), vis=np.ones((18, 3), np.float32)), (1, [np.array([True])]), None],
    np.asfortranarray(np.arange(6).reshape(2, 3)), np.arange(3, dtype='>i2'), np.array(['a', 'bcd']), np.array([b'x']),
    np.zeros((0, 3)), np.array(2.5), np.float64(3), np.int64(-1), np.bool_(True), np.str_('text'), np.array([1 + 2j]),
    np.array(['a', None, np.arange(2)], dtype=object), np.dtype('float32'), b'ab\xff', bytearray(b'x'), {1, 2},
    frozenset([1]), 1 - 2j, collections.OrderedDict(a=np.ones(1)), 'übung', 2**70]


class Call:
    """Calls a function when it is unpickled."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


@pytest.mark.parametrize('protocol', PROTOCOLS)
@pytest.mark.parametrize('value', VALUES, ids=repr)
def test_plain_data_is_read_back(value, protocol):
    loaded = loads_plain(pickle.dumps(value, protocol), 'data.pkl')
    assert type(loaded) is type(value) and repr(loaded) == repr(value)
    if isinstance(value, np.ndarray):
        assert loaded.dtype == value.dtype and loaded.flags.writeable
        assert loaded.flags.f_contiguous == value.flags.f_contiguous


@pytest.mark.parametrize('protocol', PROTOCOLS)
def test_shared_objects_and_objects_in_the_order_of_fortran(protocol):
    shared = [np.ones(2)]
    loaded = loads_plain(pickle.dumps([shared, shared, shared[0]], protocol), 'data.pkl')
    assert [part.tolist() for part in (loaded[0][0], loaded[1][0], loaded[2])] == [[1, 1]] * 3
    value = np.asfortranarray(np.array([[1, 'a', None], [2.5, b'b', [3]]], dtype=object))
    assert loads_plain(pickle.dumps(value, protocol), 'data.pkl').tolist() == value.tolist()


@pytest.mark.parametrize('core', [b'numpy.core', b'numpy._core'], ids=['numpy 1', 'numpy 2'])
def test_python_2_pickle(core, tmp_path):
    # What cPickle of Python 2 wrote for {'f': array([1., -2.])} in protocol 2: text and array bytes as 8-bit strings.
    (tmp_path / 'data.pkl').write_bytes(
        b'\x80\x02}q\x01U\x01fq\x02c' + core + b'.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85'
        b'U\x01b\x87Rq\x05(K\x01K\x02\x85cnumpy\ndtype\nq\x06U\x02f8K\x00K\x01\x87Rq\x07(K\x03U\x01<NNNJ\xff\xff\xff\xff'
        b'J\xff\xff\xff\xffK\x00tb\x89U\x10' + struct.pack('<2d', 1, -2) + b'tbs.')
    loaded = load_plain_pickle(tmp_path / 'data.pkl')
    assert list(loaded) == ['f'] and loaded['f'].tolist() == [1, -2]


def test_a_command_is_refused_and_does_not_run(tmp_path):
    flag = tmp_path / 'ran'
    data = pickle.dumps(dict(camera=np.eye(3), extra=Call(os.system, f'touch {flag}')))
    with pytest.raises(ValueError, match=r'data\.pkl asks for \w+\.system, .*Do not trust'):
        loads_plain(data, 'data.pkl')
    np.savez(tmp_path / 'a.npz', names=np.array([Call(os.system, f'touch {flag}')], dtype=object))
    with pytest.raises(ValueError, match=r'a\.npz: .*names asks for \w+\.system'):
        read_plain_npz(tmp_path / 'a.npz', ('names',))
    assert not flag.exists()
    pickle.loads(data)  # without the protection, the command runs
    assert flag.exists()


@pytest.mark.parametrize('function, args', [
    (eval, ('1',)), (getattr, ({}, 'keys')), (np.load, ('x',)), (np.fromfile, ('x',)), (np.memmap, ('x',)),
    (collections.defaultdict, (list,)), (type, ('a', (), {}))])
def test_other_functions_are_refused(function, args):
    with pytest.raises(ValueError, match=f'asks for .*{function.__name__}'):
        loads_plain(pickle.dumps(Call(function, *args)), 'data.pkl')


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
    crafted((3, '|', None, None, None, -1, -1, 0)),  # the same, without the flag that marks pointers
    crafted((3, '|', None, ('a',), {'a': (np.dtype('O'), 0)}, 8, 1, 0), dtype='V8'),
    crafted(dtype='f8', shape=(2,)), crafted(dtype='f8', shape=(-1, -1)), crafted(dtype='O', shape=(9,), data=[1]),
    pickle.dumps(Call(np.ndarray, (1,), np.dtype('O'), b'12345678')),
    pickle.dumps(Call(np.float64(0).__reduce__()[0], np.dtype('O'), b'12345678')),
    pickle.dumps(np.zeros(2, [('a', 'f4')])), pickle.dumps({1j: 0}), pickle.dumps({2**60: 0}), b'', b'not a pickle',
    pickle.dumps(np.eye(3))[:-20]])
def test_damaged_and_crafted_files_are_refused(data):
    with pytest.raises(ValueError, match=r'data\.pkl is no readable pickle'):
        loads_plain(data, 'data.pkl')


def read_plain_npz(path, names):
    return read_arrays(path, 'annotations', names, 'get them again', loads_plain)


def test_npz_with_and_without_objects(tmp_path):
    path = tmp_path / 'a.npz'
    np.savez(path, text=np.array(['a', 'b']), objects=np.array([['a', None]], dtype=object), numbers=np.eye(2),
             other=np.array([object], dtype=object))
    arrays = read_plain_npz(path, ('objects', 'numbers', 'text'))
    assert arrays['objects'].tolist() == [['a', None]] and arrays['text'].tolist() == ['a', 'b']
    np.testing.assert_array_equal(arrays['numbers'], np.eye(2))
    with pytest.raises(ValueError, match=r"a\.npz has no S, only numbers, objects, other, text; get them again"):
        read_plain_npz(path, ('S', 'text'))
    with pytest.raises(ValueError, match=r"a\.npz: not readable .*allow_pickle=False"):
        read_arrays(path, 'index', ('text',), 'make it')


HUGE = struct.pack('<Q', 2**40)


def array(shape, dtype, data):
    """Pickle of an array; the arguments are pickles themselves, without their last byte, which stops."""
    return (b'cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nI0\nS"b"\ntR(I1\n' + shape
            + b'cnumpy\ndtype\n(' + dtype + b'I0\nI1\ntRI00\n' + data + b'tb')


def text(value):
    return b'X' + struct.pack('<I', len(value)) + value


DEEP, PAIRS = b'N' + b'\x85' * 10**5, b'N' + b'2\x86' * 60  # a tuple in a tuple; one that holds the one before twice
HOSTILE = dict(
    put_far=b'Nr\xff\xff\xff\xff.', put_text_far=b'Np999999999999\n.', long_frame=b'\x80\x04\x95' + HUGE + b'N.',
    long_bytes=b'\x8e' + HUGE + b'.', long_bytearray=b'\x96' + HUGE + b'.', long_text=b'\x8d' + HUGE + b'.',
    bytes_of_number=b'c__builtin__\nbytes\n(L99999999999L\ntR.',
    bytearray_of_number=b'c__builtin__\nbytearray\n(L99999999999L\ntR.',
    deep_tuple=DEEP + b'.', deep_list=b']' * 10**5 + b'a' * (10**5 - 1) + b'.',
    deep_key=b'}' + DEEP + b'Ns.', deep_in_a_set=b'\x8f(' + DEEP + b'\x90.',
    deep_arrays=b'N' + (b'q\x000' + array(b'(I1\nt', text(b'O'), b'](h\x00e')) * 10**4 + b'.',
    pairs=PAIRS + b'.', pairs_as_state=b'cnumpy.core.multiarray\n_reconstruct\n)R' + PAIRS + b'b.',
    pairs_as_arguments=b'cnumpy\ndtype\n' + PAIRS + b'R.',
    pairs_as_key=b'}' + PAIRS + b'Ns.', pairs_in_a_set=b'(' + PAIRS + b'\x91.',
    list_in_itself=b']q\x00h\x00ah\x00a.', item_of_a_list=b']I0\n' + PAIRS + b's.',
    item_of_an_array=array(b'(I1\nt', text(b'S1'), text(b'1')) + b'I0\n' + PAIRS + b's.',
    long_list_in_lists=b'](' + b'N' * 10**5 + b'eq\x00](' + b'h\x00' * 10**5 + b'e.',
    sets_of_a_list=b'](' + b'I1\n' * 10**5 + b'e\x85q\x010c__builtin__\nset\nq\x02](' + b'h\x02h\x01R' * 10**5 + b'e.',
    arrays_of_one_text=text(b'1' * 10**5) + b'q\x000](' + array(b'(I100000\nt', text(b'S1'), b'h\x00') * 10**4 + b'e.',
    long_key_again_and_again=b'}(' + b'N' * 10**5 + b'tq\x000' + b'h\x00Ns' * 10**5 + b'.',
    keys_of_one_hash=b'}(' + b''.join(b'L%dL\nN' % (i * (2**61 - 1)) for i in range(10**5)) + b'u.',
    tuples_of_one_hash=b'}(' + b''.join(b'L%dL\n\x85N' % (i * (2**61 - 1)) for i in range(10**5)) + b'u.',
    huge_array=array(b'(L99999999999L\nt', text(b'f8'), text(b'')) + b'.',
    huge_empty_array=array(b'(L99999999999L\nI0\nt', text(b'f8'), text(b'')) + b'.',
    huge_array_of_nothing=array(b'(L99999999999L\nt', text(b'S0'), text(b'')) + b'.',
    huge_array_of_objects=array(b'(L99999999999L\nt', text(b'O'), b']') + b'.',
    array_of_pointers=array(b'(I1\nt', text(b'O'), text(b'12345678')) + b'.',
    reconstruct_with_wrong_arguments=b'cnumpy.core.multiarray\n_reconstruct\n(I7\ntR.',
    reconstruct_without_state=b'cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nI0\nS"b"\ntR.',
    state_of_a_function=b'cnumpy\ndtype\nN}S"__defaults__"\nNs\x86b.', state_of_a_list=b']}S"append"\nNsb.',
    other_encoding=b'c_codecs\nencode\n(S"a"\nS"rot13"\ntR.', function_itself=b'c__builtin__\nset\n.',
    type_called=b'cnumpy\nndarray\n(I1\ntR.', new_object=b'c__builtin__\nset\n)\x81.',
    instance=b'(i__builtin__\nset\n.')


@pytest.mark.parametrize('data', HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_take_bounded_time_and_memory(data):
    """Each announces something huge, or refers to one thing very often; it is refused, or its only value is None."""
    process = os.fork()
    if not process:
        code = 2
        try:
            used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
            resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
            code = 0 if loads_plain(data, 'data.pkl') is None else 2
        except ValueError:
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
