"""The detector's configuration, where the user does not say."""

from numbers import Integral, Real
from types import SimpleNamespace

import numpy as np
from sklearn.utils._param_validation import Interval

# Where anomalies may hide among the rows, many networks see few rows each: few of them
# see an anomaly, and none sees many. The distance to the nearest code would be that of
# an anomaly to its like.
ROBUST = {
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
# Rows known to be clean may all be learned: few networks, which see more and know more.
SHARP = {
    "n_estimators": 8,
    "max_samples": (1024,),
    "hidden_layer_sizes": (128,),
    "noise": (0.2,),
    "code_weight": None,
    "max_trim": 0.0,
    "max_iter": 300,
    "batch_size": 64,
    # What judges the training rows is to know nearly as much as what judges fresh rows.
    "n_folds": 4,
}
# Clones of an estimator bring their own training.
ROBUST_CLONES = {"n_estimators": 10, "max_samples": (256,), "n_folds": 2}
SHARP_CLONES = {"n_estimators": 10, "max_samples": (1024,), "n_folds": 2}
# Bounds of the largest subset, where the proportion of anomalies is known.
SIZE_BOUNDS = 32, 1024


# What the items of a sequence have to be, in words.
RULES = {
    "hidden_layer_sizes": "every hidden layer needs a whole number of units, 1 or more.",
    "noise": "a noise is a standard deviation, 0 or more.",
    "max_samples": "a size is a whole number of rows, 2 or more, or a proportion of them "
    "in (0, 1].",
}


def choose_config(detector):
    """Return the parameters of the detector, None and "auto" replaced by values.

    `max_samples` and `noise` are tuples, whose items the networks take by turns; sizes are
    rows (int) or a proportion (float). `code_weight` may still be None: as the width of the
    table suggests.

    Raises
    ------
    ValueError
        If a sequence is empty or holds something that its parameter cannot be, or there
        are fewer networks than folds.
    """
    preset = _preset(detector.contamination, detector.estimator is not None)
    asked = detector.get_params(deep=False)
    asked |= {name: _as_tuple(detector, name) for name in RULES}
    known = {name: value for name, value in asked.items() if value is not None}
    config = SimpleNamespace(**asked | preset | known)
    if detector.estimator is not None and len(config.max_samples) > 1:
        raise ValueError(
            f"max_samples={detector.max_samples!r} holds several sizes; with an "
            "estimator give one."
        )
    if detector.n_folds is None:
        config.n_folds = max(min(config.n_folds, config.n_estimators), 2)
    if config.n_estimators < config.n_folds:
        raise ValueError(
            f"n_estimators={config.n_estimators} is less than n_folds={config.n_folds}; "
            "every fold needs a network that left it out."
        )
    return config


def _preset(contamination, clones):
    clean = contamination == 0.0
    preset = dict(SHARP if clean else ROBUST)
    if isinstance(contamination, Real) and not clean:
        preset["max_trim"] = float(contamination)
        # The largest subset holds two anomalies on average, within reason.
        largest = int(np.clip(2.0 / contamination, *SIZE_BOUNDS))
        preset["max_samples"] = (largest // 4, largest // 2, largest)
    if clones:
        preset |= SHARP_CLONES if clean else ROBUST_CLONES
    return preset


def _as_tuple(detector, name):
    """Return one value, or several, as a tuple of Python numbers; None stays None."""
    value = getattr(detector, name)
    if value is None or (isinstance(value, str) and value == "auto"):
        return None
    values = tuple(map(_as_number, np.ravel(np.asarray(value, dtype=object))))
    allowed = [c for c in detector._parameter_constraints[name] if isinstance(c, Interval)]
    bad = [v for v in values if not any(c.is_satisfied_by(v) for c in allowed)]
    if bad or not values:
        found = f"holds {bad[0]!r}" if bad else "is empty"
        raise ValueError(f"{name}={value!r} {found}; {RULES[name]}")
    return values


def _as_number(value):
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value
