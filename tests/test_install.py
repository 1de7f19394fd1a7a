"""tools/install.sh with a Python that only records its calls, tools/check_install.py, and requirements.lock."""
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

ROOT = Path(__file__).parents[1]
PYTHONS = ('3.10.20', '3.11.7', '3.12.1', '3.13.5', '3.14.0')

# Answers as a Python of $FAKE_VERSION that has the distributions of $FAKE_HAS; `-m venv` copies it.
FAKE_PYTHON = '''#!/bin/sh
echo "$*" >> "$FAKE_LOG"
case "$*" in
    *sys.version_info*) [ "$FAKE_VERSION" != 3.9 ] && echo "$FAKE_VERSION" ;;
    *importlib.metadata*) name=${2#*version(\\'}; case " $FAKE_HAS " in *" ${name%%\\'*} "*) ;; *) exit 1 ;; esac ;;
    "-m venv"*) for folder in "$@"; do :; done; mkdir -p "$folder/bin" && cp "$0" "$folder/bin/python" ;;
    *check_install.py*) exit "${FAKE_CHECK:-0}" ;;
esac
'''


@pytest.fixture
def install(tmp_path):
    """A function that runs a copy of install.sh with the recording Python, and knows where everything is."""
    copy = tmp_path / 'repository'
    (copy / 'tools').mkdir(parents=True)
    shutil.copy(ROOT / 'tools' / 'install.sh', copy / 'tools')
    for name in ('requirements.lock', 'pyproject.toml', 'setup.py'):
        shutil.copy(ROOT / name, copy)
    for package in (ROOT / 'packages').iterdir():
        shutil.copytree(package, copy / 'packages' / package.name, ignore=shutil.ignore_patterns('build', '*.egg-info'))
    commands = tmp_path / 'commands'
    commands.mkdir()
    python = commands / 'python3'
    python.write_text(FAKE_PYTHON)
    python.chmod(0o755)

    def run(*args, **variables):
        log = tmp_path / 'log'
        log.write_text('')
        environment = {'PATH': f'{commands}:{os.environ["PATH"]}', 'FAKE_LOG': str(log), 'FAKE_VERSION': '3.12'}
        result = subprocess.run(['bash', str(copy / 'tools' / 'install.sh'), *map(str, args)], capture_output=True,
                                text=True, timeout=60, env={**environment, **variables})
        run.calls = [line for line in log.read_text().splitlines() if line.startswith('-m')]
        return result

    run.copy, run.commands, run.environment = copy, commands, copy / '.venv'
    return run


def assert_refused(result, *parts):
    """One line on stderr with all ``parts``, and exit status 1."""
    assert result.returncode == 1
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith('install.sh: '), result.stderr
    assert all(part in lines[0] for part in parts), lines[0]


def requirements(environment):
    """The names that pip was given, without the local packages."""
    return {line.split('==')[0] for line in (environment / 'requirements.txt').read_text().splitlines() if '==' in line}


# --- tools/install.sh -----------------------------------------------------------------------------------------------
def test_help(install):
    result = install('--help')
    assert result.returncode == 0 and install.calls == []
    assert all(option in result.stdout for option in ('--python', '--torch', '--torchvision', '--no-torch', '.venv'))


@pytest.mark.parametrize('args, parts', [
    (['--frobnicate'], ['--frobnicate', '--help']), (['--torch'], ['--torch', 'value']),
    (['--torch', '2.13.0'], ['both', '--torchvision']), (['--torchvision', '0.28.0'], ['both', '--torch ']),
    (['--torch', '2.13.0', '--torchvision', '0.28.0', '--no-torch'], ['either'])])
def test_options_that_make_no_sense(args, parts, install):
    assert_refused(install(*args), *parts)
    assert install.calls == []


@pytest.mark.parametrize('version', ['3.10', '3.11', '3.12', '3.13', '3.14'])
def test_everything_is_installed_in_one_call(version, install):
    result = install(FAKE_VERSION=version)
    assert result.returncode == 0 and 'done' in result.stdout, result.stderr
    venv, = [call for call in install.calls if call.startswith('-m venv')]
    assert venv == f'-m venv {install.environment}'
    call, = [call for call in install.calls if 'pip install' in call]
    assert '--no-deps' in call and '--editable .' in call
    everything = {line.split('==')[0] for line in (ROOT / 'requirements.lock').read_text().splitlines() if '==' in line}
    assert requirements(install.environment) == everything
    local = (install.environment / 'requirements.txt').read_text().splitlines()[:2]
    assert local == ['./packages/mmcv_torchvision_ops', './packages/xtcocotools']


