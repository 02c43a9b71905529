"""The autoencoder as an anomaly detector."""

import warnings
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator, OutlierMixin, _fit_context, clone
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted

from skae._devices import resolve_device
from skae._folds import ContentFolds
from skae._validation import check_rows, check_weights
from skae.autoencoder import AutoencoderTransformer

MAX_SEED = np.iinfo(np.int32).max


class AEAnomalyDetector(CallbackSupportMixin, OutlierMixin, BaseEstimator):
    """stub"""

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "score_samples"]), None],
        "contamination": [
            StrOptions({"auto"}),
            Options(Real, {0.0}),
            Interval(Real, 0, 0.5, closed="right"),
        ],
        "false_alarm_rate": [Interval(Real, 0, 0.5, closed="right")],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        estimator=None,
        *,
        contamination="auto",
        false_alarm_rate=0.01,
        cv=3,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self.estimator = estimator
        self.contamination = contamination
        self.false_alarm_rate = false_alarm_rate
        self.cv = cv
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, sample_weight=None):
        """."""
        return self
