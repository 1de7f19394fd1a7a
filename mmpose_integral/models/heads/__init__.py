from .integral_3d_head import Integral3DHead

__all__ = ['Integral3DHead']