def test_second_run_installs_nothing_until_something_changes(install):
    assert install().returncode == 0
    assert 'already installed' in install().stdout and install.calls == []
    (install.copy / 'packages' / 'xtcocotools' / 'src' / 'xtcocotools' / 'coco.py').write_text('# changed\n')
    assert 'done' in install().stdout and any('pip install' in call for call in install.calls)


def test_failed_check_is_not_taken_for_done(install):
    assert install(FAKE_CHECK='1').returncode == 1
    assert 'done' in install().stdout and any('pip install' in call for call in install.calls)


def test_old_or_missing_python_is_refused(install):
    assert_refused(install(FAKE_VERSION='3.9'), 'python3', '3.10 or newer', '--python PATH')
    assert_refused(install('--python', install.copy / 'nothing'), 'nothing', '--python PATH')
    assert_refused(install(VIRTUAL_ENV=str(install.copy)), f'{install.copy}/bin/python')


def test_another_python_than_that_of_the_environment(install):
    assert install().returncode == 0
    other = install.commands / 'other'
    other.write_text('#!/bin/sh\necho 3.14\n')
    other.chmod(0o755)
    assert_refused(install('--python', other), 'has Python 3.12', 'is Python 3.14', 'remove')


def test_full_disk(install):
    df = install.commands / 'df'
    df.write_text('#!/bin/sh\necho "Filesystem 1024-blocks Used Available"; echo "/dev/x 9 9 5000000"\n')
    df.chmod(0o755)
    assert_refused(install(), '11 GB are needed', str(install.environment), '5 GB are free')
    assert install(FAKE_HAS='torch').returncode == 0


def test_another_torch_is_kept_by_later_runs(install):
    assert install('--torch', '2.11.0', '--torchvision', '0.26.0').returncode == 0
    torch, rest = [call for call in install.calls if 'pip install' in call]
    assert 'torch==2.11.0 torchvision==0.26.0' in torch and '--no-deps' not in torch
    names = requirements(install.environment)
    assert not [name for name in names if name.startswith(('torch', 'triton', 'nvidia-', 'cuda-'))]
    assert {'numpy', 'mmcv-lite', 'mmpose'} <= names and '--no-deps' in rest
    assert 'already installed' in install().stdout


def test_torch_that_is_there_is_kept(install):
    assert_refused(install('--no-torch'), 'no torch', 'without --no-torch')
    assert install('--no-torch', FAKE_HAS='torch').returncode == 0
    assert f'-m venv --system-site-packages {install.environment}' in install.calls
    assert 'torch' not in requirements(install.environment)


def test_compiled_mmcv_is_kept_with_its_torch(install):
    result = install(FAKE_HAS='mmcv torch')
    assert result.returncode == 0 and 'keeping the compiled mmcv' in result.stdout
    assert not {'mmcv-lite', 'torch', 'torchvision'} & requirements(install.environment)
    assert 'mmcv_torchvision_ops' not in (install.environment / 'requirements.txt').read_text()


def test_second_opencv_is_removed_first(install):
    assert install(FAKE_HAS='opencv-python').returncode == 0
    pip = [call for call in install.calls if call.startswith('-m pip') and '--version' not in call]
    assert pip[0].startswith('-m pip uninstall --yes opencv-python') and 'install' in pip[1]


