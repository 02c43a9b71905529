"""Warnings that point at the user's line, however deep in the package they arise."""

import sys
import warnings

# What stands between the user's line and ours.
INSIDE = {"skae", "sklearn", "joblib"}


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the innermost line that is not the package's or scikit-learn's."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in INSIDE:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
