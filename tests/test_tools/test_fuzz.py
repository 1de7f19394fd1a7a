"""The tool that fuzzes the readers of files: its small valid files are valid, and a short run ends as it should."""
import importlib.util
from pathlib import Path

import fuzz
import pytest
from fuzz_parsers import from_members, make_parsers, to_members


def test_the_inputs_to_begin_with_are_read(tmp_path, monkeypatch):
    parsers = make_parsers(tmp_path)
    for name, parser in parsers.items():
        for number, seed in enumerate(parser.seeds()):
            path = tmp_path / f'input{parser.suffix}'
            path.write_bytes(parser.build(seed))
            result = parser.read(path)
            assert name not in ('submission', 'submission_file') or result == [], (name, number, result)
    assert len(parsers) > 20


def test_members_and_archives_are_converted_both_ways():
    names = ['a', 'b']
    data = b'\0\2\0xy' + b'\1\0\0'
    assert to_members(from_members(data, names), names) == data
    assert from_members(b'\0\xff', names) == from_members(b'', names)  # an incomplete member is left out


def test_a_wrong_answer_is_a_crash(tmp_path):
    def fail(path):
        raise ValueError('two\nlines')

    parser = make_parsers(tmp_path)['pose']
    with pytest.raises(AssertionError, match='a message of several lines'):
        fuzz.check(parser._replace(read=fail, errors=(ValueError, )), b'', tmp_path / 'a')
    with pytest.raises(ValueError, match='two'):
        fuzz.check(parser._replace(read=fail, errors=(KeyError, )), b'', tmp_path / 'a')
    assert fuzz.check(parser, b'1,2', tmp_path / 'a') is None


def test_unknown_parsers_and_inputs_that_are_run_again(tmp_path, capsys):
    (tmp_path / 'crash').write_bytes(b'[1]')
    assert fuzz.main(['boxes', '--replay', str(tmp_path / 'crash')]) == 0
    assert 'crash: no crash' in capsys.readouterr().out
    assert fuzz.main(['nothing', '--list']) == 2 and 'no such parser: nothing' in capsys.readouterr().out


def test_without_atheris(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    assert fuzz.main(['boxes']) == 1
    assert capsys.readouterr().err == 'fuzzing needs atheris, which is not installed: pip install atheris\n'


@pytest.mark.skipif(importlib.util.find_spec('atheris') is None, reason='atheris is not installed')
def test_a_short_run(tmp_path, capsys):
    assert fuzz.main(['boxes', '--runs', '50', '--out', str(tmp_path)]) == 0
    assert 'boxes: 50 runs in ' in capsys.readouterr().out and Path(tmp_path / 'boxes' / 'corpus' / 'seed0').is_file()
