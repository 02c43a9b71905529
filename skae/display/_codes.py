"""The codes that a traversal varies: which of them, from where, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Literal

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
    if components is not None:
        components = check_codes(components, list(range(n_components)))
    if kind == "auto":
        n_varied = n_components if components is None else len(components)
        kind = "grid" if n_varied == 2 and image_shape is not None else "each"
    if components is None:
        components = list(range(min(n_components, 2 if kind == "grid" else MAX_CODES)))
    if kind == "grid" and (len(components) != 2 or image_shape is None):
        raise ValueError(
            f"kind='grid' shows images from two codes, but components={components} and "
            f"image_shape={image_shape!r}; use kind='each'."
        )
    return kind, components


def check_codes(components: Any, codes: list[int]) -> list[int]:
    """Return the codes that are chosen as a list.

    Raises
    ------
    ValueError
        If they are no sequence of one or more of `codes`.
    """
    is_sequence = np.ndim(components) == 1 and not isinstance(components, str)
    chosen = list(components) if is_sequence else []
    if not chosen or not all(isinstance(c, Integral) and c in codes for c in chosen):
        raise ValueError(
            f"components={components!r} are not among the codes, which are {codes}; give a "
            f"list of one or more of these, such as [{codes[0]}]."
        )
    return [int(code) for code in chosen]


def check_start(start: ArrayLike | None, codes: np.ndarray) -> np.ndarray:
    """Return the values of the fixed codes, by default their medians."""
    values = np.median(codes, axis=0) if start is None else start
    values = np.asarray(values)
    if values.dtype.kind not in "iuf":
        raise ValueError(f"start={start!r}; give numbers, one per code.")
    values = values.astype(np.float64)
    if values.shape != codes.shape[1:]:
        raise ValueError(
            f"start has shape {values.shape}, but a row has {codes.shape[1]} codes; give "
            "one value per code, such as a row of transform(X)."
        )
    if not np.isfinite(values).all():
        raise ValueError(f"start={start!r} holds values that are not finite.")
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
