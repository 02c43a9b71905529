"""What the detector's networks are made of, where the user does not say."""

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np


@dataclass(frozen=True)
class MakeUp:
    """What the networks are made of.

    Attributes
    ----------
    n_members : int
    sizes, noises : tuple
        Rows (int: a number, float: a share), and standard deviation of the noise, of the
        members by turns.
    hidden : tuple of int
    code_weight : float or None
        Weight of the code's distance beside the error's 1; None: as the table's width
        suggests.
    most_trimmed : float
        Share of the rows that may be left out as outliers.
    n_steps, batch_size : int
    learning_rate : float
    n_folds : int
    """

    n_members: int
    sizes: tuple
    noises: tuple
    hidden: tuple
    code_weight: float | None
    most_trimmed: float
    n_steps: int
    batch_size: int
    learning_rate: float
    n_folds: int


# Where anomalies may hide among the rows, many networks see few rows each: few of them
# meet an anomaly, and none meets many. The distance to the nearest code would be that of
# an anomaly to its like.
ROBUST = {
    "n_members": 36,
    "sizes": (16, 32, 64),
    "noises": (0.1,),
    "hidden": (64,),
    "code_weight": 0.0,
    "most_trimmed": 0.2,
    "n_steps": 150,
    "batch_size": 32,
    "n_folds": 2,
}
# Rows known to be clean may all be learned: fewer networks, which see more and know more.
SHARP = {
    "n_members": 16,
    "sizes": (1024,),
    "noises": (0.2,),
    "hidden": (128,),
    "code_weight": None,
    "most_trimmed": 0.0,
    "n_steps": 450,
    "batch_size": 64,
    # Each network is to know most of the rows.
    "n_folds": 4,
}
# Of the largest subset, where the share of anomalies is known.
SIZE_BOUNDS = 32, 1024
# Of clones of an estimator.
N_CLONES, ROBUST_CLONE_SIZE, SHARP_CLONE_SIZE = 10, 256, 1024


def choose_make_up(detector):
    """Return the `MakeUp` that the detector's parameters ask for.

    Raises
    ------
    ValueError
        If a sequence is empty or holds something that its parameter cannot be, or there
        are fewer networks than folds.
    """
    clean = detector.contamination == 0.0
    chosen = dict(SHARP if clean else ROBUST)
    if isinstance(detector.contamination, Real) and not clean:
        chosen["most_trimmed"] = float(detector.contamination)
        # The largest subset holds two anomalies on average, within reason.
        largest = int(np.clip(2.0 / detector.contamination, *SIZE_BOUNDS))
        chosen["sizes"] = (largest // 4, largest // 2, largest)
    if detector.estimator is not None:
        size = SHARP_CLONE_SIZE if clean else ROBUST_CLONE_SIZE
        chosen |= {"n_members": N_CLONES, "sizes": (size,), "n_folds": 2}
    wanted = {
        "n_members": detector.n_estimators,
        "n_folds": detector.n_folds,
        "hidden": _several(
            detector.hidden_layer_sizes,
            "hidden_layer_sizes",
            _is_count,
            "every hidden layer needs a whole number of units, 1 or more.",
        ),
        "noises": _several(
            detector.noise,
            "noise",
            _is_noise,
            "a noise is a standard deviation, 0 or more.",
        ),
        "code_weight": detector.code_weight,
        "most_trimmed": detector.max_trim,
        "n_steps": detector.max_iter,
        "batch_size": detector.batch_size,
    }
    if not isinstance(detector.max_samples, str):
        wanted["sizes"] = _several(
            detector.max_samples,
            "max_samples",
            _is_size,
            "a size is a whole number of rows, 2 or more, or a share of them in (0, 1].",
        )
        if detector.estimator is not None and len(wanted["sizes"]) > 1:
            raise ValueError(
                f"max_samples={detector.max_samples!r} holds several sizes; with an "
                "estimator give one."
            )
    chosen |= {name: value for name, value in wanted.items() if value is not None}
    if chosen["n_members"] < chosen["n_folds"]:
        raise ValueError(
            f"n_estimators={chosen['n_members']} is less than n_folds="
            f"{chosen['n_folds']}; every fold needs a network that left it out."
        )
    return MakeUp(**chosen, learning_rate=detector.learning_rate_init)


def _several(value, name, is_good, asked):
    """Return a value, or a sequence of values, as a tuple of Python numbers."""
    if value is None:
        return None
    values = tuple(np.ravel(np.asarray(value, dtype=object)))
    bad = [v for v in values if not is_good(v)]
    if bad or not values:
        held = f"holds {bad[0]!r}" if bad else "is empty"
        raise ValueError(f"{name}={value!r} {held}; {asked}")
    return tuple(int(v) if isinstance(v, Integral) else float(v) for v in values)


def _is_count(value):
    return isinstance(value, Integral) and value >= 1


def _is_noise(value):
    return isinstance(value, Real) and np.isfinite(value) and value >= 0


def _is_size(value):
    if isinstance(value, Integral):
        return value >= 2
    return isinstance(value, Real) and 0 < value <= 1
