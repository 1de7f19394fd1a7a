from .integral_3d_estimator import Integral3DEstimator

__all__ = ['Integral3DEstimator']
