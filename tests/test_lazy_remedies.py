"""What is told of a column of a path, a dataset or a query works when it is followed."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from pyarrow import feather, orc, parquet

from skae import AEAnomalyDetector, AutoencoderTransformer

N_ROWS = 80
X = np.random.default_rng(0).normal(size=(N_ROWS, 2))
COLUMNS = {"a b": X[:, 0], "y": X[:, 0] + X[:, 1]}
DAY = pd.Timestamp("2024-01-01")


def of_duckdb(table, folder):
    return pytest.importorskip("duckdb").from_arrow(table)


def of_parquet(table, folder):
    parquet.write_table(table, folder / "0.parquet")
    return folder / "0.parquet"


def of_feather(table, folder):
    feather.write_feather(table, folder / "0.feather")
    return folder / "0.feather"


def of_orc(table, folder):
    orc.write_table(table, folder / "0.orc")
    return folder / "0.orc"


def of_dataset(table, folder):
    return ds.dataset(table)


SOURCES = [of_duckdb, of_parquet, of_feather, of_dataset]
NAMES = {"pl": pl, "pa": pa, "pd": pd, "pyarrow": pa}


def followed(error, table):
    """Return X after the expression that a message gives for example."""
    (remedy,) = re.findall(r"for example with (.*?)\.?(?:, in fit as well\.)?$", str(error))
    made = eval(remedy, {"X": table, **NAMES})
    if isinstance(made, (pd.Series, pa.ChunkedArray)):
        raise AssertionError(f"{remedy} is a column, not a table")
    return made


def model():
    return AutoencoderTransformer(1, max_iter=1, random_state=0)


@pytest.mark.parametrize("source", [*SOURCES, of_orc])
@pytest.mark.parametrize(
    "cells",
    [
        pa.array([[1.0, 2.0]] * N_ROWS),
        pa.array([{"p": i, "q": -i} for i in range(N_ROWS)]),
        pa.array(np.arange(N_ROWS), pa.time64("us")),
        pa.array([b"a", b"b"] * (N_ROWS // 2)),
    ],
    ids=lambda cells: str(cells.type).partition("<")[0],
)
@pytest.mark.parametrize("estimator", [AutoencoderTransformer, AEAnomalyDetector])
def test_columns_of_no_kind(source, cells, estimator, tmp_path):
    if source is of_orc and pa.types.is_time(cells.type):
        pytest.skip("ORC has no times of day")
    table = source(pa.table({**COLUMNS, 'of "no" kind': cells}), tmp_path)
    with pytest.raises(ValueError, match="no") as error:
        estimator(max_iter=1, random_state=0).fit(table)
    assert model().fit(followed(error.value, table)).n_features_in_ >= 2


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    ("in_fit", "now"),
    [
        (X[:, 1], [f"{cell}" for cell in X[:, 1]]),
        (["a", "b"] * (N_ROWS // 2), np.arange(N_ROWS)),
        ([True, False] * (N_ROWS // 2), np.arange(N_ROWS) % 2),
        (
            pd.date_range(DAY, periods=N_ROWS),
            [f"2024-03-{i % 28 + 1:02}" for i in range(N_ROWS)],
        ),
        (pd.to_timedelta(np.arange(N_ROWS), "h"), np.arange(N_ROWS)),
        (pd.date_range(DAY, periods=N_ROWS), pd.to_timedelta(np.arange(N_ROWS), "h")),
        (pd.date_range(DAY, periods=N_ROWS), pd.date_range(DAY, periods=N_ROWS, tz="UTC")),
        (pd.date_range(DAY, periods=N_ROWS, tz="UTC"), pd.date_range(DAY, periods=N_ROWS)),
    ],
    ids=["number", "text", "boolean", "date", "duration", "senseless", "no zone", "zone"],
)
def test_columns_of_another_kind(source, in_fit, now, tmp_path):
    fitted = model().fit(pa.table(pd.DataFrame({**COLUMNS, "z": in_fit})))
    table = source(pa.table(pd.DataFrame({**COLUMNS, "z": now})), tmp_path)
    for use in (lambda table: fitted.transform(table).collect(), fitted.score):
        with pytest.raises(ValueError, match="Column 'z'") as error:
            use(table)
        made = followed(error.value, table)
        if "in fit as well" not in str(error.value):
            use(made)
        else:
            assert model().fit(made).n_features_in_ == 2


@pytest.mark.parametrize("source", SOURCES)
def test_columns_whose_order_is_not_declared(source, tmp_path):
    cells = {**COLUMNS, "z": ["low", "high"] * (N_ROWS // 2)}
    table = source(pa.table(cells), tmp_path)
    ordered = model().set_params(ordinal_features=["z"])
    with pytest.raises(ValueError, match="lowest level first: ") as error:
        ordered.fit(table)
    remedy = (
        str(error.value).partition("lowest level first: ")[2].partition(", or leave")[0]
    )
    ordered.fit(eval(remedy, {"X": table, **NAMES}))


def test_frames_are_told_in_their_own_words(tmp_path):
    """Also after a path has been told in those of polars."""
    table = pa.table({**COLUMNS, "z": [[1.0]] * N_ROWS})
    with pytest.raises(ValueError, match=r"pl\.scan_parquet\(X\)\.drop"):
        model().fit(of_parquet(table, tmp_path))
    with pytest.raises(ValueError, match=r"with X\.drop_columns"):
        model().fit(table)
