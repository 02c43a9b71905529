"""`AutoencoderImputer`, and `impute` by draws."""

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from frames import assert_like, draw_rows, is_missing
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from tables import assert_frames_equal

from skae import AutoencoderImputer, VAETransformer

N_ROWS, N_COLUMNS = 1000, 5
# Tests that say nothing of how close fills and draws are.
short = pytest.mark.usefixtures("short_conditionals")


def quick(**params):
    return AutoencoderImputer(**{"max_iter": 4, "random_state": 0, **params})


def _best(X, covariance):
    """Fill normal rows of mean 0 with what is expected given the others."""
    filled = X.copy()
    for row in filled:
        gone = np.isnan(row)
        own = covariance[np.ix_(~gone, ~gone)]
        row[gone] = covariance[np.ix_(gone, ~gone)] @ np.linalg.solve(own, row[~gone])
    return filled


@pytest.fixture(scope="module")
def normal():
    """Correlated normal columns in other units, a cell in five missing, and an imputer."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(N_COLUMNS, N_COLUMNS)) * [1, 10, 0.1, 3, 1]
    covariance = mixing.T @ mixing + np.diag([0.3, 30, 0.003, 3, 0.3])
    truth = rng.multivariate_normal(np.zeros(N_COLUMNS), covariance, N_ROWS)
    gone = rng.random(truth.shape) < 0.2
    X = np.where(gone, np.nan, truth)
    return truth, gone, X, covariance, AutoencoderImputer(random_state=0).fit(X)


@pytest.fixture(scope="module")
def _fits():
    return {}


@pytest.fixture
def of_holed(_fits, short_conditionals, library, holed):
    """A copy of an imputer of the rows of each library."""
    if library not in _fits:
        _fits[library] = quick().fit(holed)
    return copy.deepcopy(_fits[library])


@pytest.fixture(scope="module")
def draws(normal):
    return np.stack(normal[-1].impute(normal[2], n_draws=39, random_state=0))


# ---------------------------------------------------------------- accuracy


def test_fills_are_nearly_the_best_there_are(normal):
    truth, gone, X, covariance, imputer = normal
    filled = imputer.transform(X)
    np.testing.assert_array_equal(filled[~gone], X[~gone])
    spread = truth.std(axis=0)

    def error(of):
        return np.sqrt(np.square(((of - truth) / spread)[gone]).mean())

    by_mean = np.where(gone, np.nanmean(X, axis=0), X)
    assert error(filled) < 1.05 * error(_best(X, covariance)) < 0.9 * error(by_mean)


def test_fills_of_mixed_columns_are_closer_than_mean_and_mode():
    truth, holed = draw_rows(500, 0), draw_rows(500, 0, missing=0.2)
    filled = quick(max_iter=60).fit_transform(holed)
    for name in ("size", "rooms", "day", "wait"):
        gone = holed[name].isna()
        error = (filled[name] - truth[name])[gone].abs().mean()
        by_median = (holed[name].quantile(0.5, "nearest") - truth[name])[gone].abs().mean()
        assert error < 0.5 * by_median, name
    for name in ("city", "flag", "grade"):
        gone = holed[name].isna()
        right = (filled[name] == truth[name])[gone].mean()
        by_mode = (holed[name].mode()[0] == truth[name])[gone].mean()
        assert right > by_mode + 0.2, name


def test_curves_are_learned():
    """The normal start fills with means: x says nothing of x squared in a straight line.

    A mixture, from which training may start, says some of it.
    """
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, 1000)
    truth = np.column_stack([x, x**2 + 0.1 * rng.normal(size=1000)])
    X, gone = truth.copy(), np.arange(1000) % 4 == 0
    X[gone, 1] = np.nan
    imputer = AutoencoderImputer(random_state=0, max_iter=100).fit(X)
    error = (imputer.transform(X) - truth)[gone, 1]
    assert np.sqrt(np.square(error).mean()) < 0.4 * truth[:, 1].std()
    assert min(imputer.loss_curve_) < imputer.loss_curve_[0] - 0.15


def test_ordered_categories_are_filled_with_levels_of_rows():
    rng = np.random.default_rng(0)
    x, levels = rng.normal(size=300), ["a", "b", "c", "d", "e"]
    codes = np.where(x > 0, 4, 0)
    codes[rng.random(300) < 0.2] = -1
    grade = pd.Categorical.from_codes(codes, levels, ordered=True)
    filled = quick(max_iter=50).fit_transform(pd.DataFrame({"x": x, "grade": grade}))
    gone = codes < 0
    assert set(filled["grade"][gone]) == {"a", "e"}
    assert (filled["grade"][gone] == np.where(x > 0, "e", "a")[gone]).mean() > 0.85


def test_a_missing_dropoff_is_minutes_from_the_truth():
    rng = np.random.default_rng(0)
    pickup = pd.Timestamp("2019-03-01") + pd.to_timedelta(rng.integers(0, 10**6, 500), "s")
    distance = np.exp(rng.normal(size=500)).round(2)
    ride = pd.to_timedelta((60 + 180 * distance * rng.uniform(0.8, 1.2, 500)).round(), "s")
    truth = pd.DataFrame({"pickup": pickup, "dropoff": pickup + ride, "distance": distance})
    holed, gone = truth.copy(), rng.random(500) < 0.2
    holed.loc[gone, "dropoff"] = pd.NaT
    imputer = quick(max_iter=40).fit(holed)
    for filled in (imputer.transform(holed), *imputer.impute(holed, n_draws=2)):
        error = (filled["dropoff"] - truth["dropoff"])[gone].abs()
        assert error.median() < pd.Timedelta("2min")
        assert error.quantile(0.9) < pd.Timedelta("10min")
        # But at the end of the month, whose last drop-off cannot be passed.
        assert (filled["dropoff"] > filled["pickup"]).mean() > 0.99


# ---------------------------------------------------------------- draws


def test_intervals_of_draws_hold(normal, draws):
    truth, gone, *_ = normal
    # Between the 2nd and the 38th of 39 draws lie 90% of what is drawn likewise.
    low, high = np.quantile(draws, [0.05, 0.95], axis=0, method="weibull")
    inside = ((truth >= low) & (truth <= high))[gone].mean()
    assert 0.85 < inside < 0.95


def test_draws_vary_as_the_column_does_and_fills_less(normal, draws):
    truth, gone, X, _, imputer = normal
    filled = imputer.transform(X)
    for j in range(N_COLUMNS):
        here, spread = gone[:, j], truth[:, j].std()
        assert draws[:, here, j].std() == pytest.approx(spread, rel=0.12), j
        assert filled[here, j].std() < 0.9 * spread, j


def test_draws_keep_the_correlations(normal, draws):
    truth, *_ = normal
    expected = np.corrcoef(truth.T)
    found = np.mean([np.corrcoef(filled.T) for filled in draws], axis=0)
    np.testing.assert_allclose(found, expected, atol=0.06)


def test_draws_are_around_what_is_expected(normal, draws):
    truth, gone, X, _, imputer = normal
    gap = (draws.mean(axis=0) - imputer.transform(X)) / truth.std(axis=0)
    assert np.sqrt(np.square(gap[gone]).mean()) < 0.25


def test_a_regression_after_imputation_by_draws_is_not_biased():
    """With cells missing at random given y, and filled with means it is."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 1))
    y = x + rng.normal(size=(2000, 1))
    table = np.hstack([x, y])
    table[(rng.random(2000) < 0.6) & (y[:, 0] > 0), 0] = np.nan
    imputer = AutoencoderImputer(random_state=0, max_iter=40).fit(table)

    def slope(filled):
        return LinearRegression().fit(filled[:, :1], filled[:, 1]).coef_[0]

    drawn = np.mean([slope(t) for t in imputer.impute(table, n_draws=5, random_state=0)])
    assert drawn == pytest.approx(1.0, abs=0.12)
    assert slope(imputer.transform(table)) > drawn + 0.05


