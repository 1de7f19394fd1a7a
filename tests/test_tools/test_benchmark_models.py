"""The benchmarks of training and inference: what the contestants are, the stages' arithmetic, one small run each."""
import importlib
import json
from pathlib import Path

import numpy as np
import pytest
from mmengine.logging import MMLogger
from small_training import REPO, prepare, write_config

QUICKSTART = REPO / 'configs' / 'quickstart' / 'integral_r18_standin.py'


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(REPO / 'tools' / 'benchmark')
    # The logs of their trainings go away with their folders: the next test must not go on writing there.
    monkeypatch.setattr(MMLogger, '_instance_dict', MMLogger._instance_dict.copy())


def load(name):
    return importlib.import_module(name)


def run(tmp_path, *args):
    """Rows of a scenario, run small by the common entry."""
    assert load('run').main([*map(str, args), '--quick', '--rounds', '1', '--out', str(tmp_path)]) == 0
    assert (tmp_path / f'{args[0]}.md').is_file() and (tmp_path / f'{args[0]}.png').is_file()
    return json.loads((tmp_path / f'{args[0]}.json').read_text())['rows']


def test_contestants_start_plain_and_gain_a_part_each():
    configs = load('training_step').contestants(QUICKSTART, each_part=True, compiled=True)
    plain, own, low, last, fused, eager, fast = configs.values()
    assert plain.model.head.backend == 'reference' and 'backend' not in own.model.head
    assert plain.optim_wrapper == own.optim_wrapper == dict(
        type='OptimWrapper', optimizer=dict(type='Adam', lr=4e-3))
    assert not plain.default_hooks and plain.model.data_preprocessor.type == 'PoseDataPreprocessor'
    assert low.optim_wrapper.type == 'BFloat16OptimWrapper' and 'fused' not in low.optim_wrapper.optimizer
    assert set(last.default_hooks) == {'channels_last'} and 'fused' not in last.optim_wrapper.optimizer
    assert fused.optim_wrapper.optimizer == dict(type='Adam', lr=4e-3, fused=True)
    assert set(fast.default_hooks) - set(eager.default_hooks) == {'compile'}
    names = list(load('training_step').contestants(QUICKSTART, each_part=False, compiled=False))
    assert names == ['plain', 'fast']


def test_training_step(tmp_path, one_thread):
    rows = run(tmp_path, 'training_step')
    plain, fast = rows
    assert (plain['contestant'], fast['contestant']) == ('plain', 'fast')
    assert plain['wall_ratio'][1] == 1 and 0 <= fast['difference'] < 0.02
    assert fast['met'] is None and '--device cuda' in fast['remark'] and fast['memory_mib'] is None
    assert fast['cpu_ms'][1] * 1e3 == pytest.approx(fast['cpu_us'][1])


def test_contestants_must_give_the_same_loss():
    training_step, measure = load('training_step'), load('measure')
    assert training_step.same_loss(10.0, 10.1) == pytest.approx(0.01)
    for wrong in (10.3, float('nan')):
        with pytest.raises(measure.ResultsDiffer, match='10 expected'):
            training_step.same_loss(10.0, wrong)


def test_a_stage_does_not_count_what_encloses_it():
    now = [0.0]

    def takes(seconds, inner=None):
        def call():
            now[0] += seconds
            return inner and inner()
        return call
    clock = load('stages').StageClock(lambda: now[0], lambda: None)
    decode = clock.wrap('post-processing', takes(0.25))
    network = clock.wrap('network', takes(4.0, decode))
    takes(0.5)()
    network()
    clock.wrap('crop', takes(2.0))()
    takes(0.125)()
    clock.switch()
    assert clock.seconds == {'post-processing': 0.875, 'network': 4.0, 'crop': 2.0}


