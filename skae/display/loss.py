"""Loss curves of training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skae.display._display import (
    Display,
    Kwargs,
    LogScale,
    check_log_scale,
    last_step,
    name_of,
)
from skae.display._legend import put_legend_beside
from skae.display._style import COLORS, QUIET, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

# Attribute -> (label of the curve, epoch of its first entry).
CURVES = {
    "loss_curve_": ("training rows", 1),
    "validation_loss_curve_": ("held-out rows", 0),
    "critic_loss_curve_": ("critic", 1),
}
# A loss that decreases by more than this factor is drawn on a logarithmic scale.
LOG_SCALE_FACTOR = 20.0


@dataclass(eq=False, repr=False)
class LossCurveDisplay(Display):
    """Loss of the training rows and of the held-out rows by epoch.

    It is recommended to create it with `from_estimator`.

    Parameters
    ----------
    curves : dict of str to tuple (epochs, losses)
        Label of each curve -> two arrays of equal length.
    best_iter : int, default=None
        Epoch whose weights were kept.
    loss_name : str, default="loss"
        Label of the axis of losses.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curves.
    figure_ : matplotlib Figure
        Figure containing the axes.
    lines_ : dict of str to matplotlib Line2D
        The curves by label.
    best_line_ : matplotlib Line2D or None
        Line at the epoch whose weights were kept.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import AutoencoderTransformer
    >>> from skae.display import LossCurveDisplay
    >>> autoencoder = AutoencoderTransformer(2, random_state=0).fit(load_iris().data)
    >>> display = LossCurveDisplay.from_estimator(autoencoder)
    >>> list(display.lines_)
    ['training rows', 'held-out rows']
    """

    curves: Mapping[str, tuple[np.ndarray, np.ndarray]]
    _: KW_ONLY
    best_iter: int | None = None
    loss_name: str = "loss"

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        log_scale: LogScale = "auto",
        ax: Axes | None = None,
        line_kwargs: Kwargs | None = None,
    ) -> Self:
        """Plot the loss curves of a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator
            Any estimator with `loss_curve_`: skae's estimators, `MLPRegressor`, or a
            `Pipeline` that ends in one of them.
        log_scale : bool or "auto", default="auto"
            Whether the loss has a logarithmic axis. If "auto", it does when all losses are
            positive and the smallest is less than a twentieth of the largest.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure and axes are created.
        line_kwargs : dict, default=None
            Keyword arguments of `Axes.plot`.

        Returns
        -------
        display : LossCurveDisplay
            The display that was drawn.

        Raises
        ------
        TypeError
            If the estimator has no `loss_curve_`.
        ValueError
            If it is empty.
        """
        fitted = last_step(estimator)
        if not hasattr(fitted, "loss_curve_"):
            raise TypeError(
                f"{name_of(estimator)} has no loss_curve_; fit it first, or use an "
                "estimator that is trained epoch by epoch."
            )
        curves = {}
        for name, (label, first) in CURVES.items():
            losses = getattr(fitted, name, None)
            if losses is not None and len(losses):
                losses = np.asarray(losses, dtype=np.float64)
                curves[label] = (np.arange(first, first + len(losses)), losses)
        if not curves:
            raise ValueError(
                f"The loss_curve_ of {name_of(estimator)} is empty: what trained it keeps no "
                "losses, as skae.privacy.fit_privately does, which would tell of the rows."
            )
        if getattr(fitted, "_loss_curve_is_held_out", False):
            # From before the first step on.
            _, losses = curves["training rows"]
            epochs = np.linspace(0.0, fitted.n_iter_, len(losses))
            curves = {"held-out rows": (epochs, losses)}
        if "critic" in curves:
            curves = {"generator": curves.pop("training rows"), **curves}
        display = cls(
            curves,
            best_iter=getattr(fitted, "best_iter_", None),
            loss_name=f"loss of {name_of(estimator)}",
        )
        return display.plot(ax=ax, log_scale=log_scale, line_kwargs=line_kwargs)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        log_scale: LogScale = "auto",
        line_kwargs: Kwargs | None = None,
    ) -> Self:
        """Plot the curves.

        Parameters
        ----------
        ax, log_scale, line_kwargs
            See `from_estimator`.

        Returns
        -------
        display : LossCurveDisplay
            The display itself.
        """
        check_log_scale(log_scale)
        self._open_axes(ax, (6.4, 4.0))
        self.lines_: dict[str, Line2D] = {}
        for color, (label, curve) in zip(COLORS, self.curves.items(), strict=False):
            style = styled({"color": color, "label": label, "linewidth": 1.8}, line_kwargs)
            (self.lines_[label],) = self.ax_.plot(*curve, **style)
        self.best_line_ = None
        if self.best_iter is not None:
            label = f"kept: epoch {self.best_iter}"
            style = {"color": QUIET, "linestyle": "--", "linewidth": 1, "label": label}
            self.best_line_ = self.ax_.axvline(self.best_iter, **style)
        if self._needs_log_scale() if log_scale == "auto" else log_scale:
            self.ax_.set_yscale("log")
        self.ax_.set(xlabel="epoch", ylabel=self.loss_name)
        self.ax_.locator_params(axis="x", integer=True)
        self.ax_.grid(color=QUIET, alpha=0.2)
        put_legend_beside(self.ax_)
        self._fit()
        return self

    def _needs_log_scale(self) -> bool:
        losses = np.concatenate([losses for _, losses in self.curves.values()])
        losses = losses[np.isfinite(losses)]
        return bool(losses.size and 0 < LOG_SCALE_FACTOR * losses.min() < losses.max())
