from .coordinate_loss import CoordinateL1Loss, CoordinateL2Loss
from .volume_loss import VolumeCrossEntropyLoss

__all__ = ['CoordinateL1Loss', 'CoordinateL2Loss', 'VolumeCrossEntropyLoss']
