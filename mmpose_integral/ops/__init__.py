from .debias import remove_background
from .linear_soft_argmax import linear_soft_argmax_3d
from .soft_argmax import argmax_3d, axis_grid, soft_argmax_3d

__all__ = ['argmax_3d', 'axis_grid', 'linear_soft_argmax_3d', 'remove_background', 'soft_argmax_3d']
