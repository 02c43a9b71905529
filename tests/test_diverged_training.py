"""Training that diverges, or learns nothing, warns and leaves a usable estimator."""

import re
import warnings
from functools import cache

import numpy as np
import pytest
import torch
from arrays import pca_score
from registry import without_columns
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback

from skae import AEAnomalyDetector, AutoencoderTransformer, VAETransformer
from skae.divergences import Divergence
from skae.likelihoods import Gaussian
from skae.penalties import L1Activity, Penalty


@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("rate", [1e3, 1e30])
def test_divergence_warns_and_keeps_pca_at_worst(curved, rate, early_stopping):
    estimator = AutoencoderTransformer(
        2, learning_rate_init=rate, early_stopping=early_stopping, random_state=0
    )
    with pytest.warns(ConvergenceWarning, match=r"diverged.*smaller learning_rate_init"):
        estimator.fit(curved.train)
    expected = pca_score(curved.train, curved.test, 2)
    assert estimator.score(curved.test) >= expected - 1e-4


@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("init", ["pca", "random"])
def test_divergence_leaves_finite_outputs(transformer, X, early_stopping, init):
    estimator = without_columns(
        transformer,
        2,
        learning_rate_init=1e3,
        early_stopping=early_stopping,
        init=init,
        random_state=0,
    )
    with pytest.warns(ConvergenceWarning, match="diverged"):
        estimator.fit(X)
    for rows in (X, 1e6 * X):
        codes = estimator.transform(rows)
        assert np.isfinite(codes).all()
        assert np.isfinite(estimator.inverse_transform(codes)).all()
        assert np.isfinite(estimator.score_samples(rows)).all()
    assert np.isfinite(estimator.sample(10, random_state=0)).all()


def test_diverged_vae_keeps_probabilistic_pca(ppca):
    estimator = VAETransformer(
        2, sampler="codes", scale=False, learning_rate_init=1e3, random_state=0
    )
    with pytest.warns(ConvergenceWarning, match="diverged"):
        estimator.fit(ppca.train)
    pca = PCA(2).fit(ppca.train)
    assert estimator.score(ppca.test) == pytest.approx(pca.score(ppca.test), abs=0.02)


