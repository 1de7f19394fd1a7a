"""Numbers on the command line that are no numbers, out of range, or 0 in place of the default, end with status 2."""
import pytest
from small_training import run_tool

JOB = ['--index', 'i.npz', '--root', 'r', '--out', 'o.npz']


@pytest.mark.parametrize('command, option, value, message', [
    (['prepare boxes', 'c.py', *JOB], '--score-thr', 'nan', 'a number from 0 to 1 expected, got nan'),
    (['prepare keypoints-2d', 'c.py', '--boxes', 'b', *JOB], '--padding', 'inf', 'a positive number expected, got inf'),
    (['prepare cameras', '--keypoints-2d', 'k', *JOB], '--score-thr', 'nan', 'a number from 0 to 1 expected, got nan'),
    (['prepare cameras', '--keypoints-2d', 'k', *JOB], '--focal-length', '0', 'a positive number expected, got 0'),
    (['ensemble', 'a.npz', '--annotations', 'a'], '--bone-length', '0', 'mm expected, 500 to 20000'),
    (['ensemble', 'a.npz', '--annotations', 'a'], '--bone-length', '4.5', 'mm expected, 500 to 20000'),
    (['ensemble', 'a.npz', '--annotations', 'a'], '--weights', 'nan', 'a positive number expected, got nan'),
    (['convert-official', 'a.pth'], '--bone-length', '4.5', 'mm expected, 500 to 20000'),
    (['box-sensitivity', 'c.py', 'a.pth'], '--scales', 'nan', 'a positive number expected, got nan'),
    (['box-sensitivity', 'c.py', 'a.pth'], '--edge-stds', '-0.1', 'a number from 0 to 1 expected, got -0.1')])
def test_wrong_numbers_are_named(command, option, value, message, capsys):
    assert run_tool(*command, f'{option}={value}') == 2
    assert f'argument {option}: ' in (text := capsys.readouterr().err) and message in text
