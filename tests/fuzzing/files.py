"""Mutations of skops files: what damage, and hands, do to them."""

import io
import json
import struct
import zipfile
from unittest.mock import patch

import numpy as np
import skops.io

from skae.stored import packing

# What a file of an estimator must not lead to; `touched` tells that it did.
CALLABLES = (
    ("os", "system"),
    ("builtins", "eval"),
    ("builtins", "exec"),
    ("subprocess", "Popen"),
    ("shutil", "rmtree"),
    ("pickle", "loads"),
    ("torch", "load"),
    ("numpy", "fromfile"),
    ("skae.training.callback_copies", "ReopenedWriter"),
    ("skae.gan", "_TrainingTasks"),
)
LOADERS = (
    *("FunctionNode", "MethodNode", "PartialNode", "TypeNode", "ObjectNode"),
    *("ConstructorFromReduceNode", "OperatorFuncNode", "DictNode", "ListNode", "JsonNode"),
)
HUGE = (2**31, 2**40, 2**62, -1, 10**30)


def read(data):
    """Return the members of an archive, dict of str to bytes."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(members, compression=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


# ------------------------------------------------------------------ of bytes


def flipped(data, rng):
    """Some bytes are others."""
    changed = bytearray(data)
    for at in rng.integers(0, len(data), rng.integers(1, 9)):
        changed[at] ^= int(rng.integers(1, 256))
    return bytes(changed)


def truncated(data, rng):
    return data[: rng.integers(0, len(data))]


def shifted(data, rng):
    """A part is missing, or there twice."""
    low, high = sorted(rng.integers(0, len(data), 2))
    part = data[low:high] * int(rng.integers(0, 3))
    return data[:low] + part + data[high:]


# ------------------------------------------------------------------ of members


def member_flipped(data, rng):
    """Bytes of one member are others, and the archive is sound."""
    members = read(data)
    name = rng.choice(sorted(members))
    return write({**members, name: flipped(members[name], rng)})


def member_exchanged(data, rng):
    members = read(data)
    one, other = rng.choice(sorted(members), 2, replace=False)
    return write({**members, one: members[other]})


def member_missing(data, rng):
    members = read(data)
    del members[rng.choice(sorted(members))]
    return write(members)


def bomb(data, rng):
    """A member unpacks to a multiple of what it takes."""
    members = read(data)
    name = rng.choice(sorted(members))
    members[name] = members[name] + bytes(2**20 * int(rng.integers(80, 90)))
    return write(members, zipfile.ZIP_DEFLATED)


def huge_array(data, rng):
    """An array says that it is larger than it is."""
    members = read(data)
    name = rng.choice(sorted(name for name in members if name.endswith(".npy")))
    shape = (int(rng.choice([10**7, 10**9, 10**12, 10**15])), 10**3)
    header = {"descr": "<f8", "fortran_order": False, "shape": shape}
    text = repr(header).ljust(118).encode() + b"\n"
    magic = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text))
    return write({**members, name: magic + text + members[name][128:]})


# ------------------------------------------------------------------ of the schema


def _nodes(node, path=()):
    """Yield every dict in a schema."""
    if isinstance(node, dict):
        yield node
        for part in node.values():
            yield from _nodes(part)
    elif isinstance(node, list):
        for part in node:
            yield from _nodes(part)


def _in_schema(change):
    def changed(data, rng):
        members = read(data)
        schema = json.loads(members["schema.json"])
        change(schema, list(_nodes(schema)), rng)
        return write({**members, "schema.json": json.dumps(schema).encode()})

    changed.__name__ = change.__name__.strip("_")
    return changed


@_in_schema
def class_named(schema, nodes, rng):
    """A callable stands in place of a class."""
    node = nodes[rng.integers(len(nodes))]
    node["__module__"], node["__class__"] = CALLABLES[rng.integers(len(CALLABLES))]
    if rng.random() < 0.7:
        node["__loader__"] = str(rng.choice(LOADERS))


@_in_schema
def class_exchanged(schema, nodes, rng):
    """A class of the file stands in place of another one."""
    of_a_class = [node for node in nodes if "__class__" in node]
    one, other = (of_a_class[rng.integers(len(of_a_class))] for _ in range(2))
    for key in ("__module__", "__class__", "__loader__"):
        one[key] = other[key]


@_in_schema
def value_changed(schema, nodes, rng):
    """A value is of another kind, or out of bounds."""
    node = nodes[rng.integers(len(nodes))]
    key = list(node)[rng.integers(len(node))] if node else "content"
    values = (*HUGE, None, "", "x" * 1000, [], {}, True, 0.5, "../../etc/passwd", "NaN")
    node[key] = values[rng.integers(len(values))]


@_in_schema
def value_missing(schema, nodes, rng):
    node = nodes[rng.integers(len(nodes))]
    if node:
        del node[list(node)[rng.integers(len(node))]]


@_in_schema
def nested(schema, nodes, rng):
    """A part is nested a thousand times, or deeper."""
    node, part = nodes[rng.integers(len(nodes))], []
    for _ in range(int(rng.integers(500, 900))):
        part = [part]
    node["content"] = part


@_in_schema
def description_changed(schema, nodes, rng):
    """What describes the fitted state says something else."""
    described = _described(nodes)
    if described is not None:
        state = json.loads(json.loads(described["content"]))
        _change(state, rng)
        described["content"] = json.dumps(json.dumps(state))


def forged(estimator, seed):
    """Return a file of an estimator whose description was changed, and all that vouches for it."""
    rng = np.random.default_rng(seed)
    state = estimator.__getstate__()
    packed = state["stored_"]
    described = json.loads(packed["description"])
    for _ in range(int(rng.integers(1, 3))):
        _change(described, rng)
    packed["description"] = json.dumps(described)
    beside = {name: value for name, value in state.items() if name != "stored_"}
    packed["digest"] = packing._digest(packed, beside, type(estimator).__name__)
    with patch.object(type(estimator), "__getstate__", lambda self: state):
        return skops.io.dumps(estimator)


def _change(state, rng):
    """Let one part of a description be something else."""
    parts = [node for node in _nodes(state) if node]
    node = parts[rng.integers(len(parts))]
    key = list(node)[rng.integers(len(node))]
    values = (
        *HUGE,
        *(None, "", [], {}, "os.system", "builtins.eval", [2**40], [2**20] * 4),
        *({"@": "object", "of": "os.system", "state": {}}, {"@": "same", "as": 0}),
        {"@": "function", "of": "subprocess.Popen"},
        {"@": "module", "of": "torch.nn.Module"},
    )
    node[key] = values[rng.integers(len(values))]


def _described(nodes):
    """Return the node with the description of what was learned."""
    for node in nodes:
        content = str(node.get("content"))
        if content.startswith('"{') and '\\"@\\"' in content:
            return node
    return None


MUTATIONS = (
    *(flipped, truncated, shifted, member_flipped, member_exchanged, member_missing),
    *(bomb, huge_array, class_named, class_exchanged, value_changed, value_missing),
    *(nested, description_changed),
)


def mutate(data, seed):
    """Return a changed file, and the name of the mutation."""
    rng = np.random.default_rng(seed)
    mutation = MUTATIONS[seed % len(MUTATIONS)]
    return mutation(data, rng), mutation.__name__
