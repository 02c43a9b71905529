"""Levels that a dtype declares and no row holds: scored, but never given as an answer."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from registry import FITTED, having, make

from skae import AutoencoderTransformer, GANSampler, VAETransformer
from skae.table.encoder import TableEncoder
from skae.table.frame import Frame

N_ROWS, DECLARED = 46, [f"l{i:02d}" for i in range(30)]
# The rows of the last of them weigh nothing.
SEEN = np.array([3, 12, 25])
NAMES = ["level", "grade", "flag", "kind"]


def _pandas(codes, x):
    return pd.DataFrame(
        {
            "level": pd.Categorical.from_codes(codes, DECLARED),
            "grade": pd.Categorical.from_codes(codes, DECLARED, ordered=True),
            "flag": np.zeros(len(codes), dtype=bool),
            "kind": pd.Categorical.from_codes(
                np.where(codes < 0, -1, codes // 10), [2.0, 1.0, 0.0, 9.0]
            ),
            "x": x,
        }
    )


def _polars(codes, x):
    levels = [None if code < 0 else DECLARED[code] for code in codes]
    enum = pl.Series(levels, dtype=pl.Enum(DECLARED))
    return pl.DataFrame(
        {
            "level": enum,
            "grade": enum,
            "flag": np.zeros(len(codes), dtype=bool),
            "kind": pl.Series(levels, dtype=pl.Categorical),
            "x": x,
        }
    )


def _pyarrow(codes, x):
    indices = pa.array(codes, pa.int32(), mask=codes < 0)
    dictionary = pa.DictionaryArray.from_arrays(indices, DECLARED)
    return pa.table(
        {
            "level": dictionary,
            "grade": pa.array(codes, mask=codes < 0),
            "flag": np.zeros(len(codes), dtype=bool),
            "kind": dictionary.cast(pa.string()),
            "x": x,
        }
    )


LIBRARIES = {"pandas": _pandas, "polars": _polars, "pyarrow": _pyarrow}


class Case:
    """An estimator fitted to a frame of a library, and the rows that it may answer."""

    def __init__(self, name, library, **params):
        rng = np.random.default_rng(0)
        codes = SEEN[rng.integers(0, 3, N_ROWS)]
        x = codes / 10 + 0.1 * rng.normal(size=N_ROWS)
        self.make_frame = make_frame = LIBRARIES[library]
        counts = codes != 25
        if library != "pandas":
            params["ordinal_features"] = ["grade"]
        if "of clones" in name:
            params = {f"estimator__{key}": value for key, value in params.items()}
        self.rows = make_frame(codes, x)
        self.estimator = make(name).set_params(**params)
        self.estimator.fit(self.rows, sample_weight=counts)
        self.answers = make_frame(codes[counts], x[counts])
        hidden = np.arange(N_ROWS) % 3 == 0
        self.holed = make_frame(np.where(hidden, -1, codes)[counts], x[counts])

    def check(self, found):
        """Every cell is one of the rows that count."""
        for name in NAMES:
            assert set(_cells(found, name)) <= set(_cells(self.answers, name)), name


def _cells(frame, name):
    column = frame[name]
    return column.to_pylist() if isinstance(column, pa.ChunkedArray) else list(column)


@pytest.fixture(scope="module", params=FITTED)
def name(request):
    return request.param


@pytest.fixture(scope="module", params=LIBRARIES)
def case(request, name):
    return Case(name, request.param)


def of_those_having(method):
    return pytest.mark.parametrize("name", having(method), indirect=True, scope="module")


@of_those_having("sample")
def test_samples_hold_levels_of_rows_alone(case):
    case.check(case.estimator.sample(400, random_state=0))


@of_those_having("inverse_transform")
def test_codes_decode_to_levels_of_rows_alone(case):
    codes = 10.0 * np.random.default_rng(0).normal(size=(300, 2))
    case.check(case.estimator.inverse_transform(codes))
    case.check(case.estimator.interpolate(case.rows[:1], case.rows[-1:], 7))


@of_those_having("impute")
def test_holes_are_filled_with_levels_of_rows_alone(case):
    case.check(case.estimator.impute(case.holed))


@of_those_having("explain")
def test_expected_cells_are_levels_of_rows_alone(case):
    """Whatever the rows hold themselves."""
    case.check(case.estimator.explain(case.rows, expected=True)[1])


@of_those_having("score_samples")
def test_a_level_that_is_declared_alone_is_rare_but_not_impossible(case):
    rows = case.make_frame(np.full(9, 7), np.full(9, 1.0))
    usual, strange = (
        case.estimator.score_samples(of).mean() for of in (case.answers, rows)
    )
    assert np.isfinite(strange)
    if not isinstance(case.estimator, GANSampler):  # whose critic is left to the game
        assert strange < usual


def test_merged_levels_are_drawn_as_often_as_rows_hold_them():
    """Of the levels that share a place three are in rows, one of them twice as often."""
    levels = list("aaaaaaaaaabbbbbbbbbb" + "ccdee")
    frame = pd.DataFrame({"level": pd.Categorical(levels, list("abcdefgh"))})
    frame["x"] = np.arange(25.0)
    for ordered in (False, True):
        frame["level"] = frame["level"].cat.set_categories(
            list("abcdefgh"), ordered=ordered
        )
        for estimator in (VAETransformer, AutoencoderTransformer):
            fitted = estimator(1, max_iter=2, min_frequency=3, random_state=0).fit(frame)
            drawn = fitted.sample(2000, random_state=0)["level"].value_counts()
            assert set(drawn[drawn > 0].index) == set("abcde")
            assert drawn["e"] / drawn["d"] == pytest.approx(2.0, rel=0.35)


def test_a_stream_answers_with_levels_that_came_later():
    first = pd.DataFrame({"level": pd.Categorical(["a"] * 30, ["a", "b", "c"])})
    first["x"] = np.arange(30.0)
    later = first.assign(level=pd.Categorical(["b"] * 30, ["a", "b", "c"]))
    estimator = VAETransformer(1, random_state=0).partial_fit(first)
    assert set(estimator.sample(200, random_state=0)["level"]) == {"a"}
    estimator.partial_fit(later)
    assert set(estimator.sample(200, random_state=0)["level"]) == {"a", "b"}


@pytest.mark.parametrize("method", ["soft_draw", "hard_draw"])
@pytest.mark.parametrize("ordered", [False, True])
def test_a_critic_is_shown_levels_of_rows_alone(method, ordered):
    frame = pd.DataFrame(
        {"level": pd.Categorical(list("aabcc"), list("abcd"), ordered=ordered)}
    )
    rows = Frame(frame)
    block = TableEncoder().fit(rows).design_.blocks[1].to("cpu")
    output = torch.tensor([[0.0, 0.0, 0.0, 9.0][: block.width]] * 50, requires_grad=True)
    args = (torch.Generator().manual_seed(0), *([0.5] if method == "soft_draw" else []))
    drawn = getattr(block, method)(output, *args)
    assert (block.one_hot(drawn)[:, 3].abs() < 1e-6).all()
    if method == "soft_draw":
        drawn.square().sum().backward()
        assert torch.isfinite(output.grad).all()
        assert output.grad.abs().sum() > 0
