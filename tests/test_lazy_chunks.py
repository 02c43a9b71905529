"""Chunks of a table: what they may be, and that they have to be alike."""

from collections import UserList, deque

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
import torch

from skae import AutoencoderTransformer

# Less than 60,000 rows take.
SMALL = "10MB"
ROWS = np.random.default_rng(0).normal(size=(300, 5)) @ np.diag([1.0, 2.0, 3.0, 4.0, 5.0])
MAKERS = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
}


class Again:
    """An iterable that begins anew each time."""

    def __init__(self, *chunks):
        self.chunks = chunks

    def __iter__(self):
        return iter(self.chunks)


def model(**settings):
    return AutoencoderTransformer(2, max_iter=1, random_state=0, **settings)


# ------------------------------------------------------------------ kinds of chunks


@pytest.mark.parametrize(
    "made", [np.asarray, torch.from_numpy, scipy.sparse.csr_matrix, scipy.sparse.coo_array]
)
@pytest.mark.parametrize("listed", [list, lambda chunks: Again(*chunks)])
def test_matrices_are_chunks(made, listed):
    chunks = listed([made(ROWS[:100]), made(ROWS[100:])])
    fitted = model().fit(chunks)
    in_memory = model().fit(made(ROWS) if scipy.sparse.issparse(made(ROWS)) else ROWS)
    codes = fitted.transform(chunks).to_numpy()
    np.testing.assert_array_equal(fitted.transform(ROWS), in_memory.transform(ROWS))
    np.testing.assert_allclose(codes, in_memory.transform(ROWS), rtol=1e-9, atol=1e-9)


class Batches(torch.utils.data.IterableDataset):
    def __iter__(self):
        return map(torch.from_numpy, (ROWS[:100], ROWS[100:]))


@pytest.mark.parametrize(
    "X",
    [
        Batches(),
        deque([ROWS[:100], ROWS[100:]]),
        UserList([ROWS[:100], ROWS[100:]]),
        {"january": ROWS[:100], "february": ROWS[100:]}.values(),
    ],
    ids=lambda X: type(X).__name__,
)
def test_what_holds_chunks_in_an_order_begins_anew(X):
    fitted = model().fit(X)
    codes = fitted.transform(X).to_numpy()
    np.testing.assert_allclose(
        codes, model().fit(ROWS).transform(ROWS), rtol=1e-9, atol=1e-9
    )


def test_datasets_of_hdf5_are_read_in_slices():
    class Dataset:  # as h5py's, whose arrays are read by slices alone
        __module__ = "h5py._hl.dataset"
        shape, dtype = (120_000, 5), np.dtype(np.float64)

        def __len__(self):
            return self.shape[0]

        def __getitem__(self, rows):
            assert len(range(len(self))[rows]) < 60_000
            return ROWS[np.arange(len(self))[rows] % len(ROWS)]

    X, rows = Dataset(), np.tile(ROWS, (400, 1))
    fitted = model(memory_limit=SMALL).fit(X)
    np.testing.assert_allclose(fitted._table.center_, rows.mean(axis=0), atol=1e-9)
    codes = fitted.transform(X).to_numpy()
    np.testing.assert_allclose(codes, fitted.transform(rows), rtol=1e-9, atol=1e-9)


def test_sparse_chunks_need_not_fit_into_memory():
    cells = scipy.sparse.random(300, 6, density=0.3, format="csr", random_state=0)
    sparse, dense = (
        [make(cells)] * 200 for make in (scipy.sparse.csr_array, lambda x: x.toarray())
    )
    of_both = [model(memory_limit=SMALL).fit(chunks) for chunks in (sparse, dense)]
    np.testing.assert_array_equal(*(fitted.transform(dense[0]) for fitted in of_both))


@pytest.mark.parametrize("chunk", [ROWS[0], {"a": ROWS[0]}, "rows", pd.Series(ROWS[0])])
def test_a_chunk_that_is_no_table_is_named(chunk):
    with pytest.raises(
        ValueError, match=f"Chunk 1: A chunk of X is a {type(chunk).__name__}"
    ):
        model().fit(Again(ROWS, chunk))


# ------------------------------------------------------------------ alike


def table(**columns):
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    own = {"x": x, "y": 2 * x + rng.normal(size=200), "k": rng.integers(0, 9, 200)}
    return {**own, **columns}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (["x", "y"], r"lacks columns \['k'\]"),
        (["x", "y", "k", "q"], r"has columns \['q'\]"),
        (["x", "y", "q"], r"lacks columns \['k'\] and has columns \['q'\]"),
        (["y", "x", "k"], "has its columns in another order"),
    ],
)
def test_chunks_in_memory_have_the_same_columns(make, columns, words):
    other = {name: table(q=np.ones(200))[name] for name in columns}
    with pytest.raises(ValueError, match=f"^Chunk 1: X {words}"):
        model().fit([make(table()), make(other)])


