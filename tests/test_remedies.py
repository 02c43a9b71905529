"""Every remedy in an error about a column, done as it says, mends the column."""

import re
from datetime import datetime, timedelta
from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from skae import AutoencoderTransformer

N_ROWS = 40
HIDDEN = np.random.default_rng(0).integers(0, 10, N_ROWS).tolist()
CELLS = {
    "number": [t / 2 for t in HIDDEN],
    "boolean": [t > 4 for t in HIDDEN],
    "category": ["red" if t > 6 else "blue" for t in HIDDEN],
    "date": [datetime(2024, 1, 1) + timedelta(days=t) for t in HIDDEN],
    "duration": [timedelta(minutes=t) for t in HIDDEN],
}
DTYPES = {
    "pandas": {
        "number": ["float64", "Float32", "float[pyarrow]", object],
        "boolean": ["boolean", "bool[pyarrow]", object],
        "category": ["str", "category", "string", object, pd.ArrowDtype(pa.string())],
        "date": ["M8[ns]", "M8[s]", pd.ArrowDtype(pa.timestamp("us"))],
        "duration": ["m8[ns]", pd.ArrowDtype(pa.duration("us"))],
    },
    "polars": {
        "number": [pl.Float64, pl.Float32],
        "boolean": [pl.Boolean],
        "category": [pl.String, pl.Categorical, pl.Enum(["red", "blue"])],
        "date": [pl.Datetime("us"), pl.Datetime("ms", "Europe/Berlin")],
        "duration": [pl.Duration("us")],
    },
    "pyarrow": {
        "number": [pa.float64(), pa.float32()],
        "boolean": [pa.bool_()],
        "category": [pa.string(), pa.dictionary(pa.int32(), pa.string())],
        "date": [pa.timestamp("us"), pa.timestamp("s", "Europe/Berlin"), pa.date32()],
        "duration": [pa.duration("us")],
    },
}


def _frame(library, cells, dtype, holes=True, name="the price"):
    cells = [None if holes and i % 9 == 0 else cell for i, cell in enumerate(cells)]
    if library == "pandas":
        return pd.DataFrame({"x": HIDDEN, name: pd.Series(cells, dtype=dtype)})
    if library == "polars":
        return pl.DataFrame({"x": HIDDEN, name: pl.Series(cells, dtype=dtype)})
    if pa.types.is_dictionary(dtype):
        return pa.table({"x": HIDDEN, name: pa.array(cells).dictionary_encode()})
    return pa.table({"x": HIDDEN, name: pa.array(cells, dtype)})


def _fit(X, **params):
    return AutoencoderTransformer(1, hidden_layer_sizes=(), max_iter=1, **params).fit(X)


@cache
def _fitted(library, kind):
    dtype = DTYPES[library][kind][0]
    return _fit(_frame(library, CELLS[kind], dtype))


def _refused(function, X):
    """Return the remedy that the error gives."""
    with pytest.raises(ValueError, match="the price") as error:
        function(X)
    found = re.search(
        r"(?:for example with|the order of fit:|level first:) (.*?)"
        r"(, in fit as well|, or leave the column out of ordinal_features)?\.$",
        str(error.value),
    )
    return found[1], found[2] == ", in fit as well"


def _do(remedy, X):
    """Return the frame that the remedy makes of X."""
    made = eval(remedy, {"pd": pd, "pl": pl, "pa": pa, "X": X})
    if isinstance(made, pd.Series):
        return X.assign(**{made.name: made})
    return made


PAIRS = [
    (library, kind, now, dtype)
    for library, kinds in DTYPES.items()
    for kind in kinds
    for now, dtypes in kinds.items()
    if kind != now
    for dtype in dtypes
]


@pytest.mark.parametrize(("library", "kind", "now", "dtype"), PAIRS, ids=str)
def test_column_of_another_kind_is_converted_as_the_error_says(library, kind, now, dtype):
    fitted, cells = _fitted(library, kind), CELLS[now]
    if now == "category" and kind != "duration":
        cells = [str(cell) for cell in CELLS[kind]]
        if isinstance(dtype, pl.Enum):
            dtype = pl.Enum(sorted(set(cells)))
    elif now == "category" and library == "pandas":
        cells = [str(pd.Timedelta(cell)) for cell in CELLS[kind]]
    X = _frame(library, cells, dtype)
    remedy, leaves_out = _refused(fitted.transform, X)
    mended = _do(remedy, X)
    if leaves_out:
        assert (kind, now) in {
            *(("boolean", "date"), ("boolean", "duration"), ("date", "boolean")),
            *(("duration", "boolean"), ("date", "duration"), ("duration", "date")),
            ("duration", "category"),
        }
        assert mended.shape == (N_ROWS, 1)
        return
    codes = fitted.transform(mended)
    same = _frame(library, CELLS[kind], DTYPES[library][kind][0])
    expected = fitted.transform(same) if now == "category" else codes
    assert np.isfinite(codes).all()
    np.testing.assert_allclose(codes, expected, rtol=1e-6)


ANYTHING = {
    "numbers and text": [1, "one"],
    "lists": [[1, 2], [3]],
    "dictionaries": [{"a": 1}, {"b": 2}],
    "bytes": [b"one", b"two"],
    "sets": [{1, 2}, {3}],
}


@pytest.mark.parametrize("cells", ANYTHING.values(), ids=ANYTHING)
def test_pandas_objects_become_text(cells):
    X = _frame("pandas", [cells[t > 4] for t in HIDDEN], object)
    mended = _do(_refused(_fit, X)[0], X)
    assert mended["the price"].isna().tolist() == X["the price"].isna().tolist()
    assert _fit(mended).reconstruct(mended)["the price"].nunique() <= 2


NESTED = {
    "polars": pl.List(pl.Int64),
    "pyarrow": pa.list_(pa.int64()),
}


@pytest.mark.parametrize("library", NESTED)
def test_what_cannot_be_text_is_dropped(library):
    X = _frame(library, [[t] for t in HIDDEN], NESTED[library])
    mended = _do(_refused(_fit, X)[0], X)
    assert mended.shape == (N_ROWS, 1)
    assert np.isfinite(_fit(mended).transform(mended)).all()


@pytest.mark.parametrize(
    ("library", "dtype"),
    [
        *(("pandas", dtype) for dtype in ("str", "string", object)),
        *(("polars", dtype) for dtype in (pl.String, pl.Categorical)),
        *(("pyarrow", dtype) for dtype in DTYPES["pyarrow"]["category"]),
    ],
    ids=str,
)
def test_order_of_text_is_declared_as_the_error_says(library, dtype):
    X = _frame(library, CELLS["category"], dtype)

    def fit(X):
        return _fit(X, ordinal_features=["the price"])

    mended = _do(_refused(fit, X)[0], X)
    found = fit(mended).reconstruct(mended)["the price"]
    assert set(found.to_list()) <= {"red", "blue"}


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_another_order_is_mended_as_the_error_says(library):
    def frame(levels):
        dtype = pd.CategoricalDtype(levels, ordered=True)
        return _frame(
            library, CELLS["category"], dtype if library == "pandas" else pl.Enum(levels)
        )

    X, other = frame(["red", "blue"]), frame(["blue", "green", "red"])
    fitted = _fit(X, ordinal_features=["the price"])
    mended = _do(_refused(fitted.transform, other)[0], other)
    np.testing.assert_array_equal(fitted.transform(mended), fitted.transform(X))
