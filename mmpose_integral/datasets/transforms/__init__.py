from .affine import RandomFlip3D, TopdownAffine3D
from .boxes import (
    GetBBoxFromKeypoints,
    PerturbBBox,
    RandomCropBox,
    ReleasedCodeCropBox,
    TurnUpright,
    UnpadWholeImage,
)
from .color import RandomChannelGain
from .formatting import MemberInputs, PackPose3DInputs
from .keypoints import FitPerspective, FitWeakPerspective, KeypointConverter3D
from .occlusion import RandomOcclusion

__all__ = ['FitPerspective', 'FitWeakPerspective', 'GetBBoxFromKeypoints', 'KeypointConverter3D', 'MemberInputs',
           'PackPose3DInputs', 'PerturbBBox', 'RandomChannelGain', 'RandomCropBox', 'RandomFlip3D', 'RandomOcclusion',
           'ReleasedCodeCropBox', 'TopdownAffine3D', 'TurnUpright', 'UnpadWholeImage']
