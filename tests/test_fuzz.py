"""The short form of benchmarks/fuzz.py, and the tables that once ended wrong."""

import random
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from fuzzing.cases import Case, draw_case
from fuzzing.driver import run
from fuzzing.endings import FINE, REFUSED, WRONG, Ending, judge
from fuzzing.kinds import MAY, MUST, NEVER
from fuzzing.laws import check

from skae import AutoencoderTransformer

# What went wrong: seeds.
FAILED = {
    "names of the columns of pyarrow": [22, 44, 31, 951],
    "warnings that point into the package": [12, 58, 349, 7],
    "index and labels lost": [24, 293, 119, 916, 614],
    "columns without any cell, of any dtype": [17, 377, 457, 560, 1090, 1269],
    "whole numbers with decimals": [63, 81],
    "byte order": [11, 636],
    "zones": [61, 105, 284],
    "pyarrow's record batches and nulls": [91, 687, 812],
    "levels that no row holds": [19, 23],
    "nested columns": [110, 109, 230],
    "missing markers in arrays": [179, 362],
    "tables without numbers, of one ordered level": [21, 1880],
    "128-bit integers, decimals, views of strings": [210, 1204, 901, 154, 6],
    "blocks of rows without cells of a column": [103, 931],
    "rounding below zero": [84, 10, 747],
    "imputing levels, integers and times of another dtype": [255, 698, 446, 1929],
    "folds of all rows but one": [508, 1713],
    "what is no table": [461, 1169, 674],
    "columns without a cell, of another dtype or library": [100291, 100447, 104140],
    "dates beyond the calendar": [104561],
    "levels of columns without a cell": [200212, 204511],
    "days as categories": [204609],
}
N_FRESH = 40


@pytest.mark.parametrize("seed", range(N_FRESH))
def test_a_random_table_ends_right(seed):
    _assert_ends_right(seed)


@pytest.mark.parametrize("seed", [seed for seeds in FAILED.values() for seed in seeds])
def test_a_table_that_once_failed_ends_right(seed):
    _assert_ends_right(seed)


def _assert_ends_right(seed):
    endings = run(seed)
    wrong = [e for e in endings if e.outcome == WRONG]
    assert not wrong, "\n".join(f"{e.method} {e.why}\n{e.details}" for e in wrong)
    assert endings


def test_a_seed_draws_the_same_table_again():
    one, other = draw_case(3), draw_case(3)
    assert str(one) == str(other)
    assert str(one) != str(draw_case(4))


# ------------------------------------------------------------------------- the judge

TABLE = pd.DataFrame({"size": [1.0, 2.0, 4.0], "city": ["Rome", "Oslo", "Rome"]})


def _ending_of(call, verdict=MAY, law=lambda result: None):
    ending = Ending(0, "any", "pandas", "fit")
    case = Case(0, "pandas", TABLE, verdict, ["float64", "str"])
    judge(ending, case, verdict, call, law, TABLE)
    return ending


def _fit(X):
    return AutoencoderTransformer(1, max_iter=1, random_state=0).fit(X)


def test_a_result_that_keeps_the_law_is_fine():
    assert _ending_of(lambda: _fit(TABLE), MUST).outcome == FINE


def test_an_error_of_ours_that_names_the_column_is_a_refusal():
    bad = TABLE.assign(size=[1.0, np.inf, 2.0])
    assert _ending_of(lambda: _fit(bad)).outcome == REFUSED
    assert "must be taken" in _ending_of(lambda: _fit(bad), MUST).why


def _raise(error):
    raise error


def _change_the_table():
    TABLE.loc[0, "size"] += 1.0


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda: _raise(ValueError("Column 'size'")), "foreign ValueError"),
        (lambda: _raise(KeyError("size")), "foreign KeyError"),
        (lambda: np.zeros(3).reshape(2, 2), "foreign ValueError"),
        (lambda: pd.Series(["a"]).astype(float), "foreign ValueError"),
        (_change_the_table, "the table"),
        (lambda: torch.rand(1), "torch's generator"),
        (lambda: np.random.rand(), "numpy's generator"),  # noqa: NPY002
        (lambda: random.random(), "Python's generator"),
        (lambda: warnings.simplefilter("ignore"), "filters of warnings"),
        (
            lambda: warnings.warn("slow", DeprecationWarning, stacklevel=1),
            "DeprecationWarning",
        ),
        (lambda: np.log(np.array(-1.0)), "RuntimeWarning"),
    ],
)
def test_a_foreign_ending_is_wrong(call, why):
    ending = _ending_of(call)
    assert ending.outcome == WRONG
    assert why in ending.why


def test_what_must_be_refused_or_breaks_a_law_is_wrong():
    assert "must be refused" in _ending_of(lambda: 1, NEVER).why
    broken = _ending_of(lambda: 1, law=lambda result: check(result == 2, "one is not two"))
    assert broken.outcome == WRONG
    assert broken.why == "law: one is not two"
