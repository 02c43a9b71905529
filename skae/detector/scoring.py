"""Scores of rows by the networks of one fold."""

import copy

import torch
from sklearn.utils import gen_batches

# Work space in bytes: on a CPU what stays in its cache (and what the allocator keeps: larger
# tensors are given back to the system at every step), on a GPU what keeps it busy.
BLOCK_BYTES, GPU_BLOCK_BYTES = 1_000_000, 160_000_000
# Rows of a block at least: with fewer, reading the known codes takes longer than the sums.
LEAST_BLOCK = 256
# Times that missing cells are filled with what the networks make of the row: networks that
# were trained without holes come near what the other cells say step by step.
N_FILLS = 8


class Judges:
    """The networks of an ensemble in the precision of the rows that they judge.

    Parameters
    ----------
    ensemble : DenoisingEnsemble
    precision : torch.dtype

    Attributes
    ----------
    networks : BatchedMLP
    codes : torch.Tensor of shape (n_networks, n_hidden, n_rows) or None
        Known codes, if they count.
    error_scales : torch.Tensor of shape (n_networks, 1 or 2)
    code_weight : float
    """

    def __init__(self, ensemble, precision):
        self.networks = ensemble.networks.select(slice(None), precision)
        self.code_weight, self.codes = ensemble.code_weight, None
        device = self.networks.weights[0].device
        scales = torch.from_numpy(ensemble.error_scales)
        self.error_scales = scales.to(device=device, dtype=precision)
        if ensemble.codes is not None:
            codes = ensemble.codes.to(precision)
            self.codes = codes.transpose(1, 2).contiguous()
            self.squared_codes = codes.square().sum(2)[:, None]

    def of(self, networks):
        """Return some of the networks, a slice, without a copy of them."""
        some = copy.copy(self)
        some.networks = self.networks.select(networks, self.error_scales.dtype)
        some.error_scales = self.error_scales[networks]
        if self.codes is not None:
            some.codes = self.codes[networks]
            some.squared_codes = self.squared_codes[networks]
        return some

    def with_distances(self, errors, codes):
        """Return errors (n_networks, n) beside the distances of codes, if they count.

        Parameters
        ----------
        errors : torch.Tensor of shape (n_networks, n)
        codes : torch.Tensor of shape (n_networks, n, n_hidden)

        Returns
        -------
        errors : torch.Tensor of shape (n, n_networks, 1 or 2)
        """
        if self.codes is None:
            return errors.T[:, :, None]
        # |h - r|^2 = |h|^2 + |r|^2 - 2 h r; the first is the same for all r.
        nearest = torch.baddbmm(self.squared_codes, codes, self.codes, alpha=-2.0).amin(2)
        distances = (nearest + codes.square().sum(dim=2)).clamp(min=0.0)
        return torch.stack([errors.T, distances.T], dim=2)

    def anomaly(self, errors):
        """Return what each network makes of the errors of rows, shape (n, n_networks)."""
        terms = torch.log2(1.0 + errors / self.error_scales)
        if self.codes is None:
            return terms[:, :, 0]
        weight = self.code_weight
        return (terms[:, :, 0] + weight * terms[:, :, 1]) / (1.0 + weight)


