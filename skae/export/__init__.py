"""Fitted estimators as torch modules and as ONNX files."""

from skae.export._module import EstimatorModule, module

__all__ = ["EstimatorModule", "module"]
