"""What the detector's own networks and clones of an estimator have in common."""

import warnings
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch

from skae import AEAnomalyDetector, AutoencoderTransformer
from skae.detector import encoded_table
from skae.detector.denoising import DenoisingEnsemble
from skae.detector.encoded_table import EncodedTable
from skae.detector.fitting import FitsEnsemble
from skae.table.encoder import TableEncoder

N_ROWS = 120


class Remembering(AutoencoderTransformer):
    """Knows which rows it was fitted to."""

    def fit(self, X, y=None, sample_weight=None):
        self.rows_ = np.asarray(X)
        return super().fit(X, y, sample_weight)


def _own(**params):
    return AEAnomalyDetector(
        **{"n_estimators": 5, "max_iter": 5, "random_state": 0} | params
    )


def _clones(**params):
    return _own(estimator=Remembering(2, max_iter=2), max_iter=None, **params)


@pytest.fixture(params=[_own, _clones], ids=["networks", "clones"])
def make(request):
    return request.param


@pytest.fixture
def frame():
    """Rows of every kind of column, some cells missing, with labels of their own."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(N_ROWS, 3)), columns=list("abc"))
    frame["text"] = np.array(["u", "v", "w"])[rng.integers(3, size=N_ROWS)]
    frame["level"] = pd.Categorical(np.where(frame["a"] > 0, "high", "low"))
    frame["day"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(
        rng.integers(99, size=N_ROWS), unit="D"
    )
    frame.loc[::7, ["b", "text"]] = None
    return frame.set_axis([f"row {i}" for i in range(N_ROWS)])


@pytest.fixture
def encodings(monkeypatch):
    """The (encoder, label of a row) of each row of the user's that is encoded."""
    found, encode = [], TableEncoder.encode

    def count(self, X, *args, **kwargs):
        labels = X.native.index
        found.extend((self, label) for label in labels if isinstance(label, str))
        return encode(self, X, *args, **kwargs)

    monkeypatch.setattr(TableEncoder, "encode", count)
    return found


def _times_encoded(detector, encodings):
    """Return how often the rows were encoded by the detector, and forget it."""
    times = Counter(label for encoder, label in encodings if encoder is detector._table)
    encodings.clear()
    return times


# ---------------------------------------------------------------- encoding


@pytest.mark.parametrize("fit", ["fit", "partial_fit"])
def test_a_row_is_encoded_once_in_fit(make, frame, encodings, fit):
    detector = make(n_folds=4)
    getattr(detector, fit)(frame)
    assert _times_encoded(detector, encodings) == dict.fromkeys(frame.index, 1)


def test_a_row_of_a_later_chunk_is_encoded_once(make, frame, encodings):
    detector = make(n_folds=4).partial_fit(frame[:60])
    encodings.clear()
    detector.partial_fit(frame[60:])
    assert _times_encoded(detector, encodings) == dict.fromkeys(frame.index[60:], 1)


@pytest.mark.parametrize(
    "method",
    ["score_samples", "decision_function", "predict", "pvalues", "select", "explain"],
)
def test_a_row_is_encoded_once_in_scoring(make, frame, encodings, method):
    detector = make(n_folds=4).fit(frame)
    encodings.clear()
    getattr(detector, method)(frame)
    # Clones encode rows themselves.
    once = dict.fromkeys(frame.index, 1) if make is _own else {}
    assert _times_encoded(detector, encodings) == once


@pytest.mark.parametrize("as_frame", [True, False])
def test_a_table_too_large_to_keep_is_worked_on_the_same(
    make, frame, as_frame, monkeypatch
):
    X = frame if as_frame else frame[["a", "b", "c"]].to_numpy(dtype=float)
    kept = make().fit(X)
    monkeypatch.setattr(encoded_table, "MAX_KEPT_CELLS", 100)
    drawn = make().fit(X)
    np.testing.assert_allclose(drawn.offset_, kept.offset_, rtol=1e-9)
    np.testing.assert_allclose(drawn.score_samples(X), kept.score_samples(X), rtol=1e-9)
    np.testing.assert_allclose(drawn.explain(X), kept.explain(X), rtol=1e-6, atol=1e-9)


# ---------------------------------------------------------------- folds


@pytest.mark.parametrize("n_folds", [2, 3])
def test_networks_stand_fold_by_fold(make, X, n_folds):
    ensemble = make(n_folds=n_folds).fit(X)._ensemble
    assert (np.diff(ensemble.left_out) >= 0).all()
    for fold in range(n_folds):
        assert set(ensemble.left_out[ensemble.networks_of(fold)]) == {fold}
    assert len(ensemble.sizes) == len(ensemble.error_scales) == ensemble.n_networks


@pytest.fixture
def assigned(monkeypatch):
    """The folds of the training rows of the latest fit."""
    found, split = [], FitsEnsemble._split

    def remember(self, *args):
        found[:] = split(self, *args)
        return np.array(found)

    monkeypatch.setattr(FitsEnsemble, "_split", remember)
    return found


