"""Names and order of the nodes of an ONNX graph."""

import onnx


def used_by(node):
    """Return the names of the values that a node takes, those in its subgraphs as well."""
    used = set(node.input)
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            for inner in attribute.g.node:
                used |= used_by(inner)
    return used


def rename(nodes, names):
    for node in nodes:
        for place, name in enumerate(node.input):
            if name in names:
                node.input[place] = names[name]
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                rename(attribute.g.node, names)


def rename_all(graph, prefix, given):
    """Give all values of a graph names of their own.

    Parameters
    ----------
    graph : onnx.GraphProto
    prefix : str
    given : list of str
        What stands in place of the graph's inputs.
    """
    names = dict(zip((value.name for value in graph.input), given, strict=True))
    _prefix(graph, prefix, {"": "", **names})


def _prefix(graph, prefix, names):
    for value in graph.input:
        names.setdefault(value.name, prefix + value.name)
    for tensor in graph.initializer:
        names[tensor.name] = prefix + tensor.name
    for node in graph.node:
        for name in node.output:
            if name:
                names[name] = prefix + name
    for tensor in graph.initializer:
        tensor.name = names[tensor.name]
    for number, node in enumerate(graph.node):
        node.name = f"{prefix}{node.op_type}_{number}"
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                _prefix(attribute.g, prefix, dict(names))
    for value in (*graph.input, *graph.output):
        value.name = names[value.name]


def without(nodes, names):
    """Return the nodes that do not depend on values of these names, and the others."""
    names, free, bound = set(names), [], []
    for node in nodes:
        if names & used_by(node):
            names.update(node.output)
            bound.append(node)
        else:
            free.append(node)
    return free, bound


def resolve_aliases(graph):
    """Take out the nodes that give a value a second name; return the first names.

    onnxruntime would do it, but warns where the value is used inside a loop.
    """
    aliases: dict[str, str] = {}
    for node in graph.node:
        if node.op_type == "Identity":
            (name,) = node.input
            aliases[node.output[0]] = aliases.get(name, name)
    nodes = [node for node in graph.node if node.op_type != "Identity"]
    del graph.node[:]
    graph.node.extend(nodes)
    rename(graph.node, aliases)
    return aliases


def in_order(nodes):
    """Return the nodes so that each comes after those that it uses, list."""
    made = {name for node in nodes for name in node.output}
    known: set[str] = set()
    left, ordered = list(nodes), []
    while left:
        waiting = []
        for node in left:
            if used_by(node) & made <= known:
                ordered.append(node)
                known.update(node.output)
            else:
                waiting.append(node)
        if len(waiting) == len(left):
            raise RuntimeError(f"The nodes {[node.name for node in left]} form a cycle.")
        left = waiting
    return ordered
