"""Build mmpose_integral; configs, tools and model index travel inside it, where mmengine and mim look for them."""
import os
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
PACKAGE = 'mmpose_integral'
# OpenMMLab's packages carry these under <package>/.mim; `mmpose_integral::name.py` in a config finds them there.
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


def read_version():
    """The version, read without importing the package: its imports are not there in an isolated build."""
    names = {}
    exec((ROOT / PACKAGE / 'version.py').read_text(encoding='utf-8'), names)
    return names['__version__']


readme = ROOT / 'README.md'
setup(
    name=PACKAGE,
    version=read_version(),
    description='Integral 3D human pose regression for MMPose: one image in, 18 joints in millimetres out',
    long_description=readme.read_text(encoding='utf-8') if readme.exists() else '',
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=[PACKAGE, f'{PACKAGE}.*']),
    package_data={PACKAGE: ['assets/*.pth']},
    python_requires='>=3.10',
    # What the code imports, without upper limits: `pip install .` leaves a working MMPose environment as it is.
    # mmpose and mmcv are absent on purpose. mmpose drags in chumpy, which no longer builds, and the right mmcv
    # depends on torch; tools/install.sh sets all of them up.
    install_requires=['matplotlib', 'mmengine>=0.10.0', 'numpy', 'opencv-python', 'pillow>=10.2', 'scipy', 'torch',
                      'torchvision', 'tqdm'],
    extras_require=dict(demo=['gradio', 'plotly'], export=['onnx', 'onnxruntime', 'onnxscript']),
    cmdclass={'build_py': BuildWithMim},
    zip_safe=False,
)
