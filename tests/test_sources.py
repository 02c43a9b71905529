"""What else holds a table: read where that is natural, else sent to what makes one of it."""

import datetime as dt
import pathlib
import re
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pytest
import torch
from sklearn.exceptions import NotFittedError
from torch.utils.data import DataLoader, TensorDataset

from skae import AEAnomalyDetector, AutoencoderTransformer
from skae.table.frame import Frame

ROWS = np.random.default_rng(0).normal(size=(12, 3)) @ np.diag([1.0, 2.0, 5.0])
HOLED = np.where(np.arange(36).reshape(12, 3) % 7 == 3, np.nan, ROWS)


def _model():
    return AutoencoderTransformer(1, max_iter=1, hidden_layer_sizes=(), random_state=0)


@pytest.fixture(scope="module")
def scored():
    """Scores of the rows of an array, by an estimator fitted to it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = _model().fit(HOLED)
    return SimpleNamespace(model=model, scores=model.score_samples(HOLED))


# ---------------------------------------------------------------- arrays


def _masked(dtype=float):
    filled = np.where(np.isnan(HOLED), -9999, HOLED)
    return np.ma.masked_array(filled.astype(dtype), mask=np.isnan(HOLED))


def _objects(nothing):
    return np.where(np.isnan(HOLED), nothing, HOLED.astype(object))


def _strided():
    wide = np.full((24, 6), 77.0)
    wide[::2, ::2] = HOLED
    return wide[::2, ::2]


def _read_only():
    array = HOLED.copy()
    array.flags.writeable = False
    return array


ARRAYS = {
    "masked": _masked(),
    "masked objects": _masked(object),
    "NA": _objects(pd.NA),
    "None": _objects(None),
    "NaT": _objects(pd.NaT),
    "rows with NA": _objects(pd.NA).tolist(),
    "rows with None": tuple(map(tuple, _objects(None))),
    "big-endian": HOLED.astype(">f8"),
    "Fortran order": np.asfortranarray(HOLED),
    "strided": _strided(),
    "reversed": HOLED[::-1].copy()[::-1],
    "read-only": _read_only(),
    "tensor": torch.from_numpy(HOLED.copy()),
    "tensor with gradient": torch.from_numpy(HOLED.copy()).requires_grad_(),
    "sparse tensor": torch.from_numpy(HOLED.copy()).to_sparse(),
    "long double": HOLED.astype(np.longdouble),
}


@pytest.mark.parametrize("X", ARRAYS.values(), ids=ARRAYS)
def test_what_holds_the_same_numbers_scores_the_same(scored, X):
    np.testing.assert_allclose(scored.model.score_samples(X), scored.scores, rtol=1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own = _model().fit(X)
    np.testing.assert_allclose(own.score_samples(HOLED), scored.scores, rtol=1e-9)


@pytest.mark.parametrize(
    "X",
    [torch.from_numpy(ROWS).bfloat16(), torch.from_numpy(ROWS).half(), ROWS.astype(">f4")],
    ids=["bfloat16", "float16", "big-endian float32"],
)
def test_narrow_floats_score_about_the_same(scored, X):
    expected = scored.model.score_samples(ROWS)
    np.testing.assert_allclose(scored.model.score_samples(X), expected, atol=0.02)


def test_the_mask_of_integers_is_honoured(scored):
    whole = np.ma.masked_array(
        np.where(np.isnan(HOLED), -9999, np.rint(HOLED)).astype(int), mask=np.isnan(HOLED)
    )
    expected = scored.model.score_samples(np.rint(HOLED))
    np.testing.assert_allclose(scored.model.score_samples(whole), expected)


def test_a_frame_of_objects_and_a_decimal_table_serve_where_an_array_was_fitted(scored):
    names = list("abc")
    frame = pd.DataFrame(_objects(pd.NA), columns=names)
    table = pa.Table.from_pandas(pd.DataFrame(HOLED, columns=names))
    for X in (frame, table, pl.from_arrow(table), table.to_batches()[0]):
        with pytest.warns(UserWarning, match="X has feature names"):
            found = scored.model.score_samples(X)
        np.testing.assert_allclose(found, scored.scores)


@pytest.mark.parametrize(
    ("cell", "error"),
    [(10**400, ValueError), (dt.date(2024, 1, 1), TypeError), (pd.Timedelta(1), TypeError)],
    ids=["too large", "date", "duration"],
)
def test_what_no_array_of_numbers_holds_is_named(cell, error):
    X = ROWS.astype(object)
    X[3, 1] = cell
    for call in (_model().fit, AEAnomalyDetector().fit):
        with pytest.raises(error, match=r"olumn 'x1' holds .*; pass a DataFrame"):
            call(X)


def test_masked_codes_and_weights_are_missing(scored):
    """What is behind a mask is not taken for a code, or a weight."""
    codes = np.ma.masked_array(scored.model.transform(ROWS), mask=False)
    codes[0, 0] = np.ma.masked
    with pytest.raises(ValueError, match="NaN"):
        scored.model.inverse_transform(codes)
    weights = np.ma.masked_array(np.ones(len(ROWS)), mask=np.arange(len(ROWS)) == 3)
    for model in (_model(), AEAnomalyDetector()):
        with pytest.raises(ValueError, match="sample_weight contains NaN"):
            model.fit(ROWS, sample_weight=weights)


def test_integers_that_float64_cannot_tell_apart_are_warned_of():
    ids = np.arange(2**53, 2**53 + 24, dtype=np.int64).reshape(12, 2)
    with pytest.warns(
        UserWarning, match=r"'x0' of the array holds integers beyond 2\*\*53"
    ):
        _model().fit(ids)
    frame = pd.DataFrame(ids[:, :1], columns=["a"])
    cells = Frame(frame).column(0)
    assert len(np.unique(cells.data)) == 12


# ---------------------------------------------------------------- layouts of frames


def _table(make):
    return pd.DataFrame({name: make(HOLED[:, i]) for i, name in enumerate("abc")})


LAYOUTS = {
    "big-endian": _table(lambda column: column.astype(">f8")),
    "sparse": _table(pd.arrays.SparseArray),
    "sparse, filled with 1": _table(lambda c: pd.arrays.SparseArray(c, fill_value=1.0)),
    "of one block": pd.DataFrame(HOLED, columns=list("abc")),
    "of a Fortran block": pd.DataFrame(np.asfortranarray(HOLED), columns=list("abc")),
    "every second row": pd.DataFrame(np.repeat(HOLED, 2, axis=0), columns=list("abc"))[::2],
    "of objects": pd.DataFrame(_objects(None), columns=list("abc")),
    "of nullable floats": pd.DataFrame(HOLED, columns=list("abc")).astype("Float64"),
    "polars": pl.DataFrame(HOLED, schema=list("abc")),
    "polars in chunks": pl.concat(
        [pl.DataFrame(HOLED[i : i + 5], schema=list("abc")) for i in (0, 5, 10)],
        rechunk=False,
    ),
    "pyarrow": pa.Table.from_pandas(pd.DataFrame(HOLED, columns=list("abc"))),
    "pyarrow batch": pa.RecordBatch.from_pandas(pd.DataFrame(HOLED, columns=list("abc"))),
    "pyarrow in chunks": pa.concat_tables(
        [
            pa.Table.from_pandas(pd.DataFrame(HOLED[i : i + 5], columns=list("abc")))
            for i in (0, 5, 10)
        ]
    ),
}


@pytest.mark.parametrize("X", LAYOUTS.values(), ids=LAYOUTS)
def test_how_a_frame_lies_in_memory_does_not_matter(scored, X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own = _model().fit(X)
    assert list(own.feature_names_in_) == list("abc")
    np.testing.assert_allclose(own.score_samples(X), scored.scores, rtol=1e-9)


@pytest.mark.parametrize("dtype", [">f8", ">i4", ">u2", ">f4"])
def test_a_stream_of_big_endian_columns(dtype):
    X = pd.DataFrame(
        {"a": np.arange(40, dtype=dtype), "b": np.arange(40)[::-1].astype(dtype)}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        detector = AEAnomalyDetector(estimator=_model(), n_estimators=2, random_state=0)
        detector.partial_fit(X).partial_fit(X)
    native = X.astype(np.dtype(dtype).newbyteorder("="))
    np.testing.assert_allclose(detector.score_samples(X), detector.score_samples(native))


@pytest.mark.parametrize(
    "X",
    [
        pa.table({"a": pa.array(["x", "y"] * 20, pa.string_view()), "b": np.arange(40.0)}),
        pd.DataFrame(
            {
                "a": pd.Series(["x", "y"] * 20, dtype=pd.ArrowDtype(pa.string_view())),
                "b": np.arange(40.0),
            }
        ),
    ],
    ids=["pyarrow", "pandas"],
)
def test_rows_of_views_of_text_go_to_a_detector_s_estimators(X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        detector = AEAnomalyDetector(
            estimator=_model(), n_estimators=2, random_state=0
        ).fit(X)
    assert np.isfinite(detector.score_samples(X)).all()


# ---------------------------------------------------------------- names of columns


TWINS = [
    pd.DataFrame([[1.0, 2.0, 3.0]] * 3, columns=list("aba")),
    pd.DataFrame([[1.0, 2.0, 3.0]] * 3, columns=[1, 2, 1]),
    pa.table([pa.array([1.0, 2.0])] * 3, names=["a", "b", "a"]),
    pa.table([pa.array([1, 2]), pa.array([2, 3])], names=["a", "a"]),
    pa.RecordBatch.from_arrays([pa.array([1.0, 2.0])] * 2, names=["a", "a"]),
]


@pytest.mark.parametrize(
    "X", TWINS, ids=["pandas", "of integers", "pyarrow", "two", "batch"]
)
def test_a_label_that_stands_twice(X):
    twin = "1" if isinstance(X, pd.DataFrame) and 1 in X.columns else "'a'"
    with pytest.raises(ValueError, match=rf"\[{twin}\] stand twice in X; rename or drop"):
        _model().fit(X)


def test_columns_of_equal_cells_are_not_twins():
    for X in (
        pa.table({"a": [1.0, 2.0, 3.0], "b": [1.0, 2.0, 3.0]}),
        pa.RecordBatch.from_pydict({"a": [1.0, 2.0, 3.0], "b": [1.0, 2.0, 3.0]}),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = _model().fit(X)
        assert list(model.feature_names_in_) == ["a", "b"]
        assert np.isfinite(model.score_samples(X.slice(1, 1))).all()


LABELS = {
    "integers": [2019, 2020, 2021],
    "dates": list(pd.date_range("2024", periods=3)),
    "two levels": pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)]),
    "floats": [0.5, 1.5, 2.5],
    "date objects": [dt.date(2024, 1, day) for day in (1, 2, 3)],
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_labels_that_are_no_text(scored, labels):
    X = pd.DataFrame(HOLED)
    X.columns = labels
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        warnings.simplefilter("ignore", UserWarning)
        model = _model().fit(X)
    np.testing.assert_allclose(model.score_samples(X), scored.scores, rtol=1e-9)
    spoilt = X.astype(object)
    spoilt.iloc[:, 1] = [*"ab"] * 6
    label = re.escape(repr(X.columns.tolist()[1]))
    with pytest.raises(ValueError, match=f"Column {label} was of kind 'number'"):
        model.score_samples(spoilt)


def test_labels_of_mixed_types_are_for_scikit_learn_to_refuse():
    with pytest.raises(TypeError, match="Feature names are only supported if"):
        _model().fit(pd.DataFrame(ROWS, columns=["a", 1, "c"]))


# ---------------------------------------------------------------- no table yet


def _stand_in(module, name, **attributes):
    """An object of a class that a package which need not be installed has."""
    return type(name, (), {"__module__": module, **attributes})()


FRAME = pd.DataFrame(ROWS, columns=list("abc"))
BATCHES = [(torch.from_numpy(ROWS[:6]),), (torch.from_numpy(ROWS[6:]),)]
LAZY = {
    "pyarrow scanner": (
        pa.dataset.dataset(pa.Table.from_pandas(FRAME)).scanner(),
        "X.to_table()",
    ),
    "pyarrow reader": (pa.Table.from_pandas(FRAME).to_reader(), "X.read_all()"),
    "loader": (
        DataLoader(TensorDataset(torch.from_numpy(ROWS)), batch_size=5),
        "torch.cat([batch[0] for batch in X])",
    ),
    "torch dataset": (TensorDataset(torch.from_numpy(ROWS)), "X.tensors[0]"),
    "generator": ((ROWS[i : i + 4] for i in (0, 4, 8)), "list(X)"),
    "iterator": (iter([ROWS[:4], ROWS[4:]]), "list(X)"),
    "dict": ({"a": ROWS[:, 0], "b": ROWS[:, 1]}, "pd.DataFrame(X)"),
    "records": (FRAME.to_records(index=False), "pd.DataFrame(X)"),
    "dask array": (
        _stand_in("dask.array.core", "Array", compute=lambda self: ROWS), "X.compute()"
    ),
    "pandas on spark": (
        _stand_in("pyspark.pandas.frame", "DataFrame", to_pandas=lambda self: FRAME),
        "X.to_pandas()",
    ),
    "ray": (_stand_in("ray.data.dataset", "MaterializedDataset", to_pandas=lambda self: FRAME), "X.to_pandas()"),
    "ibis": (_stand_in("ibis.expr.types.relations", "Table", to_pandas=lambda self: FRAME), "X.to_pandas()"),
    "rows as dictionaries": (FRAME.to_dict("records"), "pd.DataFrame(X)"),
    "groups of rows": (FRAME.groupby("a"), "X.obj"),
    "a window": (FRAME.rolling(2), "X.obj"),
    "array of CuPy": (_stand_in("cupy", "ndarray", get=lambda self: ROWS), "X.get()"),
    "function": (lambda: FRAME, "X()"),
    "table of arrow by its protocol": (
        _stand_in("other", "Table", __arrow_c_stream__=lambda self, requested_schema=None:
                  pa.Table.from_pandas(FRAME).__arrow_c_stream__()),
        "pa.table(X)",
    ),
    "delayed": (_stand_in("dask.delayed", "Delayed", compute=lambda self: FRAME), "X.compute()"),
    "another lazy frame": (_stand_in("lazy", "Query", collect=lambda self: FRAME), "X.collect()"),
}  # fmt: skip


# What `fit` and the methods for rows read in chunks; see test_lazy.py.
IN_CHUNKS = {
    "polars": (pl.DataFrame(ROWS).lazy(), "X.collect()"),
    "pyarrow dataset": (pa.dataset.dataset(pa.Table.from_pandas(FRAME)), "X.to_table()"),
    "duckdb": (
        _stand_in("_duckdb", "DuckDBPyRelation", df=lambda self: FRAME, shape=(12, 3)),
        "X.df()",
    ),
    "older duckdb": (
        _stand_in("duckdb.duckdb", "DuckDBPyRelation", df=lambda self: FRAME),
        "X.df()",
    ),
    "dask": (
        _stand_in("dask.dataframe.dask_expr._collection", "DataFrame", columns=list("abc"),
                  compute=lambda self: FRAME, __array__=lambda self: ROWS),
        "X.compute()",
    ),
    "spark": (
        _stand_in("pyspark.sql.classic.dataframe", "DataFrame", columns=list("abc"),
                  collect=lambda self: [], toPandas=lambda self: FRAME),
        "X.toPandas()",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("X", "remedy"), IN_CHUNKS.values(), ids=IN_CHUNKS)
def test_a_chunk_of_a_stream_is_in_memory(X, remedy):
    with pytest.raises(TypeError, match=rf"^X is .*; give {re.escape(remedy)}"):
        _model().partial_fit(X)
    made = eval(remedy, {"X": X})
    _model().partial_fit(made)


@pytest.mark.parametrize(("X", "remedy"), LAZY.values(), ids=LAZY)
def test_what_is_no_table_yet_is_sent_to_what_makes_one(scored, X, remedy):
    model = _model()
    for call in (model.fit, model.partial_fit, AEAnomalyDetector().fit):
        with pytest.raises(TypeError, match=rf"^X is .*; give {re.escape(remedy)}"):
            call(X)
    with pytest.raises(TypeError, match=re.escape(remedy)):
        scored.model.score_samples(X)
    with pytest.raises(NotFittedError):
        model.transform(ROWS)
    made = eval(remedy, {"X": X, "pd": pd, "np": np, "pa": pa, "torch": torch})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        codes = model.fit(made).transform(made)
    assert len(codes if isinstance(codes, np.ndarray) else codes.to_numpy()) == 12


@pytest.mark.parametrize(
    ("path", "reader"),
    [
        ("rows.jsonl.zst", "pd.read_json(X, lines=True)"),
        (b"rows.parquet", "pd.read_parquet(X)"),
        ("rows.npy", "np.load(X)"),
        ("s3://rows.parquet", "pd.read_parquet(X)"),
        (pathlib.Path("rows.json"), "pd.read_json(X)"),
        ("rows", "pd.read_csv(X)"),
    ],
)
def test_a_path_is_sent_to_what_reads_it(scored, path, reader):
    with pytest.raises(
        TypeError, match=rf"^X is a \w+, .*; give {re.escape(reader)} instead"
    ):
        _model().fit(path)
    with pytest.raises(TypeError, match=re.escape(reader)):
        scored.model.transform(path)
