"""Real checkpoints of mmengine load with torch's safe unpickler and training goes on; crafted ones are refused."""
import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

import mmpose_integral  # noqa: F401  its import is what makes the loading work
from mmpose_integral.engine.safe_load import HISTORY_METHODS, allow_mmengine_checkpoints, restricted_getattr


class Line(BaseModel):
    """y = a x + b, fitted to y = 3 x."""

    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(1, 1)

    def forward(self, x, mode, **sample):
        predicted = self.line(x)
        return dict(loss=(predicted - 3 * x).square().mean()) if mode == 'loss' else list(predicted)


class Points(BaseDataset):
    # The kinds of value that METAINFO of a pose dataset holds.
    METAINFO = dict(dataset_name='points', sigmas=np.linspace(0, 1, 3), colors=np.full((2, 3), 7, np.uint8),
                    names=np.array(['left', 'right']), empty=np.zeros(0),
                    swap={'left': 'right'}, pairs=[(0, 1)], scale=np.float32(0.5))

    def load_data_list(self):
        return [dict(x=torch.tensor([float(i)])) for i in range(4)]


class Score(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.extend(sample.item() for sample in data_samples)

    def compute_metrics(self, results):
        return dict(mean=np.float64(np.mean(results)), largest=np.float32(max(results)))


def make_runner(work_dir, epochs, resume=False):
    def loader():
        return dict(batch_size=2, dataset=Points(), sampler=dict(type='DefaultSampler', shuffle=False), num_workers=0,
                    collate_fn=dict(type='default_collate'))

    return Runner(
        model=Line(), work_dir=str(work_dir), resume=resume, experiment_name=f'{work_dir.name}_{epochs}',
        train_dataloader=loader(), val_dataloader=loader(), val_cfg=dict(),
        train_cfg=dict(by_epoch=True, max_epochs=epochs), val_evaluator=Evaluator(Score(prefix='points')),
        optim_wrapper=dict(type='AmpOptimWrapper' if torch.cuda.is_available() else 'OptimWrapper',
                           optimizer=dict(type='Adam', lr=0.1)),
        param_scheduler=dict(type='ReduceOnPlateauLR', monitor='points/mean', rule='less', patience=3),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1, save_best='points/mean', rule='less')),
        custom_hooks=[dict(type='EMAHook')], randomness=dict(seed=0), log_level='ERROR')


@pytest.fixture
def own_default_scope(monkeypatch):
    """A Runner sets the default scope of the whole process; tests that build by name come after this one."""
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())


def test_training_resumes_from_a_real_checkpoint(tmp_path, own_default_scope):
    make_runner(tmp_path, epochs=2).train()
    # Otherwise the test would hold without the code under test.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch._weights_only_unpickler, '_marked_safe_globals_set', set())
        with pytest.raises(pickle.UnpicklingError, match='Unsupported global'):
            torch.load(tmp_path / 'epoch_2.pth')

    checkpoint = torch.load(tmp_path / 'epoch_2.pth')
    assert checkpoint['meta']['epoch'] == 2
    np.testing.assert_array_equal(checkpoint['meta']['dataset_meta']['colors'], Points.METAINFO['colors'])
    assert checkpoint['meta']['dataset_meta']['names'].tolist() == ['left', 'right']

    runner = make_runner(tmp_path, epochs=4, resume=True)
    runner.train()
    assert runner.epoch == 4
    history = runner.message_hub.get_scalar('train/loss')
    assert isinstance(history, HistoryBuffer)
    assert len(history.data[0]) == 8  # 4 epochs of 2 steps: the first half came from the file
    assert history.statistics('mean', 8) == pytest.approx(history.data[0].mean())


def test_history_buffers_keep_values_and_statistics(tmp_path):
    buffer = HistoryBuffer([1.0, 4.0, 2.0], [1, 1, 2])
    torch.save(dict(history=buffer), tmp_path / 'history.pth')
    loaded = torch.load(tmp_path / 'history.pth')['history']
    np.testing.assert_array_equal(loaded.data[0], buffer.data[0])
    assert [loaded.statistics(name) for name in HISTORY_METHODS] == [1.0, 4.0, 2.0, 7.0 / 4]


