from .soft_argmax import soft_argmax_3d

__all__ = ['soft_argmax_3d']
