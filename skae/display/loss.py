"""How the loss fell."""

import numpy as np

from skae.display._axes import COLORS, QUIET, last_step, name_of, open_axes

# Attribute -> (what the curve is, epoch of its first entry).
CURVES = {
    "loss_curve_": ("training rows", 1),
    "validation_loss_curve_": ("held-out rows", 0),
    "critic_loss_curve_": ("critic", 1),
}
# A loss that falls by more than this factor is drawn on a logarithmic scale.
LONG_FALL = 20.0


class LossCurveDisplay:
    """Losses of the training and the held-out rows, epoch by epoch.

    Make it by `from_estimator`.

    Parameters
    ----------
    curves : dict of str to tuple (epochs, losses)
        What the curve is -> two arrays of equal length.
    best_iter : int, default=None
        Epoch whose weights were kept.
    loss_name : str, default="loss"
        What the losses are.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : dict of str to matplotlib Line2D
        The curves.
    best_line_ : matplotlib Line2D or None
        Where the weights were kept.

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

    def __init__(self, curves, *, best_iter=None, loss_name="loss"):
        self.curves = curves
        self.best_iter = best_iter
        self.loss_name = loss_name

    @classmethod
    def from_estimator(cls, estimator, *, log_scale="auto", ax=None, **kwargs):
        """Draw the curves of a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator
            Anything with `loss_curve_`: skae's estimators, `MLPRegressor`, a `Pipeline`
            that ends in one of them.
        log_scale : bool or "auto", default="auto"
            Whether the loss has a logarithmic axis. "auto": if it falls, above zero, to a
            twentieth.
        ax : matplotlib Axes, default=None
            Axes to draw on. None: new ones.
        **kwargs : dict
            Passed to `Axes.plot`.

        Returns
        -------
        display : LossCurveDisplay

        Raises
        ------
        TypeError
            If the estimator keeps no `loss_curve_`.
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
        if "critic" in curves:
            curves = {"generator": curves.pop("training rows"), **curves}
        display = cls(
            curves,
            best_iter=getattr(fitted, "best_iter_", None),
            loss_name=f"loss of {name_of(estimator)}",
        )
        return display.plot(ax=ax, log_scale=log_scale, **kwargs)

    def plot(self, ax=None, *, log_scale="auto", **kwargs):
        """Draw the curves.

        Parameters
        ----------
        ax, log_scale, **kwargs
            See `from_estimator`.

        Returns
        -------
        display : LossCurveDisplay
        """
        figure, ax = open_axes(self, ax, (6.4, 4.0))
        self.lines_, self.best_line_ = {}, None
        for (label, (epochs, losses)), color in zip(
            self.curves.items(), COLORS, strict=False
        ):
            style = {"color": color, "label": label, "linewidth": 1.8}
            (self.lines_[label],) = ax.plot(epochs, losses, **{**style, **kwargs})
        if self.best_iter is not None:
            self.best_line_ = ax.axvline(
                self.best_iter,
                color=QUIET,
                linestyle="--",
                linewidth=1,
                label=f"kept: epoch {self.best_iter}",
            )
        if self._falls_far() if log_scale == "auto" else log_scale:
            ax.set_yscale("log")
        ax.set(xlabel="epoch", ylabel=self.loss_name)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(color=QUIET, alpha=0.2)
        ax.legend(frameon=False)
        self.ax_, self.figure_ = ax, figure
        return self

    def _falls_far(self):
        losses = np.concatenate([losses for _, losses in self.curves.values()])
        losses = losses[np.isfinite(losses)]
        return bool(losses.size and 0 < LONG_FALL * losses.min() < losses.max())
