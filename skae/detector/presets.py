"""The detector's configuration, where the user does not say."""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np


@dataclass(frozen=True)
class DetectorConfig:
    """The parameters of the detector, None and "auto" replaced by values.

    Attributes
    ----------
    max_samples, noise : tuple
        What the networks take by turns. Sizes are rows (int) or a proportion (float).
    code_weight : float or None
        None: as the width of the table suggests.
    """

    n_estimators: int
    max_samples: tuple[int | float, ...]
    hidden_layer_sizes: tuple[int, ...]
    noise: tuple[float, ...]
    code_weight: float | None
    max_trim: float
    max_iter: int
    batch_size: int
    learning_rate_init: float
    n_folds: int


# Where anomalies may hide among the rows, many networks see few rows each: few of them
# see an anomaly, and none sees many. The distance to the nearest code would be that of
# an anomaly to its like.
ROBUST: dict[str, Any] = {
    "n_estimators": 36,
    "max_samples": (16, 32, 64),
    "hidden_layer_sizes": (64,),
    "noise": (0.1,),
    "code_weight": 0.0,
    "max_trim": 0.2,
    "max_iter": 150,
    "batch_size": 32,
    "n_folds": 2,
}
# Rows known to be clean may all be learned: fewer networks, which see more and know more.
SHARP: dict[str, Any] = {
    "n_estimators": 16,
    "max_samples": (1024,),
    "hidden_layer_sizes": (128,),
    "noise": (0.2,),
    "code_weight": None,
    "max_trim": 0.0,
    "max_iter": 450,
    "batch_size": 64,
    # Each network is to know most of the rows.
    "n_folds": 4,
}
# Clones of an estimator bring their own training.
ROBUST_CLONES = {"n_estimators": 10, "max_samples": (256,), "n_folds": 2}
SHARP_CLONES = {"n_estimators": 10, "max_samples": (1024,), "n_folds": 2}
# Bounds of the largest subset, where the proportion of anomalies is known.
SIZE_BOUNDS = 32, 1024


def choose_config(detector):
    """Return the `DetectorConfig` that the detector's parameters ask for.

    Raises
    ------
    ValueError
        If a sequence is empty or holds something that its parameter cannot be, or there
        are fewer networks than folds.
    """
    chosen = _preset(detector.contamination, detector.estimator is not None)
    asked = {name: getattr(detector, name) for name in chosen}
    for name, (is_good, rule) in _SEQUENCES.items():
        asked[name] = _as_tuple(name, asked[name], is_good, rule)
    if detector.estimator is not None and len(asked["max_samples"] or ()) > 1:
        raise ValueError(
            f"max_samples={detector.max_samples!r} holds several sizes; with an "
            "estimator give one."
        )
    chosen |= {name: value for name, value in asked.items() if value is not None}
    if chosen["n_estimators"] < chosen["n_folds"]:
        raise ValueError(
            f"n_estimators={chosen['n_estimators']} is less than n_folds="
            f"{chosen['n_folds']}; every fold needs a network that left it out."
        )
    return DetectorConfig(**chosen, learning_rate_init=detector.learning_rate_init)


def _preset(contamination, clones):
    clean = contamination == 0.0
    chosen = dict(SHARP if clean else ROBUST)
    if isinstance(contamination, Real) and not clean:
        chosen["max_trim"] = float(contamination)
        # The largest subset holds two anomalies on average, within reason.
        largest = int(np.clip(2.0 / contamination, *SIZE_BOUNDS))
        chosen["max_samples"] = (largest // 4, largest // 2, largest)
    if clones:
        chosen |= SHARP_CLONES if clean else ROBUST_CLONES
    return chosen


def _as_tuple(name, value, is_good, rule):
    """Return one value, or several, as a tuple of Python numbers; None stays None."""
    if value is None or (isinstance(value, str) and value == "auto"):
        return None
    values = tuple(np.ravel(np.asarray(value, dtype=object)))
    bad = [item for item in values if not is_good(item)]
    if bad or not values:
        found = f"holds {bad[0]!r}" if bad else "is empty"
        raise ValueError(f"{name}={value!r} {found}; {rule}")
    return tuple(int(v) if isinstance(v, Integral) else float(v) for v in values)


def _is_width(value):
    return isinstance(value, Integral) and value >= 1


def _is_noise(value):
    return isinstance(value, Real) and np.isfinite(value) and value >= 0


def _is_size(value):
    if isinstance(value, Integral):
        return value >= 2
    return isinstance(value, Real) and 0 < value <= 1


# What the parameters that take one value or several take, and the same in words.
_SEQUENCES = {
    "hidden_layer_sizes": (
        _is_width,
        "every hidden layer needs a whole number of units, 1 or more.",
    ),
    "noise": (_is_noise, "a noise is a standard deviation, 0 or more."),
    "max_samples": (
        _is_size,
        "a size is a whole number of rows, 2 or more, or a proportion of them in (0, 1].",
    ),
}
