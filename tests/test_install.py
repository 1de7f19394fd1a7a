"""tools/install.sh with a Python that only records its calls, tools/check_install.py, and requirements.lock."""
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import check_install
import pytest
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

ROOT = Path(__file__).parents[1]
PYTHONS = ('3.10.20', '3.11.7', '3.12.1', '3.13.5', '3.14.0')

# Answers like a Python of $FAKE_VERSION with the distributions of $FAKE_HAS; `-m venv` copies it.
FAKE_PYTHON = '''#!/bin/sh
echo "$*" >> "$FAKE_LOG"
case "$*" in
    *sys.version_info*) [ "$FAKE_VERSION" != 3.9 ] && echo "$FAKE_VERSION" ;;
    *importlib.metadata*) name=${2#*version(\\'}; case " $FAKE_HAS " in *" ${name%%\\'*} "*) ;; *) exit 1 ;; esac ;;
    "-m venv"*) for folder in "$@"; do :; done; mkdir -p "$folder/bin" && cp "$0" "$folder/bin/python" ;;
    *check_install.py*) exit "${FAKE_CHECK:-0}" ;;
esac
'''
# The answer of `df -Pk` for a disk with room for an installation, or without, whatever the real disk has.
FAKE_DF = '#!/bin/sh\necho "Filesystem 1024-blocks Used Available"; echo "/dev/x 9 9 {free_kb}"\n'


