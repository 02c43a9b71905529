"""Objects -> a description in JSON, arrays, and what stays an object."""

import functools
import inspect
from types import SimpleNamespace

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import torch
from scipy.sparse import issparse
from torch import nn

from skae.stored.arrays import KINDS, Pools, to_array
from skae.stored.frames import write_frame, write_index
from skae.stored.known import name_of
from skae.stored.values import write_value

# In the description a dict with this key stands for something else than a dict.
MARK = "@"
# So many numbers in a list are worth an array.
MANY = 8


class Writer:
    """Describes objects of the classes that are known, and what these hold.

    Of an object of another class, such as a user's penalty or scikit-learn's scaler, the
    description has the place in `others`: it is stored as the object that it is, and
    pickle or skops do with it what they do.

    Attributes
    ----------
    pools : Pools
    others : list
    """

    def __init__(self):
        self.pools, self.others = Pools(), []
        # What is met twice is written once. The objects are kept: an id is theirs only
        # as long as they live.
        self._numbers, self._alive = {}, []

    def write(self, value):
        """Return the description of a value, of what JSON can hold."""
        if value is None or type(value) in (bool, int, float, str):
            return value
        if type(value) is list:
            return self._list(value)
        if type(value) is dict:
            return self._dict(value)
        if type(value) is tuple:
            return {MARK: "tuple", "items": [self.write(item) for item in value]}
        if type(value) in (set, frozenset):
            items = [self.write(item) for item in sorted(value, key=repr)]
            return {MARK: type(value).__name__, "items": items}
        plain = write_value(value)
        if plain is not None:
            return {MARK: plain[0], "value": plain[1]}
        if id(value) in self._numbers:
            return {MARK: "same", "as": self._numbers[id(value)]}
        number = self._numbers[id(value)] = len(self._numbers)
        self._alive.append(value)
        return {**self._described(value), "number": number}

    def _list(self, items):
        if len(items) >= MANY and all(type(item) is float for item in items):
            return {MARK: "floats", **self.pools.put(np.array(items, dtype=np.float64))}
        return [self.write(item) for item in items]

    def _dict(self, items):
        if MARK not in items and all(type(key) is str for key in items):
            return {key: self.write(item) for key, item in items.items()}
        pairs = [[self.write(key), self.write(item)] for key, item in items.items()]
        return {MARK: "dict", "items": pairs}

    def _described(self, value):
        if isinstance(value, torch.Generator):
            # Of use while training only; nothing draws from it afterwards.
            return {MARK: "nothing"}
        if isinstance(value, torch.device):
            return {MARK: "device", "name": str(value)}
        if isinstance(value, torch.Tensor):
            return self._tensor(value)
        if isinstance(value, (np.ndarray, np.generic)):
            return self._array(value)
        if isinstance(value, nn.Module):
            return self._module(value)
        if isinstance(value, pd.Index):
            return {MARK: "index", "state": self.write(write_index(value))}
        if isinstance(value, nw.DataFrame):
            return {MARK: "narwhals", "frame": self.write(value.to_native())}
        if issparse(value):
            return self._sparse(value)
        if inspect.isfunction(value):
            name = name_of(value)
            return self._other(value) if name is None else {MARK: "function", "of": name}
        name = name_of(type(value))
        if name is not None:
            return self._object(value, name)
        frame = write_frame(value) if _is_frame(value) else None
        if frame is not None:
            return {MARK: "frame", "state": self.write(frame)}
        return self._other(value)

    def _other(self, value):
        self.others.append(value)
        return {MARK: "other", "at": len(self.others) - 1}

    # ------------------------------------------------------------------ arrays

    def _tensor(self, value):
        array, dtype = to_array(value)
        state = {MARK: "tensor", "dtype": dtype, "array": self.pools.put(array)}
        if isinstance(value, nn.Parameter):
            state[MARK] = "parameter"
        state["gradient"] = bool(value.requires_grad) and value.is_leaf
        if value.device.type != "cpu":
            state["device"] = str(value.device)
        return state

    def _array(self, value):
        kind = "array" if isinstance(value, np.ndarray) else "scalar"
        array = np.asarray(value)
        if type(value) not in (np.ndarray, array.dtype.type):
            return self._other(value)  # a subclass of its own
        if array.dtype.kind in KINDS:
            return {MARK: kind, **self.pools.put(array)}
        if array.dtype.kind in "OUS" and kind == "array":
            items = [self.write(item) for item in array.ravel().tolist()]
            return {
                MARK: "cells",
                "dtype": array.dtype.str,
                "shape": list(array.shape),
                "items": items,
            }
        return self._other(value)

    def _sparse(self, value):
        own = value.tocsr()
        parts = {name: self.write(getattr(own, name)) for name in ("data", "indices")}
        is_array = isinstance(value, type(own)) and not hasattr(own, "getrow")
        return {
            MARK: "sparse",
            "array": is_array,
            "shape": [int(n) for n in own.shape],
            "indptr": self.write(own.indptr),
            **parts,
        }

    # ------------------------------------------------------------------ objects

    def _object(self, value, name):
        state = {MARK: "object", "of": name}
        if isinstance(value, tuple):  # with names
            return {**state, "items": [self.write(item) for item in value]}
        return {**state, "state": self._attributes(type(value), state_of(value))}

    def _attributes(self, cls, state):
        return {
            name: self.write(value)
            for name, value in state.items()
            if not isinstance(
                inspect.getattr_static(cls, name, None), functools.cached_property
            )
        }

    def _module(self, module):
        cls, state = type(module), state_of(module)
        name = name_of(cls)
        hooks = {
            key: [[number, self._other(hook)] for number, hook in state[key].items()]
            for key in HOOKS
            if state.get(key)
        }
        own = {key: value for key, value in state.items() if key not in INTERNALS}
        # In the order in which they are read: what is met again must be there by then.
        parts = {kind: self._parts(state[f"_{kind}"]) for kind in PARTS}
        return {
            MARK: "module",
            # A class of the user's is an object of its own: whoever reads the file has to
            # trust it by name.
            "of": self._other(cls) if name is None else name,
            "training": bool(module.training),
            **parts,
            "state": self._attributes(cls, own),
            **(
                {"not_saved": sorted(state["_non_persistent_buffers_set"])}
                if state["_non_persistent_buffers_set"]
                else {}
            ),
            **({"hooks": hooks} if hooks else {}),
        }

    def _parts(self, parts):
        return [[name, self.write(part)] for name, part in parts.items()]


# What a module holds, and what torch keeps of it besides.
PARTS = "parameters", "buffers", "modules"
INTERNALS = frozenset(vars(nn.Module()))
HOOKS = ("_forward_pre_hooks", "_forward_hooks")


def state_of(value):
    """Return the attributes of an object that are stored, dict."""
    if isinstance(value, SimpleNamespace):
        return vars(value)
    if hasattr(value, "_stored_attributes"):  # an estimator within another
        return value._stored_attributes()
    own = type(value).__getstate__ is not object.__getstate__
    state = value.__getstate__() if own else vars(value)
    if not isinstance(state, dict):
        raise TypeError(
            f"{type(value).__qualname__}.__getstate__ returns a {type(state).__name__}; "
            "what is stored in an estimator must return a dict of attributes."
        )
    return state


def _is_frame(value):
    return isinstance(value, pd.DataFrame) or isinstance(
        nw.from_native(value, eager_only=True, pass_through=True), nw.DataFrame
    )