# --- tools/check_install.py -----------------------------------------------------------------------------------------
@pytest.fixture
def checker():
    """tools/check_install.py as a module."""
    spec = importlib.util.spec_from_file_location('check_install', ROOT / 'tools' / 'check_install.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def distributions(checker, monkeypatch):
    """The versions that the checker finds; a test may change them."""
    found = dict(checker.locked())

    def version(name):
        if name not in found:
            raise importlib.metadata.PackageNotFoundError(name)
        return found[name]

    monkeypatch.setattr(checker.metadata, 'version', version)
    return found


def test_versions(checker, distributions):
    checker.check_versions()
    distributions['munkres'] = '9.0'
    with pytest.raises(RuntimeError, match='^munkres is 9.0, 3.0.0 is expected$'):
        checker.check_versions()
    del distributions['munkres']
    with pytest.raises(RuntimeError, match='^munkres is not installed'):
        checker.check_versions()


def test_torch_of_the_lock_or_of_the_user(checker, distributions, monkeypatch, tmp_path):
    monkeypatch.setattr(checker.sys, 'prefix', str(tmp_path))
    for state, expected in [('lock\n', {'2.14.1'}), ('keep\n', set()), ('torch==2.11.0 torchvision==0.26.0\n', set())]:
        (tmp_path / '.mmpose_integral').write_text(state)
        assert {version for name, version in checker.locked() if name == 'torch'} == expected
    (tmp_path / '.mmpose_integral').write_text('lock\n')
    distributions['mmcv'] = '2.1.0'  # a compiled one, which belongs to a torch
    assert not {'torch', 'triton', 'mmcv-lite'} & {name for name, _ in checker.locked()}
    distributions['torch'] = '2.14.1+cpu'
    assert checker.installed_version('torch') == '2.14.1'


def test_first_problem_and_its_remedy(checker, monkeypatch, capsys):
    def fail():
        raise OSError('undefined symbol:\n  _ZN3c10')

    for name in ('check_versions', 'check_place', 'check_project'):
        monkeypatch.setattr(checker, name, lambda: None)
    monkeypatch.setattr(checker, 'check_nms', fail)
    monkeypatch.setattr(checker, 'installed_version', lambda name: None)
    monkeypatch.setattr(sys, 'argv', ['check_install.py'])
    assert checker.main() == 1
    assert capsys.readouterr().err == 'OSError: undefined symbol: _ZN3c10: run `bash tools/install.sh`\n'
    monkeypatch.setattr(checker, 'installed_version', lambda name: '2.1.0')
    assert checker.main() == 1
    assert 'rebuild the compiled mmcv for this torch' in capsys.readouterr().err
    monkeypatch.setattr(sys, 'argv', ['check_install.py', '--quick'])
    assert checker.main() == 0


def test_wrong_nms_is_noticed(checker, monkeypatch):
    import mmcv.ops
    checker.check_nms()
    monkeypatch.setattr(mmcv.ops, 'nms', lambda boxes, scores, threshold: (None, scores.argsort()))
    with pytest.raises(RuntimeError, match=r'keeps boxes \[0, 1\], \[1\] is expected'):
        checker.check_nms()


@pytest.mark.parametrize('package, module', [('mmcv_torchvision_ops', 'mmcv'), ('xtcocotools', 'xtcocotools')])
def test_installed_local_packages_are_those_of_this_repository(package, module, checker):
    distribution = package.replace('_', '-')
    project = (ROOT / 'packages' / package / 'pyproject.toml').read_text()
    if checker.installed_version(distribution) is None or (
            f"version = '{importlib.metadata.version(distribution)}'" not in project):
        pytest.skip(f'another distribution serves {module} here, {package} is not in use')
    installed = Path(importlib.util.find_spec(module).origin).parent
    for source in (ROOT / 'packages' / package / 'src' / module).glob('*.py'):
        assert (installed / source.name).read_text() == source.read_text(), 'run `bash tools/install.sh`'


# --- requirements.lock ----------------------------------------------------------------------------------------------
def lock_of(python):
    """{name: [versions]} of the lines that apply to a Python on Linux."""
    names = {}
    for line in (ROOT / 'requirements.lock').read_text().splitlines():
        if '==' not in line:
            continue
        requirement = Requirement(line)
        environment = dict(python_full_version=python, python_version=python.rpartition('.')[0], sys_platform='linux',
                           platform_machine='x86_64', implementation_name='cpython')
        if requirement.marker is None or requirement.marker.evaluate(environment):
            names.setdefault(requirement.name, []).append(str(requirement.specifier).removeprefix('=='))
    return names


@pytest.mark.parametrize('python', PYTHONS)
def test_lock_has_one_version_of_everything_that_pyproject_asks_for(python):
    locked = lock_of(python)
    assert all(len(versions) == 1 for versions in locked.values())
    project = tomllib.loads((ROOT / 'pyproject.toml').read_text())
    direct = [*project['project']['dependencies'], *project['dependency-groups']['stack'],
              *project['dependency-groups']['tests'], *project['project']['optional-dependencies']['demo'],
              *project['project']['optional-dependencies']['export']]
    direct = [requirement for requirement in map(Requirement, direct)
              if requirement.name not in project['tool']['uv']['sources']]
    assert len(direct) > 20
    for requirement in direct:
        assert requirement.specifier.contains(locked[requirement.name][0]), requirement
    assert not set(project['tool']['uv']['exclude-dependencies']) & set(locked)
