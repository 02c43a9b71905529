"""Values brought into the bounds of a dtype."""

import numpy as np

# Whole numbers below this are far from where float64 skips some.
EXACT = 2**52


def with_none(values, missing):
    """Return the values as a list of Python's objects, None where missing."""
    pairs = zip(values.tolist(), missing.tolist(), strict=True)
    return [None if gone else cell for cell, gone in pairs]


def into(values, dtype):
    """Return numbers as the nearest that the numpy dtype can hold."""
    own = values.dtype
    if dtype.kind == "f":
        largest = float(np.finfo(dtype).max)
        return np.clip(values, -largest, largest).astype(dtype)
    bounds = np.iinfo(dtype)
    if own.kind == "f":
        values = np.rint(np.nan_to_num(values))
        # The largest int64 is not a float64; that is the next one.
        high = float(bounds.max)
        high = high if int(high) <= bounds.max else np.nextafter(high, 0.0)
        return np.clip(values, float(bounds.min), high).astype(dtype)
    low, high = max(bounds.min, np.iinfo(own).min), min(bounds.max, np.iinfo(own).max)
    return np.clip(values, low, high).astype(dtype)


def into_unit(values, unit):
    """Return times or durations in a unit of numpy, of which nanoseconds end in 2262."""
    dtype = np.dtype(f"{values.dtype.kind}8[{unit}]")
    if unit == "ns" and values.dtype != dtype:
        last = np.array(np.iinfo(np.int64).max).view(dtype).astype(values.dtype)
        first = (-last.view(np.int64)).view(values.dtype)
        values = np.clip(values, first, last)
    return values.astype(dtype)


def into_decimal(values, precision, scale):
    """Return numbers as float64 that fit into decimals of so many digits."""
    largest = float(10**precision - 1) / 10.0**scale
    if precision > 15:  # float64 rounds up
        largest = largest * (1.0 - 1e-15)
    return np.clip(values.astype(np.float64), -largest, largest)
