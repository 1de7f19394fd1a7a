from .affine import RandomFlip3D, TopdownAffine3D
from .bbox import GetBBoxFromKeypoints
from .box_errors import PerturbBBox, RandomCropBox, ReleasedCodeCropBox
from .camera import FitWeakPerspective
from .color import RandomChannelGain
from .formatting import PackPose3DInputs
from .joints import KeypointConverter3D
from .members import MemberInputs
from .occlusion import RandomOcclusion

__all__ = ['RandomFlip3D', 'TopdownAffine3D', 'GetBBoxFromKeypoints', 'FitWeakPerspective', 'RandomChannelGain',
           'PackPose3DInputs', 'KeypointConverter3D', 'MemberInputs', 'PerturbBBox', 'RandomCropBox',
           'RandomOcclusion', 'ReleasedCodeCropBox']
