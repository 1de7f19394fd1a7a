"""The benchmark's frame on made-up clocks and scenarios, its baselines against independent code, and quick runs."""
import importlib
import itertools
import json
import mmap
import platform
import re
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mmpose.evaluation.functional import keypoint_mpjpe
from scipy.spatial.transform import Rotation

REPO = Path(__file__).parents[2]
BENCHMARKS = REPO / 'tools' / 'benchmark'
NAMES = ('run', 'report', 'measure', 'baselines', 'made_up', 'cameras', 'metrics', 'preparation', 'soft_argmax')


@pytest.fixture(scope='module')
def tools():
    """Modules of tools/benchmark by name, which other tests then do not see."""
    before = dict(sys.modules)
    sys.path.insert(0, str(BENCHMARKS))
    yield SimpleNamespace(**{name: importlib.import_module(name) for name in NAMES})
    sys.path.remove(str(BENCHMARKS))
    for name, module in list(sys.modules.items()):
        if str(getattr(module, '__file__', None)).startswith(str(BENCHMARKS)):
            sys.modules.pop(name)
            if name in before:
                sys.modules[name] = before[name]


def run_quick(tools, out, *args):
    """Records of scenarios by name."""
    assert tools.run.main([*args, '--quick', '--out', str(out)]) == 0
    names = itertools.takewhile(lambda arg: not arg.startswith('-'), args)
    return {name: json.loads((out / f'{name}.json').read_text()) for name in names}


def test_contestants_take_turns(tools, monkeypatch):
    now, calls = np.zeros(2), []

    def contestant(name, seconds):
        def call():
            calls.append(name)
            now[:] += seconds
        return call
    monkeypatch.setattr(tools.measure, 'both_clocks', now.copy)
    seconds = tools.measure.take_turns(dict(a=contestant('a', (2, 1)), b=contestant('b', 0.5)), 3, 2,
                                       dict(b=contestant('-', 7.0)))
    assert ''.join(calls) == 'a-b' + '-ba' + 'a-b' + '-ba' + 'a-b', 'two to warm up'
    assert seconds['a'].tolist() == [[2, 1]] * 3 and seconds['b'].tolist() == [[.5, .5]] * 3


def test_times_are_for_a_unit_and_ratios_for_a_round(tools, monkeypatch):
    now, calls = np.zeros(2), []
    load = iter([1, 1, 1, 1, 9, 9, 1, 1])  # the machine is nine times slower in the second timed round

    def contestant(name, wall, cpu):
        def call():
            calls.append(name)
            now[:] += np.array((wall, cpu)) * next(load)
            return name
        return call
    monkeypatch.setattr(tools.measure, 'both_clocks', now.copy)
    slow, fast = tools.measure.compare(
        'case', dict(slow=(contestant('slow', 40e-6, 20e-6), 10), fast=(contestant('fast', 8e-6, 1e-6), 20)), 2,
        unit='frame', warmup=1, target=30, check=lambda expected, found: (expected, found) == ('slow', 'fast'))
    assert sorted(calls[:2]) == sorted(calls[2:4]) == ['fast', 'slow'], 'compared, warmed up'
    assert slow['wall_us'] == pytest.approx([12, 20, 28]) and slow['units'] == 10
    assert fast['cpu_us'] == pytest.approx([.15, .25, .35])
    assert fast['wall_ratio'] == pytest.approx([10] * 3) and fast['cpu_ratio'] == pytest.approx([40] * 3)
    assert (fast['target'], fast['measured'], fast['met']) == ('>= 30x', '40.0x (40.0-40.0)', True)
    assert 'target' not in slow and fast['difference'] is True


def test_the_clock_that_judges(tools, monkeypatch):
    now = np.zeros(2)

    def take(*seconds):
        return lambda: now.__iadd__(seconds)
    monkeypatch.setattr(tools.measure, 'both_clocks', now.copy)
    for judge, met in (('wall', False), ('cpu', True)):
        rows = tools.measure.compare('x', dict(a=take(4, 8), b=take(2, 1)), 1, target=dict(b=5, c=1), judge=judge)
        assert rows[1]['met'] is met, judge


