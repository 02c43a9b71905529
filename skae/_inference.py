"""What a fitted transformer does with rows: block by block, in bounded memory."""

import copy
from contextlib import contextmanager
from numbers import Integral
from types import SimpleNamespace

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array, gen_batches
from sklearn.utils.validation import check_is_fitted

from skae.table.blocks import MISSING
from skae.table.rows import encode_block
from skae.table.validation import (
    as_frame_like,
    check_fitted_table,
    float_dtype,
    with_index_of,
)

# Cells of work space: what bounds the memory.
BLOCK_CELLS = 2_000_000
# Times that a network which knows no holes is asked for the missing cells.
N_FILLS = 5


class AppliesNetwork(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """Codes, rows, scores, explanations and filled gaps from a fitted network.

    A subclass says how the rows of a block score (`_score_block`), what error is explained
    (`_error_block`) and how it is shared out (`_blame_block`), and which numbers can be
    scored (`_check_kind`).
    """

    def transform(self, X):
        """Return the codes of the rows of X.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components_)
            In the floating dtype of X.
        """
        check_is_fitted(self)
        X = check_fitted_table(self, X, self._table)
        return self._transform(X)

    def _transform(self, X):
        codes = self._map_rows(_encode, X, self.n_components_)
        return codes.astype(float_dtype(X), copy=False)

    def inverse_transform(self, X):
        """Return the rows that the codes X stand for.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components_)
            Codes.

        Returns
        -------
        rows : ndarray or data frame of shape (n_samples, n_features_in_)
            In the original columns and units; a frame of the library that was fitted, if
            one was, with its dtypes. A category is the most probable one.
        """
        check_is_fitted(self)
        codes = check_array(X, dtype=[np.float64, np.float32])
        if codes.shape[1] != self.n_components_:
            raise ValueError(
                f"X has {codes.shape[1]} columns, but inverse_transform takes codes with "
                f"n_components_={self.n_components_} columns, as transform returns them."
            )
        return self._decode(codes)

    def interpolate(self, x, y, n_steps=10):
        """Return rows on the way from x to y: the codes between theirs, decoded.

        Parameters
        ----------
        x, y : data frame or array-like of shape (1, n_features), or a sequence of n_features
            Two rows with the columns seen in fit.
        n_steps : int, default=10
            Number of rows, two or more. The first and the last are what the network makes
            of x and y.

        Returns
        -------
        rows : ndarray or data frame of shape (n_steps, n_features_in_)
            In the original columns and units.
        """
        check_is_fitted(self)
        if not isinstance(n_steps, Integral) or n_steps < 2:
            raise ValueError(f"n_steps={n_steps!r}; ask for a whole number, 2 or more.")
        ends = [
            AppliesNetwork._transform(
                self, check_fitted_table(self, _one_row(name, row), self._table)
            )
            for name, row in (("x", x), ("y", y))
        ]
        dtype = np.result_type(*ends)
        share = np.linspace(0.0, 1.0, n_steps)[:, None]
        return self._decode(((1.0 - share) * ends[0] + share * ends[1]).astype(dtype))

    def _decode(self, codes):
        return self._table.decode(self._decode_design(codes), codes.dtype)

    def _decode_design(self, codes):
        """Return the decoder's output for codes: numbers in standard units, and logits."""
        out = np.empty((len(codes), self._table.layout_.n_outputs), dtype=codes.dtype)
        with self._network(codes.dtype) as lent:
            for block in self._blocks(len(codes)):
                z = torch.from_numpy(codes[block].astype(lent.dtype)).to(self.device_)
                out[block] = lent.network.decoder(z).cpu().numpy()
        return out

    def score_samples(self, X):
        """Return one number a row; higher is more normal.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.

        Returns
        -------
        scores : ndarray of shape (n_samples,), dtype float64
            See the class for the unit.
        """
        check_is_fitted(self)
        X = check_fitted_table(self, X, self._table)
        return self._score_samples(X)

    def _score_samples(self, X):
        self._check_kind(X)
        scores = self._map_rows(self._score_block, X, None, self._score_copies())
        return scores.astype(np.float64, copy=False)

    def _score_copies(self):
        """Return how many copies of a row are at work at a time in `_score_block`."""
        return 1

    def score(self, X, y=None):
        """Return the mean of `score_samples(X)`.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.
        y : Ignored
            Present for the API.

        Returns
        -------
        score : float
            Higher is better.
        """
        return float(self.score_samples(X).mean())

    def explain(self, X, *, expected=False):
        """Say which cells make a row anomalous.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.
        expected : bool, default=False
            Whether to return as well what each cell should have been.

        Returns
        -------
        contributions : data frame of shape (n_samples, n_features_in_)
            How much each cell adds to the row's anomaly score: none is negative, a
            missing cell adds 0. A cell bears the more of it, the more the score falls
            when the cell is replaced by what the others imply. See the class for the
            score that they sum to.
        expected : data frame or ndarray of shape (n_samples, n_features_in_)
            Only with ``expected=True``: every cell as the network restores it from the
            others.
        """
        check_is_fitted(self)
        X = check_fitted_table(self, X, self._table)
        contributions, design = self._explain(X)
        contributions = as_frame_like(self, X, contributions)
        if not expected:
            return contributions
        return contributions, with_index_of(X, self._table.decode(design, float_dtype(X)))

    def _errors(self, X):
        """Return what the contributions of `_explain` sum to."""
        self._check_kind(X)
        errors = self._map_rows(self._error_block, X, None, self._score_copies())
        return errors.astype(np.float64)

    def _explain(self, X):
        """Return the cells' contributions, and what the decoder expects in their place."""
        self._check_kind(X)
        layout = self._table.layout_

        def block(lent, x, cells):
            return torch.cat(self._blame_block(lent, x, cells, layout), dim=1)

        width = layout.n_features + layout.n_outputs
        both = self._map_rows(block, X, width, self._score_copies()).astype(np.float64)
        return both[:, : layout.n_features], both[:, layout.n_features :]

    def impute(self, X):
        """Fill the missing cells.

        Parameters
        ----------
        X : data frame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows with the columns seen in fit.

        Returns
        -------
        X : data frame or ndarray of shape (n_samples, n_features_in_)
            A copy, in which the cells that were missing are what the network expects in
            their place, given the others. A column that was wholly missing in fit stays
            as it is.
        """
        check_is_fitted(self)
        X = check_fitted_table(self, X, self._table)
        design = self._map_rows(self._fill_block, X, self._table.layout_.n_outputs)
        return self._table.fill(X, self._table.decode(design, float_dtype(X)))

    def _fill_block(self, lent, x, cells):
        """Return decoder outputs for the rows that have missing cells, zeros for others."""
        layout = self._table.layout_
        filled = torch.zeros(len(x), layout.n_outputs, dtype=x.dtype, device=x.device)
        if cells is None:
            return filled
        rows = (cells == MISSING).any(1).nonzero().squeeze(1)
        x, cells = x[rows].clone(), cells[rows]
        # A network knows what to make of a hole in a column that had holes in fit. In any
        # other an empty cell is an average one to it: what it makes of the cell is put in
        # its place, and again.
        strange = [
            (columns, holes)
            for feature, columns in enumerate(layout.outputs_of_features())
            if feature not in layout.holed
            and len(holes := (cells[:, feature] == MISSING).nonzero().squeeze(1))
        ]
        for _ in range(N_FILLS if strange else 1):
            output = lent.network.decoder(lent.network.encode(x))
            for columns, holes in strange:
                x[holes, columns] = layout.as_design(output[holes, columns], columns)
        filled[rows] = output
        return filled

    @property
    def encoder_(self):
        """The encoder, a torch module; inputs are rows in standard units."""
        return self.net_.module_.encoder

    @property
    def decoder_(self):
        """The decoder, a torch module; outputs are rows in standard units."""
        return self.net_.module_.decoder

    @property
    def _n_features_out(self):
        return self.n_components_

    def _map_rows(self, function, X, width, copies=1):
        """Apply `function(lent, design, cells)` block by block; see `_network`."""
        n_rows = X.shape[0]
        shape = (n_rows,) if width is None else (n_rows, width)
        with self._network(float_dtype(X)) as lent:
            out = np.empty(shape, dtype=lent.dtype)
            for block in self._blocks(n_rows, copies):
                out[block] = self._map_block(function, lent, X[block])
        return out

    def _map_block(self, function, lent, X):
        """Return the result for one block; halves it where the device has too little memory."""
        try:
            design, cells = encode_block(self._table, X, self.device_, lent.dtype)
            return function(lent, design, cells).cpu().numpy()
        except torch.OutOfMemoryError:
            half = X.shape[0] // 2
            if not half:
                raise
        parts = [self._map_block(function, lent, part) for part in (X[:half], X[half:])]
        return np.concatenate(parts)

    def _blocks(self, n_rows, copies=1):
        layout = self._table.layout_
        widest = max(
            layout.n_inputs,
            *self.hidden_layer_sizes_,
            self.n_components_,
            self.network_.width(layout),
        )
        return gen_batches(n_rows, max(1, BLOCK_CELLS // (widest * copies)))

    @contextmanager
    def _network(self, dtype):
        """Lend the network, the criterion and the dtype of rows, for inference in `dtype`.

        float64 rows are worked on in float64: a row's result then does not depend, to
        float32's last digits, on which rows stand beside it.
        """
        network, criterion = self.net_.module_.eval(), self.net_.criterion_.eval()
        if dtype == np.float64 and self.device_.type != "mps":
            network = copy.deepcopy(network).double()
            criterion = copy.deepcopy(criterion).double()
        else:
            dtype = np.float32
        with torch.no_grad():
            yield SimpleNamespace(network=network, criterion=criterion, dtype=dtype)


def _one_row(name, row):
    """Return a table of one row."""
    if not hasattr(row, "columns") and np.ndim(row) == 1:
        row = np.asarray(row)[None]
    if np.shape(row)[0] != 1:
        raise ValueError(
            f"{name} has {np.shape(row)[0]} rows; interpolate goes from one row to another, "
            "so give one."
        )
    return row


def _encode(lent, x, cells):
    return lent.network.encode(x)
