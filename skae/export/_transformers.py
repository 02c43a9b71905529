"""What transformers, and the critic of a sampler, make of a row, as torch modules."""

import torch

from skae._blockwise import N_FILLS
from skae.export._copies import copy_for_inference
from skae.export._graph import Graph
from skae.table.blocks import MISSING
from skae.table.graph import TableGraph
from skae.vqvae import VQVAETransformer


class NetworkGraph(Graph):
    """Encoded rows by a fitted transformer: codes, reconstructions, scores.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitted.
    given : list of RawColumn
        What the cells of rows are given as.
    """

    def __init__(self, estimator, given):
        super().__init__()
        self.table = TableGraph(estimator._table, given)
        model = estimator.net_.module_
        settings = {name: getattr(estimator, name) for name in model.scoring_parameters}
        self.model = copy_for_inference(model, settings)
        self.by_index = (
            isinstance(estimator, VQVAETransformer) and estimator.encoding == "indices"
        )
        self._learn_unforeseen(estimator._table)

    def _learn_unforeseen(self, table):
        """Learn which columns hold cells whose absence the network has not learned."""
        design = table.design_
        unforeseen = ~torch.from_numpy(table.empty_)
        unforeseen[design.missing_indicators] = False
        self.n_fills = N_FILLS if unforeseen.any() else 0
        self.register_buffer("unforeseen", unforeseen)
        self.register_buffer("owner", design.feature_of_output)

    def encode(self, numbers, indices):
        x, states = self.table(numbers, indices)
        return (x,), (states,)

    def _unforeseen(self, rest):
        return (rest[0] == MISSING) & self.unforeseen

    def is_holed(self, xs, rest):
        return self._unforeseen(rest).any()

    def fill(self, xs, rest):
        (x,), n_outputs = xs, self.owner.shape[0]
        hidden = self._unforeseen(rest).index_select(1, self.owner)
        output = self.model(x)
        parts = zip(self.table.blocks, self.table.columns, strict=True)
        expected = [
            # Numbers are their own expectation.
            block.block.expected(output[:, columns]) if number else output[:, columns]
            for number, (block, columns) in enumerate(parts)
        ]
        filled = torch.where(hidden, torch.cat(expected, dim=1), x[:, :n_outputs])
        return (torch.cat([filled, x[:, n_outputs:]], dim=1),)

    def finish(self, xs, rest, methods):
        return tuple(getattr(self, name)(xs[0], rest[0]) for name in methods)

    def transform(self, x, states):
        """Return the codes of rows, (n, n_components)."""
        return self.model.indices(x) if self.by_index else self.model.encode(x)

    def reconstruct(self, x, states):
        """Return numbers and indices of the rows as the network reconstructs them."""
        output = self.model.decode(self.model.encode(x))
        return self.table.decode(output)

    def score_samples(self, x, states):
        """Return the scores of rows, (n,)."""
        return self.model.score(x, states)

    def errors(self, x, states):
        """Return how anomalous rows are, (n,), not negative."""
        return self.model.error(x, states)


class CriticGraph(Graph):
    """Encoded rows by the critic of a fitted `GANSampler`.

    Parameters
    ----------
    estimator : GANSampler
    given : list of RawColumn
    """

    def __init__(self, estimator, given):
        super().__init__()
        self.table = TableGraph(estimator._table, given)
        self.critic = copy_for_inference(estimator.critic_)

    def encode(self, numbers, indices):
        return self.table(numbers, indices)[:1], ()

    def finish(self, xs, rest, methods):
        return tuple(self.critic(xs[0]) for _ in methods)
