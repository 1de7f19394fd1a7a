"""The benchmark's arithmetic on a clock of its own, and one run of it."""
import importlib.util
import json
import platform
from pathlib import Path

import numpy as np
import pytest
import torch

from mmpose_integral.models.deployment import CropToPose

REPO = Path(__file__).parents[2]
BENCHMARKS = REPO / 'tools' / 'benchmark'
MODEL = [str(REPO / 'configs' / 'quickstart' / 'integral_r18_standin.py'),
         str(REPO / 'mmpose_integral' / 'assets' / 'integral_r18w32_standin.pth')]


def load(name):
    spec = importlib.util.spec_from_file_location(f'benchmark_{name}', BENCHMARKS / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


timing = load('timing')


def test_contestants_take_turns():
    now, calls = [0.0], []

    def contestant(name, seconds):
        def call():
            calls.append(name)
            now[0] += seconds
        return call
    seconds = timing.take_turns(dict(a=contestant('a', 2.0), b=contestant('b', 0.5)), 3, 1, lambda: now[0])
    assert ''.join(calls) == 'ab' + 'ab' + 'ba' + 'ab'
    assert seconds['a'].tolist() == [2, 2, 2] and seconds['b'].tolist() == [.5, .5, .5]
    calls.clear()
    untimed = timing.take_turns(dict(a=contestant('a', 2.0), b=contestant('b', 0.5)), 2, 0, lambda: now[0],
                                before=dict(b=contestant('-', 7.0)))
    assert ''.join(calls) == 'a-b' + '-ba' and untimed['b'].tolist() == [.5, .5]
    with pytest.raises(ValueError, match='at least one of each expected, got 1 and 0'):
        timing.take_turns(dict(a=calls.clear), 0)


def test_the_ratio_is_taken_round_by_round():
    # A machine that becomes ten times slower: medians apart from each other would say 10 or 0.1.
    load = np.array([1, 10, 1, 10, 10]) * 0.01
    result = timing.summarise(dict(slow=4 * load, fast=load))
    assert result['fast']['speedup'] == pytest.approx(4) and result['slow']['speedup'] == 1
    assert result['fast']['speedup_quartiles'] == pytest.approx([4, 4])
    assert result['slow']['median_ms'] == pytest.approx(400)
    assert result['slow']['quartiles_ms'] == pytest.approx([40, 400])


def test_table_and_machine():
    assert timing.table([('x', 1)], ('name', 'ms')) == '| name | ms |\n| --- | ---: |\n| x | 1 |'
    machine = timing.describe_machine('numpy')
    assert machine['versions']['numpy'] == np.__version__ and machine['cpu'] and machine['cores'] >= 1
    assert platform.node() not in json.dumps(machine) or not platform.node()


def test_one_run(tmp_path, monkeypatch, capsys, one_thread):
    from mmpose.apis import init_model
    monkeypatch.syspath_prepend(BENCHMARKS)
    benchmark = load('onnx_runtime')
    with torch.no_grad():
        traced = torch.jit.trace(CropToPose(init_model(*MODEL, device='cpu')), torch.zeros(2, 3, 128, 96))
    torch.jit.save(traced, tmp_path / 'a.torchscript.pt')
    common = [*MODEL, '--exported', str(tmp_path / 'a.torchscript.pt'), '--threads', '1', '--rounds', '2']
    assert benchmark.main([*common, '--batch-sizes', '1', '3', '--out', str(tmp_path / 'a.json')]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith('|')]
    assert [line.split(' | ')[0][2:] for line in lines[2:]] == ['torch, eager', 'TorchScript'] * 2
    record = json.loads((tmp_path / 'a.json').read_text())
    assert record['input_size'] == [96, 128] and set(record['results']) == {'1', '3'}
    assert record['results']['3']['TorchScript']['median_ms'] > 0
    assert benchmark.main([*MODEL, '--exported', str(tmp_path / 'absent.onnx')]) == 1
    assert 'absent.onnx: no such file' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        benchmark.main([*common[:-4], '--threads', '2', '--clock', 'cpu'])