@pytest.mark.parametrize('value', [
    np.arange(5), np.zeros((2, 3), np.float16), np.array([True]), np.array(['a', 'bcd']), np.array([1 + 2j]),
    np.array([b'x']), np.float64(1.5), np.int64(3), np.bool_(True), np.str_('text'), np.asfortranarray(np.eye(3)),
    np.uint8(255), np.longdouble(2)])
def test_numpy_values_of_plain_types_load(value, tmp_path):
    torch.save(dict(value=value), tmp_path / 'value.pth')
    loaded = torch.load(tmp_path / 'value.pth')['value']
    np.testing.assert_array_equal(loaded, value)
    assert loaded.dtype == value.dtype


def save_pickle(file, data):
    """A torch zip checkpoint around a pickle of one's own making."""
    torch.save(dict(weight=torch.zeros(1)), file)
    with zipfile.ZipFile(file) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, 'w') as archive:
        for name, old in content.items():
            archive.writestr(name, data if name.endswith('data.pkl') else old)


class Shell:
    """Runs a command when an unrestricted pickle loads it."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_a_command_in_a_checkpoint_is_refused_and_does_not_run(tmp_path):
    flag, file = tmp_path / 'ran', tmp_path / 'bad.pth'
    torch.save(dict(state_dict={}, extra=Shell(f'touch {flag}')), file)
    with pytest.raises(pickle.UnpicklingError, match='system'):
        torch.load(file)
    assert not flag.exists()
    torch.load(file, weights_only=False)  # the file is as bad as it is meant to be
    assert flag.exists()


def getattr_pickle(owner_module, owner, name):
    """Protocol 2 code of ``getattr(owner, name)``."""
    stream = io.BytesIO()
    stream.write(b'\x80\x02c__builtin__\ngetattr\n')
    stream.write(f'c{owner_module}\n{owner}\n'.encode())
    stream.write(b'X' + len(name).to_bytes(4, 'little') + name.encode() + b'\x86R.')
    return stream.getvalue()


def test_getattr_serves_history_methods(tmp_path):
    save_pickle(tmp_path / 'x.pth', getattr_pickle('mmengine.logging.history_buffer', 'HistoryBuffer', 'mean'))
    assert torch.load(tmp_path / 'x.pth') is HistoryBuffer.mean


@pytest.mark.parametrize('module, owner, name', [
    ('mmengine.logging.history_buffer', 'HistoryBuffer', '__init__'),
    ('mmengine.logging.history_buffer', 'HistoryBuffer', '__subclasses__'),
    ('mmengine.logging.history_buffer', 'HistoryBuffer', 'register_statistics'),
    ('collections', 'OrderedDict', 'fromkeys'),
    ('numpy', 'ndarray', 'tofile'),
    ('torch', 'Tensor', '__class__')])
def test_getattr_on_anything_else_is_refused(module, owner, name, tmp_path):
    file = tmp_path / 'x.pth'
    save_pickle(file, getattr_pickle(module, owner, name))
    with pytest.raises((pickle.UnpicklingError, ValueError), match=f"attribute '{name}'"):
        torch.load(file)


def test_restricted_getattr():
    assert restricted_getattr(HistoryBuffer, 'max') is HistoryBuffer.max
    with pytest.raises(ValueError, match="'max' of .*history_buffer.HistoryBuffer object"):
        restricted_getattr(HistoryBuffer(), 'max')
    with pytest.raises(ValueError, match="'system' of <module 'os'"):
        restricted_getattr(os, 'system')


@pytest.mark.parametrize('value', [np.array([{}, None], dtype=object), Path('x'), HistoryBuffer.register_statistics])
def test_other_objects_stay_refused(value, tmp_path):
    torch.save(dict(value=value), tmp_path / 'x.pth')
    with pytest.raises((pickle.UnpicklingError, ValueError)):
        torch.load(tmp_path / 'x.pth')


def test_registering_twice_changes_nothing():
    before = set(torch.serialization.get_safe_globals())
    allow_mmengine_checkpoints()
    assert set(torch.serialization.get_safe_globals()) == before
