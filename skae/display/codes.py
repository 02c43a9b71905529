"""What the codes of an estimator mean, as bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from skae.display._codes import MAX_CODES
from skae.display._display import Display, Kwargs
from skae.display._style import COLORS, QUIET
from skae.display._tables import Table, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer

# What `describe_codes` returns of it.
COLUMNS = "code", "explained", "column", "level", "effect"
NUMBERS, LEVELS = COLORS[0], COLORS[1]


@dataclass(eq=False, repr=False)
class CodeDisplay(Display):
    """What each code moves in the table, as bars, the strongest effects first.

    A bar is what a step of one standard deviation of the code changes on average: of a number
    so many standard deviations of its column, of a level of a category its probability. Above
    the bars stands what the code adds to the explained variance. It is recommended to create
    the display with `from_estimator`.

    Parameters
    ----------
    description : pandas.DataFrame
        What `describe_codes` returns.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes that the panels replace.
    axes_ : ndarray of matplotlib Axes
        A panel per code.
    figure_ : matplotlib Figure
        Figure containing the axes.
    bars_ : list of BarContainer
        The bars of each code.

    See Also
    --------
    LatentTraversalDisplay : Rows decoded along the codes.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import AutoencoderTransformer
    >>> from skae.display import CodeDisplay
    >>> X = load_iris(as_frame=True).data
    >>> autoencoder = AutoencoderTransformer(2, random_state=0).fit(X)
    >>> display = CodeDisplay.from_estimator(autoencoder, X)
    >>> len(display.bars_)
    2
    """

    description: pd.DataFrame

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Table,
        *,
        components: Sequence[int] | None = None,
        max_bars: int = 8,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Plot what the codes of a fitted estimator mean.

        Parameters
        ----------
        estimator : fitted estimator
            An estimator with `describe_codes`: skae's transformers.
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows that the codes are described by.
        components : sequence of int, default=None
            Indices of the codes to draw. If None, the first eight at most.
        max_bars : int, default=8
            Number of bars per code.
        ax : matplotlib Axes, default=None
            Axes that the panels replace. If None, a new figure is created.
        **kwargs : dict
            Additional keyword arguments passed to `Axes.barh`.

        Returns
        -------
        display : CodeDisplay
            The display that was drawn.

        Raises
        ------
        ValueError
            If `components` are not among the codes, or `max_bars` is below 1.
        """
        cls._check_methods(estimator, "describe_codes")
        display = cls(estimator.describe_codes(X))
        return display.plot(ax=ax, components=components, max_bars=max_bars, **kwargs)

    @classmethod
    def from_predictions(
        cls,
        description: pd.DataFrame,
        *,
        components: Sequence[int] | None = None,
        max_bars: int = 8,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Plot a given description.

        Parameters
        ----------
        description : pandas.DataFrame
            What `describe_codes` returned.
        components, max_bars, ax, **kwargs
            See `from_estimator`.

        Returns
        -------
        display : CodeDisplay
            The display that was drawn.

        Raises
        ------
        ValueError
            If `description` lacks a column that `describe_codes` returns.
        """
        lacking = [name for name in COLUMNS if name not in description]
        if lacking:
            raise ValueError(
                f"description has no columns {lacking}; give what describe_codes returns."
            )
        display = cls(description)
        return display.plot(ax=ax, components=components, max_bars=max_bars, **kwargs)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        components: Sequence[int] | None = None,
        max_bars: int = 8,
        **kwargs: Any,
    ) -> Self:
        """Plot the bars.

        Parameters
        ----------
        ax, components, max_bars, **kwargs
            See `from_estimator`.

        Returns
        -------
        display : CodeDisplay
            The display itself.
        """
        if max_bars < 1:
            raise ValueError(f"max_bars={max_bars}; draw one bar or more per code.")
        codes = self.description["code"].unique().tolist()
        components = codes[:MAX_CODES] if components is None else list(components)
        if not components or not set(components) <= set(codes):
            raise ValueError(
                f"components={components} are not among the codes, which are {codes}."
            )
        parts = [
            self.description[self.description["code"] == code].iloc[:max_bars]
            for code in components
        ]
        size = 3.3, 0.7 + 0.22 * max(map(len, parts))
        gaps = 1.6, 0.5  # for the names of the bars
        self._open_panels(ax, len(parts), size, (0.2, 0.2), "", n_entries=2, gaps=gaps)
        self.bars_ = [
            _draw_bars(panel, part, kwargs)
            for panel, part in zip(self.axes_, parts, strict=True)
        ]
        largest = max(float(np.abs(part["effect"]).max()) for part in parts)
        for panel in self.axes_:
            panel.set_xlim(-1.05 * largest or -1.0, 1.05 * largest or 1.0)
        self._draw_key()
        return self

    def _draw_key(self) -> None:
        """Say above the panels what the bars are."""
        from matplotlib.patches import Patch

        self._draw_legend(
            [Patch(color=NUMBERS), Patch(color=LEVELS)],
            ["number, in standard deviations", "probability of a level"],
        )
        self.axes_[0].set_xlabel("change by one deviation\nof the code", fontsize="small")


def _draw_bars(panel: Axes, part: pd.DataFrame, kwargs: Kwargs) -> BarContainer:
    """Draw the effects of one code from the top."""
    is_level = part["level"].notna().to_numpy()
    names = [
        short(column) if not of_level else f"{short(column)} = {short(level)}"
        for column, level, of_level in zip(
            part["column"], part["level"], is_level, strict=True
        )
    ]
    places = np.arange(len(part))
    style = {"color": np.where(is_level, LEVELS, NUMBERS), "height": 0.7, **kwargs}
    bars = panel.barh(places, part["effect"].to_numpy(), **style)
    panel.set_yticks(places, names, fontsize="small")
    panel.set_ylim(len(part) - 0.5, -0.5)
    panel.axvline(0.0, color=QUIET, linewidth=0.8)
    panel.grid(axis="x", color=QUIET, alpha=0.2)
    code, explained = part[["code", "explained"]].iloc[0]
    panel.set_title(f"code {int(code)}: explains {explained:.0%}", fontsize="medium")
    return bars
