"""The networks' part of an ONNX graph, by torch's exporter."""

import logging
import os
import re
import sys
import traceback
from contextlib import contextmanager

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from torch import nn

from skae._processes import without_warnings
from skae.export._nodes import rename, resolve_aliases, without
from skae.export._operations import TRANSLATIONS, work_around_float64

OPSET = 18
# Packages of which no line is the user's.
NOT_THE_USERS = "torch", "skae", "onnxscript", "onnx_ir", "onnx"


class Body(nn.Module):
    """The parts of an `EstimatorModule` side by side, each with inputs of its own.

    It takes what is given of a row, what one step of filling takes, and what the results are
    made of; and it returns what is encoded and whether it has holes, the step, and the
    results, flat.
    """

    def __init__(self, module):
        super().__init__()
        self.module = module
        numbers = sum(column.levels is None for column in module.columns)
        self.widths = numbers, len(module.columns) - numbers
        xs, rest = self._encode(*self.given())
        self.n_filled, self.n_parts = len(xs), len(xs) + len(rest)
        self.parts = (*xs, *rest)

    @property
    def names(self):
        """The inputs that are given of a row."""
        if self.module.is_array:
            return ("numbers",)
        pairs = zip(("numbers", "indices"), self.widths, strict=True)
        return tuple(name for name, width in pairs if width)

    def given(self):
        """Return an example of what is given of rows."""
        example = dict(zip(("numbers", "indices"), self.module.example(), strict=False))
        return tuple(example[name] for name in self.names)

    def example(self):
        """Return an example of all inputs."""
        n_steps = 1 + bool(self.module.path.n_fills)
        return (*self.given(), *(part.clone() for part in self.parts * n_steps))

    def forward(self, *inputs):
        graph, n_given = self.module.path, len(self.names)
        xs, rest = self._encode(*inputs[:n_given])
        results = [*xs, *rest]
        parts = inputs[n_given : n_given + self.n_parts]
        if graph.n_fills:
            results.append(graph.is_holed(xs, rest))
            results += graph.fill(parts[: self.n_filled], parts[self.n_filled :])
            parts = inputs[n_given + self.n_parts :]
        split = parts[: self.n_filled], parts[self.n_filled :]
        return (*results, *self._finish(*split))

    def _encode(self, *given):
        module = self.module
        if module.is_array:
            return module.path.encode(*module.split(*given))
        (first, *_), some = given, dict(zip(self.names, given, strict=True))
        empty = {
            "numbers": first.new_zeros((first.shape[0], 0), dtype=torch.float64),
            "indices": first.new_zeros((first.shape[0], 0), dtype=torch.int64),
        }
        return module.path.encode(**{**empty, **some})

    def _finish(self, xs, rest):
        module = self.module
        results = module.finish(module.path.finish(xs, rest, module.methods))
        flat: list[torch.Tensor] = []
        for name, result in zip(module.methods, results, strict=True):
            if name == "reconstruct" and module.is_array:
                flat.append(module._absolute(result))
            elif name == "reconstruct":
                flat += [
                    part for part, width in zip(result, self.widths, strict=True) if width
                ]
            else:
                flat.append(result)
        return flat


def export_body(module):
    """Return the ONNX graph of an `EstimatorModule` without its first and last nodes.

    Returns
    -------
    graph : onnx.GraphProto
        Its inputs are those of `Body.names`, its outputs the results, flat.
    """
    with torch.no_grad():
        body = Body(module)
    # torch warns of its own deprecations, and of constants, which is what they are.
    with without_warnings(Warning), _quiet(), torch.no_grad():
        try:
            model = _export(body)
        except Exception as error:
            raise ValueError(reason_of(error)) from error
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    graph = model.graph
    work_around_float64(graph)
    _stitch(graph, body)
    return graph


def _export(body):
    """Return the model that torch makes of a body."""
    example = body.example()
    rows = tuple({0: torch.export.Dim.DYNAMIC} for _ in example)
    program = torch.export.export(body, example, dynamic_shapes=(rows,))
    exported = torch.onnx.export(
        program,
        dynamo=True,
        opset_version=OPSET,
        verbose=False,
        custom_translation_table=TRANSLATIONS,
    )
    _register_constants(exported.model.graph)
    return exported.model_proto


def reason_of(error):
    """Return what a user can do about an error of torch's exporter."""
    causes, cause = [], error
    while cause is not None:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    where = ""
    for cause in causes:
        for frame in traceback.extract_tb(cause.__traceback__):
            if _is_the_users(frame.filename):
                where = f" in {frame.filename}, line {frame.lineno} ({frame.line})"
    found = [re.search(r"op='(\w+\.\w+)'|aten[.:]+\w+", str(cause)) for cause in causes]
    operation = next((match.group(1) or match.group(0) for match in found if match), None)
    what = "an operation" if operation is None else f"the operation {operation}"
    said = str(causes[-1]).strip().splitlines()
    return (
        f"torch cannot export {what}{where}: {said[0] if said else type(error).__name__}. In "
        "a module or loss of your own, use operations that ONNX has, and torch.where in "
        "place of an if that looks at values; or use torch.export on skae.export.module."
    )


