"""Folds: who may judge which rows."""

import numpy as np
import pytest

from skae.detector.folds import assign_folds, row_keys, separate_the_usual

N_ROWS = 5000


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(N_ROWS, 4))


def _rng(seed=0):
    return np.random.RandomState(seed)


# ---------------------------------------------------------------- equal rows


def test_keys_follow_from_the_cells_alone(rows):
    keys, order = row_keys(rows), np.random.default_rng(1).permutation(N_ROWS)
    np.testing.assert_array_equal(row_keys(rows[order]), keys[order])
    np.testing.assert_array_equal(row_keys(rows[7:8]), keys[7:8])
    np.testing.assert_array_equal(row_keys(np.asfortranarray(rows)), keys)


def test_minus_zero_is_zero_and_missing_is_missing():
    same = np.array([[-0.0, np.nan], [0.0, -np.nan]])
    assert len(set(row_keys(same))) == 1


def test_other_cells_have_other_keys(rows):
    assert len(np.unique(row_keys(rows))) == N_ROWS
    assert (row_keys(rows[:, [1, 0, 2, 3]]) != row_keys(rows)).all()


# ---------------------------------------------------------------- folds


def test_folds_tell_nothing_of_the_cells_or_the_order(rows):
    folds = assign_folds(row_keys(rows), 2, _rng())
    correlations = [np.corrcoef(folds, column)[0, 1] for column in rows.T]
    assert np.abs(correlations).max() < 5 / np.sqrt(N_ROWS)
    assert abs(np.corrcoef(folds[1:], folds[:-1])[0, 1]) < 5 / np.sqrt(N_ROWS)
    assert (assign_folds(row_keys(rows), 2, _rng(1)) != folds).mean() > 0.4


@pytest.mark.parametrize("n_folds", [2, 3, 7])
def test_folds_have_equal_sizes(rows, n_folds):
    counts = np.bincount(assign_folds(row_keys(rows), n_folds, _rng()))
    assert len(counts) == n_folds
    assert counts.max() - counts.min() <= 1


def test_rows_of_one_key_share_a_fold():
    keys = np.repeat(np.arange(50), np.arange(50) + 1)
    folds = assign_folds(_rng().permutation(keys), 3, _rng(1))
    shuffled = _rng().permutation(keys)
    assert all(len(set(folds[shuffled == key])) == 1 for key in range(50))
    counts = np.bincount(folds)
    assert counts.max() - counts.min() < 50


@pytest.mark.parametrize("n_distinct", [1, 2, 3])
def test_there_are_no_more_folds_than_keys(n_distinct):
    folds = assign_folds(np.repeat(np.arange(n_distinct), 20), 5, _rng())
    assert set(folds) == set(range(n_distinct))


def test_copies_stay_together_but_what_rows_usually_look_like_does_not():
    """Half of the rows are zeros: every fold has its part. Ten rows stand twelve times."""
    keys = np.concatenate(
        [np.full(500, -1), np.repeat(np.arange(10), 12), 100 + np.arange(380)]
    )
    apart = separate_the_usual(keys, 4)
    assert len(set(apart[:500])) == 500
    np.testing.assert_array_equal(apart[500:620].reshape(10, 12).std(axis=1), 0)
    assert len(set(apart)) == 500 + 10 + 380
    counts = np.bincount(assign_folds(apart, 4, _rng())[:500])
    assert counts.min() > 80
