"""Missing cells filled in a pipeline."""

import math
import zlib
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar, Self

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from skae._conditionals import ConditionalsMixin
from skae._documented import documented
from skae._parameters import ColumnParameters, MemoryParameters, RandomState
from skae._typing import Table
from skae.conditionals.division import batch_size_for
from skae.lazy.sampling import sample_of
from skae.table.encoder import TableEncoder
from skae.table.frame import Frame
from skae.table.identifiers import warn_of_identifiers
from skae.table.row_metadata import check_weights
from skae.table.rows import weighted_rows
from skae.table.validation import (
    check_fitted_table,
    check_table,
    column_names,
    warn_of_empty,
)


@documented
@dataclass(eq=False, repr=False, kw_only=True)
class AutoencoderImputer(
    ConditionalsMixin, TransformerMixin, ColumnParameters, MemoryParameters, BaseEstimator
):
    """Fill missing cells of mixed tables by networks that reconstruct hidden ones.

    The networks are masked autoencoders: in training they see a random part of a row's
    cells and give the distributions of the others, numbers and categories alike. They start
    at the conditional normal distributions of the columns' normal scores, or mixtures of
    them, pooled with those of the numbers as they are where these say more, and with what
    values that repeat go with, such as an article's number with a price; and they leave this
    where held-out rows are better for it. A cell is filled with what is expected given all
    cells of its row that are there, in one pass: no chain of imputations has to settle. What
    holds in every row (sums, products and other formulas, orders, extremes, bands of numbers,
    parts of dates, categories within categories) holds in filled rows, and tells cells
    exactly.

    Parameters
    ----------
    add_indicator : bool, default=False
        Whether columns are added that say which cells were missing, one for every column
        that had missing cells in fit, as in `IterativeImputer`.
    keep_empty_features : bool, default=False
        What `transform` does with columns that were wholly missing in fit, about which
        nothing is known. By default it leaves them out, as `IterativeImputer` does, so that
        what follows in a pipeline meets no missing cells. If True they are returned as they
        are, still missing (scikit-learn's imputers put 0 there).
    sample_posterior : bool, default=False
        Whether cells are drawn from their distribution instead of expected: for multiple
        imputation, with a fit each for another `random_state`. `impute` with `n_draws`
        draws as often as you like from one fit.
    max_iter : int, default=None
        Maximum number of epochs. None: as long as held-out rows gain, at most 2000 steps of
        256 rows, of 128 below 2,000 rows.
    random_state : int, RandomState instance or None, default=None
        Seeds the training, and the draws with ``sample_posterior=True``. Read by `fit`: one
        that is set later changes nothing until then.

    Attributes
    ----------
    loss_curve_ : list of float
        Mean negative log-likelihood of hidden cells of held-out rows, in nats: before the
        first step, and as training went on.
    n_iter_ : int
        Number of epochs run.

    See Also
    --------
    sklearn.impute.IterativeImputer : A chain of regressions; numbers only.
    VAETransformer : Its `impute` is the same, beside codes, a density and new rows.

    Notes
    -----
    Cells are supposed to be missing at random: whether a cell is missing depends on other
    cells, not on its own value. Numbers are filled with means, which are best for single
    cells but vary less than the column does; drawn ones vary as it does.

    References
    ----------
    Uria, Murray & Larochelle, A Deep and Tractable Density Estimator, 2014. Values that
    repeat: Zaidi, Cerquides, Carman & Webb, Alleviating Naive Bayes Attribute Independence
    Assumption by Attribute Weighting, 2013. Draws: Rubin, Multiple Imputation for
    Nonresponse in Surveys, 1987.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skae import AutoencoderImputer
    >>> rng = np.random.RandomState(0)
    >>> size = rng.choice(["small", "large"], 200)
    >>> weight = np.where(size == "small", 10.0, 30.0) + rng.randn(200)
    >>> parcels = pd.DataFrame({"size": size, "weight": weight.round(1)})
    >>> parcels.loc[[0, 1], "weight"] = None
    >>> filled = AutoencoderImputer(random_state=0).fit_transform(parcels)
    >>> bool(filled["weight"].notna().all())
    True
    """

    # The networks are small, and work on the processor.
    device = "cpu"
    # The loss of the rows that are trained on is not kept.
    _loss_curve_is_held_out = True

    add_indicator: bool = False
    keep_empty_features: bool = False
    sample_posterior: bool = False
    max_iter: int | None = None
    random_state: RandomState = None

    _parameter_constraints: ClassVar[dict] = {
        **ColumnParameters._parameter_constraints,
        **MemoryParameters._parameter_constraints,
        "add_indicator": ["boolean"],
        "keep_empty_features": ["boolean"],
        "sample_posterior": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Table, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Learn the columns' distributions given each other.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows to learn from, at least two. Cells may be missing; numbers must be finite.
            Of a table that is read in chunks and does not fit into `memory_limit`, a uniform
            sample of up to 100,000 rows is taken; see `AutoencoderTransformer.fit` for what
            such a table may be.
        y : Ignored
            Present for the API.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, of which only the ratios count. A row of weight 0 is left
            out.

        Returns
        -------
        self : object
            The fitted imputer.
        """
        X = sample_of(self, X, sample_weight=sample_weight)
        X = check_table(self, X, reset=True, min_samples=2)
        X = X.toarray() if issparse(X) else X
        weights = check_weights(sample_weight, X)
        rng = check_random_state(self.random_state)
        rows = weighted_rows(X, weights)
        rng.shuffle(rows)
        table = TableEncoder(
            categorical_features=self.categorical_features,
            ordinal_features=self.ordinal_features,
            min_frequency=self.min_frequency,
            max_categories=self.max_categories,
            missing=self.missing,
            keep_training_values=self.keep_training_values,
        )
        self._table = table.fit(X, rows, weights, column_names(self, X.shape[1]))
        if self.keep_empty_features:
            warn_of_empty(table)
        else:
            warn_of_empty(
                table,
                "transform leaves them out (keep_empty_features=True keeps them, missing)",
            )
        warn_of_identifiers(table, is_filled=True)
        self._draw_seed = rng.randint(np.iinfo(np.int32).max)
        max_steps = None
        if self.max_iter is not None:
            max_steps = self.max_iter * math.ceil(len(rows) / batch_size_for(len(rows)))
        self._fit_conditionals(X, rows, weights, max_steps)
        self.loss_curve_ = self._conditionals.losses
        self.n_iter_ = math.ceil(
            self._conditionals.n_steps * batch_size_for(len(rows)) / len(rows)
        )
        return self

    def transform(self, X: Table) -> Any:
        """Fill the missing cells of X.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.

        Returns
        -------
        X : data frame or ndarray of shape (n_samples, n_features_out)
            As `impute` returns it, without columns that were wholly missing in fit, unless
            ``keep_empty_features=True``; with ``add_indicator=True``, followed by a column
            per column that had missing cells in fit: 1 (True in a frame) where a cell of X
            was missing.
        """
        check_is_fitted(self)
        X = check_fitted_table(self, X, self._table)
        X = X.toarray() if issparse(X) else X
        values = self._table.values(X)
        if self.sample_posterior:
            # Of the same rows the same, in a copy of the imputer too; of others, such as the
            # next chunk of a table, other ones.
            seed = [self._draw_seed, zlib.crc32(np.ascontiguousarray(values).tobytes())]
            filled = self._conditionals.draw(values, np.random.RandomState(seed))
        else:
            filled = self._conditionals.expect(values)
        table = _take_columns(self._table.fill_values(X, filled), self._kept())
        table = self._with_indicators(X, table) if self.add_indicator else table
        # Of what is neither an array nor its own, pandas makes an array of objects.
        asked_for = _get_output_config("transform", self)["dense"]
        if asked_for == "pandas" and not isinstance(table, (np.ndarray, pd.DataFrame)):
            return nw.from_native(table, eager_only=True).to_pandas()
        return table

    def _kept(self):
        """Return the positions of the columns that `transform` returns."""
        is_empty = self._table.empty_ & (not self.keep_empty_features)
        return np.flatnonzero(~is_empty)

    def _with_indicators(self, X, table):
        holed = self._table.holed_
        if not isinstance(X, Frame):
            return np.hstack([table, np.isnan(X[:, holed]).astype(table.dtype)])
        nothing = np.zeros(len(X), dtype=bool)
        names = [f"missingindicator_{X.labels[i]}" for i in holed]
        taken = sorted(set(names) & set(X.labels))
        if taken:
            raise ValueError(
                f"add_indicator=True adds columns {taken}, which X has already; rename "
                "these, or use add_indicator=False."
            )
        cells = (X.column(i).missing for i in holed)
        missing = [nothing if own is None else own for own in cells]
        if not missing:
            return table
        if X.implementation.is_pandas():
            if table.columns.nlevels > 1:
                blank = ("",) * (table.columns.nlevels - 1)
                names = pd.MultiIndex.from_tuples([(name, *blank) for name in names])
            added = pd.DataFrame(dict(enumerate(missing)), index=table.index)
            return pd.concat([table, added.set_axis(names, axis=1)], axis=1)
        frame = nw.from_native(table)
        columns = [
            nw.new_series(name, own, nw.Boolean, backend=X.implementation)
            for name, own in zip(names, missing, strict=True)
        ]
        if not frame.columns:  # which has no rows then
            frame, columns = columns[0].to_frame(), columns[1:]
        return frame.with_columns(*columns).to_native()

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray:
        """Return the names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns, where those seen in fit had none.

        Returns
        -------
        names : ndarray of str
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        kept = names[self._kept()]
        if not self.add_indicator:
            return kept
        of_holes = [f"missingindicator_{names[i]}" for i in self._table.holed_]
        return np.concatenate([kept, np.array(of_holes, dtype=object)])

    def _move_to(self, device):
        """Leave the networks where they are."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _take_columns(table, columns):
    """Return some columns of a native table, by their positions."""
    if isinstance(table, np.ndarray):
        return table if len(columns) == table.shape[1] else table[:, columns]
    if isinstance(table, pd.DataFrame):
        return table if len(columns) == table.shape[1] else table.iloc[:, columns]
    frame = nw.from_native(table, eager_only=True)
    return table if len(columns) == frame.shape[1] else frame[:, columns].to_native()
