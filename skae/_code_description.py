"""What the codes of a fitted transformer mean: what each of them moves in the table."""

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from skae._entry import EntryPoints
from skae._typing import Table
from skae.table.meanings import spreads_of, what_is_said
from skae.table.validation import as_frame, check_fitted_table

# Rows whose codes are moved, and rows that are judged, at most.
N_MOVED = 500
# Where a code is low and high.
ENDS = 0.05, 0.95


class CodeDescriptionMixin(EntryPoints):
    """`describe_codes`, of transformers whose codes are numbers."""

    _table: Any
    n_components_: int

    def describe_codes(self, X: Table, *, n_examples: int = 3) -> pd.DataFrame:
        """Say what each code moves in the table.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit, two at least.
        n_examples : int, default=3
            Rows that are named as examples at either end of a code.

        Returns
        -------
        description : pandas.DataFrame
            For every code a line for each column of numbers and each level of a category,
            the strongest effects first, with these columns:

            - "code": the position of the code, from 0.
            - "explained": what the code adds to the fraction of the variance of X that the
              codes before it reconstruct, as in `explained_variance_ratio_`.
            - "column", by its label in X, and "level" of a category (None for numbers).
            - "effect": what a step of one standard deviation of the code changes, on average
              over the rows (at most 500 of them) and the values of the code in these: of
              numbers the number, in standard deviations of its column in X; of a level its
              probability.
            - "low", "high": the number, or the probability of the level, where the code is
              at its 5% and its 95% quantile, and the others at their medians. Dates and
              durations are such, dates in the time zone of their column.
            - "low_rows", "high_rows": the labels (in what is not of pandas, the positions) of
              the rows with the lowest and the highest codes, the farthest first.

        Raises
        ------
        ValueError
            If X has fewer than two rows, or `n_examples` is not a whole number, 0 or more.

        See Also
        --------
        skae.display.CodeDisplay : The same as a picture.

        Examples
        --------
        >>> import numpy as np
        >>> import pandas as pd
        >>> from skae import AutoencoderTransformer
        >>> size = np.linspace(-1.0, 1.0, 60)
        >>> X = pd.DataFrame({"height": 170 + 10 * size, "big": size > 0.0})
        >>> autoencoder = AutoencoderTransformer(1, random_state=0).fit(X)
        >>> description = autoencoder.describe_codes(X)
        >>> description.loc[description["level"].isna(), "column"].tolist()
        ['height']
        """
        check_is_fitted(self)
        if not isinstance(n_examples, Integral) or n_examples < 0:
            raise ValueError(f"n_examples={n_examples!r}; give a whole number, 0 or more.")
        labels = X.index if isinstance(X, pd.DataFrame) else None
        X = check_fitted_table(self, X, self._table)
        if X.shape[0] < 2:
            raise ValueError(
                "X has one row, whose codes do not vary; give the rows that the codes are to be "
                "described by, two or more."
            )
        codes = self._codes_of(X).astype(np.float64)
        labels = np.arange(len(codes)) if labels is None else labels
        explained, spreads = self._explained_by_codes(X), spreads_of(self._table, X)
        parts = []
        for code in range(self.n_components_):
            part = self._describe(codes, code, spreads)
            order = np.argsort(codes[:, code], kind="stable")
            ends = order[:n_examples], order[::-1][:n_examples]
            low, high = (labels[rows].tolist() for rows in ends)
            part.insert(0, "code", code)
            part.insert(1, "explained", explained[code])
            part["low_rows"], part["high_rows"] = [low] * len(part), [high] * len(part)
            parts.append(part)
        return pd.concat(parts, ignore_index=True)

    def _describe(self, codes, code, spreads):
        """Return the lines of one code.

        Of every row the code is exchanged for another row's: what that changes, by least
        squares, is the slope of the code's partial dependence. Smaller steps would miss
        jumps where no codes are, as between the codes of two levels.
        """
        own = codes[_evenly(len(codes), N_MOVED)]
        moved, order = own.copy(), np.random.RandomState(0).permutation(len(own))
        moved[order, code] = own[np.roll(order, 1), code]
        step = (moved - own)[:, code]
        step *= codes[:, code].std() / max(step @ step, np.finfo(float).tiny)
        ends = np.tile(np.median(codes, axis=0), (2, 1))
        ends[:, code] = np.quantile(codes[:, code], ENDS)
        before, after, at_ends = (self._said_of(rows) for rows in (own, moved, ends))
        cells = self._cells_at(ends)
        lines = []
        for said, now, at in zip(before, after, at_ends, strict=True):
            effects = step @ (now.amounts - said.amounts)
            if said.levels is None:
                spread = spreads[said.name]
                effects = effects / spread if spread > 0 else np.zeros(1)
                lines.append((said.name, None, effects[0], *cells[said.name]))
                continue
            for level, effect, p in zip(said.levels, effects, at.amounts.T, strict=True):
                lines.append((said.name, level, effect, *p.tolist()))
        names = ["column", "level", "effect", "low", "high"]
        described = pd.DataFrame(lines, columns=names, dtype=object)
        # Labels may be numbers or tuples.
        described["column"] = described["column"].infer_objects()
        described["effect"] = described["effect"].astype(float)
        by_size = described["effect"].abs().sort_values(ascending=False, kind="stable")
        return described.loc[by_size.index]

    def _said_of(self, codes):
        return what_is_said(self._table, self._decode_design(codes))

    def _cells_at(self, codes):
        """Return decoded numbers and times, dict of a column's name to a list."""
        decoded, features = self._decode(codes), self._table.design_.numeric.features
        frame, names = as_frame(decoded), self._table.names
        if frame is None:
            return {names[i]: decoded[:, i].tolist() for i in features}
        return {names[i]: _as_shown(frame.column(i)) for i in features}


def _as_shown(cells):
    """Return numbers, or times as pandas shows them: in their zone, if they have one."""
    values = pd.Series(cells.data)
    if cells.zone is not None:
        values = values.dt.tz_localize("UTC").dt.tz_convert(cells.zone)
    return values.tolist()


def _evenly(n, most):
    """Return at most so many of n positions, spread evenly."""
    return np.arange(n) if n <= most else np.linspace(0, n - 1, most).astype(int)
