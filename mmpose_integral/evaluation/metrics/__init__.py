from .h80k_metric import H80KMetric
from .submission_metric import SubmissionMetric

__all__ = ['H80KMetric', 'SubmissionMetric']
