"""The skeleton and the camera: plain facts and pure arrays, without torch."""
from .weak_perspective import WeakPerspectiveCamera, fit_weak_perspective

__all__ = ['WeakPerspectiveCamera', 'fit_weak_perspective']
