"""What a detector promises of fresh rows of the distribution that it was trained on.

A case draws training rows and fresh rows, all of them ordinary, and names what the detector
is told. All draw their rows from a `numpy.random.Generator`.
"""

import inspect
import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from _tables import quiet
from sklearn.metrics import roc_auc_score

from skae import AEAnomalyDetector

ALPHA, FDR, FALSE_ALARMS = 0.05, 0.1, 0.01
N_TRAIN, N_FRESH = 500, 1000
N_LEVELS, N_SUBJECTS, N_REPEATED = 300, 150, 8
# Standard errors of a fraction that are within the promise.
BOUND = 3.0

FIGURE_NAMES = {
    "flagged": "flagged",
    "low": f"p <= {ALPHA}",
    "selected": f"select(fdr={FDR}) chooses any",
}

# ------------------------------------------------------------------------------ rows


def numbers(n, rng, n_columns=3, noise=0.7):
    """Return a frame of correlated normal columns."""
    rows = rng.standard_normal((n, 1)) + noise * rng.standard_normal((n, n_columns))
    return pd.DataFrame(rows, columns=[f"x{i}" for i in range(n_columns)])


def levels(n, rng):
    names = np.char.add("level ", rng.integers(N_LEVELS, size=n).astype(str))
    return numbers(n, rng).assign(level=names.astype(object))


def declared_levels(n, rng):
    dtype = pd.CategoricalDtype([f"level {i}" for i in range(N_LEVELS)])
    frame = levels(n, rng)
    return frame.assign(level=frame["level"].astype(dtype))


def identifiers(n, rng):
    names = [str(uuid.UUID(bytes=rng.bytes(16))) for _ in range(n)]
    return numbers(n, rng).assign(id=np.array(names, dtype=object))


def rare_truth(n, rng):
    return numbers(n, rng).assign(flag=rng.random(n) < 0.2)


def two_levels(n, rng):
    names = np.where(rng.random(n) < 0.2, "rare", "usual")
    return numbers(n, rng).assign(level=names.astype(object))


def mostly_zero(n, rng):
    amounts = np.where(rng.random(n) < 0.7, 0.0, rng.lognormal(3.0, 1.0, size=n))
    return numbers(n, rng).assign(amount=amounts)


def two_draws(draw):
    return lambda rng: (draw(N_TRAIN, rng), draw(N_FRESH, rng), {})


def hole_in_fresh_rows(rng):
    """Return fresh rows with a missing cell each, in columns that are complete in fit."""
    # Columns that the others tell, where a wrong filling contradicts them.
    train, fresh = (numbers(n, rng, 5, noise=0.2) for n in (N_TRAIN, N_FRESH))
    missing = rng.integers(fresh.shape[1], size=N_FRESH)
    return train, fresh.mask(np.arange(fresh.shape[1]) == missing[:, None]), {}


def repeated_measurements(rng):
    """Return several nearly equal rows a subject; fresh rows are of other subjects."""
    subjects = np.repeat(numbers(2 * N_SUBJECTS, rng, 5).to_numpy(), N_REPEATED, axis=0)
    rows = subjects + 0.05 * rng.standard_normal(subjects.shape)
    train, fresh = np.split(rows, 2)
    return train, fresh, {"groups": np.repeat(np.arange(N_SUBJECTS), N_REPEATED)}


@dataclass(frozen=True)
class Case:
    name: str
    draw: Callable
    contamination: object = 0.0
    # Rows of a cluster count as one.
    cluster_size: int = 1


CASES = [
    Case(f"{N_LEVELS} levels, text", two_draws(levels)),
    Case(f"{N_LEVELS} levels, declared", two_draws(declared_levels)),
    Case("a column of UUIDs", two_draws(identifiers)),
    Case("true in 20%", two_draws(rare_truth), "auto"),
    Case("a level of 20%", two_draws(two_levels), "auto"),
    Case("zero in 70%", two_draws(mostly_zero), "auto"),
    Case("a hole in each fresh row", hole_in_fresh_rows),
    Case(f"{N_REPEATED} rows a subject", repeated_measurements, cluster_size=N_REPEATED),
]

# ----------------------------------------------------------------------- measurements


@dataclass
class Observed:
    """A fraction of rows, or of draws, that must not exceed what is promised."""

    promised: float
    fractions: list = field(default_factory=list)
    n_known: int | None = None
    n_fresh: int = 1

    @property
    def fraction(self):
        return float(np.mean(self.fractions))

    @property
    def bound(self):
        """Return the promise and `BOUND` standard errors.

        A threshold that is itself a quantile of `n_known` rows varies as much as a
        fraction of these.
        """
        units = 1 / self.n_fresh + (1 / self.n_known if self.n_known else 0)
        variance = self.promised * (1 - self.promised) * units / len(self.fractions)
        return self.promised + BOUND * math.sqrt(variance)

    @property
    def met(self):
        return self.fraction <= self.bound


