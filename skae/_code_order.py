"""Codes in the order of what they reconstruct, as principal components are."""

import numpy as np
import torch
from numpy.typing import NDArray

from skae._entry import EntryPoints
from skae.models.code_learning import choose_trust, learn
from skae.models.first_codes import Rows, best_order, loading_signs, ratios
from skae.models.losses import ColumnLosses, squared_error
from skae.models.precision import forget
from skae.table.rows import encode_block

# Rows, and cells of their design, that order, ratios and signs are learned from at most.
N_ROWS, N_CELLS = 2000, 4_000_000
# Steps in which the order is learned: a fraction of those of training, and so many at most.
OF_TRAINING, MAX_STEPS = 0.2, 100
# Of more codes than these nothing is learned of those that are left out.
MAX_COMPLETED = 200


class OrderedCodesMixin(EntryPoints):
    """What a fit learns of the codes' order.

    Attributes
    ----------
    explained_variance_ratio_ : ndarray of shape (n_components_,)
        What each code adds to the fraction of the variance that is reconstructed from the
        codes before it, on held-out rows (at most 2,000; training rows, where none are held
        out); see `reconstruct`. Their sum is the fraction that all reconstruct. Columns
        count as in the loss, numbers by their squared errors, categories by their
        cross-entropies. Unlike PCA's a ratio may exceed the one before, where a code tells
        more beside another than alone.
    """

    explained_variance_ratio_: NDArray[np.float64]

    def _order_codes(self, data, model, n_learned):
        """Put the codes of a model into an order; learn what the first ones say.

        Parameters
        ----------
        data : TrainingRows
        model : Model
        n_learned : int
            The first rows, which the model has been trained on; the others judge.

        Returns
        -------
        ratios : ndarray of shape (n_components_,)
        trust : tuple of torch.Tensor, or None
            Of `choose_trust`; None: nothing is completed.
        """
        model.has_other_weights = False
        if not self._warns_of_columns:  # of a part of a table nobody asks
            return None
        net, n_rows = self.net_, len(data.source)
        held_out = n_learned if n_learned < n_rows else 0
        stays = net.best_epoch_ == 0 and self.init == "pca"
        is_start = stays and not model.is_completed  # not what a fit before has made
        model.eval()
        with torch.no_grad():
            # Principal components are of these rows, held out or not.
            of_all = is_start and not data.is_separate
            learned = self._rows_of(data, 0, n_rows if of_all else n_learned)
            judging = self._rows_of(data, held_out, n_rows)
            if not net.goes_on:
                if is_start or not stays:
                    self._learn_order(model, learned, data.n_train_of_all, is_start)
                codes, x = model.encode(learned.x), learned.x
                signs = torch.ones(codes.shape[1], device=codes.device)
                if model.codes_have_signs:
                    signs = loading_signs(codes, x[:, : self._table.design_.n_outputs])
                    signs = signs.to(codes.device)
                if (signs < 0).any():
                    model.rearrange(torch.arange(len(signs), device=signs.device), signs)
            trust = None
            if model.is_completed:
                model.completion.trust = trust = choose_trust(model, judging, is_start)
            found = np.array(ratios(model, judging, self._without_codes()))
        forget(model)
        return found, trust

    def _learn_order(self, model, rows, n_train, is_start):
        """Turn or sort the codes, unless they are principal components, and complete them.

        Of numbers alone the first principal components say the most as they are; of levels
        they may be sure of what is wrong.
        """
        n_numbers = self._table.design_.numeric.width
        has_levels = self._table.design_.n_outputs > n_numbers
        if is_start and not (model.shrinks or has_levels):
            return
        turns = model.turns_codes and not is_start
        if not turns and not is_start:
            order = torch.tensor(best_order(model, rows, self._without_codes()))
            if (order != torch.arange(len(order))).any():
                order = order.to(self.device_)
                model.rearrange(order, torch.ones_like(order, dtype=torch.float32))
        if self.n_components_ <= MAX_COMPLETED:
            start, stop = self.net_.refit_span_
            n_epochs = start if stop > start else len(self.net_.history)
            n_steps = int(OF_TRAINING * n_epochs * -(-n_train // self.batch_size_))
            n_steps = None if is_start else min(n_steps, MAX_STEPS)
            learn(model, rows, self._without_codes(), n_numbers, n_steps, turns=turns)

    def _keep_order(self, found, judged):
        """Keep what `_order_codes` returned, or what it did before all rows were trained on."""
        if found is None:
            return
        model = self.net_.module_
        self.explained_variance_ratio_, trust = judged or found
        if model.is_completed and trust is not None:
            model.completion.trust = tuple(part.clone() for part in trust)
            forget(model)

    def _rows_of(self, data, start, stop):
        """Return rows `start` to `stop` of all workers, so many as are worth it."""
        workers = self._workers
        n_rows = max(2, min(N_ROWS, N_CELLS // max(self._table.design_.n_inputs, 1)))
        rows = slice(start, min(stop, start + -(-n_rows // workers.size)))
        x, observed = data.source[rows]
        parts = [x, observed, None if data.weights is None else data.weights[rows]]
        if workers.size > 1:  # all are to find the same order
            given = workers.gathered(
                [part if part is None else part.cpu() for part in parts]
            )
            sizes = [len(x) for x, *_ in given]
            parts = [_joined(of_all, sizes) for of_all in zip(*given, strict=True)]
            parts = [part if part is None else part.to(self.device_) for part in parts]
        return Rows(*parts, self._cost())

    def _explained_by_codes(self, X):
        """Return what every code adds to what those before explain of rows, list."""
        n_rows = X.shape[0]
        most = max(2, min(N_ROWS, N_CELLS // max(self._table.design_.n_inputs, 1)))
        step = -(-n_rows // most)
        with self._model_for(np.float32) as (model, _):
            rows = encode_block(self._table, X[np.arange(0, n_rows, step)], self.device_)
            return ratios(model, Rows(*rows, None, self._cost()), self._without_codes())

    def _cost(self):
        """Return what rows cost: numbers squared errors, categories cross-entropies."""
        columns = ColumnLosses(
            self._table.design_,
            squared_error,
            weighted=True,
            column_weight=self._column_weight,
        )
        return columns.to(self.device_).mean

    def _without_codes(self):
        """Return the decoder's output without any code, shape (n_outputs,)."""
        return torch.cat(
            [block.start(None, None)[1] for block in self._table.design_.blocks]
        )


def _joined(parts, sizes):
    """Return the rows of all parts; None: their cells are observed, or their weights 1."""
    like = next((part for part in parts if part is not None), None)
    if like is None:
        return None
    ones = (like.new_ones((size, *like.shape[1:])) for size in sizes)
    return torch.cat(
        [o if part is None else part for part, o in zip(parts, ones, strict=True)]
    )
