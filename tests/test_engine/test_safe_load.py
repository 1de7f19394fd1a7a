"""Checkpoints of mmengine load with torch's safe unpickler and training continues; crafted ones are refused."""
import io
import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from line_training import Points, make_runner
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader, load_from_http

from mmpose_integral.engine.safe_load import HISTORY_METHODS, allow_mmengine_checkpoints
from mmpose_integral.formats.checkpoints import CheckpointError


def test_training_resumes_from_a_real_checkpoint(tmp_path):
    def train(epochs, resume=False):
        runner = make_runner(
            tmp_path, [3, 2, 4, 1], epochs, resume=resume, custom_hooks=[dict(type='EMAHook')],
            optim_wrapper=dict(type='AmpOptimWrapper' if torch.cuda.is_available() else 'OptimWrapper',
                               optimizer=dict(type='Adam', lr=0.1)),
            param_scheduler=dict(type='ReduceOnPlateauLR', monitor='h80k/MPJPE', rule='less', patience=3),
            default_hooks=dict(checkpoint=dict(type='CheckpointHook', save_best='h80k/MPJPE', rule='less',
                                               interval=1)))
        runner.train()
        return runner

    train(epochs=2)
    # Without the code under test, the file is refused.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch._weights_only_unpickler, '_marked_safe_globals_set', set())
        with pytest.raises(pickle.UnpicklingError, match='Unsupported global'):
            torch.load(tmp_path / 'epoch_2.pth')

    meta = torch.load(tmp_path / 'epoch_2.pth')['meta']
    assert meta['epoch'] == 2 and meta['dataset_meta']['names'].tolist() == ['left', 'right']
    np.testing.assert_array_equal(meta['dataset_meta']['colors'], Points.METAINFO['colors'])

    runner = train(epochs=4, resume=True)
    assert runner.epoch == 4
    history = runner.message_hub.get_scalar('train/loss')
    assert isinstance(history, HistoryBuffer)
    assert len(history.data[0]) == 8  # 4 epochs of 2 steps: the first half is from the file
    assert history.statistics('mean', 8) == pytest.approx(history.data[0].mean())


def test_history_buffers_keep_values_and_statistics(tmp_path):
    buffer = HistoryBuffer([1.0, 4.0, 2.0], [1, 1, 2])
    torch.save(dict(history=buffer), tmp_path / 'history.pth')
    loaded = torch.load(tmp_path / 'history.pth')['history']
    np.testing.assert_array_equal(loaded.data[0], buffer.data[0])
    assert [loaded.statistics(name) for name in HISTORY_METHODS] == [1.0, 4.0, 2.0, 7.0 / 4]


def test_numpy_values_of_plain_types_load(tmp_path):
    values = [np.arange(5), np.zeros((2, 3), np.float16), np.array([True]), np.array(['a', 'bcd']), np.array([1 + 2j]),
              np.array([b'x']), np.float64(1.5), np.int64(3), np.bool_(True), np.str_('text'), np.uint8(255),
              np.asfortranarray(np.eye(3)), np.longdouble(2)]
    torch.save(values, tmp_path / 'values.pth')
    for value, loaded in zip(values, torch.load(tmp_path / 'values.pth'), strict=True):
        np.testing.assert_array_equal(loaded, value)
        assert loaded.dtype == value.dtype


class Shell(str):
    """Command that runs when an unrestricted unpickler loads it."""

    def __reduce__(self):
        return os.system, (str(self),)


def test_a_command_in_a_checkpoint_is_refused_and_does_not_run(tmp_path):
    flag, file = tmp_path / 'ran', tmp_path / 'bad.pth'
    torch.save(dict(state_dict={}, extra=Shell(f'touch {flag}')), file)
    with pytest.raises(pickle.UnpicklingError, match='system'):
        torch.load(file)
    assert not flag.exists()
    torch.load(file, weights_only=False)  # the command in the file works
    assert flag.exists()


class Call:
    """Value that a file makes by calling a function and, if there is a state, by setting it."""

    def __init__(self, function, *args, state=None):
        self.reduced = (function, args) if state is None else (function, args, state)

    def __reduce__(self):
        return self.reduced


def test_getattr_serves_history_methods(tmp_path):
    torch.save(dict(value=Call(getattr, HistoryBuffer, 'mean')), tmp_path / 'x.pth')
    assert torch.load(tmp_path / 'x.pth')['value'] is HistoryBuffer.mean


@pytest.mark.parametrize('owner, name', [
    *((HistoryBuffer, name) for name in ('__init__', '__subclasses__', 'register_statistics')),
    (OrderedDict, 'fromkeys'), (np.ndarray, 'tofile'), (torch.Tensor, '__class__')])
def test_getattr_on_anything_else_is_refused(owner, name, tmp_path):
    torch.save(dict(value=Call(getattr, owner, name)), tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match=f"attribute '{name}'"):
        torch.load(tmp_path / 'x.pth')


def array_of(shape, dtype, data):
    reconstruct = np.zeros(0).__reduce__()[0]
    return Call(reconstruct, np.ndarray, (0, ), b'b', state=(1, shape, dtype, False, data))