def takes_groups():
    return "groups" in inspect.signature(AEAnomalyDetector.fit).parameters


def observe(case, n_draws):
    """Return name -> Observed of one case, over draws and fits."""
    n_known, n_fresh = (
        (N_TRAIN, N_FRESH) if case.cluster_size == 1 else (N_SUBJECTS, N_SUBJECTS)
    )
    sizes = {"n_known": n_known, "n_fresh": n_fresh}
    found = {
        "flagged": Observed(FALSE_ALARMS, **sizes),
        "low": Observed(ALPHA, **sizes),
        "selected": Observed(FDR),
    }
    for seed in range(n_draws):
        train, fresh, keywords = case.draw(np.random.default_rng(seed))
        detector = AEAnomalyDetector(contamination=case.contamination, random_state=seed)
        with quiet():  # a column that is left out is warned of
            detector.fit(train, **(keywords if takes_groups() else {}))
            flags = detector.predict(fresh) == -1
            low = detector.pvalues(fresh) <= ALPHA
            chosen = detector.select(fresh, fdr=FDR)
        found["flagged"].fractions.append(flags.mean())
        found["low"].fractions.append(low.mean())
        found["selected"].fractions.append(chosen.any())
    return {FIGURE_NAMES[name]: observed for name, observed in found.items()}


# ------------------------------------------------------------------- smoothness, stream


def smoothness(seed=0):
    """Yield (change, largest difference in scores, fraction of flags that flip)."""
    rng = np.random.default_rng(seed)
    frame = two_levels(N_TRAIN, rng)
    columns = [name for name in frame if name.startswith("x")]
    array = frame[columns].to_numpy()
    whole, only = (
        AEAnomalyDetector(contamination=0.05, random_state=seed).fit(rows)
        for rows in (frame, array)
    )
    moved = frame.assign(**{name: frame[name] * (1 + 1e-9) for name in columns})
    narrow = frame.astype(dict.fromkeys(columns, np.float32))
    changes = {
        "frame cast to float32": (whole, frame, narrow),
        "frame times 1 + 1e-9": (whole, frame, moved),
        "array cast to float32": (only, array, array.astype(np.float32)),
        "array times 1 + 1e-9": (only, array, array * (1 + 1e-9)),
    }
    for name, (detector, before, after) in changes.items():
        gaps = np.abs(detector.score_samples(before) - detector.score_samples(after))
        flips = np.mean(detector.predict(before) != detector.predict(after))
        yield name, float(gaps.max()), float(flips)
    as_frame = pd.DataFrame(array, columns=columns)
    other = AEAnomalyDetector(contamination=0.05, random_state=seed).fit(as_frame)
    gaps = np.abs(other.score_samples(as_frame) - only.score_samples(array))
    flips = np.mean(other.predict(as_frame) != only.predict(array))
    yield "fitted on a frame, on its array", float(gaps.max()), float(flips)


@dataclass(frozen=True)
class StreamFigures:
    auroc: float
    flagged: float
    found: float
    found_far: float
    offset: float


def shifted_stream(seed, n_before=5, n_after=20, chunk=500):
    """Return how a stream judges rows after it has moved to another distribution."""
    rng = np.random.default_rng(seed)
    n_columns = 6

    def draw(n, centre, mixing):
        shared = rng.standard_normal((n, 2)) @ mixing
        return centre + shared + 0.2 * rng.standard_normal((n, n_columns))

    before, after = rng.standard_normal((2, 2, n_columns))
    centre = 8.0 * rng.choice([-1, 1], n_columns)
    detector = AEAnomalyDetector(contamination=0.0, random_state=seed)
    with quiet():  # drift is warned of
        for _ in range(n_before):
            detector.partial_fit(draw(chunk, 0.0, before))
        for _ in range(n_after):
            detector.partial_fit(draw(chunk, centre, after))
        fresh = draw(N_FRESH, centre, after)
        deviations = fresh.std(axis=0)
        # Columns of the same spread without their dependence, widened.
        odd = centre + 3.0 * deviations * rng.standard_normal((N_FRESH // 10, n_columns))
        far = centre + 1000.0 * (odd - centre)
        scores = -detector.score_samples(np.concatenate([fresh, odd]))
        flagged, found, found_far = (
            float(np.mean(detector.predict(rows) == -1)) for rows in (fresh, odd, far)
        )
    is_odd = np.arange(len(scores)) >= len(fresh)
    auroc = float(roc_auc_score(is_odd, scores))
    return StreamFigures(auroc, flagged, found, found_far, float(detector.offset_))
