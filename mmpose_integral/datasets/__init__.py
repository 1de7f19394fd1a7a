from .h80k_dataset import H80KDataset
from .memory import keep_freed_memory
from .mixed_dataset import MixedPoseDataset
from .mpii_zero_based import ZeroBasedMpiiDataset
from .samplers import EqualPartsBatchSampler, EqualPartsSampler
from .transforms import (
    FitWeakPerspective,
    GetBBoxFromKeypoints,
    KeypointConverter3D,
    MemberInputs,
    PackPose3DInputs,
    PerturbBBox,
    RandomChannelGain,
    RandomCropBox,
    RandomFlip3D,
    RandomOcclusion,
    ReleasedCodeCropBox,
    TopdownAffine3D,
)

__all__ = [
    'H80KDataset', 'MixedPoseDataset', 'ZeroBasedMpiiDataset', 'EqualPartsBatchSampler', 'EqualPartsSampler',
    'FitWeakPerspective', 'GetBBoxFromKeypoints', 'KeypointConverter3D', 'MemberInputs',
    'PackPose3DInputs', 'PerturbBBox', 'RandomChannelGain', 'RandomCropBox', 'RandomFlip3D',
    'RandomOcclusion', 'ReleasedCodeCropBox', 'TopdownAffine3D', 'keep_freed_memory']
