"""Public methods, also of subclasses, whatever these have in their place."""

import dataclasses

import numpy as np
import pytest
from registry import FITTED, make
from sklearn.base import clone
from sklearn.utils.metaestimators import available_if

from skae._entry import LEARNING, USING

# What needs no settings: it calls those that have them, or is scikit-learn's.
OTHERS = {"fit_transform", "fit_predict", "to"}


def _subclass(estimator, **attributes):
    cls = type("Own", (type(estimator),), attributes)
    return cls, estimator.get_params(deep=False)


@pytest.mark.parametrize("name", FITTED)
def test_every_public_method_is_an_entry_point(name):
    cls = type(make(name))
    methods = {
        method
        for method in dir(cls)
        if callable(getattr(cls, method))
        and not method.startswith(("_", "get_", "set_"))
        and method not in OTHERS
    }
    assert methods <= {*LEARNING, *USING}
    assert all(hasattr(getattr(cls, method), "__wrapped__") for method in methods)


@pytest.mark.parametrize("kind", ["dataclass", "eq"])
def test_subclass_without_a_hash(quick_any, X, kind):
    """As every dataclass is, unless it says otherwise."""
    plain = quick_any()
    if kind == "dataclass":
        own = {"__annotations__": {"extra": int}, "extra": 1}
        cls, params = _subclass(plain, **own)
        cls = dataclasses.dataclass(cls)
    else:
        cls, params = _subclass(plain, __eq__=lambda self, other: False)
    assert cls.__hash__ is None
    scores = clone(cls(**params).fit(X)).fit(X).score_samples(X)
    np.testing.assert_array_equal(scores, plain.fit(X).score_samples(X))


REPLACEMENTS = {
    "class method": (classmethod(lambda cls, X: "own"), "own"),
    "static method": (staticmethod(lambda X: "own"), "own"),
    "property": (property(lambda self: lambda X: "own"), "own"),
    "callable": (dict.fromkeys("X", "own").get, "own"),
    "none": (None, None),
    "available": (available_if(lambda self: False)(lambda self, X: "own"), None),
}


@pytest.mark.parametrize("method", ["score_samples", "fit"])
@pytest.mark.parametrize("kind", REPLACEMENTS)
def test_subclass_with_something_else_in_place_of_a_method(quick_any, kind, method):
    attribute, expected = REPLACEMENTS[kind]
    cls, params = _subclass(quick_any(), **{method: attribute})
    found = getattr(cls(**params), method, None)
    assert (found and found("X")) == expected


def test_subclass_that_calls_its_base(quick_any, X):
    """It is an entry point of its own: all or nothing, and what it returns is its own."""
    plain = quick_any()
    expected = plain.fit(X).score_samples(X)

    def fit(self, X, y=None):
        self.seen_ = len(X)
        cls.__base__.fit(self, X)
        return self if y is None else 1 / y

    def score_samples(self, X):
        self.n_calls_ = getattr(self, "n_calls_", 0) + 1
        return 2 * cls.__base__.score_samples(self, X)

    cls, params = _subclass(plain, fit=fit, score_samples=score_samples)
    own = cls(**params)
    with pytest.raises(ZeroDivisionError):
        own.fit(X, 0)
    assert vars(own).keys() == params.keys()
    assert own.fit(X, 2) == 0.5
    np.testing.assert_array_equal(own.fit(X).score_samples(X), 2 * expected)
    assert (own.seen_, own.n_calls_) == (len(X), 1)
