from .atomic_backend import AtomicLocalBackend
from .batches import BatchPosePreprocessor, stacked_collate
from .fast import make_fast
from .hooks import (
    ChannelsLastHook,
    CheckpointAfterValidationHook,
    CompileHook,
    DeferredRuntimeInfoHook,
    ResumableEarlyStoppingHook,
    SkeletonLengthHook,
)
from .optim_wrappers import BFloat16OptimWrapper
from .safe_load import allow_mmengine_checkpoints

__all__ = [
    'AtomicLocalBackend', 'BatchPosePreprocessor', 'stacked_collate', 'make_fast', 'ChannelsLastHook',
    'CheckpointAfterValidationHook', 'CompileHook', 'DeferredRuntimeInfoHook', 'ResumableEarlyStoppingHook',
    'SkeletonLengthHook', 'BFloat16OptimWrapper', 'allow_mmengine_checkpoints'
]
