"""Checks of docker/ without an engine: everything that it names exists and gets into the image."""
import fnmatch
import re
import shlex
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
DOCKERFILES = sorted((REPO / 'docker').glob('*Dockerfile*'))
# Files that tools/install.sh and tools/check_install.py read, and files that users run in the container.
NEEDED = ('setup.py', 'pyproject.toml', 'README.md', 'model-index.yml', 'requirements.lock', 'tools/install.sh',
          'tools/check_install.py', 'packages/mmcv_torchvision_ops/pyproject.toml',
          'packages/xtcocotools/pyproject.toml', 'mmpose_integral/__init__.py',
          'mmpose_integral/assets/integral_r18_standin.pth', 'configs/quickstart/integral_r18_standin.py',
          'configs/_base_/datasets', 'tests/conftest.py', 'mmpose_integral/datasets/h80k_dataset.py')


def instructions(path):
    """(word, rest) of each instruction, with continued lines joined."""
    lines = re.sub(r'\\\n\s*', '', path.read_text()).splitlines()
    return [tuple(line.split(None, 1)) for line in lines if line.strip() and not line.startswith('#')]


def ignored(path):
    """Whether .dockerignore keeps a path of the repository, or a folder above it, out of the image."""
    patterns = [line for line in (REPO / '.dockerignore').read_text().splitlines() if line and not line.startswith('#')]
    assert all(pattern.startswith('**/') or not set('!*') & set(pattern) for pattern in patterns)  # the forms read here
    return any(fnmatch.fnmatchcase(name.name, pattern[3:]) if pattern.startswith('**/') else str(name) == pattern
               for pattern in patterns for name in (Path(path), *Path(path).parents))


@pytest.mark.parametrize('path', DOCKERFILES, ids=lambda path: path.name)
def test_files_of_a_docker_file_exist(path):
    steps = instructions(path)
    known = {'FROM', 'RUN', 'ARG', 'ENV', 'USER', 'WORKDIR', 'COPY', 'VOLUME', 'EXPOSE', 'CMD'}
    assert {word for word, _ in steps} <= known and steps[0][0] == 'FROM'
    copied = [source for word, rest in steps if word == 'COPY'
              for source in [part for part in shlex.split(rest) if not part.startswith('--')][:-1]]
    scripts = [script for word, rest in steps if word == 'RUN' for script in re.findall(r'\btools/[\w/]+\.\w+', rest)]
    assert copied and 'tools/install.sh' in scripts
    for source in copied + scripts:
        assert (REPO / source).exists() and not ignored(source), source
    order = [word for word, _ in steps]
    install = next(i for i, (word, rest) in enumerate(steps) if word == 'RUN' and 'tools/install.sh' in rest)
    assert order.index('COPY') < install and order.index('USER') < install  # not as root, with the files
    assert [rest for word, rest in steps if word == 'USER'][-1] != 'root'


@pytest.mark.parametrize('path', DOCKERFILES, ids=lambda path: path.name)
def test_base_has_a_python_that_the_installer_supports(path):
    base = next(rest for word, rest in instructions(path) if word == 'FROM')
    version = re.fullmatch(r'python:(3\.\d+)-slim-\w+', base).group(1)
    assert f'| {version}.' in (REPO / 'docs' / 'install.md').read_text()  # the table of tried systems


def test_image_gets_the_project_and_nothing_else():
    for name in NEEDED:
        assert (REPO / name).exists() and not ignored(name), name
    for name in ('.git/config', '.venv/bin/python', 'data/h80k/Train/IMG/00001.jpg', 'work_dirs/a/b.pth', 'build/lib/x',
                 'mmpose_integral.egg-info/PKG-INFO', 'tools/__pycache__/train.cpython-311.pyc', 'mmpose_integral/.mim',
                 'packages/mmcv_torchvision_ops/src/mmcv_torchvision_ops.egg-info/SOURCES.txt'):
        assert ignored(name), name
    files = [*REPO.glob('*.*'), *(REPO / 'docs').rglob('*.*'), *(REPO / 'packages').rglob('*.py'),
             *(path for folder in ('configs', 'mmpose_integral', 'tests', 'tools')
               for path in (REPO / folder).rglob('*.*'))]
    names = {path.relative_to(REPO).as_posix() for path in files if path.is_file()}
    assert not {name for name in names if name.endswith(('.py', '.sh', '.md', '.lock', '.yml', '.pth', '.toml'))
                and not re.search(r'^uv.lock$|\.mim/|/build/|\.egg-info/', name) and ignored(name)}


def test_commands_of_the_manual_exist_and_fit_the_image():
    manual = (REPO / 'docker' / 'README.md').read_text()
    for name in re.findall(r'(?<![\w/])(?:tools|configs|docker)/[\w/]+\.\w+', manual):
        assert (REPO / name).is_file(), name
    steps = [step for path in DOCKERFILES for step in instructions(path)]
    arguments = {rest.split('=')[0] for word, rest in steps if word == 'ARG'}
    assert set(re.findall(r'--build-arg (\w+)=', manual)) == arguments
    ports = [rest for word, rest in steps if word == 'EXPOSE']
    demo = (REPO / 'mmpose_integral' / 'cli' / 'demo.py').read_text()
    assert all(f"'--port', type=int, default={port}" in demo and f':{port} ' in manual for port in ports) and ports
    volumes = {name for word, rest in steps if word == 'VOLUME' for name in re.findall(r'"([^"]+)"', rest)}
    assert volumes == set(re.findall(r'-v \$PWD/(?:data|work_dirs):(\S+?)[\s"]', manual))
