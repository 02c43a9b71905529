"""What the codes of an estimator mean, as bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from skae.display._codes import MAX_CODES, check_codes
from skae.display._display import Display, Kwargs, check_count
from skae.display._style import COLORS, QUIET, styled
from skae.display._tables import Table, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer

# What `describe_codes` returns of it.
COLUMNS = "code", "explained", "column", "level", "effect"
NUMBERS, LEVELS = COLORS[0], COLORS[1]
TITLE = "Change by one standard deviation of the code"
# Of a panel and the names beside it, in inches; of a name in the smaller text.
LEAST_WIDTH, LINE = 2.0, 0.125


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
        bar_kwargs: Kwargs | None = None,
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
            Number of bars per code; fewer where `ax` has no room for their names.
        ax : matplotlib Axes, default=None
            Axes that the panels replace. If None, a new figure is created.
        bar_kwargs : dict, default=None
            Keyword arguments of `Axes.barh`.

        Returns
        -------
        display : CodeDisplay
            The display that was drawn.

        Raises
        ------
        ValueError
            If `components` are not among the codes, or `max_bars` is below 1.
        """
        cls._check_arguments(estimator, X, "describe_codes")
        display = cls(estimator.describe_codes(X))
        return display.plot(
            ax=ax, components=components, max_bars=max_bars, bar_kwargs=bar_kwargs
        )

    @classmethod
    def from_predictions(
        cls,
        description: pd.DataFrame,
        *,
        components: Sequence[int] | None = None,
        max_bars: int = 8,
        ax: Axes | None = None,
        bar_kwargs: Kwargs | None = None,
    ) -> Self:
        """Plot a given description.

        Parameters
        ----------
        description : pandas.DataFrame
            What `describe_codes` returned.
        components, max_bars, ax, bar_kwargs
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
        return display.plot(
            ax=ax, components=components, max_bars=max_bars, bar_kwargs=bar_kwargs
        )

    def plot(
        self,
        ax: Axes | None = None,
        *,
        components: Sequence[int] | None = None,
        max_bars: int = 8,
        bar_kwargs: Kwargs | None = None,
    ) -> Self:
        """Plot the bars.

        Parameters
        ----------
        ax, components, max_bars, bar_kwargs
            See `from_estimator`.

        Returns
        -------
        display : CodeDisplay
            The display itself.
        """
        check_count("max_bars", max_bars)
        if self.description.empty:
            raise ValueError(
                "There is nothing to draw: no column of the table holds a cell, so that no "
                "code moves anything."
            )
        codes = self.description["code"].unique().tolist()
        components = (
            codes[:MAX_CODES] if components is None else check_codes(components, codes)
        )
        parts = [
            self.description[self.description["code"] == code].iloc[:max_bars]
            for code in components
        ]
        size = 3.3, 0.7 + 0.22 * max(map(len, parts))
        self._open_panels(
            ax,
            len(parts),
            size,
            (0.2, 0.2),
            entries=list(_key(pd.concat(parts))),
            title=TITLE,
            least=LEAST_WIDTH,
        )
        self._draw_parts(parts, bar_kwargs)
        self._draw_key(_key(pd.concat(parts)))
        self._fit()
        # Figures of its own are as large as the bars need.
        if ax is not None and self._room() < max(map(len, parts)):
            self._draw_parts(parts, bar_kwargs, is_tight=True)
            self._fit()
            room = self._room()
            self._draw_parts(
                [part.iloc[:room] for part in parts], bar_kwargs, is_tight=True
            )
            self._fit()
        return self

    def _draw_parts(
        self, parts: list[pd.DataFrame], bar_kwargs: Kwargs | None, is_tight: bool = False
    ) -> None:
        """Draw a panel per code, instead of what is there."""
        names = _names_of_bars(self.description)
        self.bars_ = []
        for panel, part in zip(self.axes_, parts, strict=True):
            panel.clear()
            texts = names.loc[part.index].tolist()
            self.bars_.append(_draw_bars(panel, part, texts, bar_kwargs, is_tight))
        largest = max(float(np.abs(part["effect"]).max()) for part in parts)
        bottom = self.axes_[-len(self._lines[0]) :]
        for panel in self.axes_:
            panel.set_xlim(-1.05 * largest or -1.0, 1.05 * largest or 1.0)
            # Of panels below each other, which have the same axis, the last one says it.
            panel.tick_params(labelbottom=not is_tight or panel in bottom)
        for panel in bottom:
            panel.set_xlabel("change", fontsize="x-small" if is_tight else "small")

    def _room(self) -> int:
        """Return how many bars of a panel have names that do not touch, one at least."""
        figure = self.figure_.figure
        engine = figure.get_layout_engine()
        if engine is not None:
            engine.execute(figure)  # which else comes when it is drawn
        least = min(panel.get_window_extent().height for panel in self.axes_)
        return max(int(least / figure.dpi / (LINE * self._inch())), 1)

    def _draw_key(self, key: dict[str, str]) -> None:
        """Say above the panels what the bars are."""
        from matplotlib.patches import Patch

        patches = [Patch(color=color) for color in key.values()]
        self._draw_legend(patches, list(key), TITLE)


def _key(part: pd.DataFrame) -> dict[str, str]:
    """Return what the bars are that there are, and their colours."""
    is_level = part["level"].notna()
    key = {"number, in standard deviations": NUMBERS} if not is_level.all() else {}
    return key | ({"probability of a level": LEVELS} if is_level.any() else {})


def _names_of_bars(description: pd.DataFrame) -> pd.Series:
    """Return the columns, and of categories the levels, short enough to be drawn."""
    columns, levels = (
        np.array(shorten(cells), dtype=object)[places]
        for places, cells in (
            pd.factorize(description[name], use_na_sentinel=False)
            for name in ("column", "level")
        )
    )
    is_number = description["level"].isna()
    return pd.Series(
        np.where(is_number, columns, columns + " = " + levels), description.index
    )


def _draw_bars(
    panel: Axes,
    part: pd.DataFrame,
    names: list[str],
    bar_kwargs: Kwargs | None,
    is_tight: bool,
) -> BarContainer:
    """Draw the effects of one code from the top."""
    is_level = part["level"].notna().to_numpy()
    places = np.arange(len(part))
    style = {"color": np.where(is_level, LEVELS, NUMBERS), "height": 0.7}
    bars = panel.barh(places, part["effect"].to_numpy(), **styled(style, bar_kwargs))
    panel.set_yticks(places, names, fontsize="x-small" if is_tight else "small")
    panel.set_ylim(len(part) - 0.5, -0.5)
    panel.axvline(0.0, color=QUIET, linewidth=0.8)
    panel.grid(axis="x", color=QUIET, alpha=0.2)
    size: Kwargs = {"fontsize": "x-small", "pad": 2} if is_tight else {"fontsize": "medium"}
    code, explained = part[["code", "explained"]].iloc[0]
    panel.set_title(f"code {int(code)}: explains {explained:.0%}", **size)
    return bars
