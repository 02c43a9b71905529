"""Fitted estimators as torch modules and as ONNX files."""

from skae.export._converters import register_converters
from skae.export._feed import feed
from skae.export._module import EstimatorModule, module
from skae.export._onnx import onnx

__all__ = ["EstimatorModule", "feed", "module", "onnx", "register_converters"]
