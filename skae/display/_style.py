"""Colours of the displays."""

from typing import Any

import numpy as np

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


def label_colors(n_labels: int) -> list[Any]:
    """Return one colour per label."""
    if n_labels <= len(COLORS):
        return list(COLORS[:n_labels])
    import matplotlib as mpl

    return list(mpl.colormaps["turbo"](np.linspace(0.03, 0.97, n_labels)))
