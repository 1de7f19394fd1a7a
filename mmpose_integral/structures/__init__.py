"""The skeleton and the cameras: plain facts and pure arrays, without torch."""
from .perspective import (
    FocalLength,
    PerspectiveCamera,
    estimate_focal_length,
    fit_perspective,
    middle_of_image,
    unproject,
)
from .weak_perspective import WeakPerspectiveCamera, fit_weak_perspective

__all__ = ['FocalLength', 'PerspectiveCamera', 'WeakPerspectiveCamera', 'estimate_focal_length', 'fit_perspective',
           'fit_weak_perspective', 'middle_of_image', 'unproject']
