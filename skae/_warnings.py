"""Warnings that point at the user's line, however deep inside they are raised."""

import sys
import warnings
from pathlib import Path

import sklearn

# Frames of these are no place for a user to look at: decorators, pipelines, searches.
INNER = tuple(str(Path(place).parent) for place in (__file__, sklearn.__file__))


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn as if from the line that called into skae, or into scikit-learn around it."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(INNER):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
