"""What sampled rows tell of single rows of the fit: no name, no income to the cent."""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from registry import ESTIMATORS, having, make

from skae import AutoencoderTransformer, GANSampler, VAETransformer
from skae.metrics import nearest_record_ratio
from skae.table.encoder import TableEncoder
from skae.table.frame import Frame
from skae.table.marginals import Marginals
from skae.table.private import conceal

N_ROWS = 120
NAMES = [f"Person No. {i}" for i in range(N_ROWS)]
SAMPLERS = having("sample", ESTIMATORS)


def _people(**columns):
    rng = np.random.default_rng(0)
    age = rng.integers(18, 80, N_ROWS)
    job = np.where(age + rng.normal(0, 9, N_ROWS) > 50, "nurse", "clerk")
    return pd.DataFrame({"age": age, "job": job, "name": NAMES} | columns)


def _fit(frame, name="AutoencoderTransformer", **params):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(name, **params).fit(frame)


def _values(column):
    return column.to_pylist() if hasattr(column, "to_pylist") else column.to_list()


# ------------------------------------------------------------------ identifiers


@pytest.mark.parametrize("name", SAMPLERS)
def test_names_are_given_out_only_if_they_are_revealed(name):
    fitted = _fit(_people(), name)
    rows = fitted.sample(50, random_state=0)
    assert rows["name"].tolist() == [f"name_{i}" for i in range(1, 51)]
    assert set(rows["job"]) == {"nurse", "clerk"}
    for reveal in (["name"], [2], [False, False, True]):
        fitted.set_params(reveal=reveal)
        assert set(fitted.sample(50, random_state=0)["name"]) <= set(NAMES)
    fitted.set_params(reveal=["job"])
    pd.testing.assert_frame_equal(fitted.sample(50, random_state=0), rows)


def test_pickled_estimators_keep_it_to_themselves():
    fitted = pickle.loads(pickle.dumps(_fit(_people())))
    assert set(fitted.sample(50)["name"]).isdisjoint(NAMES)


COLUMNS = {
    "text": lambda frame: frame,
    "objects": lambda frame: frame.astype({"name": object}),
    "string": lambda frame: frame.astype({"name": "string"}),
    "category": lambda frame: frame.astype({"name": "category"}),
    "text of arrow in pandas": lambda frame: frame.astype(
        {"name": pd.ArrowDtype(pa.string())}
    ),
    "polars": pl.from_pandas,
    "Categorical": lambda frame: pl.from_pandas(frame).cast({"name": pl.Categorical}),
    "Enum": lambda frame: pl.from_pandas(frame).cast({"name": pl.Enum(NAMES)}),
    "arrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "dictionary": lambda frame: pa.Table.from_pandas(
        frame.astype({"name": "category"}), preserve_index=False
    ),
}


@pytest.mark.parametrize("column", COLUMNS)
def test_made_up_names_have_the_dtype_of_names_and_no_level_of_theirs(column):
    frame = COLUMNS[column](_people())
    rows = _fit(frame).sample(4, random_state=0)
    assert type(rows) is type(frame)
    assert _values(rows["name"]) == ["name_1", "name_2", "name_3", "name_4"]
    if isinstance(frame, pa.Table):
        assert rows.schema.field("name").type == frame.schema.field("name").type
    elif column == "category":
        assert isinstance(rows["name"].dtype, pd.CategoricalDtype)
    elif column == "Enum":
        assert isinstance(rows["name"].dtype, pl.Enum)
    else:
        assert rows["name"].dtype == frame["name"].dtype
    # Neither do lists of levels give them away.
    assert "Person" not in repr(pickle.dumps(rows))


def test_made_up_names_are_nobodys():
    names = [f"name_{i}" for i in range(N_ROWS)]
    rows = _fit(_people(name=names)).sample(N_ROWS, random_state=0)
    assert set(rows["name"]).isdisjoint(names)
    assert rows["name"].is_unique


@pytest.mark.parametrize("dtype", ["int64", "Int64", "float64"])
def test_keys_that_are_numbers_go_on_beyond_all_that_there_are(dtype):
    keys = 4000 + np.random.default_rng(0).permutation(N_ROWS)
    frame = _people(name=keys).astype({"name": dtype})
    rows = _fit(frame, categorical_features=["job", "name"]).sample(50, random_state=0)
    assert rows["name"].tolist() == list(range(10_000, 10_050))
    assert rows["name"].dtype == frame["name"].dtype
    array = frame[["age", "name"]].to_numpy(dtype=float)
    rows = _fit(array, categorical_features=[1]).sample(50, random_state=0)
    assert rows[:, 1].tolist() == list(range(10_000, 10_050))


