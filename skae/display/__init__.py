"""Pictures of fitted estimators, in scikit-learn's `Display` convention.

matplotlib is imported when something is drawn, not before.
"""

from skae.display.anomaly import AnomalyScoreDisplay
from skae.display.codes import CodeDisplay
from skae.display.explanation import ExplanationDisplay
from skae.display.latent import LatentSpaceDisplay
from skae.display.loss import LossCurveDisplay
from skae.display.reconstruction import ReconstructionDisplay
from skae.display.sample import SampleDisplay
from skae.display.traversal import LatentTraversalDisplay

__all__ = [
    "AnomalyScoreDisplay",
    "CodeDisplay",
    "ExplanationDisplay",
    "LatentSpaceDisplay",
    "LatentTraversalDisplay",
    "LossCurveDisplay",
    "ReconstructionDisplay",
    "SampleDisplay",
]