class FoldScorer:
    """The networks that leave out one fold, ready to score rows.

    Rows are those of the design matrix, tensors of shape (n, n_inputs), and `states` says
    what their cells are, a tensor of uint8 of shape (n, n_features), or None if all are
    observed.

    Parameters
    ----------
    judges : Judges
        The networks of the fold.
    space : CellSpace
    projection : PCAProjection or None

    Attributes
    ----------
    block_size : int
        Rows that are best scored at a time.
    """

    def __init__(self, judges, space, projection):
        self.judges, self.networks = judges, judges.networks
        self.space, self.projection = space, projection
        weights = self.networks.weights
        widest = max(weight.shape[2] for weight in weights)
        if judges.codes is not None:
            widest = max(widest, judges.codes.shape[2])
        n_bytes = BLOCK_BYTES if weights[0].device.type == "cpu" else GPU_BLOCK_BYTES
        per_row = widest * self.networks.n_networks * weights[0].dtype.itemsize
        self.block_size = max(LEAST_BLOCK, n_bytes // per_row)

    def errors(self, rows, states):
        """Return the error, and the code distance, of rows in every network.

        Returns
        -------
        errors : torch.Tensor of shape (n, n_networks, 1 or 2)
            The mean squared error of the observed cells and, if codes count, the squared
            distance to the nearest known code.
        """
        x, states = self._enter(rows, states)
        return self._errors(x, states, *self._reconstruct(x))

    def _errors(self, x, states, z, reconstructed, codes):
        errors = self._sum_of_squares(x, z, reconstructed, states)
        n_cells = float(self.space.design.n_features)
        if states is not None:
            n_cells = self.space.counts(states).to(x.dtype)
        return self.judges.with_distances(errors / n_cells, codes)

    def anomaly(self, rows, states):
        """Return the anomaly of rows, ``-score_samples`` of this fold, of shape (n,)."""
        return self.anomaly_of_filled(*self._enter(rows, states))

    def anomaly_of_filled(self, x, states):
        """Return the anomaly of rows of the fold's space, of shape (n,)."""
        return self._anomaly(x, states, *self._reconstruct(x))

    def judge(self, rows, states):
        """Return the anomaly of rows, and what the networks make of them on average.

        Returns
        -------
        anomaly : torch.Tensor of shape (n,)
        expected : torch.Tensor of shape (n, n_outputs)
            Rows of the design matrix.
        """
        judged = []
        for x, there in self._blocks(rows, states):
            z, reconstructed, codes = self._reconstruct(x)
            anomaly = self._anomaly(x, there, z, reconstructed, codes)
            judged.append((anomaly, self.space.leave(self._mean(reconstructed))))
        return [torch.cat(parts) for parts in zip(*judged, strict=True)]

    def _anomaly(self, x, states, z, reconstructed, codes):
        errors = self._errors(x, states, z, reconstructed, codes)
        anomaly = self.judges.anomaly(errors).mean(dim=1)
        if states is not None:
            # Of a row without cells nothing is known.
            anomaly = anomaly * self.space.any_cell(states)
        return anomaly

    def cell_errors(self, rows, states):
        """Return the squared errors of the cells, averaged over the networks.

        Returns
        -------
        errors : torch.Tensor of shape (n, n_features)
        """
        blocks = self._blocks(rows, states)
        return torch.cat([self._cell_errors(x, there) for x, there in blocks])

    def _cell_errors(self, x, states):
        _, reconstructed, _ = self._reconstruct(x)
        if self.projection is not None:
            reconstructed = self.projection.inverse_transform(reconstructed)
        errors = (reconstructed - x).square_().mean(dim=0)
        if states is None:
            return self.space.sum_to_cells(errors)
        errors = self.space.sum_to_cells(errors * self.space.observed(states))
        return errors + self.space.unseen_costs(states, x.dtype)

    def _blocks(self, rows, states):
        """Yield rows in the fold's space, as many as are best scored at a time."""
        for block in gen_batches(len(rows), self.block_size):
            yield self._enter(rows[block], None if states is None else states[block])

    def _enter(self, rows, states):
        """Return rows in the fold's space, what is not there filled by the networks."""
        x, states = self.space.enter(rows, states)
        if states is None:
            return x, None
        there = self.space.settled(rows, states)
        holed = (~there).any(dim=1).nonzero().squeeze(1)
        if len(holed):
            some, known = x[holed], there[holed]
            for _ in range(N_FILLS):
                some = self.fill(some, known)
            x = x.index_copy(0, holed, some)
        return x, states

    def fill(self, x, known):
        """Return rows of the fold's space, cells that are not known as the networks say."""
        return torch.where(known, x, self._mean(self._reconstruct(x)[1]))

    def _mean(self, reconstructed):
        """Return the mean of the networks' reconstructions, shape (n, width)."""
        expected = reconstructed.mean(dim=0)
        if self.projection is not None:
            expected = self.projection.inverse_transform(expected)
        return expected

    def _reconstruct(self, x):
        """Return what the networks see of `x`, what they make of it, and their codes."""
        z = x if self.projection is None else self.projection.transform(x)
        codes = self.networks.encode(z.expand(self.networks.n_networks, -1, -1))
        return z, self.networks.decode(codes), codes

    def _sum_of_squares(self, x, z, reconstructed, states):
        """Return the squared errors of rows, summed over cells, (n_networks, n)."""
        if states is None:
            errors = (reconstructed - z).square_().sum(dim=2)
            if self.projection is not None:
                errors = errors + self.projection.squared_residual(x, z)
            return errors
        if self.projection is not None:
            reconstructed = self.projection.inverse_transform(reconstructed)
        mask = self.space.observed(states).to(x.dtype)
        errors = torch.einsum("mnc,nc->mn", (reconstructed - x).square_(), mask)
        return errors + self.space.unseen_costs(states, x.dtype).sum(dim=1)
