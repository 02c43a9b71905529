"""The last nodes of an ONNX graph: results under the names that users look for."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from skae.export._front import ML, level_texts, unique

# Method -> name of its output, and what it is.
RESULTS = {
    "transform": ("codes", "codes, as transform returns them"),
    "reconstruct": ("reconstruction", "the row as the network reconstructs it"),
    "score_samples": ("score", "as score_samples: higher is more normal"),
    "decision_function": ("decision", "score less the threshold: negative for anomalies"),
    "predict": ("label", "-1 for an anomaly, else 1"),
    "pvalues": ("pvalue", "probability that a row like the training rows scores as low"),
}


def add_results(nodes, module, results, names, shapes):
    """Add the outputs of a graph.

    Parameters
    ----------
    nodes : Nodes
    module : EstimatorModule
    results : iterator of str
        The body's outputs.
    names : list of str
        What the inputs are called.
    shapes : dict
        Columns of the results of "transform" and "reconstruct".

    Returns
    -------
    outputs : list of onnx.ValueInfoProto
    described : list of dict
    """
    outputs: list = []
    described: list[dict] = []

    def give(value, name, kind, shape, **more):
        name = unique(name, [*names, *(output.name for output in outputs)])
        nodes.nodes.append(helper.make_node("Identity", [value], [name]))
        outputs.append(helper.make_tensor_value_info(name, kind, ["rows", *shape]))
        described.append({"name": name, **more})

    for method in module.methods:
        name, meaning = RESULTS[method]
        more = {"method": method, "meaning": meaning}
        if method == "reconstruct" and not module.is_array:
            decoded = _decoded(nodes, module.columns, results)
            for own, (value, kind) in zip(names, decoded, strict=True):
                if value is not None:
                    title = unique(f"{name}_{own}", [])
                    give(value, title, kind, [1], column=own, **more)
            continue
        value = next(results)
        kind = TensorProto.DOUBLE
        if method == "predict" or (method == "transform" and shapes["indices"]):
            kind = TensorProto.INT64
        if method == "pvalues":
            value = _pvalues(nodes, module.path, value)
        width = [shapes[method]] if method in shapes else []
        give(value, name, kind, width, **more)
    return outputs, described


def _pvalues(nodes, detector, fold_scores):
    """Return p-values: how many known rows each row's scores are not below, by trees.

    A tree per fold whose leaves hold the number of known scores up to the row's: in as many
    steps as the number has digits, and in bounded memory.
    """
    attributes: dict[str, list] = {}
    thresholds: list[float] = []
    weights: list[float] = []
    for fold in range(detector.n_folds):
        known = detector._buffers[f"known_{fold}"].numpy()
        sums = detector._buffers[f"sums_{fold}"].numpy()
        values, first = np.unique(known, return_index=True)
        counts = np.append(sums[first], sums[-1])
        _add_tree(attributes, thresholds, weights, fold, values, counts)
    lower = nodes.add(
        "TreeEnsembleRegressor",
        [fold_scores],
        domain=ML,
        n_targets=1,
        nodes_values_as_tensor=numpy_helper.from_array(np.array(thresholds), "thresholds"),
        target_weights_as_tensor=numpy_helper.from_array(np.array(weights), "counts"),
        **attributes,
    )
    lower = nodes.add("Cast", [lower], to=TensorProto.DOUBLE)
    lower = nodes.add("Add", [lower, nodes.constant(1.0)])
    lower = nodes.add("Div", [lower, nodes.constant(1.0 + detector.total)])
    return nodes.add("Squeeze", [lower, nodes.constant(np.array([1]))])


def _add_tree(attributes, thresholds, weights, tree, values, counts):
    """Add a balanced tree that finds how many of ascending values a number reaches."""

    def append(**more):
        for name, value in more.items():
            attributes.setdefault(name, []).append(value)

    links: list[list[int]] = []

    def build(low, high):
        number = len(links)
        links.append([0, 0])
        is_leaf = low == high
        middle = (low + high) // 2
        append(
            nodes_treeids=tree,
            nodes_nodeids=number,
            nodes_featureids=tree,
            nodes_modes="LEAF" if is_leaf else "BRANCH_GTE",
        )
        thresholds.append(0.0 if is_leaf else float(values[middle]))
        if is_leaf:
            append(target_treeids=tree, target_nodeids=number, target_ids=0)
            weights.append(float(counts[low]))
        else:
            links[number] = [build(middle + 1, high), build(low, middle)]
        return number

    build(0, len(values))
    for yes, no in links:
        append(nodes_truenodeids=yes, nodes_falsenodeids=no)


def _decoded(nodes, columns, results):
    """Return a reconstruction's value and type for every column, (None, None) for empty ones."""
    counts = [sum((c.levels is not None) is of for c in columns) for of in (False, True)]
    parts = [next(results) if count else None for count in counts]
    places, decoded = [0, 0], []
    for column in columns:
        of_levels = column.levels is not None
        place = places[of_levels]
        places[of_levels] += 1
        if column.is_empty:
            decoded.append((None, None))
            continue
        own = nodes.add(
            "Gather", [parts[of_levels], nodes.constant(np.array([place]))], axis=1
        )
        decoded.append((_level if of_levels else _number)(nodes, column, own))
    return decoded


def _number(nodes, column, own):
    if column.is_plain:
        return own, TensorProto.DOUBLE
    whole = nodes.add("Cast", [nodes.add("Round", [own])], to=TensorProto.INT64)
    return nodes.add(
        "Add", [whole, nodes.constant(np.int64(column.base))]
    ), TensorProto.INT64


def _level(nodes, column, own):
    kinds = {type(level) for level in column.levels}
    if kinds <= {bool, np.bool_, int}:
        values, kind = np.array(column.levels, dtype=np.int64), TensorProto.INT64
    elif kinds <= {int, float}:
        values, kind = np.array(column.levels, dtype=np.float64), TensorProto.DOUBLE
    else:
        texts = level_texts(column)
        given = {"keys_int64s": list(range(len(texts))), "values_strings": texts}
        value = nodes.add("LabelEncoder", [own], domain=ML, **given)
        return value, TensorProto.STRING
    return nodes.add("Gather", [nodes.constant(values), own], axis=0), kind
