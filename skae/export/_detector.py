"""What a detector makes of a row, as a torch module."""

import numpy as np
import torch
from torch import nn

from skae.detector.calibration import ROUNDING
from skae.detector.denoising import DenoisingEnsemble
from skae.detector.scoring import N_FILLS, FoldScorer, Judges
from skae.export._graph import Graph
from skae.export._held import Held, HeldJudges, HeldSpace
from skae.export._transformers import NetworkGraph
from skae.table.blocks import OBSERVED
from skae.table.graph import TableGraph


class DetectorGraph(Graph):
    """Encoded rows by a fitted detector: scores by fold, and what follows from them.

    Parameters
    ----------
    estimator : AEAnomalyDetector
    given : list of RawColumn
    """

    def __init__(self, estimator, given):
        super().__init__()
        ensemble = estimator._ensemble
        make = FoldScores if isinstance(ensemble, DenoisingEnsemble) else CloneScores
        self.scores = make(estimator, given)
        self.n_fills = self.scores.n_fills
        offset = torch.tensor(estimator.offset_, dtype=torch.float64)
        self.register_buffer("offset", offset)
        calibration = estimator._calibration
        self.total = calibration.total
        for fold, known in enumerate(calibration._scores):
            sums = np.arange(len(known) + 1.0)
            if calibration._sums is not None:
                sums = calibration._sums[fold]
            self.register_buffer(f"known_{fold}", torch.from_numpy(known - ROUNDING))
            self.register_buffer(f"sums_{fold}", torch.from_numpy(sums.copy()))
        self.n_folds = len(calibration._scores)

    def encode(self, numbers, indices):
        return self.scores.encode(numbers, indices)

    def is_holed(self, xs, rest):
        return self.scores.is_holed(xs, rest)

    def fill(self, xs, rest):
        return self.scores.fill(xs, rest)

    def finish(self, xs, rest, methods):
        folds = -torch.stack(self.scores.anomalies(xs, rest), dim=1)
        return tuple(self._from_folds(folds, name) for name in methods)

    def _from_folds(self, fold_scores, method):
        """Return what a method makes of the folds' scores, (n,); those of "fold_scores"."""
        if method == "fold_scores":
            return fold_scores
        if method == "pvalues":
            return self._pvalues(fold_scores)
        scores = fold_scores.mean(dim=1)
        if method == "score_samples":
            return scores
        decision = scores - self.offset
        return torch.where(decision < 0, -1, 1) if method == "predict" else decision

    def _pvalues(self, fold_scores):
        lower = torch.ones_like(fold_scores[:, 0])
        for fold in range(self.n_folds):
            known, sums = self._buffers[f"known_{fold}"], self._buffers[f"sums_{fold}"]
            own = fold_scores[:, fold].contiguous()
            lower = lower + sums[torch.searchsorted(known, own, right=True)]
        return lower / (1.0 + self.total)


class FoldScores(nn.Module):
    """The anomaly of rows by the detector's own networks, fold by fold."""

    n_fills = N_FILLS

    def __init__(self, estimator, given):
        super().__init__()
        ensemble = estimator._ensemble
        self.table = TableGraph(estimator._table, given)
        self.judges = HeldJudges(Judges(ensemble, torch.float64))
        self.spaces = nn.ModuleList(HeldSpace(space) for space in ensemble.spaces)
        self.projections = nn.ModuleList(Held(part) for part in ensemble.projections)
        self.slices = [ensemble.networks_of(fold) for fold in range(ensemble.n_folds)]
        self.cpu()

    def encode(self, numbers, indices):
        x, states = self.table(numbers, indices)
        pairs = [space().enter(x, states) for space in self.spaces]
        return tuple(zip(*pairs, strict=True))

    def is_holed(self, xs, rest):
        return torch.stack([(states != OBSERVED).any() for states in rest]).any()

    def fill(self, xs, rest):
        return tuple(
            scorer.fill(x, scorer.space.observed(states))
            for scorer, x, states in zip(self._scorers(), xs, rest, strict=True)
        )

    def anomalies(self, xs, rest):
        """Return the anomaly of rows by the networks of every fold, a list."""
        parts = zip(self._scorers(), xs, rest, strict=True)
        return [scorer.anomaly_of_filled(x, states) for scorer, x, states in parts]

    def _scorers(self):
        parts = zip(self.slices, self.spaces, self.projections, strict=True)
        return [
            FoldScorer(self.judges(own), space(), projection())
            for own, space, projection in parts
        ]


class CloneScores(nn.Module):
    """The anomaly of rows by clones of an estimator, which encode rows each in its way."""

    def __init__(self, estimator, given):
        super().__init__()
        ensemble = estimator._ensemble
        self.networks = nn.ModuleList(NetworkGraph(e, given) for e in ensemble.networks)
        self.n_fills = max(network.n_fills for network in self.networks)
        scales = torch.from_numpy(np.array(ensemble.error_scales, np.float64))
        self.register_buffer("error_scales", scales)
        self.slices = [ensemble.networks_of(fold) for fold in range(ensemble.n_folds)]

    def encode(self, numbers, indices):
        pairs = [network.table(numbers, indices) for network in self.networks]
        return tuple(zip(*pairs, strict=True))

    def is_holed(self, xs, rest):
        parts = zip(self.networks, xs, rest, strict=True)
        holed = [network.is_holed((x,), (states,)) for network, x, states in parts]
        return torch.stack(holed).any()

    def fill(self, xs, rest):
        parts = zip(self.networks, xs, rest, strict=True)
        return tuple(network.fill((x,), (states,))[0] for network, x, states in parts)

    def anomalies(self, xs, rest):
        """Return the anomaly of rows by the clones of every fold, a list."""
        parts = zip(self.networks, xs, rest, strict=True)
        errors = torch.stack([network.errors(x, s) for network, x, s in parts], dim=1)
        anomaly = torch.log2(1.0 + errors / self.error_scales)
        return [anomaly[:, own].mean(dim=1) for own in self.slices]
