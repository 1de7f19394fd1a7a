"""The benchmarks with models: their contestants, the arithmetic of stages, and one small run each."""
import json
import os
from functools import partial
from types import SimpleNamespace

import data_loading
import measure
import numpy as np
import photo
import pytest
import run
import training_step
import visualizer


def rows_of(tmp_path, *args):
    """Rows of a scenario in its small size."""
    assert run.main([*map(str, args), '--quick', '--rounds', '1', '--out', str(tmp_path)]) == 0
    return json.loads((tmp_path / f'{args[0]}.json').read_text())['rows']


def test_contestants_start_plain_and_gain_one_part_each():
    quickstart = training_step.CONFIGS / training_step.BY_DEVICE['cpu']
    configs = training_step.contestants(quickstart, each_part=True, compiled=True)
    plain, own, low, last, fused, eager, fast = configs.values()
    assert plain.model.head.backend == 'reference' and 'backend' not in own.model.head
    assert plain.optim_wrapper == own.optim_wrapper == dict(
        type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3))
    assert not plain.default_hooks and plain.model.data_preprocessor.type == 'PoseDataPreprocessor'
    assert low.optim_wrapper.type == 'BFloat16OptimWrapper' and 'fused' not in low.optim_wrapper.optimizer
    assert set(last.default_hooks) == {'channels_last'} and 'fused' not in last.optim_wrapper.optimizer
    assert fused.optim_wrapper.optimizer == dict(type='Adam', lr=1e-3, fused=True)
    assert set(fast.default_hooks) - set(eager.default_hooks) == {'compile'}
    assert list(training_step.contestants(quickstart, each_part=False, compiled=False)) == ['plain', 'fast']


def test_training_step_and_its_profile(tmp_path, one_thread):
    rows = rows_of(tmp_path, 'training_step', '--training-step-profile', tmp_path / 'traces')
    plain, fast = rows[:2]
    assert (plain['contestant'], fast['contestant']) == ('plain', 'fast')
    assert plain['wall_ratio'][1] == 1 and 0 <= fast['difference'] < 0.02 and fast['memory_mib'] is None
    for name in ('plain', 'fast'):
        shares = {row['contestant']: row['share'] for row in rows if row['case'] == f'profile, {name}'}
        assert sum(shares.values()) == pytest.approx(100) and shares['convolutions'] > shares['optimizer'] > 0
        assert json.loads((tmp_path / 'traces' / f'{name}.json').read_text())['traceEvents']


def test_contestants_must_give_the_same_loss():
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
    seconds = measure.seconds_by_stage(takes(0.625, 'network', 'crop'), stages, 'after', lambda: now[0])
    assert seconds == {'network': 4.0, 'crop': 2.0, 'after': 0.875}


def test_plain_samples_are_those_of_the_pipeline(tmp_path):
    sets = data_loading.build_sets(data_loading.prepare(tmp_path, frames=3, size=256, quality=90))
    row = data_loading.one_core(sets, rounds=1, case='small')[1]
    assert row['difference'] < 0.5 and len(row['ms']) == 3
    with pytest.raises(measure.ResultsDiffer, match='labels differ'):
        data_loading.same_samples([sets['plain'][0]], [sets['ours'][1]])


def test_inference(standin, tmp_path, one_thread):
    rows = rows_of(tmp_path, 'inference', '--inference-images', standin / 'coco' / 'val2017')
    network = [row for row in rows if 'crops + flip' in row['case']]
    assert [row['contestant'] for row in network][:3] == ['two passes, eager', 'one doubled batch', 'channels last']
    assert max(row['difference'] for row in network[1:3]) < 0.01
    for case in {row['case'] for row in rows if row['case'].startswith('stages')}:
        stages = {row['contestant']: row['share'] for row in rows if row['case'] == case}
        assert set(stages) == {'read', 'detect', 'crop', 'network', 'post-processing', 'drawing'}
        assert min(stages.values()) > 0 and sum(stages.values()) == pytest.approx(100)


def test_exported_models(tmp_path, one_thread):
    eager, exported = rows_of(tmp_path, 'onnx_runtime')
    assert (eager['contestant'], exported['contestant']) == ('torch, eager', 'TorchScript')
    assert exported['difference'] < 1e-4


def test_photo_model_beside_mediapipe(tmp_path, one_thread, fake_mediapipe):
    cores = os.sched_getaffinity(0)
    rows = rows_of(tmp_path, 'photo', '--photo-model', 'standin', '--photo-mediapipe', fake_mediapipe,
                   '--photo-mediapipe-models', 'full')
    names = {}
    for row in rows:
        names.setdefault(row['case'], []).append(row['contestant'])
    both = ['MediaPipe full', 'inferencer', 'inferencer, one crop']
    assert [names['given box, 2 people'], names['whole picture, 2 people']] == [[*both, 'ONNX file, one crop'], both]
    assert max(row['difference'] or 0 for row in rows) < 0.5 and os.sched_getaffinity(0) == cores
    assert rows[4]['wall_ratio'][1] == 1, 'MediaPipe is the baseline'


def test_photo_people_take_turns(tmp_path):
    seen = {'ours': [], 'other': []}

    def pose(name, person):
        seen[name].append(person)
        return None if (name, person) == ('other', 'b') else np.zeros(3)

    args, copies = SimpleNamespace(quick=False, rounds=3), 2 + photo.REPEATS
    rows = photo.in_turns('case', args, 'abc', {name: partial(pose, name) for name in seen})
    assert rows[0]['case'] == 'case, 2 people' and rows[0]['units'] == photo.REPEATS
    for calls in seen.values():  # untimed and timed copies, in a warm-up and three rounds
        assert ''.join(calls[-4 * copies:]) == 2 * ('a' * copies + 'c' * copies)
    with pytest.raises(ValueError, match='no person is found by all of ours, other; give other pictures'):
        photo.in_turns('case', args, 'b', {name: partial(pose, name) for name in seen})


def test_mediapipe_that_does_not_start_is_named(fake_mediapipe):
    with pytest.raises(ValueError, match='MediaPipe heavy in .*: OSError: no network'), \
            photo.mediapipe(fake_mediapipe, 'heavy', video=True):
        pass


def test_both_visualizers_draw_the_person_over_the_image(tmp_path, monkeypatch):
    pictures = {}

    def draw_once(case, contestants, *args, **kwargs):
        for name, call in contestants.items():
            pictures[name] = (call[0] if isinstance(call, tuple) else call)()
        return []
    monkeypatch.setattr(visualizer, 'compare', draw_once)
    rows_of(tmp_path, 'visualizer')
    assert set(pictures) == {'mmpose', 'ours, video', 'ours, pictures'}
    for name, picture in pictures.items():
        blue = np.abs(picture.astype(int) - (0, 114, 178)).max(axis=-1) < 12  # the left side's colour
        assert blue[:, :200].sum() > 50 and blue[:, 330:].sum() > 50, name


@pytest.mark.parametrize(('name', 'kind'), [
    ('aten::mkldnn_convolution', 'convolutions'), ('aten::_fused_adam_', 'optimizer'),
    ('sm90_xmma_dgrad_implicit_gemm_bf16', 'convolutions'), ('aten::native_batch_norm_backward', 'batch norm'),
    ('gradient_kernel', 'integral (kernels; on a CPU exp, sums, products)'), ('aten::expand', 'other')])
def test_kinds_of_work(name, kind):
    assert training_step.kind_of(name) == kind
