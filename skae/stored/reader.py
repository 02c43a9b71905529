"""What `Writer` wrote -> the objects."""

import math

import narwhals.stable.v2 as nw
import numpy as np
import torch
from scipy import sparse
from torch import nn

from skae.stored.arrays import Pools, to_tensor
from skae.stored.frames import read_frame, read_index
from skae.stored.known import find
from skae.stored.values import VALUES, read_value
from skae.stored.writer import HOOKS, MARK, PARTS

CELLS = "OUS"


class Reader:
    """Builds objects of the classes that are known, without a call of their constructors.

    What it reads may be made by hand: nothing is looked up but what `skae.stored.known`
    names, nothing becomes larger than what is stored, and no name of a method is given to
    another value.

    Parameters
    ----------
    pools : dict of str to ndarray
    others : list
    device_of : callable (str) -> torch.device
        Where tensors of a device are to be.
    """

    def __init__(self, pools, others, device_of):
        self._pools, self._others, self._device_of = Pools(pools), others, device_of
        self._made = {}

    def read(self, state):
        """Return the value that a description stands for."""
        if isinstance(state, list):
            return [self.read(item) for item in state]
        if not isinstance(state, dict):
            return state
        mark = state.get(MARK)
        if mark is None:
            return {key: self.read(item) for key, item in state.items()}
        if mark in VALUES or mark in ("missing", "type"):
            return read_value(mark, state["value"])
        if mark == "same":
            return self._made[state["as"]]
        method = getattr(self, f"_read_{mark}", None) if mark in MARKS else None
        if method is None:
            raise ValueError(f"it holds a {mark!r}, which is nothing that is known")
        made = method(state)
        if "number" in state:
            self._made[state["number"]] = made
        return made

    # ------------------------------------------------------------------ builtins

    def _read_nothing(self, state):
        return None

    def _read_tuple(self, state):
        return tuple(self.read(state["items"]))

    def _read_set(self, state):
        return set(self.read(state["items"]))

    def _read_frozenset(self, state):
        return frozenset(self.read(state["items"]))

    def _read_dict(self, state):
        return {self.read(key): self.read(item) for key, item in state["items"]}

    def _read_floats(self, state):
        return self._pools.get(state).tolist()

    def _read_other(self, state):
        at = state["at"]
        if type(at) is not int or not 0 <= at < len(self._others):
            raise ValueError(f"it lacks object {at!r}")
        return self._others[at]

    def _read_device(self, state):
        return self._device_of(state["name"])

    def _read_function(self, state):
        function = find(state["of"])
        if isinstance(function, type):
            raise ValueError(f"it names {state['of']!r} as a function")
        return function

    # ------------------------------------------------------------------ arrays

    def _read_array(self, state):
        return self._pools.get(state)

    def _read_scalar(self, state):
        return self._pools.get(state)[()]

    def _read_cells(self, state):
        shape, items = state["shape"], self.read(state["items"])
        dtype = np.dtype(state["dtype"])
        if dtype.kind not in CELLS or math.prod(shape) != len(items):
            raise ValueError(f"it holds {len(items)} cells for shape {tuple(shape)}")
        if dtype.itemsize > 8 + 4 * max((len(str(item)) for item in items), default=0):
            raise ValueError(f"it holds cells of dtype {dtype}")
        array = np.empty(len(items), dtype=dtype)
        for at, item in enumerate(items):
            array[at] = item
        return array.reshape(shape)

    def _read_tensor(self, state):
        tensor = to_tensor(self._pools.get(state["array"]), state["dtype"])
        tensor = tensor.to(self._device_of(state.get("device", "cpu")))
        return tensor.requires_grad_() if state["gradient"] else tensor

    def _read_parameter(self, state):
        tensor = self._read_tensor({**state, "gradient": False})
        return nn.Parameter(tensor, requires_grad=bool(state["gradient"]))

    def _read_sparse(self, state):
        shape = tuple(state["shape"])
        parts = tuple(self.read(state[name]) for name in ("data", "indices", "indptr"))
        make = sparse.csr_array if state["array"] else sparse.csr_matrix
        made = make(parts, shape=shape)
        made.check_format()
        return made

    def _read_index(self, state):
        return read_index(self.read(state["state"]))

    def _read_frame(self, state):
        return read_frame(self.read(state["state"]))

    def _read_narwhals(self, state):
        return nw.from_native(self.read(state["frame"]), eager_only=True)

    # ------------------------------------------------------------------ objects

    def _read_object(self, state):
        cls = find(state["of"])
        if not isinstance(cls, type) or issubclass(cls, nn.Module):
            raise ValueError(f"it names {state['of']!r} as an object")
        if "items" in state:
            if not issubclass(cls, tuple):
                raise ValueError(f"it describes a {state['of']!r} as items")
            return cls(*self.read(state["items"]))
        made = cls.__new__(cls)
        self._made[state["number"]] = made
        own = self._attributes(cls, state["state"])
        if "__setstate__" in vars(cls) or cls.__module__.startswith("sklearn."):
            made.__setstate__(own)
        else:
            vars(made).update(own)
        return made

    def _attributes(self, cls, state, checked=True):
        for name in state if checked else ():
            if callable(getattr(cls, name, None)) or not name.isidentifier():
                raise ValueError(f"it gives {cls.__name__} another {name!r}")
        return {name: self.read(value) for name, value in state.items()}

    def _read_module(self, state):
        name = state["of"]
        cls = find(name) if isinstance(name, str) else self.read(name)
        if not isinstance(cls, type) or not issubclass(cls, nn.Module):
            raise ValueError(f"it names {name!r} as a module")
        module = cls.__new__(cls)
        nn.Module.__init__(module)
        self._made[state["number"]] = module
        own = vars(module)
        for kind in PARTS:
            own[f"_{kind}"].update(self._parts(state[kind], kind))
        own["_non_persistent_buffers_set"].update(state.get("not_saved", ()))
        for kind, hooks in state.get("hooks", {}).items():
            own[_hooks_named(kind)].update((n, self._hook(hook)) for n, hook in hooks)
        more = self._attributes(cls, state["state"], checked=isinstance(name, str))
        if set(more) & set(own):
            raise ValueError(f"it gives a module another {min(set(more) & set(own))!r}")
        module.__setstate__({**own, **more, "training": bool(state["training"])})
        return module

    def _parts(self, pairs, kind):
        cls = {"parameters": nn.Parameter, "buffers": torch.Tensor, "modules": nn.Module}
        parts = [(str(name), self.read(part)) for name, part in pairs]
        for name, part in parts:
            if part is not None and not isinstance(part, cls[kind]):
                raise ValueError(f"{name!r} is not one of the {kind} of a module")
        return parts

    def _hook(self, state):
        hook = self.read(state)
        if not callable(hook) or isinstance(hook, (type, np.ufunc)):
            raise ValueError("it holds a hook of a module that is none")
        return hook


def _hooks_named(kind):
    if kind not in HOOKS:
        raise ValueError(f"it holds {kind!r} of a module")
    return kind


MARKS = frozenset(
    name.removeprefix("_read_") for name in vars(Reader) if name.startswith("_read_")
)
