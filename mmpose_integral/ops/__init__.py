from .soft_argmax import argmax_3d, axis_grid, remove_background, soft_argmax_3d

__all__ = ['argmax_3d', 'axis_grid', 'remove_background', 'soft_argmax_3d']
