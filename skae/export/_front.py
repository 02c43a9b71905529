"""The first nodes of an ONNX graph: columns under their names to numbers and indices."""

import json

import numpy as np
from onnx import TensorProto, helper, numpy_helper

# What stands for a missing whole number, date or duration: numpy's NaT.
MISSING_INT = int(np.iinfo(np.int64).min)
ML = "ai.onnx.ml"


class Nodes:
    """Nodes, inputs and constants of a graph under construction.

    Parameters
    ----------
    prefix : str
        Of all names but those of inputs and outputs.
    """

    def __init__(self, prefix):
        self.prefix = prefix
        self.nodes: list = []
        self.inputs: list = []
        self.constants: dict = {}

    def name(self, what):
        return f"{self.prefix}{what}"

    def constant(self, value):
        """Return the name of a constant, an ndarray or a number."""
        value = np.asarray(value)
        key = value.dtype.str, value.shape, value.tobytes()
        if key not in self.constants:
            tensor = numpy_helper.from_array(
                value, self.name(f"constant_{len(self.constants)}")
            )
            self.constants[key] = tensor
        return self.constants[key].name

    def add(self, operation, given, domain="", **attributes):
        """Add a node, and return the name of its output."""
        output = self.name(f"{operation}_{len(self.nodes)}")
        self.nodes.append(
            helper.make_node(operation, given, [output], domain=domain, **attributes)
        )
        return output

    def given(self, name, kind, width):
        """Add an input of the graph, and return its name."""
        self.inputs.append(helper.make_tensor_value_info(name, kind, ["rows", width]))
        return name


def add_columns(nodes, columns, names):
    """Add one input a column, and what makes numbers and indices of them.

    Parameters
    ----------
    nodes : Nodes
    columns : list of RawColumn
    names : list of str
        What the inputs are called.

    Returns
    -------
    parts : dict
        The names of "numbers" and "indices", where there are such columns.
    described : list of dict
        What each input is, for the file's metadata.
    """
    parts: dict[str, list] = {"numbers": [], "indices": []}
    described, empty = [], []
    for column, name in zip(columns, names, strict=True):
        if column.is_empty:
            empty.append(
                (column.levels is not None, len(parts["numbers"]), len(parts["indices"]))
            )
        what = _empty if column.is_empty else (_number if column.levels is None else _level)
        value, more = what(nodes, column, name)
        parts["numbers" if column.levels is None else "indices"].append(value)
        described.append({"name": _plain(column.name), "kind": column.kind, **more})
    like = next(v for part in parts.values() for v in part if v is not None)
    made = {}
    for part, values in parts.items():
        nothing = np.nan if part == "numbers" else np.int64(-1)
        values = [_nothing(nodes, like, nothing) if v is None else v for v in values]
        if values:
            made[part] = (
                values[0] if len(values) == 1 else nodes.add("Concat", values, axis=1)
            )
    return made, described


def _empty(nodes, column, name):
    return None, {"input": None}


def _nothing(nodes, like, value):
    """Return a column of missing cells, as many as another has."""
    shape = nodes.add("Shape", [like])
    return nodes.add("Expand", [nodes.constant(np.array([[value]])), shape])


def _number(nodes, column, name):
    """Return numbers as distances from the base of their column."""
    if column.is_plain:
        nodes.given(name, TensorProto.DOUBLE, 1)
        return name, {"input": name, "type": "double", "missing": "NaN"}
    if column.is_unsigned:
        raise ValueError(
            f"Column {column.name!r} holds whole numbers beyond 2**53 without a sign, which "
            "an ONNX graph cannot subtract; make int64 or text of it before the fit."
        )
    nodes.given(name, TensorProto.INT64, 1)
    missing = nodes.add("Equal", [name, nodes.constant(np.int64(MISSING_INT))])
    distance = nodes.add("Sub", [name, nodes.constant(np.int64(column.base))])
    distance = nodes.add("Cast", [distance], to=TensorProto.DOUBLE)
    distance = nodes.add("Where", [missing, nodes.constant(np.nan), distance])
    more = {"input": name, "type": "int64", "missing": MISSING_INT}
    if column.unit is not None:
        more |= {"unit": column.unit, "zone": column.zone}
    return distance, more


def _level(nodes, column, name):
    """Return the numbers of levels."""
    levels = column.levels
    kinds = {bool if isinstance(v, (bool, np.bool_)) else type(v) for v in levels}
    if kinds <= {bool}:
        return _encoded(nodes, name, [int(v) for v in levels], -1, levels)
    if kinds <= {int}:
        return _encoded(nodes, name, levels, MISSING_INT, levels)
    if kinds <= {int, float}:
        nodes.given(name, TensorProto.DOUBLE, 1)
        return _matched(nodes, name, levels), {
            "input": name,
            "type": "double",
            "missing": "NaN",
            "levels": levels,
        }
    texts = level_texts(column)
    missing = ""
    while missing in texts:
        missing += "<missing>"
    return _encoded(nodes, name, texts, missing, texts)


def level_texts(column):
    """Return the levels of a column as text; raise if two are the same."""
    texts = [str(level) for level in column.levels]
    if len(set(texts)) < len(texts):
        twice = next(text for text in texts if texts.count(text) > 1)
        raise ValueError(
            f"Column {column.name!r} holds two levels that are {twice!r} as text, which an "
            "ONNX graph cannot tell apart; make text of the column before the fit."
        )
    return texts


def _encoded(nodes, name, keys, missing, levels):
    """Return the places of text or whole numbers among keys, -1 for a missing cell."""
    is_text = isinstance(missing, str)
    keys, values = [*keys, missing], [*range(len(keys)), -1]
    if not is_text and missing != MISSING_INT:  # numpy's NaT is missing everywhere
        keys, values = [*keys, MISSING_INT], [*values, -1]
    nodes.given(name, TensorProto.STRING if is_text else TensorProto.INT64, 1)
    place = nodes.add(
        "LabelEncoder",
        [name],
        domain=ML,
        **{"keys_strings" if is_text else "keys_int64s": keys},
        values_int64s=values,
        default_int64=len(levels),
    )
    kind = "string" if is_text else "int64"
    return place, {"input": name, "type": kind, "missing": missing, "levels": list(levels)}


def _matched(nodes, name, levels):
    """Return the places of numbers among others, -1 for NaN."""
    values = nodes.constant(np.array(levels, dtype=np.float64))
    same = nodes.add("Equal", [name, values])
    same = nodes.add("Cast", [same], to=TensorProto.INT64)
    place = nodes.add("ArgMax", [same], axis=1, keepdims=1)
    n_same = nodes.add("ReduceMax", [same, nodes.constant(np.array([1]))], keepdims=1)
    found = nodes.add("Cast", [n_same], to=TensorProto.BOOL)
    place = nodes.add("Where", [found, place, nodes.constant(np.int64(len(levels)))])
    missing = nodes.add("IsNaN", [name])
    return nodes.add("Where", [missing, nodes.constant(np.int64(-1)), place])


def _plain(value):
    """Return a value that JSON has: text in place of others."""
    try:
        return json.loads(json.dumps(value))
    except TypeError:
        return str(value)


def input_names(columns):
    """Return what the inputs are called: the columns' labels as text, each once."""
    names: list[str] = []
    for i, column in enumerate(columns):
        name = column.name if isinstance(column.name, str) else str(column.name)
        names.append(unique(name or f"x{i}", names))
    return names


def unique(name, taken):
    """Return the name, or one like it that is not taken."""
    while name in taken:
        name += "_"
    return name
