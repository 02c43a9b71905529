"""Whole numbers come back whole, and within what their column held."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from skae import (
    AdversarialAutoencoderTransformer,
    AutoencoderTransformer,
    GANSampler,
    VAETransformer,
)

RNG = np.random.default_rng(0)
N_ROWS = 300
HIDDEN = RNG.normal(size=N_ROWS)


def _counts():
    """Counts and flags that one hidden number tells roughly, some missing; a length."""
    noisy = HIDDEN[:, None] + 0.5 * RNG.normal(size=(N_ROWS, 4))
    frame = pd.DataFrame(
        {
            "siblings": np.floor(np.exp(0.7 * noisy[:, 0])),
            "survived": (noisy[:, 1] > 0.3) * 1.0,
            "cars": np.clip(np.rint(1.5 + noisy[:, 2]), 0.0, 4.0),
            "length": 10.0 * noisy[:, 3],
        }
    )
    # Not -0.
    return frame.mask(RNG.random(frame.shape) < 0.15) + 0.0


COUNTS = ["siblings", "survived", "cars"]
FRAME = _counts()
FORMS = {
    "float64": lambda X: X,
    "float32": lambda X: X.astype("float32"),
    "Int64": lambda X: X.astype(dict.fromkeys(COUNTS, "Int64")),
    "Float64": lambda X: X.astype("Float64"),
    "int16[pyarrow]": lambda X: X.astype(dict.fromkeys(COUNTS, "int16[pyarrow]")),
    "object": lambda X: X.astype(object).where(X.notna(), None),
    "polars": pl.from_pandas,
    "pyarrow": lambda X: pa.Table.from_pandas(X, preserve_index=False),
}
METHODS = {
    "inverse_transform": lambda fitted, X: fitted.inverse_transform(
        # Far from the codes of any row.
        3.0 * fitted.transform(X)
    ),
    "reconstruct": lambda fitted, X: fitted.reconstruct(X),
    "impute": lambda fitted, X: fitted.impute(X),
    "expected": lambda fitted, X: fitted.explain(X, expected=True, max_columns=1)[1],
    "sample": lambda fitted, X: fitted.sample(400, random_state=0),
}


@pytest.fixture(scope="module", params=FORMS)
def fitted(request):
    X = FORMS[request.param](FRAME)
    return AutoencoderTransformer(1, max_iter=3, random_state=0).fit(X), X


def _column(table, name):
    column = table[name]
    cells = column.to_pylist() if isinstance(table, pa.Table) else column.to_list()
    return np.array([np.nan if pd.isna(cell) else cell for cell in cells], dtype=float)


def _assert_counts(found):
    for name in COUNTS:
        cells = _column(found, name)
        np.testing.assert_array_equal(cells, np.rint(cells), err_msg=name)
        assert not np.signbit(cells[cells == 0]).any(), name
        assert FRAME[name].min() <= cells.min(), name
        assert cells.max() <= FRAME[name].max(), name


@pytest.mark.parametrize("method", METHODS)
def test_counts_come_back_as_counts(fitted, method):
    found = METHODS[method](*fitted)
    _assert_counts(found)
    assert _column(found, "siblings").std() > 0
    lengths = _column(found, "length")
    assert (lengths != np.rint(lengths)).any()


def test_counts_on_the_way_are_counts(fitted):
    model, X = fitted
    if not isinstance(X, pa.Table):
        _assert_counts(model.interpolate(X[:1], X[7:8], 9))


@pytest.mark.parametrize(
    "cls", [VAETransformer, AdversarialAutoencoderTransformer, GANSampler]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_counts_are_sampled_as_counts(cls):
    fitted = cls(random_state=0, max_iter=3).fit(FRAME)
    _assert_counts(fitted.sample(300, random_state=0)[COUNTS])


def test_an_array_is_decoded_as_it_is_and_filled_with_what_can_be():
    """As by PCA; a frame says of its columns what an array does not."""
    X = FRAME.to_numpy()
    model = AutoencoderTransformer(1, max_iter=3, random_state=0).fit(X)
    for decoded in (model.reconstruct(X), model.sample(50, random_state=0)):
        assert (decoded[:, :3] != np.rint(decoded[:, :3])).mean() > 0.9
    _assert_counts(pd.DataFrame(model.impute(X), columns=FRAME.columns))


def test_a_stream_tells_that_a_column_is_not_whole():
    first = FRAME[:100]
    model = AutoencoderTransformer(1, max_iter=1, random_state=0).partial_fit(first)
    _assert_counts(model.reconstruct(first))
    model.partial_fit(FRAME[100:].assign(cars=FRAME["cars"] + 0.25))
    cars = model.reconstruct(first)["cars"]
    assert (cars != cars.round()).mean() > 0.9


LARGE = {
    "int64": pd.Series([2**53 + 1, 2**53 + 3, 2**60 + 5, 2**60 + 7]),
    "Int64 with a hole": pd.Series([2**60 + 1, None, 2**60 + 5, 2**60 + 9], dtype="Int64"),
    "uint64": pd.Series([2**63 + 1, 2**63 + 2, 2**63 + 9, 2**63 + 5], dtype="uint64"),
    "object": pd.Series([2**60 + 1, None, 2**60 + 5, 2**60 + 9], dtype=object),
    "int64[pyarrow]": pd.Series([2**60 + 1, None, 2**60 + 5], dtype="int64[pyarrow]"),
    "datetime64[ns]": pd.Series(
        np.array([1, 2, 2**40 + 1], "M8[ns]") + np.timedelta64(2**60)
    ),
}


@pytest.mark.parametrize("column", LARGE.values(), ids=LARGE)
def test_whole_numbers_beyond_float64(column):
    """2**53 + 1 is no float64: what is there stays to the digit, what is not is in range."""
    X = pd.DataFrame({"a": column, "b": np.arange(len(column)) + 0.5})
    fitted = AutoencoderTransformer(1, max_iter=1, random_state=0).fit(X)
    filled, found = fitted.impute(X)["a"], fitted.reconstruct(X)["a"]
    assert filled.dtype == found.dtype == column.dtype
    there = column.dropna()
    assert (filled[there.index] == there).all()
    assert filled.between(there.min(), there.max()).all()
    if there.dtype.kind != "M":
        assert found.between(there.min(), there.max()).all()
