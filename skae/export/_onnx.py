"""Fitted estimators as ONNX files."""

import json
import os
from collections.abc import Sequence
from typing import Any

import sklearn
import torch
from sklearn.utils.validation import check_is_fitted

from skae._isolation import usual_settings
from skae._new_file import check_place, new_file
from skae._version import __version__
from skae.export._copies import MAX_STEPS
from skae.export._methods import check_methods
from skae.export._module import EstimatorModule

# Of the description in a file's metadata.
FORMAT = 1
# What the file's description stands under.
KEY = "skae"
# Of the file itself: that of ONNX 1.16, which runtimes from 2024 on read.
IR_VERSION = 10
ML_OPSET = 3


def onnx(
    estimator,
    path: str | os.PathLike | None,
    method: str | Sequence[str] | None = None,
) -> Any:
    """Write a fitted estimator as an ONNX file, from raw cells to the result.

    Where a data frame was fitted, the graph has one input a column, under its name and of
    shape (n, 1). Where an array was fitted it has one input "X", float64 of shape
    (n, n_features).

    ===========================  =======  =========================================
    column                       input    a missing cell
    ===========================  =======  =========================================
    numbers                      float64  NaN
    dates                        int64    -2**63, as of NaT. Since 1970 in UTC, in the
                                          unit of the dtype in fit
    durations                    int64    -2**63. In the unit of the dtype in fit
    text and categories of text  string   "", or what the file says if that is a level
    booleans                     int64    -1; else 0 or 1
    categories of whole numbers  int64    -2**63
    categories of other numbers  float64  NaN
    other categories             string   as of text; levels are their ``str``
    ===========================  =======  =========================================

    Columns that were wholly missing in fit are no inputs.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    path : str, os.PathLike or None
        Where to write. The file is written beside it and then renamed, so that no file is
        ever half-written. None: nowhere.
    method : str or sequence of str, default=None
        What the graph computes, as in `module`. None: "predict", "score_samples" and
        "pvalues" of a detector, "transform" of a transformer, "score_samples" of a
        `GANSampler`.

    Returns
    -------
    model : onnx.ModelProto
        Its outputs are "codes", "reconstruction", "score", "decision", "label" and
        "pvalue", whichever are asked for, of shape (n,) or (n, n_columns); the
        reconstruction of a frame has one output a column, "reconstruction_" and its name,
        of shape (n, 1). A name that a column has already is followed by "_".

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ImportError
        If onnx or onnxscript is not installed.
    ValueError
        If the estimator lacks a method, or there is something that no graph can express.
    FileNotFoundError
        If there is no such directory.

    Notes
    -----
    The graph is of opset 18 (ai.onnx.ml 3). It works in float64, but for convolutions and
    recurrent cells, of which onnxruntime knows float32 only, and equals the estimator to
    1e-5 of the results' scale. The file's metadata, JSON under the key "skae", says what
    each input and output is, the levels of the columns, and the threshold. For rows that
    are not to be refused, but scored, see the notes of `module`.

    Examples
    --------
    >>> import pandas as pd
    >>> import skae.export
    >>> from skae import AEAnomalyDetector
    >>> flats = pd.DataFrame({"area": [31.5, 48.0, 62.5, 90.0] * 9, "lift": ["no", "yes"] * 18})
    >>> detector = AEAnomalyDetector(max_iter=9, n_estimators=2, random_state=0).fit(flats)
    >>> model = skae.export.onnx(detector, None)  # doctest: +SKIP
    >>> [value.name for value in model.graph.input]  # doctest: +SKIP
    ['area', 'lift']
    """
    check_is_fitted(estimator)
    methods = check_methods(estimator, method)
    _check_installed()
    target = None if path is None else check_place(path)
    model = make_model(estimator, methods)
    if target is not None:
        with new_file(target) as beside:
            beside.write_bytes(model.SerializeToString())
    return model


def _check_installed():
    for name in ("onnx", "onnxscript"):
        try:
            __import__(name)
        except ImportError as error:
            raise ImportError(
                f"ONNX files need {name}: pip install 'skae[onnx]'.", name=name
            ) from error


