"""A small rendered stand-in data set in the CHALL_H80K, MPII and COCO formats."""
from .make import make_standin

__all__ = ['make_standin']
