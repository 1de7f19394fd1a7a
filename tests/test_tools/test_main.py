"""The script `mmpose-integral`: its commands, its exit statuses, and what it prints for errors."""
import errno
import io
import subprocess
import sys
from types import SimpleNamespace

import pytest
from small_training import REPO

from mmpose_integral.cli import main as cli
from mmpose_integral.cli.main import COMMANDS, main, run_command
from mmpose_integral.formats.checkpoints import CheckpointError

OTHERS = ('check_install.py', 'fuzz.py', 'fuzz_parsers.py', 'torchrun.py')
SHIMS = sorted(path for path in (REPO / 'tools').rglob('*.py')
               if path.parent.name not in ('benchmark', 'reliability') and path.name not in OTHERS)


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


def test_names_that_are_no_utf_8_are_printed(monkeypatch):
    stdout = io.TextIOWrapper(io.BytesIO(), 'utf-8')
    monkeypatch.setattr(sys, 'stdout', stdout)
    monkeypatch.setattr(cli, 'import_module', lambda name: SimpleNamespace(main=lambda argv: print('\udcfc.png ü')))
    assert run_command('plot-curve') == 0
    stdout.flush()
    assert stdout.buffer.getvalue().decode() == '\\udcfc.png ü\n'


@pytest.mark.parametrize('expected', [{}, dict(EXPECTED_ERRORS=(FileNotFoundError, ))])
def test_expected_errors_end_with_a_sentence_and_others_with_a_traceback(expected, monkeypatch, capsys):
    def run_into(error):
        def fail(argv):
            raise error
        monkeypatch.setattr(cli, 'import_module', lambda name: SimpleNamespace(main=fail, AFTER_CTRL_C='b', **expected))
        return run_command('train', [])

    for error, message in ((FileNotFoundError('x.npz: no such file'), 'x.npz: no such file'),
                           (OSError(errno.ENOSPC, 'No space left on device', 'epoch_3.pth'), (
                               'epoch_3.pth: No space left on device; make room on this disk, or choose a folder on '
                               'another one')),
                           (SystemExit('of \x1b[2J.zip'), 'of \\x1b[2J.zip'), (CheckpointError('a\x07'), 'a\\x07')):
        assert run_into(error) == 1
        assert capsys.readouterr().err == f'{message}\n'
    assert run_into(KeyboardInterrupt()) == 130 and capsys.readouterr().err == '\nStopped. b\n'
    with pytest.raises(SystemExit, match='3'):
        run_into(SystemExit(3))
    for error in (KeyError('x'), *([ValueError('of the training')] if expected else [])):
        with pytest.raises(type(error)):
            run_into(error)


def test_ctrl_c_works_during_the_imports(monkeypatch, capsys):
    def interrupt(name):
        raise KeyboardInterrupt
    monkeypatch.setattr(cli, 'import_module', interrupt)
    assert run_command('train', []) == 130 and capsys.readouterr().err == '\nStopped.\n'


@pytest.mark.parametrize('command', [
    'test config.py x.pth --out NEW.json', 'test config.py x.pth --predictions NEW.npz', 'plot-curve . --out NEW.png',
    'test config.py x.pth --dump NEW.pkl', 'test config.py x.pth --show-dir NEW', 'submit config.py x.pth --out NEW',
    'submit config.py x.pth --out NEW.zip', 'submit config.py x.pth --predictions NEW.npz', 'quickstart --work-dir NEW',
    'train CONFIG --work-dir NEW', 'publish config.py x.pth NEW', 'ensemble a.npz --annotations . --out NEW.json',
    'ensemble a.npz --annotations . --out-predictions NEW.npz', 'ensemble a.npz --annotations . --submission NEW.zip',
    'export config.py --out-dir NEW', 'convert-official x.pth --out NEW', 'prepare index . --out-dir NEW',
    'prepare boxes config.py --index i.npz --root . --out NEW', 'prepare h36m . NEW', 'make-standin --root NEW',
    'prepare keypoints-2d config.py --boxes b.json --index i.npz --root . --out NEW', 'ablation --work-dir NEW',
    'prepare cameras --index i.npz --keypoints-2d k.npz --out NEW.npz', 'make-standin --preview NEW.jpg',
    'prepare official-caches . --index i.npz --out-dir NEW', 'visualize-batch config.py --out-dir NEW',
    'plot-calibration a.npz --out NEW.png', 'plot-calibration a.npz --json NEW', 'plot-calibration a.npz --store NEW',
    'box-sensitivity config.py x.pth --out-dir NEW', 'smoothing-report --predictions NEW.npz'])
def test_outputs_that_cannot_be_written_are_reported_before_any_other_work(command, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'file').touch()
    words = [word.replace('NEW', 'file/new').replace('CONFIG', str(REPO / 'configs' / 'integral_r152_h80k.py'))
             for word in command.split()]
    out = next(word for word in words if word.startswith('file/new'))
    status, _, err = call(*words)
    assert status == 1 and f'{out} cannot be written: {tmp_path}/file: Not a directory' in err and err.count('\n') == 1
    assert [path.name for path in tmp_path.iterdir()] == ['file']