def test_sample_posterior_restores_the_spread(normal):
    truth, gone, X, *_ = normal
    drawing = quick(sample_posterior=True).fit(X)
    drawn = drawing.transform(X)
    np.testing.assert_array_equal(drawn, drawing.transform(X))
    assert drawn[gone[:, 0], 0].std() == pytest.approx(truth[:, 0].std(), rel=0.2)
    other = quick(sample_posterior=True, random_state=1).fit(X).transform(X)
    assert (other != drawn)[gone].mean() > 0.9


def test_drawn_categories_have_their_proportions():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"c": rng.choice(["a", "b"], 600, p=[0.7, 0.3]), "x": rng.random(600)}
    )
    holed = frame.copy()
    holed.loc[::3, "c"] = None
    imputer = quick().fit(holed)
    drawn = pd.concat(imputer.impute(holed, n_draws=5, random_state=0))
    assert (drawn["c"].iloc[::3] == "a").mean() == pytest.approx(0.7, abs=0.07)
    assert (imputer.transform(holed)["c"][::3] == "a").all()


@pytest.mark.parametrize("n_draws", [0, -1, 1.5, "2", True])
def test_number_of_draws_that_is_none(normal, n_draws):
    with pytest.raises(ValueError, match=rf"n_draws={n_draws!r}.*1 or more"):
        normal[-1].impute(normal[2], n_draws=n_draws)


