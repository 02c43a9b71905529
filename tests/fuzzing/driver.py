"""Fit an estimator to a random table, and call some of its methods with some rows."""

import copy
import pickle
import signal
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import scipy.sparse as sp

from fuzzing import laws
from fuzzing.cases import draw_case
from fuzzing.cells import pick
from fuzzing.endings import FINE, WRONG, Ending, judge
from fuzzing.kinds import MAY, MUST
from fuzzing.reading import OF_ARROW, is_frame
from skae import (
    AdversarialAutoencoderTransformer,
    AEAnomalyDetector,
    AutoencoderTransformer,
    GANSampler,
    VAETransformer,
    VQVAETransformer,
)

# Seconds within which a table must be done with.
LIMIT = 120

# ------------------------------------------------------------------------- estimators


def _options(rng, scales=(True, False, "robust", "quantile")):
    """Return how a table is read: the defaults mostly."""
    if rng.random() < 0.6:
        return {}
    return {
        "scale": pick(rng, scales),
        "min_frequency": pick(rng, [None, 2, 0.3]),
        "max_categories": pick(rng, [None, 2]),
        "handle_unknown": pick(rng, ["ignore", "infrequent_if_exist"]),
        "ordinal_features": pick(rng, ["from_dtype", None]),
    }


def transformer(cls, rng):
    # Quantiles have no density in the original units.
    scales = (True, False, "robust", *["quantile"] * (cls is not VAETransformer))
    return cls(
        n_components=int(rng.integers(1, 4)),
        hidden_layer_sizes=(8,),
        max_iter=int(rng.integers(1, 4)),
        random_state=0,
        **_options(rng, scales),
    )


def wide_transformer(rng):
    """Return a network that learns nothing and has room for all: what goes in comes out."""
    return AutoencoderTransformer(
        60,
        hidden_layer_sizes=(8,),
        learning_rate_init=1e-9,
        max_iter=1,
        early_stopping=False,
        random_state=0,
    )


def sampler(rng):
    loss = pick(rng, ["non_saturating", "wasserstein"])
    return GANSampler(
        hidden_layer_sizes=(8,), max_iter=2, loss=loss, random_state=0, **_options(rng)
    )


def detector(rng):
    return AEAnomalyDetector(
        n_estimators=2,
        max_iter=4,
        contamination=pick(rng, ["auto", 0.0, 0.2]),
        random_state=0,
    )


def detector_of_clones(rng):
    clone = transformer(AutoencoderTransformer, rng)
    return AEAnomalyDetector(clone, n_estimators=2, random_state=0)


ESTIMATORS = {
    "AutoencoderTransformer": partial(transformer, AutoencoderTransformer),
    "AutoencoderTransformer, wide": wide_transformer,
    "VAETransformer": partial(transformer, VAETransformer),
    "VQVAETransformer": partial(transformer, VQVAETransformer),
    "AdversarialAutoencoderTransformer": partial(
        transformer, AdversarialAutoencoderTransformer
    ),
    "GANSampler": sampler,
    "AEAnomalyDetector": detector,
    "AEAnomalyDetector of clones": detector_of_clones,
}

# ---------------------------------------------------------------------------- methods


@dataclass(frozen=True)
class Method:
    """A call with rows, the law of its result, and what an estimator needs for it."""

    call: Callable
    law: Callable
    needs: str


def _reconstruct(estimator, X):
    return estimator.inverse_transform(estimator.transform(X))


def _pickled(estimator, X):
    again = pickle.loads(pickle.dumps(estimator)).score_samples(X)
    laws.check(np.array_equal(again, estimator.score_samples(X)), "pickles score otherwise")
    return again


def _with_output(library, estimator, X):
    codes = copy.deepcopy(estimator).set_output(transform=library).transform(X)
    laws.frame_of_codes(library, estimator, X, codes)
    return estimator.inverse_transform(codes)


def _between(estimator, X):
    first = X.slice(0, 1) if isinstance(X, OF_ARROW) else X[:1]
    return estimator.interpolate(first, first, n_steps=3)


def _streamed(estimator, X):
    return copy.deepcopy(estimator).partial_fit(X).score_samples(X)


def _of(name, law, **given):
    return Method(lambda estimator, X: getattr(estimator, name)(X, **given), law, name)


