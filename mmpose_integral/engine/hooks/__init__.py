from .check_finite_loss_hook import CheckFiniteLossHook, NotFiniteError
from .check_weights_hook import CheckWeightsHook
from .checkpoint_after_validation_hook import AtomicLocalBackend, CheckpointAfterValidationHook
from .compile_hook import CompileHook
from .fast_hooks import ChannelsLastHook, DeferredRuntimeInfoHook
from .label_camera_hook import LabelCameraHook
from .resumable_early_stopping_hook import ResumableEarlyStoppingHook
from .seed_epochs_hook import SeedEpochsHook
from .skeleton_length_hook import SkeletonLengthHook

__all__ = ['AtomicLocalBackend', 'ChannelsLastHook', 'CheckFiniteLossHook', 'CheckWeightsHook',
           'CheckpointAfterValidationHook', 'CompileHook', 'DeferredRuntimeInfoHook', 'LabelCameraHook',
           'NotFiniteError', 'ResumableEarlyStoppingHook', 'SeedEpochsHook', 'SkeletonLengthHook']