def test_equal_seeds_give_equal_draws(normal):
    X, imputer = normal[2][:50], normal[-1]
    one, again, other = (imputer.impute(X, n_draws=2, random_state=s) for s in (0, 0, 1))
    assert len(one) == 2
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one[0], one[1])
    assert not np.array_equal(one[0], other[0])


@short
def test_a_variational_autoencoder_imputes_by_draws_too():
    holed = draw_rows(150, 0, missing=0.15)
    vae = VAETransformer(2, max_iter=4, random_state=0).fit(holed)
    first, second = vae.impute(holed, n_draws=2, random_state=0)
    for filled in (first, second, vae.impute(holed)):
        assert_like(filled, holed, index=True)
        assert not is_missing(filled).any()
    assert not first.equals(second)


# ---------------------------------------------------------------- frames


@pytest.mark.parametrize("sample_posterior", [False, True])
def test_only_missing_cells_change_and_dtypes_stay(of_holed, holed, sample_posterior):
    before = holed.copy() if isinstance(holed, pd.DataFrame) else holed.clone()
    filled = of_holed.set_params(sample_posterior=sample_posterior).transform(holed)
    assert_frames_equal(holed, before)
    assert_like(filled, holed, index=True)
    missing = is_missing(holed)
    assert not is_missing(filled).any()
    for i, name in enumerate(holed.columns):
        one, other = (frame[name].to_list() for frame in (holed, filled))
        for row in np.flatnonzero(~missing[:, i]):
            assert one[row] == other[row], name


@short
def test_arrow_tables_are_filled():
    table = pa.table({"x": [1.0, 2.0, None, 4.0] * 9, "c": ["a", None, "b", "b"] * 9})
    filled = quick().fit_transform(table)
    assert filled.schema == table.schema
    assert filled["x"].null_count == filled["c"].null_count == 0


@short
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_keep_their_precision(normal, dtype):
    X = normal[2][:100].astype(dtype)
    filled = quick(add_indicator=True).fit_transform(X)
    assert filled.dtype == dtype
    assert np.isfinite(filled).all()


@short
def test_fills_lie_in_the_range_and_on_the_decimals_of_their_column():
    rng = np.random.default_rng(0)
    price = rng.gamma(2, 10, 300).round(2)
    frame = pd.DataFrame(
        {"price": price, "n": pd.Series(rng.integers(0, 4, 300), dtype="Int64")}
    )
    frame = frame.mask(rng.random(frame.shape) < 0.2)
    filled = quick().fit_transform(frame)
    assert filled["price"].between(frame["price"].min(), frame["price"].max()).all()
    np.testing.assert_array_equal(filled["price"], filled["price"].round(2))
    assert filled["n"].between(0, 3).all()


