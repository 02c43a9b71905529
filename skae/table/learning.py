"""What is learned of a table before training: kinds, statistics, levels, absences."""

import numpy as np

from skae.table.anonymity import LEAST_ROWS
from skae.table.blocks import BLOCKS, AbsenceBlock, Design, NumberBlock, Settings
from skae.table.choice import choose_absences, choose_kinds
from skae.table.frame import Frame
from skae.table.identifiers import refuse_identifiers_only
from skae.table.writing import classes_of_objects, template_of_levels


class TableLearner:
    """Learns the blocks of a table's columns, from rows at hand or chunk by chunk.

    The part of `TableEncoder` that `fit` runs; parameters and attributes are told there.
    """

    def fit(self, X, rows=None, sample_weight=None, names=None):
        """Learn the columns from `X[rows]`.

        Parameters
        ----------
        X : ndarray, csr matrix or Frame
        rows : ndarray of int, default=None
            None: all.
        sample_weight : ndarray of shape (n_samples,), default=None
        names : sequence of str, default=None
            Column names for messages.

        Raises
        ------
        ValueError
            If a column cannot be encoded, its variance is beyond float64, or all columns
            are left out.
        """
        rows = np.arange(X.shape[0]) if rows is None else rows
        kinds = self._begin(X, names)
        self._start_anew(kinds, X, rows, sample_weight)
        self.identifiers_, self.empty_ = map(self._by_feature, ("identifiers", "empty"))
        if self.leave_out_identifiers and self.identifiers_.any():
            refuse_identifiers_only(self)
            pairs = zip(kinds, self.identifiers_, strict=True)
            kinds = ["empty" if left_out else kind for kind, left_out in pairs]
            self._start_anew(kinds, X, rows, sample_weight)
            for block in self._blocks:
                block.empty |= self.identifiers_[block.features]
        self._learn_absences(X, rows, sample_weight)
        return self._finish(X, rows)

    def begin(self, X, names=None):
        """Note what kinds of columns X has; of its cells `learn_chunk` learns.

        Parameters
        ----------
        X : ndarray or Frame
            First rows of a table that comes in chunks.
        names : sequence of str, default=None

        Raises
        ------
        ValueError
            As in `fit`.
        """
        self._place_columns(self._begin(X, names))

    def learn_chunk(self, chunk):
        """Go on learning, levels as well, from rows of a table that comes in chunks.

        Parameters
        ----------
        chunk : ndarray or Frame

        Raises
        ------
        ValueError
            As in `fit`, and if the kind of a column is another than in the first rows.
        """
        for i, column in enumerate(self.columns_ or ()):
            if column.kind == "empty" and not chunk.column(i).all_missing:
                raise ValueError(
                    f"Column {column.name!r} has no cell in the first rows of X, but some "
                    "later; give it a dtype that says what they are, or put rows with cells "
                    "in the column first."
                )
        for block in self._blocks:
            block.empty[:] = False  # so far
        self.check(chunk)
        self._learn(chunk, np.arange(chunk.shape[0]), None)

    def merge(self, other):
        """Take what another encoder, begun alike, has learned of further chunks.

        Parameters
        ----------
        other : TableEncoder

        Returns
        -------
        self : TableEncoder
        """
        for block, theirs in zip(self._blocks, other._blocks, strict=True):
            block.merge(theirs)
        self._n_rows += other._n_rows
        return self

    def finish_chunks(self, sample):
        """Settle what was learned from chunks.

        Parameters
        ----------
        sample : ndarray or Frame
            Rows from all over, for medians and quantiles.
        """
        self._find_empty()
        self.identifiers_ = self._by_feature("identifiers")
        rows = np.arange(sample.shape[0])
        self._learn_absences(sample, rows, None)
        if self._absence is not None:
            self._absence.recount(self._by_feature("n_missing"), self._n_rows)
        return self._finish(sample, rows)

    def _begin(self, X, names):
        """Return the kinds of the columns of X, whose names and dtypes are noted."""
        self.names = [f"x{i}" for i in range(X.shape[1])] if names is None else list(names)
        self.template_, self._objects = None, {}
        if isinstance(X, Frame):
            self.names, self.template_ = X.labels, X.template
            self._objects = classes_of_objects(X.native)
        kinds, self._asked_for = choose_kinds(
            X, self.names, self.categorical_features, self.ordinal_features
        )
        return kinds

    def _finish(self, X, rows):
        """Settle what was learned; `X[rows]` tells medians and quantiles."""
        self._settle(X, rows)
        if not self.design_.n_outputs:
            raise ValueError(
                f"Columns {self.names} are ordered and hold a single level each, or all of "
                "their levels are rare: nothing is left to learn. Use "
                "ordinal_features=None, which leaves their order out, a lower "
                "min_frequency, or leave in a column that varies."
            )
        for block in self._blocks:
            block.refine(X, rows)
        if self.template_ is not None and not self.keep_training_values:
            self.template_ = template_of_levels(self.template_, self.columns_)
        return self

    def _learn_absences(self, X, rows, sample_weight):
        """Settle what missing cells are, and learn of those that are levels."""
        self.empty_, n_missing = map(self._by_feature, ("empty", "n_missing"))
        asked = self.missing, self.names, n_missing > 0, self.empty_
        owners = choose_absences(*asked)
        self._unknown = ~self.empty_
        self._unknown[owners] = False
        self._indicated = np.flatnonzero((n_missing > 0) & self._unknown)
        if len(owners):
            names = [self.names[i] for i in owners]
            absence = AbsenceBlock(owners, names, len(self.names), self.handle_unknown)
            absence.learn(X, rows, sample_weight)
            self._absence = absence

    @property
    def least_rows(self):
        """Rows that a value tells of which is kept."""
        return 1 if self.keep_training_values else LEAST_ROWS

    def _start_anew(self, kinds, X, rows, sample_weight):
        """Learn from the rows what columns of these kinds hold."""
        self._place_columns(kinds)
        self._learn(X, rows, sample_weight)
        self._find_empty()

    def _place_columns(self, kinds):
        """Make the blocks of columns of these kinds, which have learned nothing yet."""
        self._blocks, self._absence = self._make_blocks(kinds), None
        self.columns_ = None
        if self.template_ is not None:
            self._place = {
                int(feature): (block, j)
                for block in self._blocks
                for j, feature in enumerate(block.features)
            }
            places = (self._place[i] for i in range(len(kinds)))
            self.columns_ = [block.readers[j] for block, j in places]
        self._n_rows = 0

    def _find_empty(self):
        for block in self._blocks:
            block.empty = block.n_missing == self._n_rows

    def partial_fit(self, X, rows, sample_weight=None):
        """Go on learning means, variances and proportions of levels from more rows."""
        self._learn(X, rows, sample_weight)
        if not isinstance(self.scale, str):
            self._settle(X, rows)
        return self

    def _make_blocks(self, kinds):
        settings = Settings(
            self.scale,
            self.handle_unknown,
            self.min_frequency,
            self.max_categories,
            self.least_rows,
        )
        blocks = []
        for make in dict.fromkeys(BLOCKS.values()):
            own = [i for i, kind in enumerate(kinds) if BLOCKS[kind] is make]
            if own or make is NumberBlock:
                of_own = [kinds[i] for i in own], [self.names[i] for i in own]
                blocks.append(make(own, *of_own, settings, self.template_ is not None))
        return blocks

    def _by_feature(self, attribute):
        """Return what the blocks know of their columns, in the order of the table's."""
        of_blocks = np.concatenate([getattr(block, attribute) for block in self._blocks])
        features = np.concatenate([block.features for block in self._blocks])
        return of_blocks[np.argsort(features)]

    @property
    def _all_blocks(self):
        return [*self._blocks, *([] if self._absence is None else [self._absence])]

    def _learn(self, X, rows, sample_weight):
        for block in self._all_blocks:
            block.learn(X, rows, sample_weight)
        self._n_rows += len(rows)

    def _settle(self, X, rows):
        for block in self._all_blocks:
            block.settle(X, rows)
        self.design_ = Design(self._blocks, self._indicated, self._absence)
