"""Data frames of columns of many kinds, drawn at random, for tests of the estimators."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl

CITIES = ["Rome", "Oslo", "Lima"]


def draw_rows(n_rows, seed, missing=0.0):
    """Rows that one hidden number nearly tells: size, city, flag and day all follow it."""
    rng = np.random.default_rng(seed)
    t = rng.uniform(-1.0, 1.0, n_rows)
    frame = pd.DataFrame(
        {
            "size": 50.0 + 10.0 * t + 0.5 * rng.normal(size=n_rows),
            "city": pd.Categorical(
                np.array(CITIES)[np.digitize(t, [-0.4, 0.4])], categories=CITIES
            ),
            "rooms": pd.Series(np.rint(5 - 3 * t), dtype="Int64"),
            "flag": pd.Series(t > 0.0, dtype="boolean"),
            "day": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(np.rint(300 * (t + 1.0)), "D").astype("m8[s]"),
            "grade": pd.Series(np.array(["c", "b", "a"])[np.digitize(t, [-0.3, 0.5])]),
            "wait": pd.to_timedelta(np.rint(60 * (2 + t)), "min").astype("m8[ms]"),
            "other": rng.normal(size=n_rows),
        }
    )
    frame.index = pd.Index(np.arange(n_rows) + 1000, name="key")
    return frame.mask(rng.random(frame.shape) < missing)


def as_library(library, frame):
    return frame if library == "pandas" else pl.from_pandas(frame)


def is_missing(frame):
    if isinstance(frame, pl.DataFrame):
        frame = frame.to_pandas()
    return frame.isna().to_numpy()


def assert_like(found, frame, index=False):
    """The same library, columns and dtypes; with `index`, the same index."""
    assert type(found) is type(frame)
    assert list(found.columns) == list(frame.columns)
    assert list(found.dtypes) == list(frame.dtypes)
    if index and isinstance(frame, pd.DataFrame):
        pd.testing.assert_index_equal(found.index, frame.index)


def independent_levels(n_rows=300):
    """Levels that nothing predicts; `rare` holds 3% of the rows."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "level": rng.choice(["often", "usual", "rare"], n_rows, p=[0.6, 0.37, 0.03]),
            "x": rng.normal(size=n_rows),
            "y": rng.normal(size=n_rows),
        }
    )


def planted_errors(n_rows=200):
    """Ordinary rows, each with one cell that contradicts the others."""
    rows = draw_rows(n_rows, 1)
    far = rows["size"].mean() - (rows["size"] - rows["size"].mean())
    other = {"Rome": "Lima", "Lima": "Rome"}
    names = np.random.default_rng(0).choice(["size", "city", "day"], n_rows)
    outer = np.abs(rows["size"] - 50.0) > 5.0
    wrong = rows.copy()
    wrong["size"] = rows["size"].where(names != "size", far)
    wrong["city"] = rows["city"].where(
        names != "city", rows["city"].map(lambda city: other.get(city, city))
    )
    days = rows["day"].min() + (rows["day"].max() - rows["day"])
    wrong["day"] = rows["day"].where(names != "day", days)
    return SimpleNamespace(rows=rows[outer], wrong=wrong[outer], names=names[outer])
