"""Scores of rows by the networks that have not seen their fold."""

import torch
from sklearn.utils import gen_batches

from skae.attribution.counterfactual import attribute_by_search
from skae.table.blocks import MISSING

# Work space in cells: on a CPU what stays in its cache (and what the allocator keeps: larger
# tensors are given back to the system at every step), on a GPU what keeps it busy.
BLOCK_CELLS, GPU_BLOCK_CELLS = 120_000, 20_000_000


class FoldScorer:
    """The networks that leave out one fold, ready to score rows of that fold.

    Rows `x` are tensors of shape (n, width) in the detector's cell space, and `observed`
    says which of their cells are observed, a tensor of uint8 of shape (n, n_features), or
    None if all are.

    Parameters
    ----------
    ensemble : DenoisingEnsemble
    fold : int
    dtype : numpy dtype
        Of the rows.

    Attributes
    ----------
    block_size : int
        Rows that are best scored at a time.
    """

    def __init__(self, ensemble, fold, dtype):
        of_fold, precision = ensemble.networks_of(fold), getattr(torch, dtype.name)
        self.networks = networks = ensemble.networks.select(of_fold, precision)
        self.projection, self.space = ensemble.projections[fold], ensemble.space
        self.grid, self.code_weight = ensemble.grid, ensemble.code_weight
        device = networks.weights[0].device
        self.error_scales = torch.tensor(
            ensemble.error_scales[of_fold], dtype=precision, device=device
        )
        widest = max(weight.shape[2] for weight in networks.weights)
        self.codes = None
        if ensemble.codes is not None:
            codes = ensemble.codes[of_fold].to(precision)
            widest = max(widest, codes.shape[1])
            self.codes = codes.transpose(1, 2).contiguous()
            self.squared_codes = codes.square().sum(2)[:, None]
        n_cells = BLOCK_CELLS if device.type == "cpu" else GPU_BLOCK_CELLS
        self.block_size = max(16, n_cells // (widest * networks.n_networks))

    def errors(self, x, observed):
        """Return the error, and the code distance, of rows in every network.

        Returns
        -------
        errors : torch.Tensor of shape (n, n_networks, 1 or 2)
            The mean squared error of the observed cells and, if codes count, the squared
            distance to the nearest known code.
        """
        z, reconstructed, codes = self._reconstruct(x)
        errors = self._sum_of_squares(x, z, reconstructed, observed)
        n_cells = x.new_tensor(float(self.space.design.n_features))
        if observed is not None:
            n_cells = self.space.counts(observed).to(x.dtype)
        errors = errors / n_cells
        if self.codes is None:
            return errors.T[:, :, None]
        # |h - r|^2 = |h|^2 + |r|^2 - 2 h r; the first is the same for all r.
        nearest = torch.baddbmm(self.squared_codes, codes, self.codes, alpha=-2.0).amin(2)
        distances = (nearest + codes.square().sum(dim=2)).clamp(min=0.0)
        return torch.stack([errors.T, distances.T], dim=2)

    def anomaly(self, x, observed):
        """Return the anomaly of rows, ``-score_samples``, of shape (n,)."""
        ratios = self.errors(x, observed) / self.error_scales
        terms = torch.log2(1.0 + ratios).mean(dim=1)
        anomaly, weight = terms[:, 0], self.code_weight
        if self.codes is not None:
            anomaly = (anomaly + weight * terms[:, 1]) / (1.0 + weight)
        if observed is not None:
            # Of a row without cells nothing is known.
            anomaly = anomaly * (observed != MISSING).any(dim=1)
        return anomaly

    def explain(self, x, observed):
        """Attribute the anomaly of rows to their cells.

        Returns
        -------
        explained : torch.Tensor of shape (n, n_features + n_outputs)
            The contributions of the cells, then the expected rows as a decoder's output.
        """
        errors = self._cell_errors(x, observed)
        contributions, expected = attribute_by_search(
            self._blockwise_anomaly, errors, x, observed, self.space, self.grid
        )
        return torch.cat([contributions, self.space.leave(expected)], dim=1)

    def _blockwise_anomaly(self, x, observed):
        blocks = [
            self.anomaly(x[block], None if observed is None else observed[block])
            for block in gen_batches(len(x), self.block_size)
        ]
        return torch.cat(blocks)

    def _reconstruct(self, x):
        """Return what the networks see of `x`, what they make of it, and their codes."""
        z = x if self.projection is None else self.projection.transform(x)
        codes = self.networks.encode(z.expand(self.networks.n_networks, -1, -1))
        return z, self.networks.decode(codes), codes

    def _sum_of_squares(self, x, z, reconstructed, observed):
        """Return the squared errors of rows, summed over cells, (n_networks, n)."""
        if observed is None:
            errors = (reconstructed - z).square_().sum(dim=2)
            if self.projection is not None:
                errors = errors + self.projection.squared_residual(x, z)
            return errors
        if self.projection is not None:
            reconstructed = self.projection.inverse_transform(reconstructed)
        mask = self.space.observed(observed).to(x.dtype)
        errors = torch.einsum("mnc,nc->mn", (reconstructed - x).square_(), mask)
        return errors + self.space.unseen_costs(observed, x.dtype).sum(dim=1)

    def _cell_errors(self, x, observed):
        """Return the squared errors of the cells, averaged over the networks.

        Returns
        -------
        errors : torch.Tensor of shape (n, n_features)
        """
        _, reconstructed, _ = self._reconstruct(x)
        if self.projection is not None:
            reconstructed = self.projection.inverse_transform(reconstructed)
        errors = (reconstructed - x).square_().mean(dim=0)
        if observed is None:
            return self.space.sum_to_cells(errors)
        errors = self.space.sum_to_cells(errors * self.space.observed(observed))
        return errors + self.space.unseen_costs(observed, x.dtype)
