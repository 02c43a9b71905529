"""The shape of the images that rows are flattened from."""

import math
from numbers import Integral

import numpy as np


def as_image_shape(image_shape):
    """Return (height, width, channels); None where `image_shape` is no shape of an image.

    `image_shape` is (height, width) or (height, width, channels), as in numpy and
    scikit-learn: the channels of a pixel stand side by side in the row.
    """
    shape = tuple(image_shape) if np.iterable(image_shape) else (image_shape,)
    whole = all(isinstance(size, Integral) and size >= 1 for size in shape)
    if not whole or len(shape) not in (2, 3):
        return None
    return (*(int(size) for size in shape), *([1] if len(shape) == 2 else []))


def n_cells(image_shape):
    """Return the number of columns that a row of such an image has."""
    return math.prod(image_shape)
