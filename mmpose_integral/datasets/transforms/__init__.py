from .affine import RandomFlip3D, TopdownAffine3D
from .boxes import GetBBoxFromKeypoints, PerturbBBox, RandomCropBox, ReleasedCodeCropBox
from .color import RandomChannelGain
from .formatting import MemberInputs, PackPose3DInputs
from .keypoints import FitWeakPerspective, KeypointConverter3D
from .occlusion import RandomOcclusion

__all__ = ['RandomFlip3D', 'TopdownAffine3D', 'GetBBoxFromKeypoints', 'FitWeakPerspective', 'RandomChannelGain',
           'PackPose3DInputs', 'KeypointConverter3D', 'MemberInputs', 'PerturbBBox', 'RandomCropBox',
           'RandomOcclusion', 'ReleasedCodeCropBox']