METHODS = {
    "transform": _of("transform", laws.codes),
    "score_samples": _of("score_samples", laws.scores),
    "predict": _of("predict", laws.labels),
    "decision_function": _of("decision_function", laws.decisions),
    "pvalues": _of("pvalues", laws.pvalues),
    "select": _of("select", laws.mask),
    "explain": _of("explain", laws.explained, expected=True),
    "impute": _of("impute", laws.imputed),
    "reconstruct": _of("reconstruct", laws.reconstructed_with_index),
    "inverse_transform": Method(_reconstruct, laws.reconstructed, "inverse_transform"),
    "sample": Method(lambda e, X: e.sample(4, random_state=0), laws.ROWS, "sample"),
    "interpolate": Method(_between, laws.STEPS, "interpolate"),
    "partial_fit": Method(_streamed, laws.scores, "partial_fit"),
    "pickle": Method(_pickled, laws.scores, "score_samples"),
    "set_output pandas": Method(
        partial(_with_output, "pandas"), laws.reconstructed_with_index, "set_output"
    ),
    "set_output polars": Method(
        partial(_with_output, "polars"), laws.reconstructed, "set_output"
    ),
}

# ------------------------------------------------------------------------------- runs


class TookTooLongError(Exception):
    pass


@contextmanager
def limited(seconds):
    def stop(*_):
        raise TookTooLongError(f"not done within {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@cache
def _import_all():
    """Fit once: what torch imports then adds filters of warnings of its own."""
    AutoencoderTransformer(1, max_iter=1, random_state=0).fit(np.eye(3))


def run(seed, n_methods=6):
    """Return the endings of a seed: a fit, and some of the methods with some of the rows."""
    _import_all()
    case, rng = draw_case(seed), np.random.default_rng([seed, 1])
    name = pick(rng, list(ESTIMATORS))
    estimator, endings = ESTIMATORS[name](rng), []

    def begin(method, change=""):
        endings.append(Ending(seed, name, case.library, method, change))
        return endings[-1]

    try:
        with limited(LIMIT):
            if _fit(rng, case, estimator, begin).outcome == FINE:
                _use(rng, case, estimator, begin, n_methods)
    except TookTooLongError as error:
        endings[-1].is_wrong(str(error), error)
    for ending in endings:
        if ending.outcome == WRONG:
            ending.details = f"{case}\n{estimator}\n{ending.details}"
    return endings


def _fit(rng, case, estimator, begin):
    given, verdict = {}, case.verdict
    if case.weights is not None:
        given["sample_weight"] = case.weights
    if case.groups is not None and isinstance(estimator, AEAnomalyDetector):
        given["groups"] = case.groups
        verdict = MAY if verdict == MUST else verdict
    if isinstance(estimator, AEAnomalyDetector) and laws.only_identifiers(case):
        verdict = MAY if verdict == MUST else verdict
    names = ["fit", "fit", "fit", "partial_fit", "fit_predict", "fit_transform"]
    names = [name for name in names if hasattr(estimator, name)]
    name = pick(rng, names[:-1] if given else names)
    call = partial(getattr(estimator, name), case.X, **given)
    ending = begin(name)
    judge(ending, case, verdict, call, lambda _: None, case.X)
    return ending


def _use(rng, case, estimator, begin, n_methods):
    names = [name for name, method in METHODS.items() if hasattr(estimator, method.needs)]
    known = ("", case.X, MUST)
    for place in rng.permutation(len(names))[:n_methods]:
        name, fresh = names[place], case.fresh
        # A detector that follows no stream yet would start anew.
        anew = name == "partial_fit" and isinstance(estimator, AEAnomalyDetector)
        if name == "sample" or anew or not fresh or rng.random() < 0.3:
            fresh = [known]
        change, X, verdict = pick(rng, fresh)
        if name == "interpolate" and not _has_rows(X):
            continue
        method = METHODS[name]
        call, law = (
            partial(method.call, estimator, X),
            partial(method.law, estimator, case, X),
        )
        judge(begin(name, change), case, verdict, call, law, X)


def _has_rows(X):
    """Whether a first row can be taken from a table."""
    if sp.issparse(X):
        return X.format in ("csr", "csc", "lil")
    return is_frame(X) or (isinstance(X, np.ndarray) and X.ndim == 2)
