from .coordinate_loss import CoordinateL1Loss

__all__ = ['CoordinateL1Loss']
