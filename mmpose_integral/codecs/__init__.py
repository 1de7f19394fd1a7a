from .integral_3d_label import Integral3DLabel

__all__ = ['Integral3DLabel']
