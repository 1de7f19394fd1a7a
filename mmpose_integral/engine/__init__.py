from . import hooks
from .batches import BatchPosePreprocessor, stacked_collate
from .fast import make_fast
from .hooks import *  # noqa: F403
from .optim_wrappers import BFloat16OptimWrapper
from .safe_load import allow_mmengine_checkpoints
from .warm_up import WarmUpLR

__all__ = ['BFloat16OptimWrapper', 'BatchPosePreprocessor', 'WarmUpLR', 'allow_mmengine_checkpoints', 'make_fast',
           'stacked_collate', *hooks.__all__]
