import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA, KernelPCA
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderTransformer
from skae.metrics import reconstruction_r2


def test_is_the_explained_variance_of_pca(X):
    pca = PCA(2).fit(X)
    expected = pca.explained_variance_ratio_.sum()
    assert reconstruction_r2(pca, X) == pytest.approx(expected)


class _Shift:
    """Restores every row off by `error`."""

    def __init__(self, error):
        self.error = np.asarray(error)

    def transform(self, X):
        return np.asarray(X)

    def inverse_transform(self, X):
        return X + self.error


class _Mean(_Shift):
    def inverse_transform(self, X):
        return np.broadcast_to(X.mean(axis=0), X.shape)


def test_one_is_perfect_and_zero_is_the_mean(X):
    assert reconstruction_r2(_Shift(0.0), X) == 1.0
    assert reconstruction_r2(_Mean(0.0), X) == pytest.approx(0.0, abs=1e-9)
    assert reconstruction_r2(_Shift(1e3), X) < 0


def test_counts_columns_by_their_variance_unless_told_otherwise(X):
    error = np.array([1.0, 0.0, 0.0, 0.0, 0.0])
    share = 1.0 / X[:, 0].var()
    by_variance = 1.0 - 1.0 / X.var(axis=0).sum()
    assert reconstruction_r2(_Shift(error), X) == pytest.approx(by_variance)
    alike = reconstruction_r2(_Shift(error), X, multioutput="uniform_average")
    assert alike == pytest.approx(1.0 - share / 5)
    raw = reconstruction_r2(_Shift(error), X, multioutput="raw_values")
    np.testing.assert_allclose(raw, [1.0 - share, 1, 1, 1, 1])


def test_uniform_average_is_one_plus_the_score_on_the_training_rows(X):
    """score: minus the squared error in units of the training columns' variance."""
    fitted = AutoencoderTransformer(2, max_iter=4, random_state=0).fit(X)
    r2 = reconstruction_r2(fitted, X, multioutput="uniform_average")
    assert r2 == pytest.approx(1.0 + fitted.score(X), abs=1e-6)


@pytest.mark.parametrize(
    "estimator",
    [
        PCA(2),
        KernelPCA(2, fit_inverse_transform=True),
        make_pipeline(StandardScaler(), PCA(2)),
        make_pipeline(StandardScaler(), AutoencoderTransformer(2, random_state=0)),
    ],
)
def test_scores_anything_that_goes_there_and_back(estimator, X):
    train, test = X[:60], X[60:]
    halves = [(np.arange(60), np.arange(60, 120))]
    scores = cross_val_score(estimator, X, scoring=reconstruction_r2, cv=halves)
    fitted = clone(estimator).fit(train)
    missed = test - fitted.inverse_transform(fitted.transform(test))
    expected = 1.0 - np.sum(missed**2) / np.sum((test - test.mean(axis=0)) ** 2)
    assert scores == pytest.approx([expected])


@pytest.mark.parametrize("output", ["default", "pandas", "polars"])
def test_takes_and_gets_data_frames(X, output):
    frame = pd.DataFrame(X, columns=list("abcde"))
    pca = PCA(2).set_output(transform=output).fit(frame)
    assert reconstruction_r2(pca, frame) == pytest.approx(
        reconstruction_r2(PCA(2).fit(X), X)
    )


def test_one_grid_compares_pca_and_the_autoencoder(curved):
    pipeline = Pipeline([("scale", StandardScaler()), ("reduce", PCA(2))])
    autoencoder = AutoencoderTransformer(2, random_state=0)
    grid = {"reduce": [PCA(2), autoencoder]}
    search = GridSearchCV(pipeline, grid, scoring=reconstruction_r2, cv=2)
    search.fit(curved.train)
    assert isinstance(search.best_params_["reduce"], AutoencoderTransformer)
    assert search.score(curved.test) == reconstruction_r2(search, curved.test)
    pca, ours = search.cv_results_["mean_test_score"]
    assert 1.0 - ours < 0.2 * (1.0 - pca)
