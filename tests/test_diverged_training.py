"""Training that diverges warns and leaves a usable estimator."""

import numpy as np
import pytest
import torch
from arrays import pca_score
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback

from skae import AutoencoderTransformer, VAETransformer


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
    estimator = transformer(
        2, learning_rate_init=1e3, early_stopping=early_stopping, init=init, random_state=0
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
    estimator = VAETransformer(2, scale=False, learning_rate_init=1e3, random_state=0)
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

    estimator = transformer(2, max_iter=20, callbacks=[Spoil()], random_state=0)
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
