"""The codes that a traversal varies: which of them, from where, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

# Codes that are varied one at a time by default.
MAX_CODES = 8


def check_components(
    kind: Literal["auto", "grid", "each"],
    components: Sequence[int] | None,
    n_components: int,
    image_shape: tuple[int, ...] | None,
) -> tuple[Literal["grid", "each"], list[int]]:
    """Return the kind of picture and the codes to vary, with the defaults filled in."""
    if kind not in ("auto", "grid", "each"):
        raise ValueError(f"kind={kind!r}; it is one of 'auto', 'grid' and 'each'.")
    if kind == "auto":
        n_varied = n_components if components is None else len(components)
        kind = "grid" if n_varied == 2 and image_shape is not None else "each"
    if components is None:
        components = range(min(n_components, 2 if kind == "grid" else MAX_CODES))
    components = [int(component) for component in components]
    if not components or not all(0 <= c < n_components for c in components):
        raise ValueError(
            f"components={components} are not among the {n_components} codes; they are "
            f"counted from 0 to {n_components - 1}."
        )
    if kind == "grid" and (len(components) != 2 or image_shape is None):
        raise ValueError(
            f"kind='grid' shows images from two codes, but components={components} and "
            f"image_shape={image_shape!r}; use kind='each'."
        )
    return kind, components


def check_start(start: ArrayLike | None, codes: np.ndarray) -> np.ndarray:
    """Return the values of the fixed codes, by default their medians."""
    values = np.median(codes, axis=0) if start is None else start
    values = np.asarray(values, dtype=np.float64)
    if values.shape != codes.shape[1:]:
        raise ValueError(
            f"start has shape {values.shape}, but a row has {codes.shape[1]} codes; give "
            "one value per code, such as a row of transform(X)."
        )
    return values


def vary_codes(
    start: np.ndarray, steps: np.ndarray, components: list[int], kind: str
) -> np.ndarray:
    """Return the codes to decode, in the order of the display's `rows`."""
    n_steps = steps.shape[1]
    if kind == "grid":
        codes = np.tile(start, (n_steps, n_steps, 1))
        codes[..., components[0]] = steps[0]
        codes[..., components[1]] = steps[1][::-1, None]
    else:
        codes = np.tile(start, (len(components), n_steps, 1))
        codes[np.arange(len(components)), :, components] = steps
    return codes.reshape(-1, len(start))
