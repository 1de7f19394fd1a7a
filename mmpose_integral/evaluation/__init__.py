"""Arithmetic (``functional``), the metrics that mmpose runs, and the challenge's submission format."""
from .metrics import H80KMetric, SubmissionMetric

__all__ = ['H80KMetric', 'SubmissionMetric']
