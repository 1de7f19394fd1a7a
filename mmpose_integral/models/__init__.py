from .backbones import BlazePoseBackbone
from .heads import Integral3DHead, Regression3DHead
from .losses import CoordinateL1Loss, CoordinateL2Loss, VolumeCrossEntropyLoss
from .pose_estimators import EnsembleEstimator, Integral3DEstimator

__all__ = ['BlazePoseBackbone', 'Integral3DHead', 'Regression3DHead', 'CoordinateL1Loss', 'CoordinateL2Loss',
           'VolumeCrossEntropyLoss', 'EnsembleEstimator', 'Integral3DEstimator']
