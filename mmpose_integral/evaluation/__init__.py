"""Arithmetic (``functional``) and the metrics that mmpose runs."""
from .metrics import H80KMetric, SubmissionMetric

__all__ = ['H80KMetric', 'SubmissionMetric']
