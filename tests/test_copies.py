"""Repeated measurements are told from rows that merely lie close together."""

import numpy as np
import pytest

from skae.detector.copies import has_near_copies, warn_of_near_copies


def _gaussian(n, rng):
    return rng.normal(size=(n, 10))


def _factors(n, rng):
    return rng.normal(size=(n, 4)) @ rng.normal(size=(4, 12)) + 0.3 * rng.normal(
        size=(n, 12)
    )


def _uniform(n, rng):
    return rng.uniform(size=(n, 8))


def _heavy_tails(n, rng):
    return rng.standard_t(3, size=(n, 10))


SMOOTH = [_gaussian, _factors, _uniform, _heavy_tails]


def _clusters(n, rng):
    centres = 3.0 * rng.normal(size=(6, 8))
    return centres[rng.integers(0, 6, n)] + 0.3 * rng.normal(size=(n, 8))


def _curve(n, rng):
    t = rng.uniform(0.0, 6.0, n)[:, None]
    return np.sin(t * np.arange(1, 6)) + 0.01 * rng.normal(size=(n, 5))


def _whole(n, rng):
    return rng.poisson(30, size=(n, 6)).astype(float)


def _rounded(n, rng):
    return rng.normal(size=(n, 3)).round(1)


def _mostly_zero(n, rng):
    return np.where(rng.random((n, 8)) < 0.6, 0.0, rng.normal(size=(n, 8)))


def _equal(n, rng):
    """Equal rows stay in one fold as it is."""
    return np.repeat(rng.normal(size=(n // 4, 8)), 4, axis=0)


def _codes(n, rng):
    """One number within many combinations of a few levels."""
    levels = rng.integers(0, 10, size=(n, 2)).astype(float)
    return np.column_stack([levels, rng.normal(size=n)])


ALL_KINDS = [*SMOOTH, _clusters, _curve, _whole, _rounded, _mostly_zero, _equal, _codes]


@pytest.mark.parametrize("draw", ALL_KINDS)
@pytest.mark.parametrize("n_rows", [30, 400, 2000])
def test_rows_of_their_own_are_no_copies(draw, n_rows):
    x = draw(n_rows, np.random.default_rng(n_rows))
    assert not has_near_copies((x - x.mean(axis=0)) / x.std(axis=0))


@pytest.mark.parametrize("draw", SMOOTH)
@pytest.mark.parametrize("repeats", [2, 4, 8, "2 to 8"])
@pytest.mark.parametrize("spread", [0.01, 0.04])
def test_repeated_measurements_are_near_copies(draw, repeats, spread):
    rng = np.random.default_rng(0)
    subjects = draw(400, rng)
    counts = rng.integers(2, 9, 400) if isinstance(repeats, str) else repeats
    x = np.repeat(subjects, counts, axis=0)
    x += spread * subjects.std(axis=0) * rng.normal(size=x.shape)
    x = rng.permutation(x)
    assert has_near_copies((x - x.mean(axis=0)) / x.std(axis=0))


def test_near_copies_are_warned_of_with_a_remedy(recwarn):
    rng = np.random.default_rng(0)
    x = np.repeat(_gaussian(100, rng), 5, axis=0)
    with pytest.warns(UserWarning, match="groups="):
        warn_of_near_copies(x + 0.02 * rng.normal(size=x.shape))
    warn_of_near_copies(_gaussian(500, rng))
    assert not recwarn.list


def test_tables_without_numbers_have_no_near_copies():
    assert not has_near_copies(np.empty((500, 0)))
    assert not has_near_copies(np.zeros((500, 3)))
