"""The script `mmpose-integral`: its commands, its exit statuses, and what it prints for errors."""
import subprocess
import sys
from types import SimpleNamespace

import pytest
from small_training import REPO

from mmpose_integral.cli import main as cli
from mmpose_integral.cli.main import COMMANDS, main, run_command

SHIMS = sorted(path for path in (REPO / 'tools').rglob('*.py')
               if path.parent.name != 'benchmark' and path.name != 'check_install.py')  # it does not import the package


@pytest.fixture
def call(monkeypatch, capsys):
    """``call(*arguments)`` runs the script; it returns exit status, stdout and stderr."""
    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', ['mmpose-integral', *arguments])
        try:
            status = main()
        except SystemExit as stop:
            status = stop.code
        return status, *capsys.readouterr()
    return run


@pytest.mark.parametrize('command', COMMANDS)
def test_every_command_has_a_help(command, call):
    status, out, _ = call(*command.split(), '--help')
    assert status == 0 and out.startswith(f'usage: mmpose-integral {command} ')


@pytest.mark.parametrize('arguments, status', [(['--help'], 0), ([], 2), (['prepare'], 2), (['unknown', 'x'], 2)])
def test_without_a_command_all_commands_are_listed(arguments, status, call):
    found, out, err = call(*arguments)
    assert found == status and all(f'  {command} ' in (err if status else out) for command in COMMANDS)
    assert ('no such command: unknown x' in err) == (arguments[:1] == ['unknown'])


@pytest.mark.parametrize('path', SHIMS, ids=lambda path: path.name)
def test_every_tool_calls_a_command(path):
    text = path.read_text()
    command = text.split("run_command('")[1].split("'")[0]
    assert command in COMMANDS and f'mmpose-integral {command}`' in text and len(text.splitlines()) < 10


def test_tools_and_module_call_the_same_command():
    for start in (['tools/plot_curve.py'], ['-m', 'mmpose_integral', 'plot-curve']):
        run = subprocess.run([sys.executable, '-W', 'ignore', *start, 'nowhere'], cwd=REPO, text=True,
                             capture_output=True, check=False)
        assert run.returncode == 1 and run.stderr.startswith('nowhere: no <time>/vis_data/scalars.json'), run.stderr


@pytest.mark.parametrize('expected', [{}, dict(EXPECTED_ERRORS=(FileNotFoundError, ))])
def test_expected_errors_end_with_a_sentence_and_others_with_a_traceback(expected, monkeypatch, capsys):
    def run_into(error):
        def fail(argv):
            raise error
        monkeypatch.setattr(cli, 'import_module', lambda name: SimpleNamespace(main=fail, **expected))
        return run_command('train', [])

    assert run_into(FileNotFoundError('x.npz: no such file')) == 1
    assert capsys.readouterr().err == 'x.npz: no such file\n'
    assert run_into(KeyboardInterrupt()) == 130 and 'continues' in capsys.readouterr().err
    for error in (KeyError('x'), *([ValueError('of the training')] if expected else [])):
        with pytest.raises(type(error)):
            run_into(error)
