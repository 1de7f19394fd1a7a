from .ensemble_estimator import EnsembleEstimator
from .integral_3d_estimator import Integral3DEstimator

__all__ = ['EnsembleEstimator', 'Integral3DEstimator']
