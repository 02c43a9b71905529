"""Operations that torch's exporter and onnxruntime need to be told of."""

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

# Operations that onnxruntime has no kernels of for float64 on a CPU.
WITHOUT_FLOAT64 = {
    "Acos",
    "Acosh",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "AveragePool",
    "Celu",
    "Conv",
    "ConvTranspose",
    "Cosh",
    "Erf",
    "GRU",
    "Gelu",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "GroupNormalization",
    "InstanceNormalization",
    "LSTM",
    "LpPool",
    "RNN",
    "Resize",
    "Sinh",
    "Tan",
}
# Lanczos' coefficients for g = 7, of which the errors are below 1e-15.
LANCZOS = (
    0.99999999999980993,
    676.5203681218851,
    -1259.1392167224028,
    771.32342877765313,
    -176.61502916214059,
    12.507343278686905,
    -0.13857109526572012,
    9.9843695780195716e-6,
    1.5056327351493116e-7,
)


def log_gamma(x):
    """Return log Gamma(x) of positive x as nodes.

    References
    ----------
    Lanczos, A Precision Approximation of the Gamma Function, 1964.
    """
    from onnxscript import opset18 as op

    def constant(value):
        return op.CastLike(op.Constant(value_float=value), x)

    def exactly(value):
        tensor = onnx.numpy_helper.from_array(np.array(value))
        return op.CastLike(op.Constant(value=tensor), x)

    # Gamma(x + 1) = x Gamma(x): x may be near 0.
    total = exactly(LANCZOS[0])
    for i, coefficient in enumerate(LANCZOS[1:], start=1):
        total = op.Add(total, op.Div(exactly(coefficient), op.Add(x, constant(float(i)))))
    t = op.Add(x, constant(7.5))
    half = exactly(0.9189385332046727)
    series = op.Add(half, op.Log(total))
    power = op.Mul(op.Add(x, constant(0.5)), op.Log(t))
    return op.Sub(op.Sub(op.Add(series, power), t), op.Log(x))


def log2(x):
    """Return log2 x as nodes, with all digits."""
    from onnxscript import opset18 as op

    log_of_2 = op.Constant(value=onnx.numpy_helper.from_array(np.log(2.0)))
    return op.Div(op.Log(x), op.CastLike(log_of_2, x))


def silu(x):
    """Return x / (1 + exp(-x)) as nodes: h + h tanh(h) with h = x / 2.

    onnxruntime's logistic function of float64 takes longer than all else together.
    """
    from onnxscript import opset18 as op

    half = op.Mul(x, op.CastLike(op.Constant(value_float=0.5), x))
    return op.Add(half, op.Mul(half, op.Tanh(half)))


# Of torch's operations, what nodes they become.
TRANSLATIONS = {
    torch.ops.aten.lgamma.default: log_gamma,
    torch.ops.aten.log2.default: log2,
    torch.ops.aten.silu.default: silu,
}


def work_around_float64(graph, types=None):
    """Let nodes work in float32 of whose operation there is no kernel for float64."""
    types = dict(types or {})
    types.update({value.name: value.data_type for value in graph.initializer})
    for value in (*graph.input, *graph.value_info, *graph.output):
        types[value.name] = value.type.tensor_type.elem_type
    nodes = []
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                work_around_float64(attribute.g, types)
        if node.op_type not in WITHOUT_FLOAT64:
            nodes.append(node)
            continue
        before, after = [], []
        for place, name in enumerate(node.input):
            if types.get(name) == TensorProto.DOUBLE:
                narrow = f"{node.name}/{place}/float32"
                before.append(
                    helper.make_node("Cast", [name], [narrow], to=TensorProto.FLOAT)
                )
                node.input[place] = narrow
        if before:
            for place, name in enumerate(node.output):
                if name:
                    narrow = f"{node.name}/float32/{place}"
                    after.append(
                        helper.make_node("Cast", [narrow], [name], to=TensorProto.DOUBLE)
                    )
                    node.output[place] = narrow
        nodes += [*before, node, *after]
    del graph.node[:]
    graph.node.extend(nodes)
