"""Converters that skl2onnx uses for our steps of a pipeline."""

from functools import partial

from skae.adversarial import AdversarialAutoencoderTransformer
from skae.anomaly import AEAnomalyDetector
from skae.autoencoder import AutoencoderTransformer
from skae.export._onnx import ML_OPSET, make_graph
from skae.vae import VAETransformer
from skae.vqvae import VQVAETransformer

TRANSFORMERS = (
    AutoencoderTransformer,
    VAETransformer,
    VQVAETransformer,
    AdversarialAutoencoderTransformer,
)
# Methods of a detector, in the order of its outputs: as of skl2onnx's outlier detectors.
OF_DETECTOR = "predict", "decision_function", "score_samples"


def register_converters() -> None:
    """Let `skl2onnx.to_onnx` convert pipelines with transformers and detectors of skae.

    A transformer gives its codes; a detector "label" and "scores", of shape (n, 1), as
    `IsolationForest` does: what `predict` and `decision_function` return, and with
    ``options={"score_samples": True}`` what `score_samples` returns as well.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    Notes
    -----
    A step that was fitted to a data frame takes the columns one by one, and must be the
    first of its pipeline. Our nodes are of opset 18.

    Examples
    --------
    >>> import skl2onnx  # doctest: +SKIP
    >>> skae.export.register_converters()  # doctest: +SKIP
    >>> model = skl2onnx.to_onnx(pipeline, X[:1])  # doctest: +SKIP
    """
    try:
        from skl2onnx import update_registered_converter
    except ImportError as error:
        raise ImportError(
            "Pipelines are converted by skl2onnx: pip install 'skae[onnx]'.",
            name="skl2onnx",
        ) from error
    for cls in TRANSFORMERS:
        update_registered_converter(
            cls, f"Skae{cls.__name__}", _codes_shape, _convert, overwrite=True
        )
    update_registered_converter(
        AEAnomalyDetector,
        "SkaeAEAnomalyDetector",
        _detector_shape,
        _convert,
        overwrite=True,
        parser=_parse_detector,
        options={"score_samples": [True, False]},
    )


def _is_double(operator):
    from skl2onnx.common.data_types import DoubleTensorType

    return all(isinstance(own.type, DoubleTensorType) for own in operator.inputs)


def _codes_shape(operator):
    from skl2onnx.common.data_types import (
        DoubleTensorType,
        FloatTensorType,
        Int64TensorType,
    )

    estimator = operator.raw_operator
    kind = DoubleTensorType if _is_double(operator) else FloatTensorType
    if getattr(estimator, "encoding", None) == "indices":
        kind = Int64TensorType
    n_rows = operator.inputs[0].get_first_dimension()
    operator.outputs[0].type = kind([n_rows, estimator._n_features_out])


def _parse_detector(scope, model, inputs, custom_parsers=None):
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType

    operator = scope.declare_local_operator("SkaeAEAnomalyDetector", model)
    operator.inputs = inputs
    names = ["label", "scores"]
    if scope.get_options(model, {"score_samples": False})["score_samples"]:
        names.append("score_samples")
    for name in names:
        kind = Int64TensorType() if name == "label" else FloatTensorType()
        operator.outputs.append(scope.declare_local_variable(name, kind))
    return operator.outputs


def _detector_shape(operator):
    from skl2onnx.common.data_types import (
        DoubleTensorType,
        FloatTensorType,
        Int64TensorType,
    )

    n_rows = operator.inputs[0].get_first_dimension()
    kind = DoubleTensorType if _is_double(operator) else FloatTensorType
    for number, output in enumerate(operator.outputs):
        output.type = (kind if number else Int64TensorType)([n_rows, 1])


def _convert(scope, operator, container):
    """Add the graph of an estimator to skl2onnx's."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    from skae.export._body import OPSET
    from skae.export._nodes import rename_all

    estimator = operator.raw_operator
    if container.target_opset_any_domain("") < OPSET:
        raise ValueError(
            f"{type(estimator).__name__} needs opset {OPSET}, but target_opset is "
            f"{container.target_opset_any_domain('')}; leave target_opset out."
        )
    is_detector = isinstance(estimator, AEAnomalyDetector)
    methods = OF_DETECTOR[: len(operator.outputs)] if is_detector else ("transform",)
    proto, _ = make_graph(estimator, methods)
    nodes: list = []
    for domain, version in (("", OPSET), ("ai.onnx.ml", ML_OPSET)):
        container.node_domain_version_pair_sets.add((domain, version))
    prefix = scope.get_unique_variable_name("skae") + "/"

    def add(operation, given, output, **attributes):
        name = f"{prefix}{operation}_{len(nodes)}"
        nodes.append(helper.make_node(operation, given, [output], name, **attributes))
        return output

    given = []
    for value, name in zip(proto.input, _matching(operator, proto), strict=True):
        kind = value.type.tensor_type.elem_type
        if kind == TensorProto.STRING:
            given.append(name)
        else:
            given.append(add("Cast", [name], f"{prefix}given_{len(given)}", to=kind))
    rename_all(proto, prefix, given)
    nodes += proto.node
    column = numpy_helper.from_array(np.array([-1, 1]), f"{prefix}column")
    for value, output in zip(proto.output, operator.outputs, strict=True):
        name = value.name
        if is_detector:
            name = add("Reshape", [name, column.name], f"{name}/column")
        proto_type = output.type.to_onnx_type().tensor_type.elem_type
        add("Cast", [name], output.full_name, to=proto_type)
    container.initializers.extend([*proto.initializer, column])
    container.nodes.extend(nodes)
    # skl2onnx's own knows neither left out inputs nor what subgraphs use.
    container.ensure_topological_order = partial(_sort_nodes, container)


def _sort_nodes(container):
    from skae.export._nodes import in_order

    container.nodes = in_order(container.nodes)


def _matching(operator, proto):
    """Return the operator's inputs that stand for the graph's, by name or all in one."""
    names = [value.name for value in proto.input]
    own = {value.raw_name: value.full_name for value in operator.inputs}
    if len(names) == 1 and len(operator.inputs) == 1:
        return [operator.inputs[0].full_name]
    missing = [name for name in names if name not in own]
    if missing:
        raise ValueError(
            f"{type(operator.raw_operator).__name__} was fitted to a data frame with columns "
            f"{names}, but the graph before it gives {list(own)}: it must be the first step, "
            "and initial_types must name every column (skl2onnx.to_onnx(pipeline, X) does)."
        )
    return [own[name] for name in names]
