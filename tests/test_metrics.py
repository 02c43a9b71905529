from functools import partial

import numpy as np
import pandas as pd
import pytest
from arrays import correlated_rows
from registry import make
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.base import clone
from sklearn.decomposition import PCA, KernelPCA
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import average_precision_score, get_scorer, r2_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderTransformer
from skae.metrics import (
    anomaly_average_precision,
    anomaly_average_precision_score,
    anomaly_roc_auc,
    anomaly_roc_auc_score,
    reconstruction_r2,
)


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


def test_sparse_rows_are_the_same_rows(X):
    X = np.where(np.abs(X) < 1.0, 0.0, X)
    estimator = make("AutoencoderTransformer").fit(X)
    assert reconstruction_r2(estimator, csr_array(X)) == reconstruction_r2(estimator, X)


@pytest.mark.parametrize("output", ["default", "pandas", "polars"])
def test_takes_and_gets_data_frames(X, output):
    frame = pd.DataFrame(X, columns=list("abcde"))
    pca = PCA(2).set_output(transform=output).fit(frame)
    assert reconstruction_r2(pca, frame) == pytest.approx(
        reconstruction_r2(PCA(2).fit(X), X)
    )


@pytest.mark.parametrize("n_numbers", [1, 3])
def test_arrays_in_place_of_a_frame_are_its_columns_of_numbers(X, n_numbers):
    """To PCA booleans are numbers; they do not count, and take no number's place."""
    frame = pd.DataFrame(X[:, :n_numbers]).add_prefix("x")
    frame.insert(0, "yes", X[:, 4] > 0)
    pca = PCA(1).fit(frame)
    back = pca.inverse_transform(pca.transform(frame))[:, 1:]
    expected = r2_score(frame.drop(columns="yes"), back, multioutput="variance_weighted")
    assert reconstruction_r2(pca, frame) == pytest.approx(expected)


def test_arguments_that_have_no_way_back_are_an_error(X):
    with pytest.raises(TypeError, match="estimator is of type DataFrame"):
        reconstruction_r2(pd.DataFrame(X), PCA(2).fit(X))
    with pytest.raises(TypeError, match=r"needs .* inverse_transform.*IsolationForest"):
        reconstruction_r2(IsolationForest(), X)

    class Shorter(PCA):
        def inverse_transform(self, X):
            return super().inverse_transform(X)[:, :2]

    with pytest.raises(ValueError, match=r"shape \(\d+, 2\), but X has shape"):
        reconstruction_r2(Shorter(2).fit(X), X)


def test_a_cell_reconstructed_as_missing_counts_as_the_mean(X):
    holes = np.zeros(X.shape)
    holes[::2, 0] = np.nan
    expected = X.copy()
    expected[::2, 0] = X[:, 0].mean()
    r2 = reconstruction_r2(_Shift(holes), X, multioutput="raw_values")
    np.testing.assert_allclose(r2, r2_score(X, expected, multioutput="raw_values"))
    assert r2[0] < 0.9


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


# ------------------------------------------------------------------ weights


def test_a_weight_is_a_row_repeated(X):
    X = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
    estimator = AutoencoderTransformer(2, max_iter=4, random_state=0).fit(X)
    weights = np.arange(len(X)) % 4
    again = X.repeat(weights, axis=0)
    for score in (estimator.score, partial(reconstruction_r2, estimator)):
        weighted = score(X, sample_weight=weights)
        assert weighted == pytest.approx(score(again), rel=1e-9)
        assert weighted != pytest.approx(score(X), rel=1e-3)
    with pytest.raises(ValueError, match=r"sample_weight\[0\] is -1"):
        estimator.score(X, sample_weight=weights - 1)


@pytest.mark.parametrize(
    ("estimator", "scoring"),
    [(make("AutoencoderTransformer"), None), (make("AEAnomalyDetector"), "anomalies")],
)
def test_weights_are_routed_to_scores(labelled, estimator, scoring):
    X, y = labelled
    weights = np.linspace(0.1, 10.0, len(X))
    folds = StratifiedKFold(2)
    with config_context(enable_metadata_routing=True):
        estimator.set_fit_request(sample_weight=False)
        if scoring is None:
            estimator.set_score_request(sample_weight=True)
        else:
            scoring = clone(anomaly_average_precision, safe=False)
            scoring.set_score_request(sample_weight=True)
        scores = cross_val_score(
            estimator, X, y, scoring=scoring, cv=folds, params={"sample_weight": weights}
        )
    for score, (train, test) in zip(scores, folds.split(X, y), strict=True):
        fitted = clone(estimator).fit(X[train])
        if scoring is None:
            expected = fitted.score(X[test], sample_weight=weights[test])
        else:
            expected = scoring(fitted, X[test], y[test], sample_weight=weights[test])
        assert score == expected


