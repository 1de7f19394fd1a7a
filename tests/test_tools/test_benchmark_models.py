"""The benchmarks of training and inference: what the contestants are, the stages' arithmetic, one small run each."""
import importlib
import json
from types import SimpleNamespace

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


def test_training_step_and_its_profile(tmp_path, one_thread):
    rows = run(tmp_path, 'training_step', '--training-step-profile', tmp_path / 'traces')
    plain, fast = rows[:2]
    assert (plain['contestant'], fast['contestant']) == ('plain', 'fast')
    assert plain['wall_ratio'][1] == 1 and 0 <= fast['difference'] < 0.02 and fast['memory_mib'] is None
    for name in ('plain', 'fast'):
        shares = {row['contestant']: row['share'] for row in rows if row['case'] == f'profile, {name}'}
        assert sum(shares.values()) == pytest.approx(100) and shares['convolutions'] > shares['optimizer'] > 0
        assert json.loads((tmp_path / 'traces' / f'{name}.json').read_text())['traceEvents']


def test_contestants_must_give_the_same_loss():
    training_step, measure = load('training_step'), load('measure')
    assert training_step.same_loss(10.0, 10.1) == pytest.approx(0.01)
    for wrong in (10.3, float('nan')):
        with pytest.raises(measure.ResultsDiffer, match='10 expected'):
            training_step.same_loss(10.0, wrong)


def test_a_stage_does_not_count_what_encloses_it():
    now, parts = [0.0], SimpleNamespace()

    def takes(seconds, *inner):
        def call():
            now[0] += seconds
            for name in inner:
                getattr(parts, name)()
        return call
    parts.decode, parts.network, parts.crop = takes(0.25), takes(4.0, 'decode'), takes(2.0)
    stages = {'network': [(parts, 'network')], 'crop': [(parts, 'crop')], 'after': [(parts, 'decode')]}
    seconds = load('stages').seconds_by_stage(takes(0.625, 'network', 'crop'), stages, 'after', lambda: now[0])
    assert seconds == {'network': 4.0, 'crop': 2.0, 'after': 0.875}


def test_inference(standin, tmp_path, one_thread):
    rows = run(tmp_path, 'inference', '--inference-images', standin / 'coco' / 'val2017')
    network = [row for row in rows if 'crops + flip' in row['case']]
    assert [row['contestant'] for row in network][:3] == ['two passes, eager', 'one doubled batch', 'channels last']
    assert max(row['difference'] for row in network[1:3]) < 0.01
    shares = {}
    for row in rows:
        if row['case'].startswith('stages'):
            shares.setdefault(row['case'], {})[row['contestant']] = row['share']
    for stages in shares.values():
        assert set(stages) == {'read', 'detect', 'crop', 'network', 'post-processing', 'drawing'}
        assert min(stages.values()) > 0
        assert sum(stages.values()) == pytest.approx(100)


def test_loss_curves_are_compared_with_the_noise_of_the_seeds():
    losses = dict(plain=np.array([[9., 1, 3], [9, 3, 5]]), fast=np.array([[9., 2, 4], [9, 4, 8]]))
    plain, fast = load('loss_curves').rows_of('a', losses, final=2)
    assert (plain['mean'], plain['std']) == (3.0, pytest.approx(np.sqrt(2)))
    assert (fast['mean'], fast['std']) == (4.5, pytest.approx(np.sqrt(4.5)))
    assert fast['difference'] == 1.5 and fast['same_seed'] == '+1.000, +2.000'
    assert fast['in_std'] == pytest.approx(1.5 / np.sqrt(3.25))


def test_loss_curves(standin, tmp_path, one_thread):
    prepare(standin, tmp_path)
    config = write_config(standin, tmp_path, tmp_path / 'small.py')
    plain, fast = run(tmp_path / 'out', 'loss_curves', '--loss-curves-config', config, '--loss-curves-seeds', '3', '5')
    assert fast['mean'] == pytest.approx(plain['mean'], rel=0.03) and plain['std'] > 1e-3


def test_exported_models(tmp_path, one_thread):
    eager, exported = run(tmp_path, 'onnx_runtime')
    assert (eager['contestant'], exported['contestant']) == ('torch, eager', 'TorchScript')
    assert exported['difference'] < 1e-4


def test_both_visualizers_draw_the_person_over_the_image(tmp_path, monkeypatch):
    visualizer, pictures = load('visualizer'), {}

    def draw_once(case, contestants, *args, **kwargs):
        for name, call in contestants.items():
            pictures[name] = (call[0] if isinstance(call, tuple) else call)()
        return []
    monkeypatch.setattr(visualizer, 'compare', draw_once)
    run(tmp_path, 'visualizer')
    assert set(pictures) == {'mmpose', 'ours, video', 'ours, pictures'}
    for name, picture in pictures.items():
        blue = np.abs(picture.astype(int) - (0, 114, 178)).max(axis=-1) < 12  # the left side's colour
        assert blue[:, :200].sum() > 50 and blue[:, 330:].sum() > 50, name


@pytest.mark.parametrize(('name', 'kind'), [
    ('aten::mkldnn_convolution', 'convolutions'), ('aten::_fused_adam_', 'optimizer'),
    ('sm90_xmma_dgrad_implicit_gemm_bf16', 'convolutions'), ('aten::native_batch_norm_backward', 'batch norm'),
    ('gradient_kernel', 'integral (kernels; on a CPU exp, sums, products)'), ('aten::expand', 'other')])
def test_kinds_of_work(name, kind):
    assert load('training_step').kind_of(name) == kind