def test_divergence_half_way_keeps_the_best_state(transformer, curved):
    class Spoil(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 8:
                with torch.no_grad():
                    next(net.module_.parameters()).fill_(torch.nan)

    estimator = without_columns(
        transformer, 2, max_iter=20, callbacks=[Spoil()], random_state=0
    )
    with pytest.warns(
        ConvergenceWarning, match=r"diverged in epoch 9 .*after epoch [5-8] "
    ):
        estimator.fit(curved.train)
    assert 5 <= estimator.best_iter_ <= 8
    start, *_, before = estimator.validation_loss_curve_[:9]
    assert before < start
    assert np.isfinite(estimator.score(curved.test))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("max_iter", [1, 2, 4, 8])
def test_small_setback_is_not_called_divergence(quick, X, max_iter):
    quick(early_stopping=False, max_iter=max_iter).fit(X)


@pytest.mark.filterwarnings("error")
def test_small_setback_of_a_chunk_is_not_called_divergence(quick, X):
    estimator = quick()
    for _ in range(10):
        estimator.partial_fit(X)


def test_diverging_partial_fit_warns_and_stays_finite(quick, X):
    estimator = quick(learning_rate_init=1e5)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        estimator.partial_fit(X).partial_fit(X)
    assert np.isfinite(estimator.score(X))


def test_training_that_only_raised_the_loss_is_told(curved):
    """It may end near its start, its units dead, and never leave the limits meanwhile."""
    estimator = AutoencoderTransformer(2, learning_rate_init=1.0, random_state=0)
    message = r"learned nothing with learning_rate_init=1: .*raised.*Use a smaller"
    with pytest.warns(ConvergenceWarning, match=message):
        estimator.fit(curved.train)
    expected = pca_score(curved.train, curved.test, 2)
    assert estimator.score(curved.test) == pytest.approx(expected, abs=1e-4)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_start_that_cannot_be_improved_upon_is_no_failure(ppca, early_stopping, dropout):
    params = {"early_stopping": early_stopping, "dropout": dropout, "max_iter": 10}
    AutoencoderTransformer(2, random_state=0, **params).fit(ppca.train)


# ------------------------------------------------------------------ parts of one's own


class LogOfCodes(Penalty):
    """Codes have either sign."""

    def penalise(self, codes, x, weights):
        return codes.log().mean(dim=1)


class RootOfZero(Penalty):
    """Finite, but without a slope."""

    def penalise(self, codes, x, weights):
        return (0.0 * codes).sqrt().mean(dim=1)


class SlopeOfSlope(LogOfCodes):
    by_inputs = True


class LogOfError(Gaussian):
    def nll(self, x, mean, parameters, units):
        return (x - mean).log()


class RootOfNoShift(Divergence):
    def per_row(self, mean, log_variance):
        return (mean - mean).sqrt().sum(dim=1)


def log_loss(output, x):
    return (output - x).log()


OWN_PARTS = [
    (AutoencoderTransformer(penalties=LogOfCodes()), r"penalise of LogOfCodes\(\)"),
    (AutoencoderTransformer(penalties=[L1Activity(), RootOfZero()]), "penalise of RootOf"),
    (AutoencoderTransformer(penalties=SlopeOfSlope()), "penalise of SlopeOfSlope"),
    (AutoencoderTransformer(loss=log_loss), "loss=<function log_loss"),
    (VAETransformer(sampler="codes", likelihood=LogOfError()), "nll of LogOfError"),
    (VAETransformer(sampler="codes", divergence=RootOfNoShift()), "per_row of RootOfNo"),
]


@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize(("estimator", "part"), OWN_PARTS, ids=lambda of: str(of)[:40])
def test_part_of_ones_own_that_is_not_finite_is_named(X, estimator, part, early_stopping):
    estimator = clone(estimator).set_params(random_state=0, early_stopping=early_stopping)
    with pytest.warns(ConvergenceWarning) as caught:
        estimator.fit(X)
    (message,) = [str(w.message) for w in caught if "diverged" in str(w.message)]
    assert re.search(rf"{part}.* not finite; .*is kept.*clamp", message)
    assert "learning_rate_init" not in message
    assert np.isfinite(estimator.transform(X)).all()


def test_rate_that_is_too_high_is_not_blamed_on_a_part_of_ones_own(X):
    class Small(Penalty):
        def penalise(self, codes, x, weights):
            return codes.square().mean(dim=1)

    estimator = AutoencoderTransformer(
        2, penalties=Small(), learning_rate_init=1e30, random_state=0
    )
    with pytest.warns(ConvergenceWarning, match="diverged.*smaller learning_rate_init"):
        estimator.fit(X)


# ------------------------------------------------------------------ the detector


def _mixed_rows(n_rows):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n_rows, 6)) @ rng.normal(size=(6, 20))


@cache
def _says_nothing(contamination):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AEAnomalyDetector(contamination=contamination, random_state=0).fit(_mixed_rows(300))
    return True


@pytest.mark.parametrize("contamination", ["auto", 0.0])
@pytest.mark.parametrize(
    ("params", "remedy"),
    [
        ({"learning_rate_init": 10.0}, "smaller learning_rate_init"),
        ({"learning_rate_init": 1e-6}, "larger learning_rate_init"),
        ({"max_iter": 1}, "larger max_iter"),
    ],
)
def test_networks_that_learned_nothing_are_told_of(contamination, params, remedy):
    X = _mixed_rows(300)
    kept = {"contamination": contamination, "random_state": 0}
    message = rf"networks learned next to nothing in .*Use a {remedy}\."
    with pytest.warns(ConvergenceWarning, match=message):
        detector = AEAnomalyDetector(**kept, **params).fit(X)
    assert np.isfinite(detector.score_samples(X)).all()
    assert _says_nothing(contamination)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("contamination", ["auto", 0.0])
@pytest.mark.parametrize(
    "params",
    [{}, {"hidden_layer_sizes": 2}, {"hidden_layer_sizes": (32, 2, 32)}, {"noise": 1.0}],
    ids=str,
)
def test_networks_that_learn_what_they_can_are_not_told_of(contamination, params):
    """Columns of which none says anything of another, and networks too narrow for them."""
    X = np.random.default_rng(0).normal(size=(400, 12))
    AEAnomalyDetector(contamination=contamination, random_state=0, **params).fit(X)


@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
def test_rows_that_leave_nothing_to_learn_are_not_told_of():
    constant = np.ones((50, 3))
    constant[0] = 2.0
    AEAnomalyDetector(random_state=0).fit(constant)