# ------------------------------------------------------------------ anomalies


@pytest.fixture(scope="module")
def labelled():
    """190 correlated rows and 10 that are not, by scikit-learn's labels."""
    rng = np.random.default_rng(0)
    X = correlated_rows(200, 0)
    X[::20] = 2.0 * rng.permuted(X, axis=0)[::20]
    y = np.ones(200, dtype=int)
    y[::20] = -1
    return X, y


def test_the_anomalies_are_the_positive_class():
    """Two anomalies at the first and the third place."""
    y, scores = np.array([-1, 1, -1, 1, 1]), np.array([-5.0, -4.0, -3.0, -2.0, -1.0])
    expected = {"precision": (1 + 2 / 3) / 2, "auc": 5 / 6}
    for labels in (y, y == -1, (y == -1).astype(float), pd.Series(y), (y == -1).tolist()):
        precision = anomaly_average_precision_score(labels, scores)
        assert precision == pytest.approx(expected["precision"])
        assert anomaly_roc_auc_score(labels, scores) == pytest.approx(expected["auc"])
    weights = np.array([1, 0, 1, 1, 1])
    assert anomaly_average_precision_score(y, scores, sample_weight=weights) == 1.0
    assert anomaly_roc_auc_score(y, scores, sample_weight=weights) == 1.0


@pytest.mark.parametrize(
    "detector",
    [
        make("AEAnomalyDetector"),
        make("AutoencoderTransformer"),
        IsolationForest(random_state=0),
        LocalOutlierFactor(novelty=True),
        make_pipeline(StandardScaler(), IsolationForest(random_state=0)),
    ],
    ids=lambda detector: type(detector).__name__,
)
def test_scorers_are_the_metrics_of_score_samples(labelled, detector):
    X, y = labelled
    detector.fit(X)
    scores = detector.score_samples(X)
    for labels in (y, y == -1):
        precision = average_precision_score(y == -1, -scores)
        assert anomaly_average_precision(detector, X, labels) == precision
        assert anomaly_roc_auc(detector, X, labels) == roc_auc_score(y == -1, -scores)


def test_average_precision_of_scikit_learn_is_that_of_the_inliers(labelled):
    """A detector that says nothing at all gets 0.95 there, and a tenth of this here."""
    X, y = labelled
    blind = IsolationForest(n_estimators=1, max_samples=2, random_state=0)
    blind.fit(X)
    theirs = get_scorer("average_precision")(blind, X, y)
    assert theirs > 0.9
    assert anomaly_average_precision(blind, X, y) < 0.4
    assert anomaly_average_precision(make("AEAnomalyDetector").fit(X), X, y) > 0.5


def test_a_search_for_the_best_detector_of_anomalies(labelled):
    X, y = labelled
    search = GridSearchCV(
        IsolationForest(max_samples=2, random_state=0),
        {"max_samples": [2, 64]},
        scoring={"ap": anomaly_average_precision, "auc": anomaly_roc_auc},
        refit="ap",
        cv=StratifiedKFold(2),
    )
    search.fit(X, y)
    assert search.best_params_ == {"max_samples": 64}
    assert anomaly_average_precision(search, X, y) == search.score(X, y)


def test_labels_that_say_nothing_of_anomalies_are_refused(labelled):
    X, y = labelled
    forest = IsolationForest(random_state=0).fit(X)
    for bad in (y + 1, np.where(y == -1, "bad", "good"), np.arange(200) % 3):
        with pytest.raises(ValueError, match=r"y_true holds the labels .*labelled -1"):
            anomaly_average_precision(forest, X, bad)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        anomaly_roc_auc(forest, X, y[:-1])


@pytest.mark.parametrize("label", [-1, 0, 1, True])
def test_one_class_has_no_score(label):
    with pytest.warns(UndefinedMetricWarning, match=rf"label {label} only.*Stratified"):
        score = anomaly_roc_auc_score(np.full(3, label), [-1.0, -2.0, -3.0])
    assert np.isnan(score)
