import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array, csr_matrix
from scipy.stats import kstest
from sklearn.preprocessing import StandardScaler
from tables import LIBRARIES, assert_frames_equal, mixed_frames

from skae.table import encoder as _table
from skae.table.blocks import MISSING, OBSERVED, UNKNOWN
from skae.table.declaring import declare
from skae.table.encoder import TableEncoder
from skae.table.frame import Frame


def _fit(X, rows=None, sample_weight=None, scale=True):
    return TableEncoder(scale).fit(X, rows, sample_weight)


def _encode(table, X, dtype=np.float64):
    """Return the design matrix of rows without missing cells."""
    design, cells = table.encode(X, dtype)
    assert cells is None
    return design


def test_columns_are_standardised(X):
    np.testing.assert_allclose(
        _encode(_fit(X), X), StandardScaler().fit_transform(X), atol=1e-12
    )


def test_one_unit_for_all_columns_without_scaling(X):
    design = _encode(_fit(X, scale=False), X)
    np.testing.assert_allclose(design.var(axis=0).mean(), 1.0)
    shares = X.var(axis=0) / X.var(axis=0).sum()
    np.testing.assert_allclose(design.var(axis=0) / design.var(axis=0).sum(), shares)


@pytest.mark.parametrize("scale", [True, False])
def test_decode_takes_back_what_encode_does(X, scale):
    table = _fit(X, scale=scale)
    np.testing.assert_allclose(table.decode(_encode(table, X), np.float64), X, rtol=1e-12)


@pytest.mark.parametrize("scale", [True, False])
def test_constant_column_is_encoded_as_zero(X, scale):
    X = X.copy()
    X[:, 2] = 0.1
    table = _fit(X, scale=scale)
    design = _encode(table, X, np.float32)
    np.testing.assert_allclose(design[:, 2], 0.0, atol=1e-6)
    np.testing.assert_allclose(table.decode(design, np.float64)[:, 2], 0.1)


def test_only_the_given_rows_are_learned_from(X):
    spoilt = X.copy()
    spoilt[::2] = 1e6
    odd = np.arange(1, len(X), 2)
    table, expected = _fit(spoilt, rows=odd), _fit(X[1::2])
    np.testing.assert_array_equal(table.center_, expected.center_)
    np.testing.assert_array_equal(table.scale_, expected.scale_)


def test_weight_of_two_is_a_row_twice(X):
    counts = 1 + np.arange(len(X)) % 3
    weighted = _fit(X, sample_weight=counts.astype(float))
    repeated = _fit(np.repeat(X, counts, axis=0))
    np.testing.assert_allclose(weighted.center_, repeated.center_, rtol=1e-12)
    np.testing.assert_allclose(weighted.scale_, repeated.scale_, rtol=1e-12)
    assert not np.allclose(weighted.center_, _fit(X).center_)


def test_log_jacobian_is_that_of_the_encoding(X):
    table = _fit(X)
    step = np.eye(X.shape[1])
    slopes = _encode(table, step) - _encode(table, 0 * step)
    np.testing.assert_allclose(table.log_jacobian_, np.log(np.diag(slopes)))


@pytest.mark.parametrize("weighted", [True, False])
def test_block_size_does_not_matter(X, weighted, monkeypatch):
    weights = np.linspace(0.1, 2.0, len(X)) if weighted else None
    rows = np.random.default_rng(0).permutation(len(X))
    whole = _fit(X, rows, weights)
    expected, _ = whole.encode_rows(X, rows)
    monkeypatch.setattr(_table, "BLOCK", 7)
    table = _fit(X, rows, weights)
    np.testing.assert_allclose(table.center_, whole.center_, rtol=1e-10)
    np.testing.assert_allclose(table.scale_, whole.scale_, rtol=1e-10)
    np.testing.assert_array_equal(whole.encode_rows(X, rows)[0], expected)