def test_arrays_have_as_many_columns():
    with pytest.raises(ValueError, match="Chunk 2: X has 4 columns here and 5"):
        model().fit([ROWS, ROWS, ROWS[:, :4]])


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("limit", [SMALL, "1GB"])
def test_numbers_may_be_of_several_dtypes(make, limit):
    """Whole numbers in the first chunk, halves and missing ones in another."""
    n_times = 150 if limit == SMALL else 1
    k = table()["k"]
    halves = pd.Series(k + 0.5).where(k > 2).tolist()
    nothing = [None] * 200
    chunks = [
        make(table(z=nothing)),
        make(table(k=[None if cell != cell else cell for cell in halves], z=k)),
        *[make(table(z=k))] * n_times,
    ]
    fitted = model(memory_limit=limit).fit(chunks)
    back = np.asarray(fitted.reconstruct(chunks[1])["k"])
    assert np.any(back != np.rint(back))  # which whole numbers alone are rounded to
    at = fitted._table.design_.numeric.names.index("k")
    cells = [*k, *(cell for cell in halves if cell == cell), *np.tile(k, n_times)]
    np.testing.assert_allclose(fitted._table.center_[at], np.mean(cells), rtol=1e-9)


WORDS = ["a", "b"] * 100
DAYS = np.arange(200).astype("M8[D]")


@pytest.mark.parametrize("limit", [SMALL, "1GB"])
@pytest.mark.parametrize(
    ("make", "first", "second"),
    [
        (pa.table, pa.array(DAYS), pa.array(DAYS.astype("M8[us]"))),
        (pa.table, pa.array(WORDS).dictionary_encode(), pa.array(WORDS)),
        (pa.table, pa.array(WORDS), pa.array(WORDS).dictionary_encode()),
        (pl.DataFrame, pl.Series(DAYS), pl.Series(DAYS.astype("M8[us]"))),
        (pl.DataFrame, pl.Series(WORDS, dtype=pl.Enum(["a", "b"])), pl.Series(WORDS)),
        (
            pl.DataFrame,
            pl.Series(WORDS, dtype=pl.Enum(["a", "b"])),
            pl.Series(WORDS, dtype=pl.Enum(["c", "b", "a"])),
        ),
        (pd.DataFrame, pd.Series(WORDS, dtype="category"), pd.Series(WORDS)),
        (pd.DataFrame, pd.Series(DAYS.astype("M8[s]")), pd.Series(DAYS.astype("M8[ns]"))),
    ],
)
def test_the_same_cells_may_be_of_several_dtypes(make, first, second, limit):
    n_times = 40 if limit == SMALL else 1
    chunks = [*[make(table(z=first))] * n_times, *[make(table(z=second))] * n_times]
    fitted = model(memory_limit=limit).fit(chunks)
    alike = [fitted.transform(chunk) for chunk in (chunks[0], chunks[-1])]
    np.testing.assert_allclose(*alike, rtol=1e-9, atol=1e-9)


def test_times_with_and_without_a_zone_are_named():
    chunks = [pd.DataFrame(table(z=pd.to_datetime(DAYS, utc=utc))) for utc in (False, True)]
    with pytest.raises(
        ValueError, match=r"Chunk 1: Column 'z' is of dtype datetime64.*UTC"
    ):
        model().fit(chunks)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("cells", [WORDS, [True, False] * 100])
def test_a_column_of_two_kinds_is_named(make, cells):
    with pytest.raises(ValueError, match=r"Chunk 1: Column 'k' .*'number'"):
        model().fit([make(table()), make(table(k=cells))])


@pytest.mark.parametrize("limit", [SMALL, "1GB"])
def test_ordered_categories_of_chunks_have_one_order(limit):
    def sizes(*levels):
        cells = pd.Categorical([levels[0], levels[-1]] * 100, levels, ordered=True)
        return pd.DataFrame(table(size=cells))

    n_times = 150 if limit == SMALL else 1
    chunks = [sizes("S", "L")] * n_times + [sizes("S", "M", "L"), sizes("M", "L")]
    fitted = model(memory_limit=limit).fit(chunks)
    (block,) = [b for b in fitted._table.design_.blocks if b.names == ["size"]]
    assert type(block).__name__ == "OrderedBlock"
    assert block.readers[0].levels.tolist() == ["S", "M", "L"]
    with pytest.raises(ValueError, match=r"Column 'size' (is|was) ordered"):
        model(memory_limit=limit).fit([*chunks, sizes("L", "S")])


def test_an_infinite_cell_is_found_by_the_number_of_its_row(tmp_path):
    rows = np.tile(ROWS, (400, 1))
    rows[110_007, 3] = np.inf
    path = tmp_path / "rows.npy"
    np.save(path, rows)
    with pytest.raises(
        ValueError, match=r"From row (\d+) on: .* column 'x3', row (\d+)"
    ) as error:
        model(memory_limit=SMALL).fit(np.load(path, mmap_mode="r"))
    numbers = [
        int(word) for word in str(error.value).replace(".", " ").split() if word.isdigit()
    ]
    assert sum(numbers) == 110_007