@short
def test_what_was_wholly_missing_in_fit_stays_missing():
    frame = pd.DataFrame({"x": [1.0, None, 3.0] * 10, "nothing": [np.nan] * 30})
    with pytest.warns(UserWarning, match=r"\['nothing'\].*carried through as missing"):
        imputer = quick(keep_empty_features=True).fit(frame)
    filled = imputer.transform(frame.fillna({"nothing": 1.0}).iloc[:2])
    assert filled["nothing"].tolist() == [1.0, 1.0]
    assert imputer.transform(frame)["nothing"].isna().all()
    assert imputer.transform(frame)["x"].notna().all()


TABLES = {
    "array": lambda frame: frame.to_numpy(),
    "pandas": lambda frame: frame,
    "levels": lambda frame: frame.set_axis(
        pd.MultiIndex.from_product([["p", "q"], ["r", "s"]]), axis=1
    ),
    "polars": pl.from_pandas,
    "arrow": pa.Table.from_pandas,
}


@short
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("form", TABLES)
def test_columns_wholly_missing_in_fit_are_as_in_scikit_learns_imputers(form, keep):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 4)), columns=list("abcd"))
    frame["b"] = np.nan
    frame.loc[::5, "d"] = np.nan
    rows = TABLES[form](frame)
    params = {"add_indicator": True, "keep_empty_features": keep}
    with pytest.warns(UserWarning, match="carried through" if keep else "leaves them out"):
        ours = quick(**params).fit(rows)
    theirs = IterativeImputer(max_iter=1, **params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = theirs.fit_transform(frame.to_numpy())
    filled = ours.transform(rows)
    assert filled.shape == expected.shape
    names = theirs.get_feature_names_out(None if form == "array" else list("abcd"))
    if form != "levels":
        assert ours.get_feature_names_out().tolist() == names.tolist()
    cells = np.asarray(filled, dtype=np.float64)
    np.testing.assert_array_equal(cells[:, -2:], expected[:, -2:])
    assert np.isnan(cells).any() == keep
    assert np.asarray(ours.impute(rows)).shape == (60, 4)


def test_a_pipeline_goes_on_where_a_fold_holds_no_cell_of_a_column():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 3))
    X[:60, 2] = np.nan  # known in the last fold alone
    X[::7, 0] = np.nan
    pipeline = make_pipeline(quick(), LinearRegression())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = cross_val_score(pipeline, X, X[:, 1], cv=3, error_score="raise")
    assert (scores > 0.99).all()


@short
def test_unknown_levels_stay_and_tell_nothing():
    frame = draw_rows(100, 0).assign(grade=lambda f: f["grade"].astype(object))
    imputer, rows = quick().fit(frame), frame.iloc[:4].copy()
    rows["grade"] = ["zz", None, "zz", "a"]
    rows.loc[rows.index[:2], "size"] = np.nan
    filled = imputer.transform(rows)
    assert filled["grade"].tolist()[::2] == ["zz", "zz"]
    assert filled["grade"].iloc[1] in set("abc")
    assert filled["size"].notna().all()


def test_rows_without_any_cell_are_filled(normal):
    filled = normal[-1].transform(np.full((3, N_COLUMNS), np.nan))
    spread = normal[0].std(axis=0)
    assert (np.abs(filled - np.nanmean(normal[2], axis=0)) < 0.2 * spread).all()


def test_cells_missing_in_columns_that_were_complete_in_fit():
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    X = np.column_stack([x, 2 * x + 0.1 * rng.normal(size=300)])
    filled = quick(max_iter=40).fit(X).transform(np.array([[1.0, np.nan], [np.nan, -2.0]]))
    np.testing.assert_allclose(filled, [[1.0, 2.0], [-1.0, -2.0]], atol=0.3)


@short
@pytest.mark.parametrize("n_rows", [2, 3])
def test_few_rows(n_rows):
    frame = pd.DataFrame({"x": [1.0, None, 3.0], "c": ["a", "b", None]})[:n_rows]
    filled = quick(sample_posterior=True).fit_transform(frame)
    assert filled.notna().all(axis=None)


def test_one_row_is_too_few():
    with pytest.raises(ValueError, match="minimum of 2"):
        quick().fit(np.ones((1, 2)))