def make_model(estimator, methods):
    """Return the ONNX model of a fitted estimator, checked."""
    import onnx

    from skae.export._body import OPSET

    graph, description = make_graph(estimator, methods)
    model = onnx.helper.make_model(
        graph,
        opset_imports=[
            onnx.helper.make_opsetid("", OPSET),
            onnx.helper.make_opsetid("ai.onnx.ml", ML_OPSET),
        ],
        ir_version=IR_VERSION,
        producer_name="skae",
        producer_version=__version__,
    )
    text = json.dumps(description, ensure_ascii=False)
    onnx.helper.set_model_props(model, {KEY: text})
    onnx.checker.check_model(model)
    return model


def _refuse_wide_noise(estimator, methods):
    """Raise if a score takes a factorisation, which no graph can do, of too many columns."""
    model = getattr(getattr(estimator, "net_", None), "module_", None)
    noise = getattr(model, "noise", None)
    if noise is None or "score_samples" not in methods:
        return
    n_columns = len(noise.correlations)
    if n_columns > MAX_STEPS:
        raise ValueError(
            f"The noise of {n_columns} columns is correlated, and with missing cells that is "
            f"too much for a graph beyond {MAX_STEPS}; fit with "
            "noise_covariance='diagonal', or leave method='score_samples' out."
        )


def make_graph(estimator, methods):
    """Return the ONNX graph of a fitted estimator, and its description."""
    from onnx import TensorProto, helper

    from skae.export._back import add_results
    from skae.export._body import export_body
    from skae.export._front import Nodes, add_columns, input_names
    from skae.export._nodes import rename_all

    # Of p-values the graph's last nodes make what it has no network for.
    inner = tuple("fold_scores" if name == "pvalues" else name for name in methods)
    _refuse_wide_noise(estimator, methods)
    with usual_settings():
        module = EstimatorModule(estimator, inner).eval()
    columns = module.columns
    names = ["X"] if module.is_array else input_names(columns)
    prefix = "skae/"
    while any(name.startswith(prefix) for name in names):
        prefix = f"_{prefix}"
    nodes = Nodes(prefix)
    if module.is_array:
        nodes.given("X", TensorProto.DOUBLE, len(columns))
        parts, described = {"numbers": "X"}, _of_matrix(columns)
    else:
        parts, described = add_columns(nodes, columns, names)
    if "reconstruct" in methods and not module.is_array:
        _check_times(columns)
    with usual_settings():
        body = export_body(module)
    rename_all(body, f"{prefix}net/", list(parts.values()))
    nodes.nodes.extend(body.node)
    module.methods = methods
    results = iter([value.name for value in body.output])
    outputs, of_results = add_results(nodes, module, results, names, _widths(estimator))
    proto = helper.make_graph(
        nodes.nodes,
        type(estimator).__name__,
        nodes.inputs,
        outputs,
        [*body.initializer, *nodes.constants.values()],
    )
    return proto, _description(estimator, methods, described, of_results)


def _description(estimator, methods, columns, outputs):
    """Return what a file says of itself."""
    description = {
        "format": FORMAT,
        "skae": __version__,
        "torch": torch.__version__,
        "scikit-learn": sklearn.__version__,
        "estimator": type(estimator).__name__,
        "methods": list(methods),
        "columns": columns,
        "outputs": outputs,
    }
    if hasattr(estimator, "offset_"):
        description["offset"] = float(estimator.offset_)
        description["n_known"] = float(estimator._calibration.total)
    return description


def _of_matrix(columns):
    described = []
    for place, column in enumerate(columns):
        more = (
            {} if column.levels is None else {"levels": [float(v) for v in column.levels]}
        )
        name = column.name if isinstance(column.name, str) else str(column.name)
        kind = "empty" if column.is_empty else column.kind
        described.append(
            {
                "name": name,
                "kind": kind,
                "input": "X",
                "place": place,
                "missing": "NaN",
                **more,
            }
        )
    return described


def _check_times(columns):
    """Raise, before any work, if a column of times cannot be reconstructed."""
    for column in columns:
        if column.by_clock and not column.is_empty:
            raise ValueError(
                f"Column {column.name!r} holds times that are regular on the clocks of "
                f"{column.zone}, which no graph knows; convert it to UTC before the fit, or "
                "leave method='reconstruct' out."
            )


def _widths(estimator):
    """Return the columns of results, and whether codes are indices."""
    n_codes = getattr(estimator, "_n_features_out", None)
    by_index = getattr(estimator, "encoding", "vectors") == "indices"
    return {
        "transform": n_codes,
        "reconstruct": getattr(estimator, "n_features_in_", None),
        "indices": by_index,
    }
