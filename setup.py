"""Build mmpose_integral; its metadata is in pyproject.toml.

Configs, tools and the model index are put inside the package, where mmengine and mim look for them.
"""
import os
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
PACKAGE = 'mmpose_integral'
# As OpenMMLab's packages do, the wheel carries these under <package>/.mim: the commands find their configs there.
MIM_ITEMS = ('configs', 'tools', 'model-index.yml')


class BuildWithMim(build_py):
    """Copies ``MIM_ITEMS`` into the package, or links them where the install is editable."""

    def run(self):
        super().run()
        # An editable install uses the source tree, so links there follow every edit.
        package_dir = ROOT / PACKAGE if self.editable_mode else Path(self.build_lib) / PACKAGE
        mim_dir = package_dir / '.mim'
        mim_dir.mkdir(parents=True, exist_ok=True)
        for name in MIM_ITEMS:
            source, target = ROOT / name, mim_dir / name
            remove(target)
            if not source.exists():
                self.warn(f'{name} is not in {ROOT}: {PACKAGE} is built without it')
            elif self.editable_mode:
                target.symlink_to(os.path.relpath(source, mim_dir))
            elif source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns('__pycache__', '*.pyc'))
            else:
                shutil.copy2(source, target)


def remove(path):
    """Delete a file, a link or a folder left by an earlier build."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)


setup(cmdclass={'build_py': BuildWithMim}, zip_safe=False)