def test_inference(standin, tmp_path, monkeypatch, one_thread):
    monkeypatch.setattr(load('inference'), 'onnx_network', lambda *args: None)  # a minute; tested with the export
    rows = run(tmp_path, 'inference', '--inference-images', standin / 'coco' / 'val2017')
    network = [row for row in rows if 'crops + flip' in row['case']]
    assert [row['contestant'] for row in network][:3] == ['two passes, eager', 'one doubled batch', 'channels last']
    assert max(row['difference'] for row in network[1:3]) < 0.01
    bfloat16 = '+ bfloat16' in [row['contestant'] for row in network]
    assert [row.get('unit') for row in rows].count('image') == 3 + bfloat16
    shares = {}
    for row in rows:
        if row['case'].startswith('stages'):
            shares.setdefault(row['case'], {})[row['contestant']] = row['share']
    assert len(shares) == 2 + bfloat16
    for stages in shares.values():
        assert set(stages) == set(load('stages').STAGES) and min(stages.values()) > 0
        assert sum(stages.values()) == pytest.approx(100)


def test_loss_curves_are_compared_with_the_noise_of_the_seeds():
    loss_curves = load('loss_curves')
    losses = dict(plain=np.array([[9., 1, 3], [9, 3, 5]]), fast=np.array([[9., 2, 4], [9, 4, 8]]))
    result = loss_curves.compare(losses, final=2)
    assert result['plain'] == dict(mean=3.0, std=pytest.approx(np.sqrt(2)))
    assert result['fast'] == dict(mean=4.5, std=pytest.approx(np.sqrt(4.5)))
    assert result['difference'] == 1.5 and result['of_same_seed'] == [1, 2]
    assert result['difference_in_std'] == pytest.approx(1.5 / np.sqrt(3.25))
    np.testing.assert_allclose(loss_curves.moving_mean(losses['fast'], 2), [[5.5, 3], [6.5, 6]])
    with pytest.raises(SystemExit):
        loss_curves.parse_args(['--seeds', '1'])


def test_loss_curves(standin, tmp_path, one_thread):
    prepare(standin, tmp_path)
    config = write_config(standin, tmp_path, tmp_path / 'small.py')
    record = load('loss_curves').main(['--config', str(config), '--iterations', '3', '--seeds', '3', '5', '--smooth',
                                       '2', '--final', '2', '--workers', '0', '--out', str(tmp_path / 'curves.png')])
    losses = {kind: np.array(curves) for kind, curves in record['losses'].items()}
    assert losses['plain'].shape == losses['fast'].shape == (2, 3)
    np.testing.assert_allclose(losses['fast'], losses['plain'], rtol=0.03)
    assert not np.allclose(losses['plain'][0], losses['plain'][1], rtol=1e-3)
    assert (tmp_path / 'curves.png').stat().st_size > 5000 and (tmp_path / 'curves.json').is_file()


def test_profile(tmp_path, one_thread, capsys):
    profile_step = load('profile_step')
    result = profile_step.main(['--device', 'cpu', '--steps', '1', '--training-step-batch', '2', '--out',
                                str(tmp_path)])
    assert set(result) == {'plain', 'fast'}
    assert all(kinds['convolutions'] > kinds['optimizer'] > 0 for kinds in result.values())
    assert 'aten::convolution_backward' in capsys.readouterr().out
    traces = sorted(Path(tmp_path).glob('*.json'))
    assert len(traces) == 2 and all(json.loads(trace.read_text())['traceEvents'] for trace in traces)


@pytest.mark.parametrize(('name', 'kind'), [
    ('aten::mkldnn_convolution', 'convolutions'), ('aten::_fused_adam_', 'optimizer'),
    ('sm90_xmma_dgrad_implicit_gemm_bf16', 'convolutions'), ('aten::native_batch_norm_backward', 'batch norm'),
    ('_gradient_kernel', 'integral (kernels; on a CPU exp, sums, products)'), ('aten::expand', 'other')])
def test_kinds_of_work(name, kind):
    assert load('profile_step').kind_of(name) == kind