@pytest.mark.parametrize("n_folds", [2, 3])
def test_no_clone_has_seen_the_fold_that_it_leaves_out(X, n_folds, assigned):
    detector = _clones(n_folds=n_folds).fit(X)
    assert len(detector.estimators_) == 5
    left_out = np.sort(np.arange(5) % n_folds)
    for fold, estimator in zip(left_out, detector.estimators_, strict=True):
        seen = [np.flatnonzero((row == X).all(axis=1))[0] for row in estimator.rows_]
        assert set(np.array(assigned)[seen]) == set(range(n_folds)) - {fold}


@pytest.mark.parametrize("n_folds", [2, 3])
def test_no_network_has_seen_the_fold_that_it_leaves_out(X, n_folds, assigned):
    detector = _own(n_folds=n_folds, contamination=0.0).partial_fit(X)
    ensemble = detector._ensemble
    assert isinstance(ensemble, DenoisingEnsemble)
    rows = torch.from_numpy(detector._table.encode(X)[0])
    for fold, subset in zip(ensemble.left_out, ensemble._subsets.x, strict=True):
        x, _ = ensemble.spaces[fold].enter(rows, None)
        same = (subset[:, None] == x).all(dim=2)
        assert same.any(dim=1).all()
        seen = same.float().argmax(dim=1)
        assert set(np.array(assigned)[seen]) == set(range(n_folds)) - {fold}


def test_clones_are_trained_for_every_fold_by_turns(X):
    """An interrupted fit would else leave a fold without a trained network."""
    ensemble = _clones().fit(X)._ensemble
    np.testing.assert_array_equal(ensemble.left_out, [0, 0, 0, 1, 1])
    np.testing.assert_array_equal(ensemble.left_out[ensemble._by_turns()], [0, 1, 0, 1, 0])


@pytest.mark.parametrize("contamination", ["auto", 0.0])
def test_all_folds_at_once_say_what_they_say_one_by_one(X, contamination):
    ensemble = _own(n_estimators=8, n_folds=4, contamination=contamination).fit(X)._ensemble
    table, rows = EncodedTable(X, TableEncoder().fit(X)), np.arange(len(X))
    assert ensemble._joint_scorer is not None
    one_by_one = [ensemble.anomaly(table, rows, fold) for fold in range(4)]
    np.testing.assert_allclose(
        ensemble.fold_anomalies(table, rows), np.transpose(one_by_one), rtol=1e-10
    )


# ---------------------------------------------------------------- the protocol


def test_contributions_sum_to_the_score(make, frame):
    detector = make().fit(frame)
    contributions = detector.explain(frame)
    assert (contributions.to_numpy() >= 0).all()
    np.testing.assert_allclose(
        contributions.sum(axis=1), -detector.score_samples(frame), rtol=1e-6
    )
    assert (contributions.to_numpy()[frame.isna().to_numpy()] == 0).all()


def test_a_detector_has_the_networks_of_its_latest_fit(X):
    detector = _own().fit(X)
    assert hasattr(detector, "network_")
    assert not hasattr(detector, "estimators_")
    detector.set_params(estimator=AutoencoderTransformer(2, max_iter=2)).fit(X)
    assert hasattr(detector, "estimators_")
    assert not hasattr(detector, "network_")


def test_ordinal_features_are_what_a_table_encoder_takes():
    with pytest.raises(ValueError, match="'ordinal_features' parameter"):
        AEAnomalyDetector(ordinal_features=3).fit(np.eye(4))


def test_flagged_rows_are_not_learned_where_anomalies_may_hide(X):
    chunk = X[:40] + 1e-3
    chunk[:4] += 1e3 * X.std(axis=0)
    for contamination, learned in (("auto", False), (0.0, True)):
        detector = _own(contamination=contamination).partial_fit(X)
        before = detector._ensemble._subsets.x.clone()
        detector.partial_fit(chunk)
        after = detector._ensemble._subsets.x
        assert (after != before).any()
        assert (after.abs() > 8).any().item() is learned


def test_a_stream_that_has_changed_is_learned_where_anomalies_may_hide(X):
    """Every row is strange then, and only the worst are left out."""
    detector = _own().partial_fit(X)
    with pytest.warns(UserWarning, match="the stream has changed"):
        detector.partial_fit(X[:40] + 1e3 * X.std(axis=0))
    assert (detector._ensemble._subsets.x.abs() > 8).any()


def test_a_stream_of_a_wide_table_takes_missing_cells():
    """Networks see principal components, in which no single entry is missing."""
    X = np.random.default_rng(0).normal(size=(60, 140))
    detector = _own().partial_fit(X)
    holed = X + 0.01
    holed[::3, 1] = np.nan
    detector.partial_fit(holed)
    assert np.isfinite(detector.score_samples(holed)).all()


@pytest.mark.parametrize("fit", ["fit", "partial_fit"])
def test_a_warning_points_at_the_line_of_the_user(X, fit):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        getattr(_own(max_samples=500, learning_rate_init=1e30), fit)(X)
    found = [w for w in caught if "networks" in str(w.message)]
    assert len(found) == 2
    assert {w.filename for w in found} == {__file__}
