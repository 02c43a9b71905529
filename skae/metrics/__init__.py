"""Scores of reconstructions, of anomaly detectors and of generated rows."""

from skae.metrics.anomalies import (
    anomaly_average_precision,
    anomaly_average_precision_score,
    anomaly_roc_auc,
    anomaly_roc_auc_score,
)
from skae.metrics.associations import associations, pair_similarity
from skae.metrics.marginals import marginal_similarity
from skae.metrics.reconstruction import reconstruction_r2
from skae.metrics.records import nearest_record_ratio
from skae.metrics.two_sample import two_sample_auc
from skae.metrics.utility import TrainOnSyntheticScore, train_on_synthetic_score

__all__ = [
    "TrainOnSyntheticScore",
    "anomaly_average_precision",
    "anomaly_average_precision_score",
    "anomaly_roc_auc",
    "anomaly_roc_auc_score",
    "associations",
    "marginal_similarity",
    "nearest_record_ratio",
    "pair_similarity",
    "reconstruction_r2",
    "train_on_synthetic_score",
    "two_sample_auc",
]
