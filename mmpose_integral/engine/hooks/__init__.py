from .channels_last_hook import ChannelsLastHook
from .checkpoint_after_validation_hook import CheckpointAfterValidationHook
from .resumable_early_stopping_hook import ResumableEarlyStoppingHook
from .skeleton_length_hook import SkeletonLengthHook

__all__ = ['ChannelsLastHook', 'CheckpointAfterValidationHook', 'ResumableEarlyStoppingHook', 'SkeletonLengthHook']
