from .channels_last_hook import ChannelsLastHook
from .checkpoint_after_validation_hook import CheckpointAfterValidationHook
from .compile_hook import CompileHook
from .deferred_runtime_info_hook import DeferredRuntimeInfoHook
from .resumable_early_stopping_hook import ResumableEarlyStoppingHook
from .skeleton_length_hook import SkeletonLengthHook

__all__ = [
    'ChannelsLastHook', 'CheckpointAfterValidationHook', 'CompileHook', 'DeferredRuntimeInfoHook',
    'ResumableEarlyStoppingHook', 'SkeletonLengthHook'
]