@short
def test_rows_that_weigh_nothing_are_left_out(normal):
    _, _, X, *_ = normal
    wrong = np.vstack([X[:200], 1e6 + X[:200]])
    weights = np.repeat([1.0, 0.0], 200)
    filled = quick().fit(wrong, sample_weight=weights).transform(X)
    np.testing.assert_allclose(filled, quick().fit(X[:200]).transform(X), rtol=1e-6)


# ---------------------------------------------------------------- indicators, names


@short
def test_indicators_say_which_cells_were_missing(holed):
    fitted = quick(add_indicator=True).fit(holed)
    filled, missing = fitted.transform(holed), is_missing(holed)
    assert type(filled) is type(holed)
    assert list(filled.columns) == list(fitted.get_feature_names_out())
    for i, name in enumerate(holed.columns):
        found = filled[f"missingindicator_{name}"].to_numpy()
        assert found.dtype == bool
        np.testing.assert_array_equal(found, missing[:, i])


@short
def test_indicators_are_of_columns_with_missing_cells_in_fit(normal):
    truth, gone, X, *_ = normal
    some = np.hstack([X[:, :2], truth[:, 2:]])
    fitted = quick(add_indicator=True).fit(some)
    filled = fitted.transform(some)
    np.testing.assert_array_equal(filled[:, N_COLUMNS:], gone[:, :2])
    assert fitted.get_feature_names_out().tolist() == [
        *(f"x{i}" for i in range(N_COLUMNS)),
        "missingindicator_x0",
        "missingindicator_x1",
    ]
    assert fitted.transform(truth)[:, N_COLUMNS:].sum() == 0


@short
def test_indicators_of_large_tables_are_of_rare_missing_cells_too():
    """Of large tables the networks see some rows only."""
    X = np.random.default_rng(0).normal(size=(100_001, 2))
    X[[1, 7], 0] = np.nan
    filled = quick(add_indicator=True, max_iter=1).fit_transform(X)
    assert np.flatnonzero(filled[:, 2]).tolist() == [1, 7]


