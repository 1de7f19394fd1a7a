"""Checkpoints of mmengine load with torch's safe unpickler and training continues; crafted ones are refused."""
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from line_training import Points, make_runner
from mmengine.logging import HistoryBuffer

from mmpose_integral.engine.safe_load import HISTORY_METHODS, allow_mmengine_checkpoints, restricted_getattr

HISTORY = 'mmengine.logging.history_buffer'


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


def save_getattr(file, module, owner, name):
    """Save a checkpoint whose pickle, of protocol 2, is the call ``getattr(owner, name)``."""
    code = (f'\x80\x02c__builtin__\ngetattr\nc{module}\n{owner}\nX'.encode('latin1') + len(name).to_bytes(4, 'little')
            + name.encode() + b'\x86R.')
    torch.save(dict(weight=torch.zeros(1)), file)
    with zipfile.ZipFile(file) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, 'w') as archive:
        for entry, old in content.items():
            archive.writestr(entry, code if entry.endswith('data.pkl') else old)


def test_getattr_serves_history_methods(tmp_path):
    save_getattr(tmp_path / 'x.pth', HISTORY, 'HistoryBuffer', 'mean')
    assert torch.load(tmp_path / 'x.pth') is HistoryBuffer.mean
    assert restricted_getattr(HistoryBuffer, 'max') is HistoryBuffer.max


@pytest.mark.parametrize('module, owner, name', [
    *((HISTORY, 'HistoryBuffer', name) for name in ('__init__', '__subclasses__', 'register_statistics')),
    ('collections', 'OrderedDict', 'fromkeys'), ('numpy', 'ndarray', 'tofile'), ('torch', 'Tensor', '__class__')])
def test_getattr_on_anything_else_is_refused(module, owner, name, tmp_path):
    save_getattr(tmp_path / 'x.pth', module, owner, name)
    with pytest.raises((pickle.UnpicklingError, ValueError), match=f"attribute '{name}'"):
        torch.load(tmp_path / 'x.pth')
    with pytest.raises(ValueError, match="'max' of .*history_buffer.HistoryBuffer object"):
        restricted_getattr(HistoryBuffer(), 'max')  # not the class itself


@pytest.mark.parametrize('value', [np.array([{}, None], dtype=object), Path('x'), HistoryBuffer.register_statistics])
def test_other_objects_stay_refused(value, tmp_path):
    torch.save(dict(value=value), tmp_path / 'x.pth')
    with pytest.raises((pickle.UnpicklingError, ValueError)):
        torch.load(tmp_path / 'x.pth')


def test_registering_twice_changes_nothing():
    before = set(torch.serialization.get_safe_globals())
    allow_mmengine_checkpoints()
    assert set(torch.serialization.get_safe_globals()) == before
