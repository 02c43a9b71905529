"""A parameter that was renamed works under both names, and says what to write."""

import warnings

import pytest
from sklearn.base import BaseEstimator, clone

from skae._deprecation import DEPRECATED, renamed


class Smoother(BaseEstimator):
    def __init__(self, width=3, window=DEPRECATED):
        self.width = width
        self.window = window

    def fit(self, X, y=None):
        self.width_ = renamed(self, "window", "width", gone_in="0.3")
        return self


def test_old_name_works_and_says_what_to_write():
    with pytest.warns(
        FutureWarning, match=r"window=5 of Smoother is now width=5.*0\.3"
    ) as seen:
        smoother = clone(Smoother(window=5)).fit([[1.0]])
    assert smoother.width_ == 5
    assert seen[0].filename == __file__


def test_new_name_is_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Smoother(width=7).fit([[1.0]]).width_ == 7
        assert Smoother().fit([[1.0]]).width_ == 3