@short
@pytest.mark.parametrize("form", ["pandas", "polars", "arrow"])
def test_indicators_alone_of_a_table_without_any_cell(form):
    rows = TABLES[form](pd.DataFrame({"a": [np.nan] * 6, "b": [np.nan] * 6}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        filled = quick(add_indicator=True).fit_transform(rows)
    assert filled.shape == (6, 2)
    assert np.asarray(filled).all()


@short
def test_indicators_take_no_columns_place():
    frame = pd.DataFrame({"x": [1.0, None, 3.0, 4.0], "missingindicator_x": [1.0, 2, 3, 4]})
    imputer = quick(add_indicator=True).fit(frame)
    with pytest.raises(ValueError, match=r"\['missingindicator_x'\].*rename"):
        imputer.transform(frame)


@short
def test_indicators_beside_columns_of_several_levels(normal):
    rows = pd.DataFrame(
        normal[0][:, :4], columns=pd.MultiIndex.from_product([["a", "b"], ["c", "d"]])
    )
    rows.iloc[0, 0] = np.nan
    filled = AutoencoderImputer(add_indicator=True, max_iter=1).fit_transform(rows)
    (added,) = filled.columns[4:]
    assert added == ("missingindicator_('a', 'c')", "")
    assert filled[added].tolist() == rows.iloc[:, 0].isna().tolist()


@short
def test_a_warning_says_what_names_are_filled_with():
    people = pd.DataFrame({"name": [f"person {i}" for i in range(60)], "age": range(60)})
    people.loc[0, "name"] = None
    with pytest.warns(UserWarning, match=r"\['name'\].*filled with values of other rows"):
        AutoencoderImputer(max_iter=1).fit(people)


@short
def test_names_are_those_of_the_frame():
    frame = draw_rows(40, 0)
    assert quick().fit(frame).get_feature_names_out().tolist() == list(frame.columns)


# ---------------------------------------------------------------- scikit-learn


def test_pipeline_and_grid_search(normal):
    truth, _, X, *_ = normal
    pipeline = make_pipeline(quick(), LinearRegression())
    grid = {
        "autoencoderimputer__max_iter": [1, 4],
        "linearregression__fit_intercept": [True],
    }
    search = GridSearchCV(pipeline, grid, cv=2).fit(X[:300], truth[:300, 0])
    assert search.score(X[300:], truth[300:, 0]) > 0.7


@short
def test_column_transformer():
    holed = draw_rows(80, 0, missing=0.1)
    table = ColumnTransformer(
        [("fill", quick(), ["size", "rooms", "other"]), ("rest", "drop", ["day"])]
    ).set_output(transform="pandas")
    filled = table.fit_transform(holed)
    assert list(filled.columns) == ["fill__size", "fill__rooms", "fill__other"]
    assert filled.notna().all(axis=None)
    pd.testing.assert_index_equal(filled.index, holed.index)
    selected = ColumnTransformer(
        [("fill", quick(), make_column_selector(dtype_include="number"))]
    )
    assert np.isfinite(selected.fit_transform(holed[["size", "other"]])).all()


@short
def test_output_of_another_library(normal):
    X = normal[2][:60]
    expected = quick().fit_transform(X)
    for library, cls in (("pandas", pd.DataFrame), ("polars", pl.DataFrame)):
        filled = quick().set_output(transform=library).fit_transform(X)
        assert isinstance(filled, cls)
        assert list(filled.columns) == [f"x{i}" for i in range(N_COLUMNS)]
        np.testing.assert_array_equal(filled.to_numpy(), expected)


def test_frames_become_those_of_another_library(of_holed, holed):
    expected = of_holed.transform(holed)
    for library, cls in (("pandas", pd.DataFrame), ("polars", pl.DataFrame)):
        filled = of_holed.set_output(transform=library).transform(holed)
        assert isinstance(filled, cls)
        for name in holed.columns:
            one, other = (frame[name].to_list() for frame in (filled, expected))
            assert one == other, name


@pytest.mark.parametrize("sample_posterior", [False, True])
def test_clones_and_pickles_fill_alike(of_holed, holed, sample_posterior):
    fitted = of_holed.set_params(sample_posterior=sample_posterior)
    before = holed.copy() if isinstance(holed, pd.DataFrame) else holed.clone()
    expected = fitted.transform(holed)
    assert_frames_equal(pickle.loads(pickle.dumps(fitted)).transform(holed), expected)
    assert_frames_equal(clone(fitted).fit(holed).transform(holed), expected)
    assert_frames_equal(holed, before)


@short
def test_pickles_hold_no_rows():
    X = np.random.default_rng(0).normal(size=(6000, 20)).round(1)
    small, large = (len(pickle.dumps(quick(max_iter=1).fit(X[:n]))) for n in (5000, 6000))
    assert large - small < 20_000


@short
def test_the_global_generators_are_left_alone_and_say_nothing(normal):
    X, filled = normal[2][:50], []
    for seed in (0, 1):
        np.random.seed(seed)  # noqa: NPY002
        torch.manual_seed(seed)
        states = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
        fitted = quick(sample_posterior=True).fit(X)
        filled.append([fitted.transform(X), *fitted.impute(X, n_draws=1, random_state=0)])
        np.testing.assert_array_equal(np.random.get_state()[1], states[0])  # noqa: NPY002
        assert torch.equal(torch.get_rng_state(), states[1])
    np.testing.assert_array_equal(*filled)


def test_an_imputer_that_is_not_fitted(normal):
    for method in ("transform", "impute"):
        with pytest.raises(NotFittedError):
            getattr(quick(), method)(normal[2])
    with pytest.raises(NotFittedError):
        quick().get_feature_names_out()


@short
def test_number_of_epochs(normal):
    imputer = quick(max_iter=3).fit(normal[2])
    assert 1 <= imputer.n_iter_ <= 3 + 1
    assert len(imputer.loss_curve_) > 1
    with pytest.raises(ValueError, match="'max_iter' parameter"):
        quick(max_iter=0).fit(normal[2])
