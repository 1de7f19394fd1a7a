from .integral_3d_head import Integral3DHead
from .landmark_3d_head import Landmark3DHead
from .regression_3d_head import Regression3DHead

__all__ = ['Integral3DHead', 'Landmark3DHead', 'Regression3DHead']
