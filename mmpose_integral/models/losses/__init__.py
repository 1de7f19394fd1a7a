from .coordinate_loss import CoordinateL1Loss, CoordinateL2Loss
from .std_loss import std_loss
from .volume_loss import VolumeCrossEntropyLoss

__all__ = ['CoordinateL1Loss', 'CoordinateL2Loss', 'VolumeCrossEntropyLoss', 'std_loss']
