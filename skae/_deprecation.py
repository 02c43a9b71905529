"""How a parameter gets another name: the old one works on for a release, with a warning.

Functions and classes have `sklearn.utils.deprecated`.
"""

from typing import Any

from skae._warnings import warn

# The default of a parameter that has another name now.
DEPRECATED = "deprecated"


def renamed(estimator: Any, old: str, new: str, *, gone_in: str) -> Any:
    """Return the value of a parameter that has a new name, whichever of the two was given.

    Parameters
    ----------
    estimator : estimator
        Its parameter `old` has the default `DEPRECATED`.
    old, new : str
    gone_in : str
        The version in which `old` will be gone.

    Returns
    -------
    value : object

    Warns
    -----
    FutureWarning
        If `old` is given.
    """
    value = getattr(estimator, old)
    if isinstance(value, str) and value == DEPRECATED:
        return getattr(estimator, new)
    warn(
        f"{old}={value!r} of {type(estimator).__name__} is now {new}={value!r}: write that; "
        f"{old} will be gone in version {gone_in}.",
        FutureWarning,
    )
    return value
