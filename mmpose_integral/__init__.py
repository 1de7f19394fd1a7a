"""Integral 3D human pose for MMPose 1.x; importing it registers every part in MMPose's own registries.

A config needs only ``custom_imports = dict(imports=['mmpose_integral'])``. Importing it also teaches ``torch.load`` to
read mmengine's checkpoints without giving up its safe mode, see ``engine.safe_load``.
"""
from mmengine.utils import digit_version
from mmpose import __version__ as mmpose_version

from .version import MMPOSE_BELOW_VERSION, MMPOSE_MINIMUM_VERSION, __version__

if not digit_version(MMPOSE_MINIMUM_VERSION) <= digit_version(mmpose_version) < digit_version(MMPOSE_BELOW_VERSION):
    raise ImportError(f'mmpose_integral {__version__} needs mmpose >= {MMPOSE_MINIMUM_VERSION}, '
                      f'< {MMPOSE_BELOW_VERSION}; found {mmpose_version}. Install one: '
                      '`pip install --no-deps mmpose==1.3.2`.')

from .compat import restore_all  # noqa: E402

restore_all()  # before the imports below, which need some of it

# After the check: with another MMPose these would fail for reasons that name neither it nor the remedy.
from . import apis, codecs, datasets, engine, evaluation, models, visualization  # noqa: E402

engine.allow_mmengine_checkpoints()

__all__ = ['__version__', 'apis', 'codecs', 'datasets', 'engine', 'evaluation', 'models', 'visualization']
