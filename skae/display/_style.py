"""Colours of the displays, and a user's settings of artists beside the displays' own."""

from collections.abc import Mapping
from typing import Any

# Ten colours that colour-blind readers can also tell apart (Petroff, 2021,
# arXiv:2107.02270).
COLORS = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
# Those of them that are no greys, and two more: labels are told from "other" and "missing".
LABEL_COLORS = (
    *("#3f90da", "#ffa90e", "#bd1f01", "#832db6", "#a96b59", "#e76300", "#b9ac70"),
    *("#92dadd", "#2f6b3a", "#e377c2"),
)
OTHER_COLOR, MISSING_COLOR = "#94a4a2", "#dcdde0"
QUIET = "#717581"
GAP_COLOR = "#dcdde0"
# Names that matplotlib has for one setting.
ALIASES = (
    {"c", "color", "facecolor", "facecolors", "fc"},
    {"lw", "linewidth", "linewidths"},
    {"ls", "linestyle", "linestyles", "dashes"},
    {"s", "sizes"},
)
# Relative luminance (WCAG 2) below which white is read more easily than black.
DARK = 0.18


def styled(defaults: Mapping[str, Any], given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the defaults that nothing given sets, by whatever name, and what is given."""
    given = {} if given is None else given
    if not isinstance(given, Mapping):
        raise TypeError(
            f"Settings of an artist are a dict, such as {{'alpha': 0.5}}, but {given!r} is "
            "given."
        )
    taken = set(given).union(*(names for names in ALIASES if names & set(given)))
    kept = {name: value for name, value in defaults.items() if name not in taken}
    return {**kept, **given}


def ink() -> str:
    """Return the colour of lines that are to be read: black, or white on dark paper."""
    import matplotlib as mpl

    return mpl.rcParams["axes.edgecolor"]


def text_on(color: Any) -> str:
    """Return the colour of text on a colour, black or white."""
    from matplotlib.colors import to_rgb

    linear = [
        ((v + 0.055) / 1.055) ** 2.4 if v > 0.04 else v / 12.92 for v in to_rgb(color)
    ]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "white" if luminance < DARK else "black"
