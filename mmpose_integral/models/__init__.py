from .heads import Integral3DHead
from .losses import CoordinateL1Loss
from .pose_estimators import Integral3DEstimator

__all__ = ['Integral3DHead', 'CoordinateL1Loss', 'Integral3DEstimator']