def write_command(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def install(tmp_path):
    """Function that runs a copy of install.sh with the recording Python; its attributes are the calls and folders."""
    copy = tmp_path / 'repository'
    (copy / 'tools').mkdir(parents=True)
    shutil.copy(ROOT / 'tools' / 'install.sh', copy / 'tools')
    for name in ('requirements.lock', 'pyproject.toml', 'setup.py'):
        shutil.copy(ROOT / name, copy)
    for package in (ROOT / 'packages').iterdir():
        shutil.copytree(package, copy / 'packages' / package.name, ignore=shutil.ignore_patterns('build', '*.egg-info'))
    commands = tmp_path / 'commands'
    commands.mkdir()
    write_command(commands / 'python3', FAKE_PYTHON)
    write_command(commands / 'df', FAKE_DF.format(free_kb=20_000_000))

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


def names_in(path):
    """Names of the distributions in a requirements file, without the local packages."""
    return {line.split('==')[0] for line in path.read_text().splitlines() if '==' in line}


# --- tools/install.sh -----------------------------------------------------------------------------------------------
def test_help(install):
    result = install('--help')
    assert result.returncode == 0 and install.calls == []
    assert all(option in result.stdout for option in ('--python', '--torch', '--torchvision', '--no-torch', '.venv'))


@pytest.mark.parametrize('args, parts', [
    (['--frobnicate'], ['--frobnicate', '--help']), (['--torch'], ['--torch', 'value']),
    (['--torch', '2.13.0'], ['both', '--torchvision']), (['--torchvision', '0.28.0'], ['both', '--torch ']),
    (['--torch', '2.13.0', '--torchvision', '0.28.0', '--no-torch'], ['either'])])
def test_contradictory_options_are_refused(args, parts, install):
    assert_refused(install(*args), *parts)
    assert install.calls == []


@pytest.mark.parametrize('version', ['3.10', '3.11', '3.12', '3.13', '3.14'])
def test_everything_is_installed_in_one_call(version, install):
    result = install(FAKE_VERSION=version)
    assert result.returncode == 0 and 'done' in result.stdout, result.stderr
    assert [call for call in install.calls if '-m venv' in call] == [f'-m venv {install.environment}']
    call, = [call for call in install.calls if 'pip install' in call]
    assert '--no-deps' in call and '--editable .' in call
    requirements = install.environment / 'requirements.txt'
    assert names_in(requirements) == names_in(ROOT / 'requirements.lock')
    local = ['./packages/mmcv_torchvision_ops', './packages/xtcocotools']
    assert requirements.read_text().splitlines()[:2] == local


def test_complete_installation_is_kept_until_something_changes(install):
    assert install(FAKE_CHECK='1').returncode == 1
    assert 'done' in install().stdout and any('pip install' in call for call in install.calls)
    assert 'already installed' in install().stdout and install.calls == []
    (install.copy / 'packages' / 'xtcocotools' / 'src' / 'xtcocotools' / 'coco.py').write_text('# changed\n')
    assert 'done' in install().stdout and any('pip install' in call for call in install.calls)


def test_wrong_python_is_refused(install):
    assert_refused(install(FAKE_VERSION='3.9'), 'python3', '3.10 or newer', '--python PATH')
    assert_refused(install('--python', install.copy / 'nothing'), 'nothing', '--python PATH')
    assert_refused(install(VIRTUAL_ENV=str(install.copy)), f'{install.copy}/bin/python')
    assert install().returncode == 0
    other = write_command(install.commands / 'other', '#!/bin/sh\necho 3.14\n')
    assert_refused(install('--python', other), 'has Python 3.12', 'is Python 3.14', 'remove')


def test_full_disk(install):
    write_command(install.commands / 'df', FAKE_DF.format(free_kb=5_000_000))
    assert_refused(install(), '7 GB are needed', str(install.environment), '5 GB are free')
    assert install(FAKE_HAS='torch').returncode == 0


def test_another_torch_is_kept_by_later_runs(install):
    assert install('--torch', '2.11.0', '--torchvision', '0.26.0').returncode == 0
    torch, rest = [call for call in install.calls if 'pip install' in call]
    assert 'torch==2.11.0 torchvision==0.26.0' in torch and '--no-deps' not in torch
    names = names_in(install.environment / 'requirements.txt')
    assert not [name for name in names if name.startswith(('torch', 'triton', 'nvidia-', 'cuda-'))]
    assert {'numpy', 'mmcv-lite', 'mmpose'} <= names and '--no-deps' in rest
    assert 'already installed' in install().stdout


def test_torch_that_is_there_is_kept(install):
    assert_refused(install('--no-torch'), 'no torch', 'without --no-torch')
    assert install('--no-torch', FAKE_HAS='torch').returncode == 0
    assert f'-m venv --system-site-packages {install.environment}' in install.calls
    assert 'torch' not in names_in(install.environment / 'requirements.txt')


def test_compiled_mmcv_is_kept_with_its_torch(install):
    result = install(FAKE_HAS='mmcv torch')
    assert result.returncode == 0 and 'keeping the compiled mmcv' in result.stdout
    requirements = install.environment / 'requirements.txt'
    assert not {'mmcv-lite', 'torch', 'torchvision'} & names_in(requirements)
    assert 'mmcv_torchvision_ops' not in requirements.read_text()


def test_second_opencv_is_removed_first(install):
    assert install(FAKE_HAS='opencv-python').returncode == 0
    pip = [call for call in install.calls if call.startswith('-m pip') and '--version' not in call]
    assert pip[0].startswith('-m pip uninstall --yes opencv-python') and 'install' in pip[1]


# --- tools/check_install.py -----------------------------------------------------------------------------------------
@pytest.fixture
def distributions(monkeypatch):
    """The versions that check_install finds; a test may change them."""
    found = dict(check_install.locked())

    def version(name):
        if name not in found:
            raise metadata.PackageNotFoundError(name)
        return found[name]

    monkeypatch.setattr(metadata, 'version', version)
    return found


def test_versions(distributions):
    check_install.check_versions()
    distributions['munkres'] = '9.0'
    with pytest.raises(RuntimeError, match='^munkres is 9.0, 3.0.0 is expected$'):
        check_install.check_versions()
    del distributions['munkres']
    with pytest.raises(RuntimeError, match='^munkres is not installed'):
        check_install.check_versions()


def test_torch_of_the_lock_or_of_the_user(distributions, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, 'prefix', str(tmp_path))
    for state, expected in [('lock\n', {'2.14.1'}), ('keep\n', set()), ('torch==2.11.0 torchvision==0.26.0\n', set())]:
        (tmp_path / '.mmpose_integral').write_text(state)
        assert {version for name, version in check_install.locked() if name == 'torch'} == expected
    (tmp_path / '.mmpose_integral').write_text('lock\n')
    distributions['mmcv'] = '2.1.0'  # a compiled one, which belongs to a torch
    assert not {'torch', 'triton', 'mmcv-lite'} & {name for name, _ in check_install.locked()}
    distributions['torch'] = '2.14.1+cpu'
    assert check_install.installed_version('torch') == '2.14.1'


def test_first_problem_and_its_remedy(monkeypatch, capsys):
    def fail():
        raise OSError('undefined symbol:\n  _ZN3c10')

    for name in ('check_versions', 'check_place', 'check_project'):
        monkeypatch.setattr(check_install, name, lambda: None)
    monkeypatch.setattr(check_install, 'check_nms', fail)
    monkeypatch.setattr(check_install, 'installed_version', lambda name: None)
    monkeypatch.setattr(sys, 'argv', ['check_install.py'])
    assert check_install.main() == 1
    assert capsys.readouterr().err == 'OSError: undefined symbol: _ZN3c10: run `bash tools/install.sh`\n'
    monkeypatch.setattr(check_install, 'installed_version', lambda name: '2.1.0')
    assert check_install.main() == 1
    assert 'rebuild the compiled mmcv for this torch' in capsys.readouterr().err
    monkeypatch.setattr(sys, 'argv', ['check_install.py', '--quick'])
    assert check_install.main() == 0


def test_wrong_nms_is_noticed(monkeypatch):
    import mmcv.ops
    check_install.check_nms()
    monkeypatch.setattr(mmcv.ops, 'nms', lambda boxes, scores, threshold: (None, scores.argsort()))
    with pytest.raises(RuntimeError, match=r'keeps boxes \[0, 1\], \[1\] is expected'):
        check_install.check_nms()


@pytest.mark.parametrize('package, module', [('mmcv_torchvision_ops', 'mmcv'), ('xtcocotools', 'xtcocotools')])
def test_installed_local_packages_are_those_of_this_repository(package, module):
    project = tomllib.loads((ROOT / 'packages' / package / 'pyproject.toml').read_text())['project']
    found = list(metadata.distributions(name=project['name']))
    if [distribution.version for distribution in found] != [project['version']]:
        pytest.skip(f'another distribution provides {module} here, {package} is not in use')
    for source in (ROOT / 'packages' / package / 'src' / module).glob('*.py'):
        installed = found[0].locate_file(f'{module}/{source.name}')
        assert installed.read_text() == source.read_text(), 'run `bash tools/install.sh`'


# --- requirements.lock ----------------------------------------------------------------------------------------------
def lock_of(python):
    """Names and versions of the lines that apply to a Python on Linux."""
    environment = dict(python_full_version=python, python_version=python.rpartition('.')[0], sys_platform='linux',
                       platform_machine='x86_64', implementation_name='cpython')
    lines = (ROOT / 'requirements.lock').read_text().splitlines()
    requirements = [Requirement(line) for line in lines if '==' in line]
    return [(requirement.name, str(requirement.specifier).removeprefix('==')) for requirement in requirements
            if requirement.marker is None or requirement.marker.evaluate(environment)]


@pytest.mark.parametrize('python', PYTHONS)
def test_lock_has_one_version_of_everything_that_pyproject_asks_for(python):
    pairs = lock_of(python)
    locked = dict(pairs)
    assert len(locked) == len(pairs)
    content = tomllib.loads((ROOT / 'pyproject.toml').read_text())
    project, groups, uv = content['project'], content['dependency-groups'], content['tool']['uv']
    lists = [project['dependencies'], *groups.values(), *project['optional-dependencies'].values()]
    direct = [requirement for requirement in map(Requirement, sum(lists, [])) if requirement.name not in uv['sources']]
    assert len(direct) > 20
    for requirement in direct:
        assert requirement.specifier.contains(locked[requirement.name]), requirement
    assert not set(uv['exclude-dependencies']) & set(locked)
