import numpy as np
import pytest

from skae.detector.folds import ContentFolds, row_hashes

pytestmark = pytest.mark.rounding

N_ROWS = 5000


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(N_ROWS, 4))


def test_hash_follows_from_the_cells_alone(rows):
    hashes = row_hashes(rows)
    order = np.random.default_rng(1).permutation(N_ROWS)
    np.testing.assert_array_equal(row_hashes(rows[order]), hashes[order])
    np.testing.assert_array_equal(row_hashes(rows[7:8]), hashes[7:8])
    np.testing.assert_array_equal(row_hashes(np.asfortranarray(rows)), hashes)


def test_hash_does_not_depend_on_the_precision():
    rows = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    np.testing.assert_array_equal(row_hashes(rows), row_hashes(rows.astype(np.float64)))


def test_minus_zero_is_zero():
    assert row_hashes(np.array([[-0.0, 1.0]])) == row_hashes(np.array([[0.0, 1.0]]))


def test_other_cells_have_other_hashes(rows):
    assert len(np.unique(row_hashes(rows))) == N_ROWS
    swapped = rows[:, [1, 0, 2, 3]]
    assert (row_hashes(swapped) != row_hashes(rows)).all()


@pytest.mark.parametrize(
    "table",
    [
        np.random.default_rng(0).normal(size=(N_ROWS, 4)),
        np.arange(N_ROWS, dtype=float)[:, None],
        np.random.default_rng(0).integers(0, 2, size=(N_ROWS, 40)).astype(float),
        1e6 + np.arange(N_ROWS)[:, None] * [[1.0, 0.0]],
    ],
    ids=["normal", "counter", "bits", "offset"],
)
def test_hashes_are_spread_evenly(table):
    counts = np.histogram(row_hashes(table), bins=10, range=(0, 1))[0]
    # 8 standard deviations of a binomial count
    assert np.abs(counts - N_ROWS / 10).max() < 8 * np.sqrt(N_ROWS * 0.09)


def test_folds_tell_nothing_of_the_cells(rows):
    folds = ContentFolds(2).fit(row_hashes(rows)).assign(row_hashes(rows))
    correlations = [np.corrcoef(folds, column)[0, 1] for column in rows.T]
    assert np.abs(correlations).max() < 5 / np.sqrt(N_ROWS)
    in_order = np.corrcoef(folds[1:], folds[:-1])[0, 1]
    assert abs(in_order) < 5 / np.sqrt(N_ROWS)


@pytest.mark.parametrize("n_folds", [2, 3, 7])
def test_folds_have_equal_sizes(rows, n_folds):
    folds = ContentFolds(n_folds).fit(row_hashes(rows))
    counts = np.bincount(folds.assign(row_hashes(rows)))
    assert folds.n_folds_ == n_folds
    assert counts.max() - counts.min() <= 1


def test_fresh_rows_spread_over_the_folds(rows):
    fresh = np.random.default_rng(1).normal(size=(N_ROWS, 4))
    counts = np.bincount(
        ContentFolds(3).fit(row_hashes(rows)).assign(row_hashes(fresh)), minlength=3
    )
    assert np.abs(counts - N_ROWS / 3).max() < 8 * np.sqrt(N_ROWS * 2 / 9)


def test_equal_rows_share_a_fold(rows):
    doubled = np.vstack([rows[:50], rows[:50], rows[:50]])
    folds = (
        ContentFolds(3).fit(row_hashes(doubled)).assign(row_hashes(doubled)).reshape(3, 50)
    )
    assert (folds == folds[0]).all()


@pytest.mark.parametrize("n_distinct", [1, 2, 3])
def test_no_fold_is_empty_where_rows_repeat(rows, n_distinct):
    repeated = rows[:n_distinct].repeat(20, axis=0)
    folds = ContentFolds(5).fit(row_hashes(repeated))
    counts = np.bincount(folds.assign(row_hashes(repeated)), minlength=folds.n_folds_)
    assert len(counts) == folds.n_folds_ <= n_distinct
    assert counts.all()


def test_one_fold_holds_everything(rows):
    folds = ContentFolds(1).fit(row_hashes(rows))
    assert folds.n_folds_ == 1
    assert not folds.assign(row_hashes(rows)).any()


def test_huge_cells_have_a_hash():
    with np.errstate(all="raise"):
        hashes = row_hashes(np.array([[1e300, 1.0], [-1e300, 1.0]]))
    assert hashes[0] != hashes[1]
