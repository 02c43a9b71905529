"""The registry holds every estimator, and its exceptions name laws that there are."""

import re
from pathlib import Path

from registry import EXCEPTIONS, FITTED
from sklearn.base import BaseEstimator

import skae


def test_every_estimator_is_held_to_the_laws():
    public = [getattr(skae, name) for name in skae.__all__]
    fitted = {cls for cls in public if hasattr(cls, "fit")}
    assert fitted
    assert all(issubclass(cls, BaseEstimator) for cls in fitted)
    assert {cls for cls, _ in FITTED.values()} == fitted


def test_exceptions_are_made_of_laws_and_estimators_that_there_are():
    texts = [
        path.read_text(encoding="utf-8") for path in Path(__file__).parent.rglob("*.py")
    ]
    laws = set(re.findall(r"^def (test_\w+)\(", "\n".join(texts), flags=re.MULTILINE))
    assert EXCEPTIONS
    assert set(EXCEPTIONS) <= laws
    for held in EXCEPTIONS.values():
        assert set(held) <= set(FITTED)