@pytest.mark.parametrize(
    ("keys", "dtype"),
    [
        (30_000 + np.arange(N_ROWS), "Int16"),
        (np.arange(N_ROWS), "uint8"),
        (2**60 + np.arange(N_ROWS), "Int64"),
    ],
)
def test_keys_with_no_room_beyond_are_missing(keys, dtype):
    frame = _people(name=keys).astype({"name": dtype})
    rows = _fit(frame, categorical_features=["job", "name"]).sample(9, random_state=0)
    assert rows["name"].isna().all()


def test_times_that_identify_are_missing():
    born = pd.Timestamp("1980-01-01") + pd.to_timedelta(np.arange(N_ROWS), unit="h")
    frame = _people(name=born)
    rows = _fit(frame, categorical_features=["job", "name"]).sample(9, random_state=0)
    assert rows["name"].isna().all()
    assert rows["name"].dtype == frame["name"].dtype


@pytest.mark.parametrize("as_library", [lambda f: f, pl.from_pandas])
def test_missing_names_stay_missing(as_library):
    frame = as_library(_people(name=[*NAMES[:-5], *[None] * 5]))
    table = TableEncoder().fit(Frame.of(frame))
    rows = conceal(table, frame)
    is_missing = [name is None or name != name for name in _values(rows["name"])]
    assert is_missing == [False] * (N_ROWS - 5) + [True] * 5
    assert _values(rows["name"])[:2] == ["name_1", "name_2"]
    assert _values(rows["age"]) == _values(frame["age"])
    assert conceal(table, frame, {2}) is frame


def test_index_and_other_columns_of_rows_stay():
    frame = _people().set_index(np.arange(N_ROWS) + 7)
    table = TableEncoder().fit(Frame.of(frame))
    concealed = conceal(table, frame)
    pd.testing.assert_frame_equal(
        concealed.drop(columns="name"), frame.drop(columns="name")
    )


@pytest.mark.parametrize("name", SAMPLERS)
def test_one_warning_names_the_columns_and_the_remedy(name):
    def warned(**params):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            make(name, **params).fit(_people()).sample(2, random_state=0)
        return [
            str(warning.message)
            for warning in caught
            if "hold identifiers" in str(warning.message)
        ]

    (message,) = warned()
    assert "['name'] hold identifiers" in message
    assert "`sample` gives made-up values" in message
    assert "reveal=['name']" in message
    (message,) = warned(reveal=["name"])
    assert "sample" not in message


def test_revealing_what_is_no_column_is_an_error():
    with pytest.raises(ValueError, match=r"reveal names 'nam', which is not a column"):
        AutoencoderTransformer(reveal=["nam"]).fit(_people())
    with pytest.raises(ValueError, match=r"reveal holds 7, but X has 3 columns"):
        GANSampler(reveal=[7]).fit(_people())
    with pytest.raises(ValueError, match="'reveal' parameter"):
        VAETransformer(reveal="name").fit(_people())
    fitted = _fit(_people()).set_params(reveal=["nam"])
    with pytest.raises(ValueError, match=r"reveal names 'nam'"):
        fitted.sample()


def test_values_that_recur_are_sampled():
    rng = np.random.default_rng(0)
    towns = [f"town {i}" for i in rng.integers(0, 60, N_ROWS)]
    rows = _fit(_people(name=towns)).sample(50, random_state=0)
    assert set(rows["name"]) <= set(towns)


def test_rare_categories_that_are_merged_belong_to_no_row():
    """A single nurse of 79 has the illness; with min_frequency any merged row may."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.integers(20, 40, 400).astype(float), "illness": "flu"})
    frame.loc[:5, "age"] = 79.0
    frame.loc[:5, "illness"] = [f"illness {i}" for i in range(6)]
    rows = _fit(frame, "VAETransformer", min_frequency=5).sample(2000, random_state=0)
    counts = rows["illness"].value_counts()
    assert counts.drop("flu").min() > 0
    assert len(counts) == 7


# ------------------------------------------------------------------ numbers


def _fares(n_rows, seed):
    """Amounts in cents, of which most are a single row's."""
    return np.random.default_rng(seed).lognormal(4.0, 1.2, n_rows).round(2)


def _single(values):
    found, counts = np.unique(values, return_counts=True)
    return found[counts == 1]


