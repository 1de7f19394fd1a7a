"""Benchmarks with made-up clocks and scenarios, their baselines against independent code, and quick runs."""
import json
import mmap
import platform
import re
import shlex
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import baselines
import made_up
import measure
import metrics
import numpy as np
import preparation
import pytest
import report
import run
from mmpose.evaluation.functional import keypoint_mpjpe
from scipy.spatial.transform import Rotation

REPO = Path(__file__).parents[2]


@pytest.fixture
def clock(monkeypatch):
    """Wall and CPU time in place of the real ones, and a way to make functions that take some of it."""
    now, calls = np.zeros(2), []

    def function(name, wall, cpu, load=None):
        def call():
            calls.append(name)
            now[:] += np.array((wall, cpu)) * (next(load) if load else 1)
            return name
        return call
    monkeypatch.setattr(measure, 'both_clocks', now.copy)
    return SimpleNamespace(calls=calls, function=function)


def test_contestants_take_turns(clock):
    seconds = measure.take_turns(dict(a=clock.function('a', 2, 1), b=clock.function('b', .5, .5)), 3, 2,
                                 dict(b=clock.function('-', 7, 7)))
    assert ''.join(clock.calls) == 'a-b' + '-ba' + 'a-b' + '-ba' + 'a-b', 'two rounds of warm-up'
    assert seconds['a'].tolist() == [[2, 1]] * 3 and seconds['b'].tolist() == [[.5, .5]] * 3


@pytest.mark.parametrize(('judge', 'measured', 'met'), [('cpu', '40.0x (40.0-40.0)', True),
                                                        ('wall', '10.0x (10.0-10.0)', False)])
def test_times_are_per_unit_and_ratios_per_round(clock, judge, measured, met):
    load = iter([1, 1, 1, 1, 9, 9, 1, 1])  # the machine is nine times slower in one of the timed rounds
    slow, fast = measure.compare(
        'case', dict(slow=(clock.function('slow', 40e-6, 20e-6, load), 10),
                     fast=(clock.function('fast', 8e-6, 1e-6, load), 20)), 2, targets=dict(fast=30, other=1),
        judge=judge, check=lambda expected, found: (expected, found) == ('slow', 'fast'))
    assert sorted(clock.calls[:2]) == sorted(clock.calls[2:4]) == ['fast', 'slow'], 'compared, warmed up'
    assert slow['wall_us'] == pytest.approx([12, 20, 28]) and slow['units'] == 10
    assert fast['cpu_us'] == pytest.approx([.15, .25, .35]) and slow['per_s'] == pytest.approx(50000)
    assert fast['wall_ratio'] == pytest.approx([10] * 3) and fast['cpu_ratio'] == pytest.approx([40] * 3)
    assert (fast['target'], fast['measured'], fast['met']) == ('>= 30x', measured, met)
    assert 'target' not in slow and fast['difference'] is True


def test_wrong_results_are_not_timed():
    same = measure.same_within(0.1)
    assert same(np.zeros(5), np.full(3, .05)) == pytest.approx(.05)
    assert same([np.zeros(2), np.float64(1)], [np.zeros(2), np.float64(1.02)]) == pytest.approx(.02)
    for wrong in (np.full(3, .2), np.array([0, np.nan, 0])):
        with pytest.raises(measure.ResultsDiffer, match='fit: b against a: array 0 differs by up to'):
            measure.compare('fit', dict(a=lambda: np.zeros(3), b=lambda wrong=wrong: wrong), 1, check=same)
    lenient = measure.compare('fit', dict(a=lambda: 0.0, b=lambda: 0.05, c=lambda: 0.3), 1, check=same,
                              checks=dict(c=measure.same_within(0.5)))
    assert [row['difference'] for row in lenient] == [None, 0.05, 0.3]
    with pytest.raises(measure.ResultsDiffer, match='fit: c against a'):
        measure.compare('fit', dict(a=lambda: 0.0, b=lambda: 0.05, c=lambda: 0.3), 1, check=same)
    rms = measure.same_within(0.5, rms=True)
    assert rms(np.zeros(4), np.array([0, 0, 0, 1.])) == 1, 'the largest difference; the root mean square is 0.5'
    with pytest.raises(measure.ResultsDiffer, match='by a root mean square of 0.707, at most 0.5'):
        rms(np.zeros(4), np.array([0, 1., 0, -1.]))


