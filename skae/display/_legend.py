"""Legends that stand beside axes, never over anything, and say no more than can be told."""

from __future__ import annotations

import re
from numbers import Real
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skae._warnings import warn
from skae.display._display import Groups
from skae.display._style import LABEL_COLORS, MISSING_COLOR, OTHER_COLOR
from skae.display._tables import in_legend, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend

# Labels that have a colour of their own, at most.
MAX_ENTRIES = len(LABEL_COLORS)
# Between axes and their legend, as a part of their width.
GAP = 0.02
# Letters of a line, and entries that may have several.
WIDEST, FEW = 24, 6


def group_labels(y: np.ndarray | pd.Categorical) -> tuple[Groups, list[Any]]:
    """Return the rows of every label, and the labels' colours, what tells least first.

    Missing labels are grey; of more than ten labels the most frequent have a colour, and the
    others share a grey, of which a warning tells.

    Parameters
    ----------
    y : ndarray or pandas.Categorical of shape (n_samples,)
    """
    missing = pd.isna(y)
    labels, codes, counts = np.unique(
        pd.factorize(y)[0], return_inverse=True, return_counts=True
    )
    values = {}
    for label, count in zip(labels.tolist(), counts.tolist(), strict=True):
        if label >= 0:
            rows = np.flatnonzero(codes == np.searchsorted(labels, label))
            values[y[rows[0]]] = rows, count
    # The frequent ones, in the order of the categories, or of labels: numbers before text.
    kept = sorted(values, key=lambda label: -values[label][1])[:MAX_ENTRIES]
    if isinstance(y, pd.Categorical):
        kept = [label for label in y.categories if label in set(kept)]
    else:
        kept = sorted(kept, key=_place)
    others = [label for label in values if label not in set(kept)]
    groups: list[tuple[Any, np.ndarray]] = []
    colors = []
    if missing.any():
        # Unless that is a label, too.
        name = "missing" if "missing" not in values else "without a label"
        groups.append((name, np.flatnonzero(missing)))
        colors.append(MISSING_COLOR)
    if others:
        rows = np.sort(np.concatenate([values[label][0] for label in others]))
        groups.append((f"other ({len(others)} labels)", rows))
        colors.append(OTHER_COLOR)
        warn(
            f"y has {len(values)} different labels, but no more than {MAX_ENTRIES} colours "
            f"can be told apart: the {MAX_ENTRIES} most frequent labels have one, the other "
            f"{len(others)} share a grey. Give y {MAX_ENTRIES} labels at most, for example by "
            "joining the rare ones."
        )
    groups += [(label, values[label][0]) for label in kept]
    return groups, [*colors, *LABEL_COLORS[: len(kept)]]


def _place(label: Any) -> tuple[bool, Any]:
    """Return what labels are sorted by: numbers, before text by its letters and numbers."""
    if isinstance(label, pd.Interval):
        label = label.mid
    if isinstance(label, Real):
        return False, label
    parts = re.split(r"(\d+)", str(label))
    return True, [int(part) if part.isdecimal() else part for part in parts]


def entries_of(groups: Groups) -> list[str]:
    """Return what a legend shows of labels: if they are many, a line of each."""
    labels = [label for label, _ in groups]
    texts = shorten(labels, WIDEST if len(labels) > FEW else 3 * WIDEST)
    return [entry(in_legend(text)) for text in texts]


def entry(text: str) -> str:
    """Return a text in lines that are not too long."""
    return fill(text, WIDEST)


def put_legend_beside(
    ax: Axes, title: str | None = None, last: int = 0, order: Any = None, **kwargs: Any
) -> Legend:
    """Put the legend of axes to their right.

    Parameters
    ----------
    ax : matplotlib Axes
    title : str, default=None
    last : int, default=0
        Entries, of the first ones, that come last.
    order : list of int, default=None
        Instead: the first entries, in the order that they are to have.
    **kwargs : dict
        Passed to `Axes.legend`.
    """
    handles, names = ax.get_legend_handles_labels()
    places = [*range(last, len(names)), *range(last)]
    if order is not None:
        places = [*order, *range(len(order), len(names))]
    return ax.legend(
        [handles[i] for i in places],
        [names[i] for i in places],
        title=title,
        loc="upper left",
        bbox_to_anchor=(1.0 + GAP, 1.0),
        borderaxespad=0.0,
        frameon=False,
        fontsize="small" if len(names) > FEW else None,
        **kwargs,
    )
