"""What tools/install.sh decides before it installs anything, and the checks that it makes before and after."""
import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
INSTALL = ROOT / 'tools' / 'install.sh'


def run_install(*args, environment=None):
    variables = {key: value for key, value in os.environ.items() if key != 'VIRTUAL_ENV'}
    return subprocess.run([shutil.which('bash'), str(INSTALL), *map(str, args)], capture_output=True, text=True,
                          env=environment or variables, timeout=120)


def assert_refused(result, *parts):
    """One line on stderr with all ``parts``, nothing else, and exit status 1."""
    assert result.returncode == 1 and result.stdout == ''
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith('install.sh: '), result.stderr
    assert all(part in lines[0] for part in parts), lines[0]


def fake_python(folder, version):
    """An executable that answers every call as ``python -c 'print version'`` would."""
    file = folder / f'python{version}'
    file.write_text(f'#!{shutil.which("bash")}\necho {version}\n')
    file.chmod(0o755)
    return file


@pytest.fixture
def checker():
    """tools/check_install.py as a module."""
    spec = importlib.util.spec_from_file_location('check_install', ROOT / 'tools' / 'check_install.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- tools/install.sh -----------------------------------------------------------------------------------------------
def test_help():
    result = run_install('--help')
    assert result.returncode == 0
    assert all(option in result.stdout for option in ('--python', '--torch', '--torchvision', '--no-torch', '.venv'))


@pytest.mark.parametrize('args, parts', [
    (['--frobnicate'], ['--frobnicate', '--help']), (['--torch'], ['--torch', 'value']),
    (['--torch', '2.13.0'], ['--torchvision']), (['--torchvision', '0.28.0'], ['--torch ']),
    (['--torch', '2.13.0', '--torchvision', '0.28.0', '--no-torch'], ['give one'])])
def test_options_that_make_no_sense(args, parts):
    assert_refused(run_install(*args), *parts)


@pytest.mark.parametrize('version', ['2.7', '3.9', '3.13'])
def test_unsupported_python(version, tmp_path):
    python = fake_python(tmp_path, version)
    assert_refused(run_install('--python', python), f'Python {version}', str(python), '3.10 or 3.11')


def test_not_a_python(tmp_path):
    assert_refused(run_install('--python', tmp_path / 'nothing'), 'nothing', '--python')


def test_python_312_without_a_compiler(tmp_path):
    for name in ('bash', 'dirname'):
        (tmp_path / name).symlink_to(shutil.which(name))
    result = run_install('--python', fake_python(tmp_path, '3.12'), environment={'PATH': str(tmp_path)})
    assert_refused(result, 'C compiler', '3.10 or 3.11')


def test_active_environment_without_python(tmp_path):
    result = run_install(environment={**os.environ, 'VIRTUAL_ENV': str(tmp_path)})
    assert_refused(result, str(tmp_path), 'deactivate')


# --- tools/check_install.py -----------------------------------------------------------------------------------------
def options(**changes):
    return argparse.Namespace(**{**dict(torch=None, torchvision=None, no_torch=False), **changes})


def test_every_pin_is_exact(checker):
    for file in (ROOT / 'requirements').glob('*.txt'):
        for line in checker.read_requirements(file.name):
            name, _, version = line.partition('==')
            assert name and version and ' ' not in line, f'{file.name}: {line}'


def test_wrong_versions(checker, monkeypatch):
    found = {'torch': '2.14.1+cpu', 'numpy': '2.3.0'}

    def version(name):
        if name not in found:
            raise importlib.metadata.PackageNotFoundError(name)
        return found[name]

    monkeypatch.setattr(checker.importlib.metadata, 'version', version)
    problems = checker.wrong_versions(['torch==2.14.1', 'torch==2.14.1+cpu', 'numpy==1.26.4', 'munkres==3.0.0'])
    assert [problem.split(':')[0] for problem in problems] == ['numpy is 2.3.0, 1.26.4 is expected',
                                                               'munkres is not installed, 3.0.0 is expected']


def test_expected_torch(checker, monkeypatch):
    def torch_of(**changes):
        return [line for line in checker.expected_versions(options(**changes)) if line.startswith('torch')]

    monkeypatch.setattr(checker, 'mmcv_kind', lambda: 'stand-in')
    assert torch_of() == checker.read_requirements('torch.txt')
    assert torch_of(torch='2.13.0', torchvision='0.28.0') == ['torch==2.13.0', 'torchvision==0.28.0']
    assert torch_of(no_torch=True) == []
    assert checker.read_requirements('mmcv.txt')[0] in checker.expected_versions(options())
    monkeypatch.setattr(checker, 'mmcv_kind', lambda: 'compiled')
    assert torch_of() == []  # the torch that mmcv was built for
    assert checker.read_requirements('mmcv.txt')[0] not in checker.expected_versions(options())


@pytest.mark.parametrize('files, kind', [
    (None, 'absent'), ([], 'absent'), (['__init__.py'], 'lite'), (['__init__.py', '_ext.py'], 'stand-in'),
    (['__init__.py', '_ext.cpython-311-x86_64-linux-gnu.so'], 'compiled'), (['_ext.py'], 'absent'),
    (['__init__.py', '_ext.py', '_ext.cpython-310-x86_64-linux-gnu.so'], 'compiled')])
def test_mmcv_kind(files, kind, checker, tmp_path, monkeypatch):
    if files is not None:
        (tmp_path / 'mmcv').mkdir()
        for name in files:
            (tmp_path / 'mmcv' / name).touch()
    monkeypatch.setattr(sys, 'path', [str(tmp_path)])
    monkeypatch.delitem(sys.modules, 'mmcv', raising=False)
    importlib.invalidate_caches()
    assert checker.mmcv_kind() == kind


def test_first_failure_names_cause_and_remedy(checker, monkeypatch):
    def fail():
        raise OSError('undefined symbol:\n  _ZN3c10')

    def never():
        raise AssertionError('a trial after the failing one must not run')

    assert checker.first_failure([('one', lambda: None, 'x')]) == []
    problem, = checker.first_failure([('one', lambda: None, 'x'), ('mmcv', fail, 'do this'), ('two', never, 'x')])
    assert problem == 'mmcv does not work (OSError: undefined symbol: _ZN3c10): do this'
    monkeypatch.setattr(checker, 'mmcv_kind', lambda: 'compiled')
    problem, = checker.first_failure([('mmcv', fail, 'do this')])
    assert problem.startswith('compiled mmcv does not work') and 'rebuild it for this torch' in problem


def test_nms_trial_sees_a_wrong_answer(checker):
    with pytest.raises(RuntimeError, match=r'keeps boxes \[0, 1\], \[1\] expected'):
        checker.check_nms(lambda boxes, scores, threshold: scores.argsort())


def test_disk_space(checker, monkeypatch, tmp_path):
    usage = namedtuple('usage', 'total used free')
    monkeypatch.setattr(checker.tempfile, 'gettempdir', lambda: str(tmp_path))
    target = tmp_path / 'not' / 'there' / '.venv'
    need = checker.ENVIRONMENT_GB['torch'] + checker.WHEELS_GB['torch']
    for free, with_torch, refused in [(need + 0.1, True, False), (need - 0.1, True, True), (2, False, False)]:
        monkeypatch.setattr(checker.shutil, 'disk_usage', lambda place, free=free: usage(0, 0, free * 1e9))
        problems = checker.lacking_space(target, with_torch)
        assert len(problems) == refused
        assert all(str(tmp_path) in problem and f'{need:.1f} GB' in problem for problem in problems)


def test_fingerprint_follows_options_and_pins(checker, tmp_path, monkeypatch):
    prints = {checker.fingerprint(args) for args in (
        options(), options(no_torch=True), options(torch='2.13.0', torchvision='0.28.0'))}
    for folder in ('requirements', 'packages', 'tools'):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns('__pycache__', 'build'))
    shutil.copy(ROOT / 'setup.py', tmp_path)
    monkeypatch.setattr(checker, 'ROOT', tmp_path)
    before = checker.fingerprint(options())
    assert checker.fingerprint(options()) == before
    (tmp_path / 'requirements' / 'base.txt').write_text('munkres==1.0\n')
    prints |= {before, checker.fingerprint(options())}
    assert len(prints) == 5


def test_installed_ops_are_those_of_this_repository(checker):
    if checker.mmcv_kind() != 'stand-in':
        pytest.skip('a compiled mmcv is installed, the ops package is not in use')
    installed = Path(importlib.util.find_spec('mmcv').origin).with_name('_ext.py')
    source = ROOT / 'packages' / 'mmcv_torchvision_ops' / 'src' / 'mmcv' / '_ext.py'
    assert installed.read_text() == source.read_text(), 'run `bash tools/install.sh`'