def test_a_failing_scenario_keeps_its_rows_and_does_not_end_the_run(tmp_path, monkeypatch, capsys):
    def broken(args):
        yield dict(case='a', contestant='b', cpu_us=2.0)
        assert json.loads((tmp_path / 'metrics.json').read_text())['rows'], 'written while the scenario runs'
        raise RuntimeError('out of memory')
    monkeypatch.setattr(metrics, 'run', broken)
    monkeypatch.setitem(run.sys.modules, 'visualizer', None)  # makes its import fail
    assert run.main(['visualizer', 'metrics', 'cameras', '--quick', '--out', str(tmp_path)]) == 1
    errors, table = capsys.readouterr().err, (tmp_path / 'metrics.md').read_text()
    assert 'RuntimeError: out of memory' in errors and 'not completed: visualizer, metrics' in errors
    assert '| a | b | 2.00 |' in table and 'Incomplete' in table
    assert '| metrics | - | incomplete | - |' in (tmp_path / 'summary.md').read_text()
    page = tmp_path / 'page.txt'
    page.write_text('<!-- benchmark: metrics -->\n<!-- end -->\n<!-- benchmark: cameras -->\n<!-- end -->\n')
    assert report.update_document(tmp_path, page) == ['cameras'], 'an incomplete table is not put into the document'


def test_an_unknown_scenario_is_named(capsys):
    with pytest.raises(SystemExit):
        run.main(['metric'])
    assert 'unknown scenario metric; the scenarios are cameras' in capsys.readouterr().err


def test_baseline_similarity_recovers_a_known_camera():
    rng, angle = np.random.default_rng(0), 0.4
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    source = rng.normal(size=(18, 2)) * 300
    scale, rotation, translation = baselines.similarity_2d(source, 0.3 * source @ turn.T + (400, 500))
    assert scale == pytest.approx(0.3) and translation == pytest.approx([400, 500])
    np.testing.assert_allclose(rotation, turn, atol=1e-12)
    mirrored = baselines.similarity_2d(source, source * (1, -1))[1]
    assert np.linalg.det(mirrored) == pytest.approx(1)


def test_baseline_evaluation_equals_independent_code():
    truth = made_up.poses(7)
    found = baselines.evaluate(made_up.predictions(truth), truth, 4500.0)
    mm, exact = found['pred_mm'], truth.astype(np.float64)
    assert found['mpjpe'] == pytest.approx(keypoint_mpjpe(mm[:, :17].copy(), exact[:, :17], np.ones((7, 17), bool)))
    rigid = []
    for one, other in zip(mm, exact, strict=True):
        one, other = one - one.mean(axis=0), other - other.mean(axis=0)
        turned = Rotation.align_vectors(other, one)[0].apply(one)
        rigid.append(np.linalg.norm(turned - other, axis=1)[:17].mean())
    assert found['rigid'] == pytest.approx(np.mean(rigid), abs=1e-5)
    np.testing.assert_allclose(found['per_joint'], found['errors'].mean(axis=0))
    assert found['pck'] == pytest.approx(100 * (found['errors'] < 150).mean()) and found['per_joint'][0] == 0


def test_made_up_joints_are_wrong_where_it_is_said():
    (clean, _), (messy, wrong) = (made_up.image_joints(made_up.poses(50), noise_px=0, wrong=count) for count in (0, 3))
    moved = np.linalg.norm(messy - clean, axis=-1)
    assert (wrong.sum(axis=1) == 3).all() and moved[~wrong].max() == 0 and np.median(moved[wrong]) > 100


def test_quick_runs_and_their_records(tmp_path, capsys):
    names = ('cameras', 'metrics', 'soft_argmax')
    assert run.main([*names, '--quick', '--out', str(tmp_path), '--cameras-frames', '77']) == 0
    records = {name: json.loads((tmp_path / f'{name}.json').read_text()) for name in names}
    printed, text = capsys.readouterr().out, (tmp_path / 'cameras.json').read_text()
    assert str(tmp_path) not in text and str(REPO) not in text and 'benchmark_' not in text
    assert not platform.node() or platform.node() not in text
    for name, record in records.items():
        assert record['scenario'] == name and 'Baseline' in record['what'] and record['complete']
        assert record['machine']['versions']['numpy'] == np.__version__
        assert (tmp_path / f'{name}.md').read_text() in printed
    assert records['cameras']['command'] == 'python tools/benchmark/run.py cameras --quick --cameras-frames 77'
    assert [row['target'] for row in records['cameras']['rows'] if 'target' in row] == ['>= 50x', '>= 20x']
    errors = [row for row in records['soft_argmax']['rows'] if row.get('grad_error') is not None]
    assert {row['contestant'] for row in errors} == {'softmax and three sums', 'reference', 'eager'}
    assert max(row['grad_error'] for row in errors if row['case'].startswith('float32')) < 1e-5
    assert '| metrics: 300 frames, evaluate_h80k | >= 25x |' in (tmp_path / 'summary.md').read_text()


