"""Codes on a plane."""

import numpy as np
from sklearn.manifold import TSNE
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import type_of_target

from skae.display._axes import QUIET, check_methods, label_colors, open_axes

# Labels beyond this number are shown as values, and so are their colours.
MOST_LABELS = 20
PERPLEXITY = 30.0


class LatentSpaceDisplay:
    """The codes of rows, coloured by label or by value.

    Two codes are the axes. More are laid out by t-SNE, which keeps neighbours together
    but no distances; one is shown by its distribution. Make it by `from_estimator` or
    `from_predictions`.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_components)
        Codes of the rows that are drawn.
    embedding : ndarray of shape (n_samples, 1 or 2)
        Where the rows are drawn.
    y : ndarray of shape (n_samples,), default=None
        Labels, or values, of the rows.
    names : list of str, default=None
        What the axes show.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    artists_ : list
        The points: one collection a label (or one for all), the patches of the
        histograms for a single code.

    See Also
    --------
    LatentTraversalDisplay : What the codes stand for.

    References
    ----------
    van der Maaten & Hinton, Visualizing Data using t-SNE, 2008.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae import AutoencoderTransformer
    >>> from skae.display import LatentSpaceDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> autoencoder = AutoencoderTransformer(2, random_state=0).fit(X)
    >>> display = LatentSpaceDisplay.from_estimator(autoencoder, X, y)
    >>> display.ax_.get_xlabel()
    'code 0'
    """

    def __init__(self, codes, embedding, *, y=None, names=None):
        self.codes = codes
        self.embedding = embedding
        self.y = y
        self.names = names

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        max_samples=2000,
        random_state=0,
        color_by="auto",
        label_name=None,
        ax=None,
        **kwargs,
    ):
        """Draw the codes that an estimator gives to rows.

        Parameters
        ----------
        estimator : fitted estimator
            Anything with `transform`: skae's transformers, `PCA`, a `Pipeline`.
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows, best not those of the fit.
        y : array-like of shape (n_samples,), default=None
            Labels or values to colour by.
        max_samples : int or None, default=2000
            Rows that are drawn at most, chosen at random; the axis says so. None: all (the
            time of t-SNE grows a little faster than their number).
        random_state : int, RandomState instance or None, default=0
            Seeds the choice and t-SNE.
        color_by : {"auto", "label", "value"}, default="auto"
            What y is. "auto": labels, if it is text, or whole numbers of which there are
            at most 20 different ones.
        label_name : str, default=None
            Title of the legend. None: the name of y, if it has one.
        ax : matplotlib Axes, default=None
            Axes to draw on. None: new ones.
        **kwargs : dict
            Passed to `Axes.scatter` (for one code, `Axes.hist`).

        Returns
        -------
        display : LatentSpaceDisplay
        """
        check_methods(cls, estimator, "transform")
        return cls.from_predictions(
            estimator.transform(X),
            y,
            max_samples=max_samples,
            random_state=random_state,
            color_by=color_by,
            label_name=label_name,
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        codes,
        y=None,
        *,
        max_samples=2000,
        random_state=0,
        color_by="auto",
        label_name=None,
        ax=None,
        **kwargs,
    ):
        """Draw codes.

        Parameters
        ----------
        codes : array-like of shape (n_samples, n_components)
            What `transform` returns.
        y, max_samples, random_state, color_by, label_name, ax, **kwargs
            See `from_estimator`.

        Returns
        -------
        display : LatentSpaceDisplay

        Raises
        ------
        ValueError
            If the codes are no table of numbers, or y has another number of rows.
        """
        codes = codes.toarray() if hasattr(codes, "toarray") else np.asarray(codes)
        if codes.ndim != 2 or not codes.shape[1]:
            raise ValueError(
                f"codes has shape {codes.shape}; give a table of shape "
                "(n_samples, n_components), as transform returns it."
            )
        if label_name is None:
            label_name = getattr(y, "name", None)
        if y is not None:
            y = np.asarray(y)
            if y.shape != codes.shape[:1]:
                raise ValueError(
                    f"y has shape {y.shape}, but there are {len(codes)} rows of codes; give "
                    "one label or value a row."
                )
        rng, n_rows = check_random_state(random_state), len(codes)
        if max_samples is not None and len(codes) > max_samples:
            rows = np.sort(rng.choice(len(codes), max_samples, replace=False))
            codes, y = codes[rows], None if y is None else y[rows]
        embedding, names = _embed(codes, rng)
        if len(codes) < n_rows:
            names[0] += f" ({len(codes):,} of {n_rows:,} rows)"
        display = cls(codes, embedding, y=y, names=names)
        return display.plot(ax=ax, color_by=color_by, label_name=label_name, **kwargs)

    def plot(self, ax=None, *, color_by="auto", label_name=None, **kwargs):
        """Draw the codes.

        Parameters
        ----------
        ax, color_by, label_name, **kwargs
            See `from_estimator`.

        Returns
        -------
        display : LatentSpaceDisplay
        """
        if color_by not in ("auto", "label", "value"):
            raise ValueError(
                f"color_by={color_by!r}; it is one of 'auto', 'label' and 'value'."
            )
        figure, ax = open_axes(self, ax, (6.4, 4.8))
        names = self.names or [f"code {i}" for i in range(self.embedding.shape[1])]
        by_label = self.y is not None and _are_labels(self.y, color_by)
        groups = self._groups(by_label)
        if self.embedding.shape[1] == 1 and (by_label or self.y is None):
            self._draw_histograms(ax, groups, kwargs)
            ax.set(xlabel=names[0], ylabel="rows")
        elif self.embedding.shape[1] == 1:
            style = {"s": 16, "alpha": 0.7, "linewidths": 0, "color": label_colors(1)[0]}
            points = ax.scatter(self.embedding[:, 0], self.y, **{**style, **kwargs})
            self.artists_ = [points]
            ax.set(xlabel=names[0], ylabel=label_name or "y")
        else:
            self._draw_points(figure, ax, groups, by_label, label_name, kwargs)
            ax.set(xlabel=names[0], ylabel=names[1])
        if self.codes.shape[1] > 2:
            # t-SNE's coordinates have no unit and no origin.
            ax.set(xticks=[], yticks=[])
        if by_label:
            ax.legend(
                title=label_name,
                loc="center left",
                bbox_to_anchor=(1.0, 0.5),
                frameon=False,
                ncols=1 if len(groups) <= 12 else 2,
                # Points that can be seen, however small and many those of the picture are.
                **({} if self.embedding.shape[1] == 1 else {"markerscale": 1.6}),
            )
        self.ax_, self.figure_ = ax, figure
        return self

    def _groups(self, by_label):
        """Return label -> rows; None for all."""
        if not by_label:
            return {None: np.arange(len(self.codes))}
        labels = list(dict.fromkeys(sorted(self.y.tolist(), key=_order)))
        return {label: np.flatnonzero(self.y == label) for label in labels}

    def _draw_histograms(self, ax, groups, kwargs):
        edges = np.histogram_bin_edges(self.embedding[:, 0], bins=40)
        self.artists_ = []
        for (label, rows), color in zip(
            groups.items(), label_colors(len(groups)), strict=True
        ):
            style = {"bins": edges, "color": color, "alpha": 0.6, "label": label}
            _, _, patches = ax.hist(self.embedding[rows, 0], **{**style, **kwargs})
            self.artists_.append(patches)

    def _draw_points(self, figure, ax, groups, by_label, label_name, kwargs):
        size = float(np.clip(9000 / len(self.codes), 6, 30))
        style = {"s": size, "alpha": 0.75, "linewidths": 0}
        x, y = self.embedding.T
        if self.y is not None and not by_label:
            points = ax.scatter(x, y, c=self.y, **{**style, **kwargs})
            figure.colorbar(points, ax=ax, label=label_name or "y")
            self.artists_ = [points]
            return
        colors = label_colors(len(groups)) if by_label else [label_colors(1)[0]]
        self.artists_ = [
            ax.scatter(
                x[rows], y[rows], **{**style, "color": color, "label": label, **kwargs}
            )
            for (label, rows), color in zip(groups.items(), colors, strict=True)
        ]
        if not by_label:
            ax.grid(color=QUIET, alpha=0.15)


def _order(label):
    return (isinstance(label, str), str(label) if isinstance(label, str) else label)


def _are_labels(y, color_by):
    if color_by != "auto":
        return color_by == "label"
    if y.dtype.kind in "OUSb":
        return True
    return not type_of_target(y).startswith("continuous") and (
        len(np.unique(y)) <= MOST_LABELS
    )


def _embed(codes, rng):
    """Return one or two coordinates a row, and what they are called."""
    n_rows, n_components = codes.shape
    if n_components <= 2:
        return codes, [f"code {i}" for i in range(n_components)]
    if n_rows < 4:
        raise ValueError(
            f"{n_rows} rows are too few to lay {n_components} codes out by t-SNE; give 4 "
            "or more."
        )
    tsne = TSNE(perplexity=min(PERPLEXITY, (n_rows - 1) / 3), init="pca", random_state=rng)
    places = tsne.fit_transform(np.ascontiguousarray(codes, dtype=np.float32))
    return places, [f"t-SNE of {n_components} codes, axis {i}" for i in (1, 2)]