def test_amounts_of_single_rows_are_sampled_as_often_as_chance_has_it():
    fares = _fares(600, 0)
    frame = pd.DataFrame({"fare": fares, "distance": np.log(fares) + _fares(600, 1) / 200})
    rows = VAETransformer(2, max_iter=10, random_state=0).fit(frame).sample(8000, 1)
    chance = np.isin(_fares(8000, 2), _single(fares)).mean()
    found = np.isin(rows["fare"], _single(fares)).mean()
    assert chance > 0.02
    assert found < 1.6 * chance
    # Where chance has hardly a say nothing is told: in the tail.
    tail = np.sort(fares)[-20:]
    assert np.isin(rows["fare"], tail).mean() < 0.2 * len(tail) / len(fares)


def test_the_largest_amount_of_a_single_row_is_not_given_out():
    """Nor the smallest one."""
    frame = pd.DataFrame(
        {"fare": _fares(600, 0), "debt": -_fares(600, 1), "age": np.arange(600) % 60}
    )
    rows = VAETransformer(2, max_iter=10, random_state=0).fit(frame).sample(20_000, 1)
    for name, sign in (("fare", 1), ("debt", -1)):
        next_one, largest = np.sort(sign * frame[name])[-2:]
        reached = (sign * rows[name]).max()
        assert next_one < reached <= largest - (largest - next_one) / 4 + 0.01, name
    assert (rows["age"].min(), rows["age"].max()) == (0, 59)


@pytest.mark.parametrize("name", ["AutoencoderTransformer", "GANSampler"])
@pytest.mark.parametrize("scale", [True, "quantile"])
def test_limits_that_draws_are_moved_to_are_no_single_rows(name, scale):
    """Whole numbers, and numbers by rank: none is sampled beyond the range of the fit."""
    pay = (100 * _fares(300, 0)).astype(int)
    frame = pd.DataFrame({"pay": pay, "of 8": np.arange(300) % 8})
    rows = _fit(frame, name, scale=scale).sample(4000, random_state=0)
    assert not rows["pay"].isin([pay.max(), pay.min()]).any()
    assert rows["pay"].between(pay.min(), pay.max()).all()
    assert rows["of 8"].between(0, 7).all()


def _map(values, n_draws=40_000, weights=None):
    """Return what a normal column is mapped to, of the distribution of the values."""
    drawn = np.random.default_rng(1).normal(size=(n_draws, 1))
    return Marginals(np.array(values)[:, None], weights, drawn).map(drawn)[:, 0]


def test_single_values_among_values_that_repeat_give_way_to_the_nearest():
    values = np.repeat([0.0, 10.0, 14.0, 20.0, 50.0], [20, 20, 1, 20, 1])
    assert set(_map(values)) == {0.0, 10.0, 20.0}


def test_values_that_repeat_stay_and_nothing_comes_between():
    """Half of the incomes are 0, and the others a hundred and more."""
    values = np.append(np.zeros(100), 100 + _fares(100, 0))
    mapped = _map(values)
    assert (mapped == 0.0).mean() == pytest.approx(0.5, abs=0.02)
    assert mapped[mapped > 0].min() >= 100
    assert np.mean(mapped) == pytest.approx(values.mean(), rel=0.03)


@pytest.mark.parametrize("n_rows", [2, 3, 30, 1000, 4000])
def test_values_rise_with_the_ranks_and_keep_the_distribution(n_rows):
    values = np.random.default_rng(0).gamma(2.0, size=n_rows)
    mapped = _map(values)
    assert not np.isin(mapped, values).any()
    assert values.min() < mapped.min() < mapped.max() < values.max()
    drawn = np.random.default_rng(1).normal(size=40_000)
    assert (np.diff(mapped[np.argsort(drawn)]) >= 0).all()
    if n_rows >= 1000:
        levels = np.linspace(0.1, 0.9, 9)
        found, expected = (np.quantile(cells, levels) for cells in (mapped, values))
        np.testing.assert_allclose(found, expected, rtol=0.05)


def test_one_value_is_all_there_is():
    assert set(_map([3.0])) == {3.0}
    assert set(_map([3.0, 3.0])) == {3.0}


# ------------------------------------------------------------------ rows


@pytest.mark.rounding
def test_generated_rows_are_as_near_to_held_out_rows_as_to_their_own():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 4)) @ rng.normal(size=(4, 4))
    train, holdout = X[:400], X[400:]
    rows = VAETransformer(3, random_state=0).fit(train).sample(2000, random_state=0)
    assert nearest_record_ratio(train, rows, holdout) == pytest.approx(0.5, abs=0.08)
    copies = train[rng.integers(0, 400, 2000)] + 0.01 * rng.normal(size=(2000, 4))
    assert nearest_record_ratio(train, copies, holdout) > 0.95