def test_wrong_answers_are_not_timed(tools):
    same = tools.measure.same_within(0.1)
    assert same(np.zeros(5), np.full(3, .05)) == pytest.approx(.05)
    assert same([np.zeros(2), np.float64(1)], [np.zeros(2), np.float64(1.02)]) == pytest.approx(.02)
    for wrong in (np.full(3, .2), np.array([0, np.nan, 0])):
        with pytest.raises(tools.measure.ResultsDiffer, match='fit: b against a: array 0 differs by up to'):
            tools.measure.compare('fit', dict(a=lambda: np.zeros(3), b=lambda wrong=wrong: wrong), 1, check=same)


def test_a_scenario_that_differs_leaves_no_record(tools, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tools.metrics, 'evaluate_h80k', lambda pred, truth, lengths: SimpleNamespace(
        mpjpe=dict(headline=1.0)))
    assert tools.run.main(['metrics', '--quick', '--out', str(tmp_path)]) == 1
    assert 'metrics: 300 frames: evaluate_h80k against loops: array 0' in capsys.readouterr().err
    assert not (tmp_path / 'metrics.json').exists()
    with pytest.raises(SystemExit):
        tools.run.main(['metric'])
    assert 'no scenario metric; there are cameras' in capsys.readouterr().err


def test_baseline_similarity_recovers_a_known_camera(tools):
    rng, angle = np.random.default_rng(0), 0.4
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    source = rng.normal(size=(18, 2)) * 300
    scale, rotation, translation = tools.baselines.similarity_2d(source, 0.3 * source @ turn.T + (400, 500))
    assert scale == pytest.approx(0.3) and translation == pytest.approx([400, 500])
    np.testing.assert_allclose(rotation, turn, atol=1e-12)
    mirrored = tools.baselines.similarity_2d(source, source * (1, -1))[1]
    assert np.linalg.det(mirrored) == pytest.approx(1)


def test_baseline_evaluation_equals_other_peoples_code(tools):
    truth = tools.made_up.poses(7)
    found = tools.baselines.evaluate(tools.made_up.predictions(truth), truth, 4500.0)
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


def test_made_up_joints_are_wrong_where_it_is_said(tools):
    poses = tools.made_up.poses(50)
    clean, none = tools.made_up.image_joints(poses, noise_px=0)
    messy, wrong = tools.made_up.image_joints(poses, noise_px=0, wrong=3)
    assert not none.any() and (wrong.sum(axis=1) == 3).all()
    moved = np.linalg.norm(messy - clean, axis=-1)
    assert moved[~wrong].max() == 0 and np.median(moved[wrong]) > 100
    np.testing.assert_allclose(poses[:, 17], (poses[:, 11] + poses[:, 14]) / 2, atol=1e-3)


def test_quick_runs_and_their_records(tools, tmp_path, capsys):
    records = run_quick(tools, tmp_path, 'cameras', 'metrics', 'soft_argmax', '--cameras-frames', '77')
    printed, text = capsys.readouterr().out, (tmp_path / 'cameras.json').read_text()
    assert str(tmp_path) not in text and str(REPO) not in text and 'benchmark_' not in text
    assert not platform.node() or platform.node() not in text
    for name, record in records.items():
        assert record['scenario'] == name and 'aseline' in record['what']
        assert record['machine']['versions']['numpy'] == np.__version__
        assert all(len(row['wall_us']) == len(row['cpu_ratio']) == 3 for row in record['rows'] if 'cpu_ratio' in row)
        assert (tmp_path / f'{name}.md').read_text() in printed
    assert records['cameras']['command'] == 'python tools/benchmark/run.py cameras --quick --cameras-frames 77'
    assert 'torch' in records['soft_argmax']['machine']['versions']
    assert [row['target'] for row in records['cameras']['rows'] if 'target' in row] == ['>= 50x', '>= 20x']
    errors = [row for row in records['soft_argmax']['rows'] if row.get('grad_error') is not None]
    assert {row['contestant'] for row in errors} == {'softmax and three sums', 'reference', 'eager'}
    assert max(row['grad_error'] for row in errors if row['case'].startswith('float32')) < 1e-5
    assert 'metrics: 300 frames, evaluate_h80k | >= 25x' in (tmp_path / 'summary.md').read_text()


