"""The package as users get it: a source distribution, a wheel built from it, an editable install."""
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope='module')
def source_copy(tmp_path_factory):
    """The files that a build uses, so that it leaves nothing in the repository."""
    copy = tmp_path_factory.mktemp('source')
    ignore = shutil.ignore_patterns('__pycache__', '.mim', 'build', '*.egg-info', '.*', 'data', 'work_dirs')
    for file in ROOT.iterdir():
        if file.is_dir() and file.name in ('mmpose_integral', 'configs', 'tools', 'packages', 'docs'):
            shutil.copytree(file, copy / file.name, ignore=ignore)
        elif file.suffix in ('.py', '.toml', '.md', '.in', '.yml', '.lock') or file.name == 'LICENSE':
            shutil.copy(file, copy)
    return copy


def call(*command, **kwargs):
    result = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, **kwargs)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.fixture(scope='module')
def wheel(source_copy, tmp_path_factory):
    """A wheel built from a source distribution, as on an index, and the output of the build."""
    folder = tmp_path_factory.mktemp('dist')
    call('-c', f'from setuptools import build_meta; build_meta.build_sdist({str(folder)!r})', cwd=source_copy)
    sdist, = folder.glob('*.tar.gz')
    shutil.unpack_archive(sdist, folder)
    unpacked = sdist.with_name(sdist.name.removesuffix('.tar.gz'))
    # A missing item is reported and does not stop a build; here the index of models is missing.
    (unpacked / 'model-index.yml').unlink(missing_ok=True)
    said = call('-m', 'pip', 'wheel', '-v', '--no-deps', '--no-build-isolation', '-w', folder, unpacked)
    return next(folder.glob('*.whl')), said


def test_wheel_holds_package_configs_and_tools(wheel, source_copy):
    file, said = wheel
    names = set(zipfile.ZipFile(file).namelist())
    sources = {f'mmpose_integral/.mim/{path.relative_to(source_copy).as_posix()}'
               for folder in ('configs', 'tools') for path in (source_copy / folder).rglob('*') if path.is_file()}
    modules = {path.relative_to(source_copy).as_posix() for path in (source_copy / 'mmpose_integral').rglob('*.py')}
    assert sources | modules <= names
    assert not [name for name in names if name.startswith(('tests', 'packages', 'mmcv')) or name.endswith('.pyc')]
    assert 'model-index.yml is not in' in said


def test_wheel_installs_and_imports_elsewhere(wheel, tmp_path):
    call('-m', 'pip', 'install', '--no-deps', '--no-compile', '--target', tmp_path / 'site', wheel[0])
    code = ('import json, mmpose_integral, mmpose.registry as r; '
            'print("RESULT", json.dumps([mmpose_integral.__file__, mmpose_integral.__version__, '
            '"Integral3DHead" in r.MODELS, "H80KDataset" in r.DATASETS]))')
    output = call('-W', 'ignore', '-c', code, cwd=tmp_path, env={**os.environ, 'PYTHONPATH': str(tmp_path / 'site')})
    file, version, has_head, has_dataset = json.loads(output.split('RESULT')[1].splitlines()[0])
    assert Path(file).is_relative_to(tmp_path / 'site')
    assert version == wheel[0].name.split('-')[1]
    assert has_head and has_dataset


@pytest.mark.parametrize('base', [
    "'mmpose_integral::integral_r152_h80k.py'",
    "__import__('mmpose_integral').__path__[0] + '/.mim/configs/integral_r152_h80k.py'"])  # for mim and mmpose's tools
def test_config_of_a_user_in_another_folder(wheel, tmp_path, base):
    """The second form is read by mmengine before the plugin is imported."""
    with zipfile.ZipFile(wheel[0]) as file:
        file.extractall(tmp_path / 'site')
    (tmp_path / 'mine.py').write_text(f'_base_ = {base}\ntrain_cfg = dict(max_epochs=3)\n')
    before = 'import mmpose_integral; ' if '::' in base else ''
    code = (f'{before}from mmengine.config import Config; cfg = Config.fromfile("mine.py"); '
            'import mmpose_integral, json; from mmpose.registry import MODELS; '
            'print("RESULT", json.dumps([mmpose_integral.__file__, cfg.train_cfg.max_epochs, '
            'MODELS.build(cfg.model.head).depth_bins]))')
    output = call('-W', 'ignore', '-c', code, cwd=tmp_path, env={**os.environ, 'PYTHONPATH': str(tmp_path / 'site')})
    file, epochs, depth_bins = json.loads(output.split('RESULT')[1].splitlines()[0])
    assert Path(file).is_relative_to(tmp_path / 'site') and (epochs, depth_bins) == (3, 72)


def test_editable_install_links_to_the_source(source_copy, tmp_path):
    call('-c', f'from setuptools import build_meta; build_meta.build_editable({str(tmp_path)!r})', cwd=source_copy)
    for name in ('configs', 'tools'):
        link = source_copy / 'mmpose_integral' / '.mim' / name
        assert link.is_symlink() and link.resolve() == (source_copy / name).resolve()


def test_another_mmpose_is_refused():
    code = "import mmpose; mmpose.__version__ = '0.29.0'; import mmpose_integral"
    result = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True, timeout=120)
    assert result.returncode == 1
    assert 'needs mmpose >= 1.3.0, < 2.0.0; found 0.29.0' in result.stderr
    assert 'pip install --no-deps mmpose==' in result.stderr
