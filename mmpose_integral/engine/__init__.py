from .atomic_backend import AtomicLocalBackend
from .hooks import ChannelsLastHook, CheckpointAfterValidationHook, ResumableEarlyStoppingHook, SkeletonLengthHook
from .optim_wrappers import BFloat16OptimWrapper
from .safe_load import allow_mmengine_checkpoints

__all__ = [
    'AtomicLocalBackend', 'ChannelsLastHook', 'CheckpointAfterValidationHook', 'ResumableEarlyStoppingHook',
    'SkeletonLengthHook', 'BFloat16OptimWrapper', 'allow_mmengine_checkpoints'
]
