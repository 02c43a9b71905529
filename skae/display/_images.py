"""Rows that are images."""

from typing import Any

import numpy as np

from skae.architectures.images import as_image_shape, n_cells


def check_image_shape(image_shape: Any, n_columns: int) -> tuple[int, ...]:
    """Return `image_shape` as (height, width), or (height, width, 3 or 4) for colours.

    Raises
    ------
    ValueError
        If it is not the shape of an image, or does not have `n_columns` values.
    """
    shape = as_image_shape(image_shape)
    if shape is None or shape[2] not in (1, 3, 4):
        raise ValueError(
            f"image_shape={image_shape!r} is not the shape of an image; use "
            "(height, width), or (height, width, 3) for colours."
        )
    if n_cells(shape) != n_columns:
        raise ValueError(
            f"image_shape={image_shape!r} has {n_cells(shape)} cells, but a row has "
            f"{n_columns} columns; give the shape that the rows were flattened from."
        )
    return shape[:2] if shape[2] == 1 else shape


def tile(images: np.ndarray) -> np.ndarray:
    """Return images of shape (n_rows, n_columns, height, width, ...) as one image.

    They are separated by one empty pixel (NaN, or white for images in colours).
    """
    n_rows, n_columns, height, width, *channels = images.shape
    gaps = [(0, 0), (0, 0), (0, 1), (0, 1), *[(0, 0) for _ in channels]]
    padded = np.pad(images, gaps, constant_values=1.0 if channels else np.nan)
    size = n_rows * (height + 1), n_columns * (width + 1)
    return padded.swapaxes(1, 2).reshape(*size, *channels)[:-1, :-1]


def pixel_limits(pixels: np.ndarray) -> tuple[float, float]:
    """Return the smallest and the largest value, NaN aside."""
    return float(np.nanmin(pixels)), float(np.nanmax(pixels))
