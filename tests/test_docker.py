"""What can be told of docker/ without an engine: everything it names is there and gets into the image."""
import fnmatch
import re
import shlex
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
DOCKERFILES = sorted((REPO / 'docker').glob('*Dockerfile*'))
# What tools/install.sh and tools/check_install.py read, and what people run in the container.
NEEDED = ('setup.py', 'pyproject.toml', 'README.md', 'model-index.yml', 'requirements.lock', 'tools/install.sh',
          'tools/check_install.py', 'packages/mmcv_torchvision_ops/pyproject.toml',
          'packages/xtcocotools/pyproject.toml', 'mmpose_integral/__init__.py',
          'mmpose_integral/assets/integral_r18w32_standin.pth', 'configs/quickstart/integral_r18_standin.py',
          'configs/_base_/datasets', 'tests/conftest.py', 'mmpose_integral/datasets/h80k_dataset.py')


def instructions(path):
    """(word, rest) of each instruction, continued lines joined."""
    lines = re.sub(r'\\\n\s*', '', path.read_text()).splitlines()
    return [tuple(line.split(None, 1)) for line in lines if line.strip() and not line.startswith('#')]


def ignored(path):
    """Whether .dockerignore keeps a path of the repository, or a folder above it, out of the image."""
    patterns = [line for line in (REPO / '.dockerignore').read_text().splitlines() if line and not line.startswith('#')]
    parents = [path, *(str(parent) for parent in Path(path).parents if str(parent) != '.')]
    for pattern in patterns:
        assert not pattern.startswith('!') and (pattern.startswith('**/') or '*' not in pattern), pattern
        for name in parents:
            if pattern.startswith('**/'):
                if fnmatch.fnmatchcase(Path(name).name, pattern[3:]):
                    return True
            elif name == pattern:
                return True
    return False


def test_there_are_docker_files():
    assert DOCKERFILES and (REPO / 'docker' / 'README.md').exists()


@pytest.mark.parametrize('path', DOCKERFILES, ids=lambda path: path.name)
def test_what_a_docker_file_names_is_there(path):
    steps = instructions(path)
    known = {'FROM', 'RUN', 'ARG', 'ENV', 'USER', 'WORKDIR', 'COPY', 'VOLUME', 'EXPOSE', 'CMD'}
    assert {word for word, _ in steps} <= known and steps[0][0] == 'FROM'
    copied = [source for word, rest in steps if word == 'COPY'
              for source in [part for part in shlex.split(rest) if not part.startswith('--')][:-1]]
    assert copied
    for source in copied:
        assert (REPO / source).exists() and not ignored(source), source
    scripts = [script for word, rest in steps if word == 'RUN' for script in re.findall(r'\btools/[\w/]+\.\w+', rest)]
    assert 'tools/install.sh' in scripts
    for script in scripts:
        assert (REPO / script).is_file() and not ignored(script), script
    order = [word for word, _ in steps]
    install = next(i for i, (word, rest) in enumerate(steps) if word == 'RUN' and 'tools/install.sh' in rest)
    assert order.index('COPY') < install and order.index('USER') < install  # not as root, and with the files there
    assert [rest for word, rest in steps if word == 'USER'][-1] != 'root'


@pytest.mark.parametrize('path', DOCKERFILES, ids=lambda path: path.name)
def test_the_base_has_a_python_that_the_installer_supports(path):
    base = next(rest for word, rest in instructions(path) if word == 'FROM')
    version = re.fullmatch(r'python:(3\.\d+)-slim-\w+', base).group(1)
    assert f'| {version}.' in (REPO / 'docs' / 'install.md').read_text()  # the table of what was tried


def test_the_image_gets_the_project_and_nothing_else():
    for name in NEEDED:
        assert (REPO / name).exists() and not ignored(name), name
    for name in ('.git/config', '.venv/bin/python', 'data/h80k/Train/IMG/00001.jpg', 'work_dirs/a/b.pth', 'build/lib/x',
                 'mmpose_integral.egg-info/PKG-INFO', 'tools/__pycache__/train.cpython-311.pyc', 'mmpose_integral/.mim',
                 'packages/mmcv_torchvision_ops/src/mmcv_torchvision_ops.egg-info/SOURCES.txt'):
        assert ignored(name), name
    files = [*REPO.glob('*.*'), *(REPO / 'docs').rglob('*.*'), *(REPO / 'packages').rglob('*.py'),
             *(path for folder in ('configs', 'mmpose_integral', 'tests', 'tools')
               for path in (REPO / folder).rglob('*.*'))]
    lost = {path.relative_to(REPO).as_posix() for path in files if path.is_file()
            and ignored(path.relative_to(REPO).as_posix())}
    assert not {name for name in lost if name.endswith(('.py', '.sh', '.md', '.lock', '.yml', '.pth', '.toml'))
                and name != 'uv.lock' and '.mim/' not in name and '/build/' not in name and '.egg-info/' not in name}


def test_commands_of_the_manual_exist_and_fit_the_image():
    manual = (REPO / 'docker' / 'README.md').read_text()
    for name in re.findall(r'(?<![\w/])(?:tools|configs|docker)/[\w/]+\.\w+', manual):
        assert (REPO / name).is_file(), name
    steps = [step for path in DOCKERFILES for step in instructions(path)]
    arguments = {rest.split('=')[0] for word, rest in steps if word == 'ARG'}
    assert set(re.findall(r'--build-arg (\w+)=', manual)) == arguments
    ports = [rest for word, rest in steps if word == 'EXPOSE']
    demo = (REPO / 'tools' / 'web_demo.py').read_text()
    assert all(f"'--port', type=int, default={port}" in demo and f':{port} ' in manual for port in ports) and ports
    volumes = {name for word, rest in steps if word == 'VOLUME' for name in re.findall(r'"([^"]+)"', rest)}
    assert volumes == set(re.findall(r'-v \$PWD/(?:data|work_dirs):(\S+?)[\s"]', manual))
