"""Integral 3D human pose for MMPose 1.x; importing it registers every part in MMPose's own registries.

A config needs only ``custom_imports = dict(imports=['mmpose_integral'])``. After the import, ``torch.load`` also reads
mmengine's checkpoints in its safe mode, see ``engine.safe_load``.
"""
from mmengine.utils import digit_version
from mmpose import __version__ as mmpose_version

from .version import __version__

# Written against 1.3.2. The 1.3 series is the first with the heads and codecs that this package extends.
if not digit_version('1.3.0') <= digit_version(mmpose_version) < digit_version('2.0.0'):
    raise ImportError(f'mmpose_integral {__version__} needs mmpose >= 1.3.0, < 2.0.0; found {mmpose_version}. '
                      'Install a suitable version: `pip install --no-deps mmpose==1.3.2`.')

from .compat import restore_all  # noqa: E402

restore_all()  # before the imports below, which need some of it

# After the check: with another MMPose, these fail for reasons that name neither it nor the remedy.
from . import apis, codecs, datasets, engine, evaluation, models, visualization  # noqa: E402

engine.allow_mmengine_checkpoints()

__all__ = ['__version__', 'apis', 'codecs', 'datasets', 'engine', 'evaluation', 'models', 'visualization']
