from . import samplers, transforms
from .h80k_dataset import H80KDataset
from .labelled_people import LabelledCocoDataset, ZeroBasedMpiiDataset
from .memory import keep_freed_memory
from .mixed_dataset import MixedPoseDataset
from .samplers import *  # noqa: F403
from .transforms import *  # noqa: F403

__all__ = ['H80KDataset', 'LabelledCocoDataset', 'MixedPoseDataset', 'ZeroBasedMpiiDataset', 'keep_freed_memory',
           *samplers.__all__, *transforms.__all__]
