"""Arrays and tensors side by side in one array per dtype: a file of few and plain parts."""

import math

import numpy as np
import torch

# Of numbers, truth values and times; other dtypes are written item by item.
KINDS = "biufcmM"
# Tensors of these have no dtype in numpy: their bits are stored.
BITS = {torch.bfloat16: torch.int16}


class Pools:
    """Arrays of each dtype, one after the other.

    Parameters
    ----------
    pools : dict of str to ndarray of one dimension, default=None
        What `joined` returned, to be read.
    """

    def __init__(self, pools=None):
        self._parts, self._sizes = {}, {}
        self._pools = pools or {}
        for name, pool in self._pools.items():
            if (
                not isinstance(pool, np.ndarray)
                or pool.ndim != 1
                or pool.dtype.name != name
            ):
                raise ValueError(f"its array of {name!r} is not one of that dtype")

    def put(self, array):
        """Store an array; return where and how it lies, a dict."""
        native = array.astype(array.dtype.newbyteorder("="), order="K", copy=False)
        order = _order(native.strides)
        flat = np.ascontiguousarray(native.transpose(order)).reshape(-1)
        if array.dtype.kind in "mM":
            flat = flat.view(np.int64)
        pool = flat.dtype.name
        place = {"dtype": native.dtype.name, "shape": list(array.shape)}
        if not array.dtype.isnative:
            place["swapped"] = True
        place["at"] = self._sizes.get(pool, 0)
        if order != sorted(order):
            place["order"] = order
        self._parts.setdefault(pool, []).append(flat)
        self._sizes[pool] = place["at"] + flat.size
        return place

    def joined(self):
        """Return all that was stored, dict of str to ndarray of one dimension."""
        return {name: np.concatenate(parts) for name, parts in self._parts.items()}

    def get(self, place):
        """Return a copy of the array that lies there.

        Raises
        ------
        ValueError
            If none can: nothing larger than what is stored is ever made.
        """
        dtype, shape, at = place["dtype"], place["shape"], place["at"]
        kind = np.dtype(dtype)
        if kind.kind not in KINDS or not _are_sizes([*shape, at]):
            raise ValueError(f"it describes an array as {place!r}")
        pool = self._pools.get("int64" if kind.kind in "mM" else kind.name)
        size = math.prod(shape)
        if size and (pool is None or at + size > len(pool)):
            raise ValueError(
                f"an array of shape {tuple(shape)} is larger than what it holds"
            )
        flat = np.array(pool[at : at + size]) if size else np.empty(0, kind)
        order = place.get("order", list(range(len(shape))))
        if sorted(order) != list(range(len(shape))):
            raise ValueError(f"it describes an array as {place!r}")
        laid = flat.view(kind).reshape([shape[axis] for axis in order])
        if place.get("swapped"):
            laid = laid.astype(laid.dtype.newbyteorder("S"))
        return laid.transpose(np.argsort(order)) if order != sorted(order) else laid


def to_array(tensor):
    """Return a tensor's cells as an array laid out as it is, and the name of its dtype."""
    tensor = tensor.detach().cpu()
    order = _order(tensor.stride())
    laid = tensor.resolve_conj().resolve_neg().permute(order).contiguous()
    laid = laid.view(BITS.get(tensor.dtype, tensor.dtype))
    return laid.numpy().transpose(np.argsort(order)), str(tensor.dtype).removeprefix(
        "torch."
    )


def to_tensor(array, dtype):
    """Undo `to_array`."""
    dtype = getattr(torch, dtype) if isinstance(dtype, str) else None
    if not isinstance(dtype, torch.dtype):
        raise ValueError("it holds a tensor of no dtype of torch")
    tensor = torch.from_numpy(array)
    return tensor.view(dtype) if dtype in BITS else tensor.to(dtype)


def _order(strides):
    """Return the axes from the outermost in memory to the innermost, list of int."""
    return sorted(range(len(strides)), key=lambda axis: (-abs(strides[axis]), axis))


def _are_sizes(numbers):
    return all(type(number) is int and number >= 0 for number in numbers)