def test_offsets_cost_no_precision():
    """In float32, 1e6 + N(0, 1) would be rounded to sixteenths."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 1))
    table = _fit(X + 1e6)
    np.testing.assert_allclose(
        _encode(table, X + 1e6, np.float32), _encode(_fit(X), X), atol=1e-5
    )


@pytest.mark.filterwarnings("error")
def test_squares_of_huge_cells_stay_finite(X):
    design = _encode(_fit(X), np.full((1, X.shape[1]), 1e300), np.float32)
    assert np.isfinite(np.square(design)).all()
    assert (design > 1e10).all()


@pytest.mark.filterwarnings("error")
def test_column_beyond_float64_is_named(X):
    X = X.copy()
    X[3, 2] = 1e200
    with pytest.raises(ValueError, match=r"'x2'.*1e\+200.*divide the column"):
        _fit(X)


# ---------------------------------------------------------------- frames


def _learn(frame, **params):
    """Return an encoder and the rows that it was fitted to."""
    rows = Frame.of(frame)
    return TableEncoder(**params).fit(rows), rows


def _round_trip(frame, **params):
    table, rows = _learn(frame, **params)
    design, cells = table.encode(rows, np.float64)
    output = table.design_.to_output(torch.from_numpy(design)).numpy()
    return table.decode(output, np.float64, cells)


@pytest.mark.parametrize("library", LIBRARIES)
def test_decoding_an_encoded_frame_gives_it_back(library):
    # Without shrinking, which takes long; test_columns.py finds the smallest frames.
    @settings(
        max_examples=50,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
    )
    @given(frame=mixed_frames(library), scale=st.sampled_from([True, False, "robust"]))
    def check(frame, scale):
        assert_frames_equal(_round_trip(frame, scale=scale), frame)

    check()


def test_decoding_by_quantiles_gives_the_frame_back():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "heavy": rng.standard_cauchy(300),
            "count": rng.poisson(3, 300),
            "holed": np.where(rng.random(300) < 0.2, np.nan, rng.normal(size=300)),
            "day": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(rng.integers(0, 99, 300), "D"),
            "colour": rng.choice(["red", "green"], 300),
        }
    )
    assert_frames_equal(_round_trip(frame, scale="quantile"), frame)


@pytest.fixture
def mixed():
    """300 rows of a number, a flag, a colour with holes and a day."""
    rng = np.random.default_rng(0)
    colours = rng.choice(["red", "green", "blue"], 300, p=[0.6, 0.3, 0.1]).astype(object)
    colours[::10] = None
    return pd.DataFrame(
        {
            "colour": pd.Series(colours, dtype=str),
            "size": 5.0 + 3.0 * rng.normal(size=300),
            "flag": rng.random(300) < 0.2,
            "day": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(rng.integers(0, 99, 300), "D"),
        }
    )


def test_numbers_come_first_and_then_the_indicators_of_the_levels(mixed):
    """The latter are centred, so that their variance is what guessing a level costs."""
    table, rows = _learn(mixed)
    design, _ = table.encode(rows, np.float64)
    numbers, categories = table.design_.blocks
    np.testing.assert_array_equal(numbers.features, [1, 3])
    np.testing.assert_array_equal(categories.features, [0, 2])
    assert tuple(categories.sizes) == (3, 2)
    np.testing.assert_allclose(
        design[:, :2], StandardScaler().fit_transform(_numbers(mixed))
    )
    colours = pd.get_dummies(mixed["colour"].dropna(), dtype=float)
    found = design[mixed["colour"].notna(), 2:5]
    np.testing.assert_allclose(found, colours - colours.mean(), atol=0.005)
    flags = np.column_stack([~mixed["flag"], mixed["flag"]])
    np.testing.assert_allclose(design[:, 5:7], flags - flags.mean(axis=0), atol=0.005)


def _numbers(mixed):
    days = (mixed["day"] - mixed["day"][0]).dt.days
    return np.column_stack([mixed["size"], days])


def test_missing_cells_say_nothing_but_that_they_are_missing(mixed):
    holed = mixed.assign(size=mixed["size"].where(np.arange(300) % 7 > 0))
    table, rows = _learn(holed)
    design, cells = table.encode(rows, np.float64)
    no_size, no_colour = (holed[name].isna().to_numpy() for name in ("size", "colour"))
    assert (design[no_size, 0] == 0.0).all()
    assert (design[no_colour, 2:5] == 0.0).all()
    np.testing.assert_array_equal(cells == MISSING, holed.isna())
    np.testing.assert_array_equal(table.design_.missing_indicators, [0, 1])
    np.testing.assert_array_equal(design[:, 7:], np.column_stack([no_colour, no_size]))


def test_missing_cells_do_not_count_in_the_statistics(mixed):
    holed = mixed.assign(size=mixed["size"].where(np.arange(300) % 7 > 0))
    table, _ = _learn(holed)
    np.testing.assert_allclose(table.center_[0], holed["size"].mean())
    np.testing.assert_allclose(table.scale_[0], holed["size"].std(ddof=0))
    shares = holed["colour"].value_counts(normalize=True)[["blue", "green", "red"]]
    np.testing.assert_allclose(table.design_.blocks[1].proportions[:3], shares, atol=0.005)


def test_unknown_level_says_nothing_but_is_there(mixed):
    table, _ = _learn(mixed)
    later = Frame.of(mixed.assign(colour="violet"))
    design, cells = table.encode(later, np.float64)
    assert (design[:, 2:5] == 0.0).all()
    assert (cells[:, 0] == UNKNOWN).all()
    assert (cells[:, 1:] == OBSERVED).all()


def test_unknown_level_can_be_an_error(mixed):
    table, _ = _learn(mixed, handle_unknown="error")
    later = mixed.copy()
    later.loc[5, "colour"] = "violet"
    with pytest.raises(ValueError, match=r"'colour' holds 'violet' in row 5.*='ignore'"):
        table.encode(Frame.of(later))


def test_column_that_is_wholly_missing_stays_missing(mixed):
    empty = mixed.assign(size=np.nan, colour=pd.Series([None] * 300, dtype=str))
    table, rows = _learn(empty)
    np.testing.assert_array_equal(table.empty_, [True, True, False, False])
    design, cells = table.encode(rows, np.float64)
    assert np.isfinite(design).all()
    assert_frames_equal(table.decode(design, np.float64), empty)
    # What such a column holds later is not known.
    later, there = table.encode(Frame.of(mixed), np.float64)
    np.testing.assert_array_equal(later, design)
    np.testing.assert_array_equal(there, cells)


@pytest.mark.parametrize("scale", [True, False])
def test_learning_chunk_by_chunk_is_learning_at_once(mixed, scale):
    mixed = mixed.astype({"colour": pd.CategoricalDtype(["red", "green", "blue"])})
    whole, rows = _learn(mixed, scale=scale)
    table = TableEncoder(scale).fit(rows[:100])
    for start in range(100, 300, 100):
        table.partial_fit(rows[start : start + 100], np.arange(100))
    np.testing.assert_allclose(
        table.encode(rows, np.float64)[0], whole.encode(rows, np.float64)[0], atol=1e-6
    )


def test_robust_scale_is_not_moved_by_far_cells():
    X = np.random.default_rng(0).normal(size=(1000, 2))
    X[:50, 1] = 1e6
    design = _encode(_fit(X, scale="robust"), X)
    np.testing.assert_allclose(np.median(design, axis=0), 0.0, atol=0.1)
    inner = np.quantile(design, [0.25, 0.75], axis=0)
    np.testing.assert_allclose(np.ptp(inner, axis=0), 1.349, rtol=0.1)


def test_quantile_scale_makes_normal_columns_of_any():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.standard_cauchy(2000), rng.exponential(size=2000)])
    design = _encode(_fit(X, scale="quantile"), X)
    for column in design.T:
        assert kstest(column, "norm").statistic < 0.02


def test_quantile_scale_of_a_column_that_repeats_its_ends():
    """Half of the cells are 0: they are no outliers, and the column counts as others do."""
    rng = np.random.default_rng(0)
    area = np.where(rng.random(400) < 0.5, 0.0, rng.lognormal(5.0, 1.0, 400))
    answers = rng.choice([1.0, 2.0, 3.0], 400)
    X = np.column_stack([area, answers, rng.normal(size=400)])
    X[::7, 2] = np.nan
    table, there = _fit(X, scale="quantile"), ~np.isnan(X)
    design, _ = table.encode(X, np.float64)
    scores = np.where(there, design[:, :3], np.nan)
    np.testing.assert_allclose(np.nanmean(scores, axis=0), 0.0, atol=1e-6)
    np.testing.assert_allclose(np.nanstd(scores, axis=0), 1.0, rtol=1e-6)
    assert np.abs(design).max() < 4.0
    np.testing.assert_allclose(table.decode(design, np.float64)[there], X[there], rtol=1e-9)


def test_robust_scale_of_a_column_that_is_mostly_constant():
    """No interquartile range: the standard deviation is the unit."""
    X = np.zeros((100, 1))
    X[:10, 0] = np.arange(10)
    design = _encode(_fit(X, scale="robust"), X)
    assert np.isfinite(design).all()
    assert design.std() == pytest.approx(1.0)


@pytest.mark.parametrize("scale", [True, False, "robust", "quantile"])
def test_sparse_rows_are_encoded_like_dense_ones(X, scale):
    X = np.where(np.abs(X - X.mean(axis=0)) < X.std(axis=0), 0.0, X)
    for matrix in (csr_array(X), csr_matrix(X)):
        found = _encode(TableEncoder(scale).fit(matrix), matrix)
        np.testing.assert_allclose(found, _encode(_fit(X, scale=scale), X), atol=1e-12)


@pytest.mark.parametrize(
    "asked",
    [[1], [-3], ["x1"], [False, True, False, False], np.array([1])],
    ids=["number", "from the end", "name", "mask", "array"],
)
def test_categories_of_an_array(asked):
    """Numbers that name things: 7 is not more than 3."""
    rng = np.random.default_rng(0)
    X = np.column_stack(
        [rng.normal(size=60), rng.choice([3, 7, 11], 60), *rng.normal(size=(2, 60))]
    )
    table = TableEncoder(categorical_features=asked).fit(X)
    assert tuple(table.design_.blocks[1].sizes) == (3,)
    np.testing.assert_array_equal(table.design_.blocks[1].features, [1])
    design, cells = table.encode(X, np.float64)
    np.testing.assert_allclose(table.decode(design, np.float64, cells), X)
    X[0, 1], X[1, 1] = 8, np.nan
    assert table.encode(X)[1][:2, 1].tolist() == [UNKNOWN, MISSING]


def test_numbers_of_a_frame_that_are_named_categories(mixed):
    codes = mixed.assign(size=np.arange(300) % 4)
    table, rows = _learn(codes, categorical_features=["size"])
    # With names, text is not a category by its dtype but remains one by its cells.
    assert 1 in table.design_.blocks[1].features
    design, cells = table.encode(rows, np.float64)
    assert_frames_equal(table.decode(design, np.float64, cells), codes)


def test_drawn_levels_follow_the_logits(mixed):
    table, _ = _learn(mixed)
    design = np.zeros((20_000, table.design_.n_outputs))
    design[:, 2:5] = np.log([0.2, 0.5, 0.3])
    drawn = table.decode(design, np.float64, rng=np.random.RandomState(0))["colour"]
    shares = drawn.value_counts(normalize=True)
    assert shares["blue"] == pytest.approx(0.2, abs=0.015)
    assert shares["green"] == pytest.approx(0.5, abs=0.015)
    assert set(table.decode(design, np.float64)["colour"]) == {"green"}


def test_a_part_of_the_rows_can_know_all_levels(mixed):
    """`declare` tells those who learn from a few rows what levels the others have."""
    table, rows = _learn(mixed)
    few = np.flatnonzero(mixed["colour"] == "red")[:5]
    part = TableEncoder().fit(declare(table, rows[few]))
    assert tuple(part.design_.blocks[1].sizes) == (3, 2)
    cells = part.encode(rows, np.float64)[1]
    np.testing.assert_array_equal(cells == MISSING, mixed.isna())
    assert (cells != UNKNOWN).all()


def test_only_the_given_rows_of_a_frame_are_learned_from(mixed):
    rows = Frame.of(mixed)
    odd = np.flatnonzero(np.arange(300) % 2)
    table, expected = TableEncoder().fit(rows, odd), TableEncoder().fit(rows[odd])
    np.testing.assert_array_equal(table.encode(rows)[0], expected.encode(rows)[0])
    assert not np.allclose(table.center_, TableEncoder().fit(rows).center_)


def test_weight_of_two_is_a_row_of_a_frame_twice(mixed):
    rows = Frame.of(mixed)
    counts = 1 + np.arange(300) % 3
    weighted = TableEncoder().fit(rows, sample_weight=counts.astype(float))
    repeated = TableEncoder().fit(rows[np.arange(300).repeat(counts)])
    np.testing.assert_allclose(
        weighted.encode(rows, np.float64)[0],
        repeated.encode(rows, np.float64)[0],
        atol=1e-6,
    )


def test_block_size_does_not_matter_for_frames(mixed, monkeypatch):
    whole, rows = _learn(mixed)
    order = np.random.default_rng(0).permutation(300)
    expected = whole.encode_rows(rows, order)
    monkeypatch.setattr(_table, "BLOCK", 7)
    found = _learn(mixed)[0].encode_rows(rows, order)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-6)
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_fill_changes_missing_cells_only(mixed, library):
    frame = mixed.assign(size=mixed["size"].where(np.arange(300) % 7 > 0))
    size = float(frame["size"].median())
    complete = mixed.assign(colour="green", size=size)
    if library == "polars":
        frame, complete = pl.from_pandas(frame), pl.from_pandas(complete)
    table, rows = _learn(frame)
    design, _ = table.encode(Frame.of(complete), np.float64)
    filled = table.fill(rows, table.design_.to_output(torch.from_numpy(design)).numpy())
    if library == "polars":
        expected = frame.with_columns(
            pl.col("colour").fill_null("green"), pl.col("size").fill_null(size)
        )
    else:
        expected = frame.fillna({"colour": "green", "size": size})
    assert_frames_equal(filled, expected)