def test_preparation_runs_through(tmp_path, monkeypatch):
    monkeypatch.setattr(preparation, 'ProcessPoolExecutor', lambda *args: ThreadPoolExecutor(1))
    assert run.main(['preparation', '--quick', '--out', str(tmp_path)]) == 0
    rows = json.loads((tmp_path / 'preparation.json').read_text())['rows']
    stages = ['index', 'fit', 'metric', 'submission', 'all']
    assert [row['contestant'] for row in rows[:10]] == stages * 2
    assert rows[4]['cpu_s'] == pytest.approx(sum(row['cpu_s'] for row in rows[:4]))
    assert all(row['peak_mb'] > 0 and row['wall_s'] > 0 for row in rows[:10])
    assert [row['target'] for row in rows if 'target' in row] == [
        'linear: <= 1.5x', 'memory as with images of 16 px: <= 1.1x']


@pytest.mark.skipif(not Path('/proc/self/clear_refs').exists(), reason='peaks are forgotten on Linux only')
def test_memory_peaks_are_seen_and_forgotten():
    preparation.forget_peak()
    start = preparation.resident_mb()
    memory = mmap.mmap(-1, 240_000_000)  # malloc might keep freed memory, because data loading sets it so
    np.frombuffer(memory, np.uint8)[::mmap.PAGESIZE] = 1
    assert preparation.resident_mb(peak=True) > start + 200
    memory.close()
    preparation.forget_peak()
    assert preparation.resident_mb(peak=True) < start + 100


def test_cells():
    cells = [report.cell(value) for value in (None, True, 3, 'x', 0.0, 1234.5, 12.34, .05, 1e-5, [1., 2., 30.])]
    assert cells == ['-', 'yes', '3', 'x', '0', '1234', '12.3', '0.0500', '1.00e-05', '2.00 (1.00-30.0)']


def test_commands_of_the_docs_are_understood():
    text = ''.join((REPO / 'docs' / name).read_text() for name in ('benchmarks.md', 'profile.md'))
    commands = re.findall(r'python tools/benchmark/run\.py +([^`\n]*)', text.replace('\\\n', ' '))
    used = set()
    for command in commands:
        words = shlex.split(command.replace('--help', '').replace('--device cuda', ''), comments=True)
        if words and words[0] in run.SCENARIOS:
            used |= set(run.parse_args(words)[1])
    assert used == set(run.SCENARIOS), 'each scenario has its command'


def test_documents_are_filled_from_records(tmp_path):
    report.write(tmp_path, dict(
        scenario='fits', title='T', command='python x.py', columns=dict(case='what', contestant='how', cpu_us='CPU'),
        machine=dict(cpu='C', cores=2, gpu='G', system='S', load=None, versions=dict(numpy='1')),
        rows=[dict(case='a', contestant=r'b\1', cpu_us=2.0), dict(case='only for the summary', contestant='b')]))
    page = tmp_path / 'page.txt'
    page.write_text('top\n<!-- benchmark: fits -->\nold\n<!-- end -->\n<!-- benchmark: other -->\nkept\n<!-- end -->\n')
    for _ in range(2):
        assert report.update_document(tmp_path, page) == ['fits']
    text = page.read_text()
    assert '| what | how | CPU |\n| --- | ---: | ---: |\n| a | b\\1 | 2.00 |\n\nC, 2 cores, G, S; numpy 1.\n' in text
    assert 'old' not in text and 'only for' not in text and text.endswith('kept\n<!-- end -->\n')
    page.write_text('nothing')
    with pytest.raises(ValueError, match='no block'):
        report.update_document(tmp_path, page)
