"""Which methods of which estimators graphs can express."""

from skae._estimator import BaseAutoencoder
from skae.anomaly import AEAnomalyDetector
from skae.export._detector import DetectorGraph
from skae.export._transformers import CriticGraph, NetworkGraph
from skae.gan import GANSampler
from skae.imputer import AutoencoderImputer

DETECTED = "score_samples", "decision_function", "predict", "pvalues"
# Class -> what makes its graph, the methods, and those that are exported if none is named.
GRAPHS: dict[type, tuple] = {
    AEAnomalyDetector: (DetectorGraph, DETECTED, ("predict", "score_samples", "pvalues")),
    BaseAutoencoder: (
        NetworkGraph,
        ("transform", "reconstruct", "score_samples"),
        ("transform",),
    ),
    GANSampler: (CriticGraph, ("score_samples",), ("score_samples",)),
}


def check_methods(estimator, method):
    """Return the methods that are asked for, a tuple; None: the usual ones.

    Raises
    ------
    TypeError
        If the estimator is none of this package.
    ValueError
        If it lacks a method, or no graph can express it.
    """
    _, known, usual = _entry(estimator)
    methods = (method,) if isinstance(method, str) else tuple(method or usual)
    for name in methods:
        if name in known:
            continue
        what = (
            "has no method"
            if not hasattr(estimator, str(name))
            else "cannot be exported as"
        )
        raise ValueError(
            f"method={name!r}: {type(estimator).__name__} {what} {name!r} in a graph; use "
            f"{' or '.join(map(repr, known))}."
        )
    if not methods or len(set(methods)) < len(methods):
        raise ValueError(f"method={method!r}; name each method once, and one at least.")
    return methods


def graph_for(estimator, given):
    """Return the module that works on the cells of rows given as `RawColumn`s say."""
    return _entry(estimator)[0](estimator, given)


def _entry(estimator):
    if isinstance(estimator, AutoencoderImputer):
        raise ValueError(
            "AutoencoderImputer fills cells column by column, in an order that depends on "
            "the row, which no graph expresses; export method='reconstruct' of an "
            "AutoencoderTransformer, and take what is missing from that."
        )
    for cls, entry in GRAPHS.items():
        if isinstance(estimator, cls):
            return entry
    raise TypeError(
        f"{type(estimator).__name__} is no estimator of skae; a scikit-learn Pipeline is "
        "converted by skl2onnx.to_onnx after skae.export.register_converters()."
    )
