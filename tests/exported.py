"""What tests of exported estimators share."""

import numpy as np
import pandas as pd
from frames import draw_rows

METHODS = (
    "transform",
    "reconstruct",
    "score_samples",
    "decision_function",
    "predict",
    "pvalues",
)


def methods_of(estimator):
    return [name for name in METHODS if hasattr(estimator, name)]


def number_rows(n_rows=120, seed=0):
    """Correlated columns in different units."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(1).normal(size=(5, 5)) * [1.0, 10.0, 0.1, 3.0, 1.0]
    return rng.normal(size=(n_rows, 5)) @ mixing + [0.0, 100.0, -1.0, 5.0, 0.0]


def with_holes(rows, seed=0):
    """The rows, a cell in ten missing."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(rows.shape) < 0.1, np.nan, rows)


def mixed_rows(n_rows=150, seed=0, missing=0.15):
    """Columns of all kinds: also ordered ones, whole numbers as names, times of a zone."""
    frame = draw_rows(n_rows, seed)
    rng = np.random.default_rng(seed)
    t = frame["size"].to_numpy()
    frame["size class"] = pd.Categorical(
        np.array(["S", "M", "L"])[np.digitize(t, [45.0, 55.0])],
        categories=["S", "M", "L"],
        ordered=True,
    )
    frame["code №/1"] = pd.Categorical(rng.choice([40, 7, 1900], n_rows))
    frame["seen"] = pd.to_datetime(
        1_700_000_000_000_000_000 + (t * 1e9).astype(np.int64)
    ).tz_localize("UTC")
    return frame.mask(rng.random(frame.shape) < missing)


def sequences(n_rows=120, seed=0):
    """Random walks of 16 steps."""
    return np.random.default_rng(seed).normal(size=(n_rows, 16)).cumsum(axis=1)


def scale_of(values):
    """The size of results, by which their differences are measured."""
    values = np.asarray(values, dtype=np.float64)
    return max(1e-12, float(np.nanmax(np.abs(values), initial=0.0)))


def assert_same(found, wanted, tolerance=1e-5):
    """Numbers, missing ones alike, equal to 1e-5 of their scale."""
    found, wanted = (np.asarray(v, dtype=np.float64) for v in (found, wanted))
    assert found.shape == wanted.shape
    assert (np.isnan(found) == np.isnan(wanted)).all()
    assert np.nanmax(np.abs(found - wanted), initial=0.0) <= tolerance * scale_of(wanted)
