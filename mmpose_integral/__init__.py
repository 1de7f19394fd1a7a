"""Integral 3D human pose for MMPose 1.x; importing it registers every part in MMPose's own registries.

A config needs only ``custom_imports = dict(imports=['mmpose_integral'])``.
"""
import importlib
from pathlib import Path

from mmengine.utils import digit_version
from mmpose import __version__ as mmpose_version

from .version import MMPOSE_BELOW_VERSION, MMPOSE_MINIMUM_VERSION, __version__

if not digit_version(MMPOSE_MINIMUM_VERSION) <= digit_version(mmpose_version) < digit_version(MMPOSE_BELOW_VERSION):
    raise ImportError(f'mmpose_integral {__version__} needs mmpose >= {MMPOSE_MINIMUM_VERSION}, '
                      f'< {MMPOSE_BELOW_VERSION}; found {mmpose_version}. Install one: '
                      '`pip install --no-deps mmpose==1.3.2`.')

from .engine import allow_mmengine_checkpoints  # noqa: E402  nothing is imported for an MMPose that does not fit

for _name in ('codecs', 'datasets', 'engine', 'evaluation', 'models', 'visualization'):
    if (Path(__file__).parent / _name / '__init__.py').exists():
        importlib.import_module(f'{__name__}.{_name}')

allow_mmengine_checkpoints()

__all__ = ['__version__']