def test_preparation_runs_through(tools, tmp_path, monkeypatch, capsys):
    def in_process(command, **_):
        assert command[:2] == [sys.executable, tools.preparation.__file__]
        capsys.readouterr()
        tools.preparation.measure_here(Path(command[2]), int(command[3]))
        return SimpleNamespace(returncode=0, stdout=capsys.readouterr().out, stderr='')
    monkeypatch.setattr(tools.preparation.subprocess, 'run', in_process)
    rows = run_quick(tools, tmp_path, 'preparation')['preparation']['rows']
    stages = ['index', 'fit', 'metric', 'submission', 'all']
    assert [row['contestant'] for row in rows[:10]] == stages * 2
    assert rows[4]['cpu_s'] == pytest.approx(sum(row['cpu_s'] for row in rows[:4]))
    assert all(row['peak_mb'] > 0 and row['wall_s'] > 0 for row in rows[:10])
    assert [row['target'] for row in rows if 'target' in row] == [
        'linear: <= 1.5x', 'memory as with images of 16 px: <= 1.1x']


def test_memory_peaks_are_seen_and_forgotten(tools):
    if not Path('/proc/self/clear_refs').exists():
        pytest.skip('peaks are forgotten on Linux only')
    tools.preparation.forget_peak()
    start = tools.preparation.resident_mb()
    memory = mmap.mmap(-1, 240_000_000)  # the system's own: malloc may keep what is freed, as data loading asks it to
    np.frombuffer(memory, np.uint8)[::mmap.PAGESIZE] = 1
    assert tools.preparation.resident_mb(peak=True) > start + 200
    memory.close()
    tools.preparation.forget_peak()
    assert tools.preparation.resident_mb(peak=True) < start + 100


def test_cells_and_summary(tools, tmp_path):
    cells = [tools.report.cell(value) for value in (None, True, 3, 'x', 0.0, 1234.5, 12.34, .05, 1e-5, [1., 2., 30.])]
    assert cells == ['-', 'yes', '3', 'x', '0', '1234', '12.3', '0.0500', '1.0e-05', '2.00 (1.00-30.0)']
    rows = [dict(case='a', contestant='b', target='>= 2x', measured='1x', met=False),
            dict(case='c', contestant='d', target='>= 2x', measured='3x', met=True), dict(case='e', contestant='f')]
    (tmp_path / 'one.json').write_text(json.dumps(dict(rows=rows)))
    assert tools.report.summary(tmp_path).splitlines()[2:] == [
        '| one: a, b | >= 2x | 1x | no |', '| one: c, d | >= 2x | 3x | yes |']


def test_commands_of_the_docs_are_understood(tools):
    text = ''.join((REPO / 'docs' / name).read_text() for name in ('benchmarks.md', 'profile.md'))
    commands = re.findall(r'python tools/benchmark/run\.py +([^`\n]*)', text.replace('\\\n', ' '))
    used = set()
    for command in commands:
        words = shlex.split(command.replace('--help', ''), comments=True)
        if words and all((BENCHMARKS / f'{name}.py').is_file() for name in words[:1]):
            used |= set(tools.run.parse_args(words)[1])
    assert used == set(tools.run.SCENARIOS), 'each scenario has its command'


def test_documents_are_filled_from_records(tools, tmp_path):
    record = dict(title='T', command='python x.py', columns=dict(case='what', contestant='how', cpu_us='CPU'),
                  machine=dict(cpu='C', cores=2, gpu='G', system='S', load=None, versions=dict(numpy='1')), rows=[
                      dict(case='a', contestant=r'b\1', cpu_us=2.0), dict(case='only for the summary', contestant='b')])
    tools.report.write(tmp_path, 'fits', record)
    page = tmp_path / 'docs' / 'page.md'
    page.parent.mkdir()
    page.write_text('top\n<!-- benchmark: fits -->\nold\n<!-- end -->\n<!-- benchmark: other -->\nkept\n<!-- end -->\n')
    for _ in range(2):
        assert tools.report.update_document(tmp_path, page) == ['fits']
    text = page.read_text()
    assert '| what | how | CPU |\n| --- | ---: | ---: |\n| a | b\\1 | 2.00 |\n\nC, 2 cores, G, S; numpy 1.\n' in text
    assert 'old' not in text and 'only for' not in text and text.count('python x.py') == 1
    assert text.endswith('kept\n<!-- end -->\n')
    page.write_text('nothing')
    with pytest.raises(ValueError, match='no block'):
        tools.report.update_document(tmp_path, page)
