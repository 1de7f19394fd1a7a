from .integral_3d_head import Integral3DHead
from .regression_3d_head import Regression3DHead

__all__ = ['Integral3DHead', 'Regression3DHead']