FIELDS = Call(np.dtype, 'f8', False, True, state=(3, '|', None, ('a', ), {'a': (np.dtype('f8'), 0)}, 8, 8, 63))
HOSTILE = {
    'memory of objects': Call(np.ndarray, (1, ), np.dtype('O'), b'AAAAAAAA'),
    'memory of numbers': Call(np.ndarray, (1, ), np.dtype('f8'), b'AAAAAAAA'),
    'bytes as objects': array_of((1, ), np.dtype('O'), b'AAAAAAAA'),
    'objects': np.array([{}, None], dtype=object),
    'object in a scalar': Call(np.float64(0).__reduce__()[0], np.dtype('O'), b'AAAAAAAA'),
    'fields': np.zeros(2, [('a', 'f8'), ('b', 'O')]),
    'numbers that become fields': array_of((1, ), FIELDS, b'AAAAAAAA'),
    'sub-array': np.dtype(('f8', (3, ))),
    'dates': np.zeros(2, 'M8[s]'),
    'too few bytes': array_of((1000, ), np.dtype('f8'), b'A' * 8),
    'too many bytes': array_of((1, ), np.dtype('f8'), b'A' * 16),
    'negative length': array_of((-1, -1), np.dtype('f8'), b'A' * 8),
    'too few bytes in a scalar': Call(np.float64(0).__reduce__()[0], np.dtype('f8'), b'A'),
    'length that is no number': array_of(('1', ), np.dtype('f8'), b'A' * 8),
    'data that are no bytes': array_of((1, ), np.dtype('f8'), bytearray(8)),
    'other array class': Call(np.zeros(0).__reduce__()[0], HistoryBuffer, (0, ), b'b'),
    'bytes by length': Call(bytes, 10**9),
    'history from a list': Call(HistoryBuffer, [1.0], [1]),
    'history without arrays': Call(HistoryBuffer, state=dict(_log_history=[1.0], _count_history=[1])),
    'path': Path('x'), 'function': HistoryBuffer.register_statistics}


@pytest.mark.parametrize('case', HOSTILE)
def test_values_that_could_harm_are_refused(case, tmp_path):
    # In a history, as in the file that made the process crash.
    torch.save(dict(state_dict={}, message_hub=dict(history=HOSTILE[case])), tmp_path / 'x.pth')
    with pytest.raises((pickle.UnpicklingError, ValueError, TypeError)):
        torch.load(tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match='x.pth') as raised:
        CheckpointLoader.load_checkpoint(str(tmp_path / 'x.pth'))
    assert 'weights_only' not in str(raised.value) and '\n' not in str(raised.value)


def test_an_array_is_filled_once_because_a_tensor_may_share_its_memory(tmp_path):
    torch.save(np.arange(2000.0), tmp_path / 'x.pth')
    array = torch.load(tmp_path / 'x.pth')
    tensor = torch.from_numpy(array)
    with pytest.raises(CheckpointError, match='twice'):
        array.__setstate__((1, (1, ), np.dtype('f8'), False, b'A' * 8))
    assert tensor.sum() == sum(range(2000))


def test_a_file_cannot_change_the_statistics_of_other_histories(tmp_path):
    state = dict(HistoryBuffer([1.0, 3.0], [1, 1]).__getstate__(), statistics_methods=dict(mean=HistoryBuffer.min, x=1))
    torch.save(Call(HistoryBuffer, state=state), tmp_path / 'x.pth')
    loaded = torch.load(tmp_path / 'x.pth')
    assert loaded.statistics('mean') == HistoryBuffer([1.0, 3.0], [1, 1]).statistics('mean') == 2
    assert sorted(HistoryBuffer._statistics_methods) == sorted(HISTORY_METHODS)


def test_loaded_arrays_are_computed_with_and_saved_as_others(tmp_path):
    arrays = [np.arange(5.0), np.eye(3, dtype=np.float32), np.array(2.5), np.arange(4, dtype='>i4')]
    torch.save(arrays, tmp_path / 'x.pth')
    for array, loaded in zip(arrays, torch.load(tmp_path / 'x.pth'), strict=True):
        assert type(loaded.sum()) is type(array.sum()) and loaded.flags.writeable
        copied = pickle.loads(pickle.dumps(loaded))
        assert type(copied) is np.ndarray
        np.testing.assert_array_equal(copied, array)
    # Files of numpy 1 and 2 differ in the name of one module.
    content = pickle.dumps(arrays[0], protocol=2)
    for name in (b'numpy.core', b'numpy._core'):
        file = io.BytesIO(content.replace(b'numpy._core', b'numpy.core').replace(b'numpy.core', name))
        np.testing.assert_array_equal(torch._weights_only_unpickler.load(file), arrays[0])


def test_a_url_is_read_in_the_safe_mode_and_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    flag, url = tmp_path / 'ran', (tmp_path / 'bad.pth').as_uri()
    torch.save(dict(state_dict=dict(a=torch.ones(2))), tmp_path / 'good.pth')
    torch.save(dict(state_dict={}, extra=Shell(f'touch {flag}')), tmp_path / 'bad.pth')
    with pytest.raises(CheckpointError, match=rf'hub/checkpoints/bad.pth asks for .*delete it, .* again from {url}'):
        load_from_http(url)
    assert not flag.exists()
    for _ in range(2):  # the second time, there is nothing at the URL any more
        assert load_from_http((tmp_path / 'good.pth').as_uri())['state_dict']['a'].tolist() == [1, 1]
        (tmp_path / 'good.pth').unlink(missing_ok=True)


def test_registering_twice_changes_nothing():
    before = set(torch.serialization.get_safe_globals())
    allow_mmengine_checkpoints()
    assert set(torch.serialization.get_safe_globals()) == before
