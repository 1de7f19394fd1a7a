"""Deployment of a trained model: the exported graph, and a runtime that needs no torch."""
from .onnx_runtime import OnnxIntegralPose

__all__ = ['OnnxIntegralPose']