def _is_the_users(filename):
    """Return whether a file is of no package that exports, wherever these and it may lie."""
    packages = (sys.modules[name] for name in NOT_THE_USERS if name in sys.modules)
    folders = [
        os.path.join(folder, "") for module in packages for folder in module.__path__
    ]
    return not filename.startswith(("<", *folders))


@contextmanager
def _quiet():
    """Keep the exporter from telling which libraries it does not find."""
    loggers = [logging.getLogger(name) for name in ("torch", "onnxscript", "onnx_ir")]
    loggers += [
        logging.getLogger(name)
        for name in list(logging.Logger.manager.loggerDict)
        if name.startswith(("torch.", "onnxscript.", "onnx_ir."))
    ]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _register_constants(graph):
    """Let the graph know of constants that the exporter's optimiser has made and lost.

    Of two pairs of bounds between which one value is clipped it registers the first.
    """
    for node in graph.all_nodes():
        for value in node.inputs:
            if value is None or value.producer() is not None or value.const_value is None:
                continue
            if value.name not in graph.initializers:
                graph.initializers[value.name] = value


def _stitch(graph, body):
    """Connect the parts of a body: fill as often as need be, then finish."""
    n_given, n_parts, n_filled = len(body.names), body.n_parts, body.n_filled
    aliases = resolve_aliases(graph)
    inputs = [value.name for value in graph.input]
    names = [value.name for value in graph.output]
    outputs = [aliases.get(name, name) for name in names]
    encoded, left = outputs[:n_parts], outputs[n_parts:]
    n_fills, filled = body.module.path.n_fills, encoded[:n_filled]
    of_step: list[str] = []
    of_finish = inputs[n_given:]
    if n_fills:
        holed, steps, left = left[0], left[1 : 1 + n_filled], left[1 + n_filled :]
        of_step, of_finish = of_finish[:n_parts], of_finish[n_parts:]
    first, rest = without(graph.node, {*of_step, *of_finish})
    of_step_nodes, of_finish_nodes = without(rest, set(of_finish))
    nodes = list(first)
    if n_fills:
        filled = [f"{name}/filled" for name in filled]
        nodes += _loop(
            graph, of_step_nodes, holed, of_step, encoded, steps, filled, n_fills
        )
    nodes += of_finish_nodes
    parts = [*filled, *encoded[n_filled:]]
    rename(of_finish_nodes, dict(zip(of_finish, parts, strict=True)))
    results = list(graph.output)[len(names) - len(left) :]
    for value, name in zip(results, left, strict=True):
        value.name = name
    for field, values in (
        (graph.node, nodes),
        (graph.input, list(graph.input)[:n_given]),
        (graph.output, results),
    ):
        values = list(values)
        del field[:]
        field.extend(values)
    del graph.value_info[:]


def _loop(graph, nodes, holed, given, encoded, steps, filled, n_fills):
    """Return the nodes that repeat a step `n_fills` times, or never where nothing is holed."""
    n_filled = len(steps)
    names = [*given[:n_filled], *encoded[n_filled:]]
    rename(nodes, dict(zip(given, names, strict=True)))
    by_name = {value.name: value for value in graph.input}

    def value(name, like):
        made = onnx.ValueInfoProto()
        made.CopyFrom(by_name[like])
        made.name = name
        return made

    scalar = [
        helper.make_tensor_value_info("fill/number", TensorProto.INT64, []),
        helper.make_tensor_value_info("fill/go", TensorProto.BOOL, []),
    ]
    body = helper.make_graph(
        [helper.make_node("Identity", ["fill/go"], ["fill/go_on"]), *nodes],
        "fill",
        [*scalar, *(value(name, name) for name in given[:n_filled])],
        [
            helper.make_tensor_value_info("fill/go_on", TensorProto.BOOL, []),
            *(value(out, own) for out, own in zip(steps, given, strict=False)),
        ],
    )
    times = [(f"fill/{n}", np.array(n, dtype=np.int64)) for n in (0, n_fills)]
    graph.initializer.extend(onnx.numpy_helper.from_array(v, name) for name, v in times)
    return [
        helper.make_node("Where", [holed, f"fill/{n_fills}", "fill/0"], ["fill/times"]),
        helper.make_node(
            "Loop", ["fill/times", "", *encoded[:n_filled]], filled, body=body
        ),
    ]
