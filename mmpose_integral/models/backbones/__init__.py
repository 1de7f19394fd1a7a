from .blazepose import BlazePoseBackbone

__all__ = ['BlazePoseBackbone']
