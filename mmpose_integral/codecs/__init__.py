from .integral_3d_label import Integral2DLabel, Integral3DLabel, MetricDepthLabel

__all__ = ['Integral2DLabel', 'Integral3DLabel', 'MetricDepthLabel']
