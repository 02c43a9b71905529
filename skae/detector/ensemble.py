"""The detector's own networks: small denoising autoencoders, trained as one."""

import math

import narwhals.stable.v2 as nw
import numpy as np
import torch
from sklearn.utils import gen_batches

from skae.attribution.counterfactual import blame_by_search, value_grid
from skae.detector.batched_mlp import MemberNetworks
from skae.detector.projection import MAX_WIDTH, PrincipalFront
from skae.detector.space import CellSpace
from skae.detector.training import train_to_denoise
from skae.detector.trimming import typical_rows
from skae.table.blocks import MISSING
from skae.table.rows import EncodedRows
from skae.training.devices import threads_for

# Rows a fold, and cells, that the networks' rows are drawn from.
MAX_CANDIDATES, MAX_CELLS = 20_000, 20_000_000
# Rows whose errors settle what is usual.
MAX_LEVEL_ROWS = 5000
# Cells of work space: on a CPU what stays in its cache (and what the allocator keeps: larger
# tensors are given back to the system at every step), on a GPU what keeps it busy.
BLOCK_CELLS, GPU_BLOCK_CELLS = 120_000, 20_000_000
# Squared distances below this are rounding.
LEAST = 1e-10
# Of the steps and of the rate in fit, what `update` takes.
UPDATE_SHARE, UPDATE_RATE = 0.3, 0.3
# Weight of the code's distance beside the error's 1.
CODE_WEIGHT = 0.5


class DenoisingMembers:
    """Networks that restore noisy rows, each trained on a few rows outside its fold.

    Parameters
    ----------
    make_up : MakeUp
    table : TableEncoder
        Fitted.
    n_samples : int
        Rows in fit.
    device : torch.device

    Attributes
    ----------
    networks : MemberNetworks
        Those of the first fold first.
    sizes_ : ndarray of int of shape (n_members,)
        Rows that each network is trained on.
    codes : torch.Tensor of shape (n_members, n_rows, hidden[0]) or None
        Codes of these rows.
    levels : torch.Tensor of shape (n_members, n_parts)
        The usual error, and distance, of rows that a network has not seen.
    """

    def __init__(self, make_up, table, n_samples, device):
        self.make_up, self.table, self.device = make_up, table, device
        self.space = CellSpace(table.layout_, n_samples, device)
        self.levels, self._cached = None, {}

    def __getstate__(self):
        return self.__dict__ | {"_cached": {}}

    # ---------------------------------------------------------------- learning

    def fit(self, X, folds, n_folds, sample_weight, rng, progress, keep_rows=False):
        """Draw the networks' rows and train all networks at once.

        Parameters
        ----------
        X : ndarray, csr matrix or narwhals.DataFrame
        folds : ndarray of int of shape (n_samples,)
        n_folds : int
        sample_weight : ndarray of shape (n_samples,) or None
        rng : numpy.random.RandomState
        progress : callable (share of the steps done) -> bool
            True asks to stop.
        keep_rows : bool, default=False
            Whether the networks' rows are kept, for `update`.
        """
        make_up = self.make_up
        self.n_folds = n_folds
        self.per_fold = math.ceil(make_up.n_members / n_folds)
        self.fronts, drawn_from = [], []
        for fold in range(n_folds):
            x, observed = self._candidates(X, folds, fold, sample_weight, rng)
            if fold == 0:
                self.grid = value_grid(x, observed, self.table.layout_)
            front = PrincipalFront(x, rng) if x.shape[1] > MAX_WIDTH else None
            self.fronts.append(front)
            z = x if front is None else front.enter(x)
            rows = typical_rows(z.cpu().numpy(), make_up.most_trimmed)
            # What is missing in a column is missing, in part, in all axes.
            drawn_from.append((z, observed if front is None else None, rows))
        self.code_weight = make_up.code_weight
        if self.code_weight is None:
            # The code of a wide table knows nothing of what lies beyond the axes.
            self.code_weight = 0.0 if self.fronts[0] is not None else CODE_WEIGHT
        sizes = self._choose_sizes(min(len(rows) for *_, rows in drawn_from))
        self.sizes_ = np.tile(sizes, n_folds)
        pools, masks = [], []
        for z, observed, rows in drawn_from:
            # Fewer rows than the largest size are repeated.
            taken = [np.resize(rng.permutation(rows)[:size], max(sizes)) for size in sizes]
            taken = torch.from_numpy(np.stack(taken)).to(self.device)
            pools.append(z[taken])
            masks.append(None if observed is None else observed[taken])
        self._pools = torch.cat(pools)
        self._masks = _join(masks, self._pools)
        n_outside = X.shape[0] - (X.shape[0] // n_folds if n_folds > 1 else 0)
        self._n_seen = np.full(len(self._pools), n_outside)
        generator = torch.Generator().manual_seed(rng.randint(2**31 - 1))
        width = self._pools.shape[2]
        networks = MemberNetworks.draw(len(self._pools), width, make_up.hidden, generator)
        self.networks = networks.to(self.device)
        self._train(make_up.n_steps, make_up.learning_rate, rng, progress)
        self._learn_codes()
        if not keep_rows:
            del self._pools, self._masks
        self._settle_levels(X, folds, rng)
        return self

    def _candidates(self, X, folds, fold, sample_weight, rng):
        """Return rows outside a fold in the cell space, and which columns are observed."""
        outside = np.arange(X.shape[0])
        if self.n_folds > 1:
            outside = np.flatnonzero(folds != fold)
        n_rows = min(MAX_CANDIDATES, max(MAX_CELLS // self.space.width, 1000))
        if sample_weight is not None:
            # A row of twice the weight is drawn twice as often.
            share = sample_weight[outside] / sample_weight[outside].sum()
            n_rows = min(n_rows, max(len(outside), 1000))
            outside = rng.choice(outside, size=n_rows, p=share)
        elif len(outside) > n_rows:
            outside = rng.choice(outside, size=n_rows, replace=False)
        x, cells = self._encode(X[np.sort(outside)], np.float32)
        return x, None if cells is None else self.space.observed(cells)

    def _choose_sizes(self, n_rows):
        """Return how many rows each network of a fold is trained on."""
        wanted = self.make_up.sizes
        counts = [s if isinstance(s, int) else max(round(s * n_rows), 2) for s in wanted]
        return [min(counts[i % len(counts)], n_rows) for i in range(self.per_fold)]

    def _noises(self):
        noises = self.make_up.noises
        of_fold = [
            noises[i // len(self.make_up.sizes) % len(noises)] for i in range(self.per_fold)
        ]
        return torch.tensor(of_fold, device=self.device).repeat(self.n_folds)[:, None, None]

    def _train(self, n_steps, learning_rate, rng, progress):
        n_members, n_rows, _ = self._pools.shape
        batch_size = min(self.make_up.batch_size, n_rows)
        generator = torch.Generator(self.device).manual_seed(rng.randint(2**31 - 1))
        self.networks.requires_grad_(True)
        n_work = sum(w[0].numel() for w in self.networks.weights) * n_members * batch_size
        with threads_for(n_work):
            self.n_iter, self.stop_reason = train_to_denoise(
                self.networks,
                self._pools,
                self._masks,
                self._noises(),
                n_steps,
                batch_size,
                learning_rate,
                generator,
                progress,
            )
        self.networks.requires_grad_(False)
        self.n_diverged = self.networks.silence_diverged()
        self._cached = {}

    def _learn_codes(self):
        """Keep the codes of the networks' rows, as far as they count."""
        self.codes = None
        if self.code_weight:
            n_rows = max(self.sizes_)
            self.codes = self.networks.encode(self._pools[:, :n_rows])

    def _settle_levels(self, X, folds, rng, share=1.0):
        """Learn what errors and distances are usual, of rows that were left out."""
        n_parts = 1 + (self.codes is not None)
        # A fold without rows keeps what it knew.
        levels = np.ones((len(self.sizes_), n_parts))
        if share < 1.0:
            levels = self.levels.cpu().numpy().copy()
        for fold in range(self.n_folds):
            rows = (
                np.flatnonzero(folds == fold) if self.n_folds > 1 else np.arange(len(folds))
            )
            if not len(rows):
                continue
            rows = rng.permutation(rows)[:MAX_LEVEL_ROWS]
            parts = self._map(X[np.sort(rows)], fold, np.float64, self._parts)
            for i in range(self.per_fold):
                for k in range(n_parts):
                    levels[fold * self.per_fold + i, k] = _level(parts[:, i, k])
        levels = torch.from_numpy(levels).to(self.device)
        if share < 1.0:
            levels = self.levels ** (1.0 - share) * levels**share
        self.levels, self._cached = levels, {}

    def update(self, X, folds, rng, progress):
        """Go on training with some of the rows replaced by those of X.

        The networks' rows stay a random sample of all rows outside their folds.
        """
        x, cells = self._encode(X, np.float32)
        observed = None if cells is None else self.space.observed(cells)
        if observed is not None and self._masks is None:
            self._masks = torch.ones_like(self._pools, dtype=torch.bool)
        n_rows = self._pools.shape[1]
        for member, size in enumerate(self.sizes_):
            fold = member // self.per_fold
            outside = (
                np.flatnonzero(folds != fold) if self.n_folds > 1 else np.arange(len(x))
            )
            # Vitter's algorithm R: the i-th row ever takes a place with chance size / i.
            places = rng.randint(0, self._n_seen[member] + 1 + np.arange(len(outside)))
            self._n_seen[member] += len(outside)
            enters = places < size
            rows, places = torch.from_numpy(outside[enters]), places[enters]
            front = self.fronts[fold]
            z = x[rows] if front is None else front.enter(x[rows])
            again = torch.from_numpy(np.resize(np.arange(size), n_rows))
            for tensor, new in (
                (self._pools, z),
                (self._masks, None if observed is None else observed[rows]),
            ):
                if tensor is None:
                    continue
                tensor[member, torch.from_numpy(places)] = True if new is None else new
                tensor[member] = tensor[member, again]
        n_steps = max(round(UPDATE_SHARE * self.make_up.n_steps), 1)
        self._train(n_steps, UPDATE_RATE * self.make_up.learning_rate, rng, progress)
        self._learn_codes()
        self._settle_levels(X, folds, rng, len(x) / (len(x) + self._n_seen.mean()))

    # ----------------------------------------------------------------- scoring

    def anomaly(self, X, fold, dtype):
        """Return the anomaly of rows by the networks that have not seen their fold."""
        return self._map(X, fold, dtype, self._anomaly)

    def explain(self, X, fold, dtype):
        """Return the cells' contributions, and a design matrix of what was expected."""
        n_features = self.table.layout_.n_features

        def block(x, cells, fold):
            def anomaly(x, cells):
                parts = [
                    self._anomaly(x[b], None if cells is None else cells[b], fold)
                    for b in gen_batches(len(x), self._block_rows())
                ]
                return torch.cat(parts)

            errors = self._cell_errors(x, cells, fold)
            contributions, expected = blame_by_search(
                anomaly, errors, x, cells, self.space, self.grid
            )
            return torch.cat([contributions, self.space.leave(expected)], dim=1)

        both = self._map(X, fold, dtype, block)
        return both[:, :n_features], both[:, n_features:]

    def read(self, X, dtype):
        """Return rows that are cheap to slice: those of a frame are encoded."""
        if isinstance(X, nw.DataFrame):
            return EncodedRows(*self.table.encode(X, dtype))
        return X

    def _encode(self, X, dtype):
        if isinstance(X, EncodedRows):
            design, cells = X.design.astype(dtype, copy=False), X.cells
        else:
            design, cells = self.table.encode(X, dtype)
        x = self.space.enter(torch.from_numpy(design).to(self.device))
        return x, None if cells is None else torch.from_numpy(cells).to(self.device)

    def _map(self, X, fold, dtype, function):
        """Apply `function(x, cells, fold)` block by block."""
        if self.device.type == "mps":
            dtype = np.float32
        results, X = [], self.read(X, dtype)
        with torch.no_grad():
            for block in gen_batches(X.shape[0], self._block_rows()):
                x, cells = self._encode(X[block], dtype)
                results.append(function(x, cells, fold).cpu().numpy())
        return np.concatenate(results).astype(np.float64, copy=False)

    def _block_rows(self):
        widest = max(*self.make_up.hidden, min(self.space.width, MAX_WIDTH))
        if self.codes is not None:
            widest = max(widest, self.codes.shape[1])
        n_cells = BLOCK_CELLS if self.device.type == "cpu" else GPU_BLOCK_CELLS
        return max(16, n_cells // (widest * self.per_fold))

    def _group(self, fold, dtype):
        """Return the fold's networks, codes (and their squares) and levels."""
        key = fold, dtype
        if key not in self._cached:
            members = slice(fold * self.per_fold, (fold + 1) * self.per_fold)
            codes = None
            if self.codes is not None:
                codes = self.codes[members].to(dtype)
                codes = codes.transpose(1, 2).contiguous(), codes.square().sum(2)[:, None]
            self._cached[key] = (
                self.networks.group(members, dtype),
                codes,
                None if self.levels is None else self.levels[members].to(dtype),
            )
        return self._cached[key]

    def _restore(self, x, fold):
        """Return z, what the networks make of it, and their codes."""
        networks, _, _ = self._group(fold, x.dtype)
        front = self.fronts[fold]
        z = x if front is None else front.enter(x)
        codes = networks.encode(z.expand(self.per_fold, -1, -1))
        return z, networks.decode(codes), codes

    def _parts(self, x, cells, fold):
        """Return error and code distance of every network, shape (n, per_fold, n_parts)."""
        z, restored, codes = self._restore(x, fold)
        front = self.fronts[fold]
        if front is None and cells is None:
            errors = (restored - z).square_().sum(dim=2)
        elif cells is None:
            errors = (restored - z).square_().sum(dim=2) + front.beyond(x, z)
        else:
            if front is not None:
                restored = front.leave(restored)
            there = self.space.observed(cells).to(x.dtype)
            errors = torch.einsum("mnc,nc->mn", (restored - x).square_(), there)
            errors += self.space.surprises(cells, x.dtype).sum(dim=1)
        n_cells = x.new_tensor(float(self.space.layout.n_features))
        if cells is not None:
            n_cells = self.space.counts(cells).to(x.dtype)
        errors = errors / n_cells
        _, known, _ = self._group(fold, x.dtype)
        if known is None:
            return errors.T[:, :, None]
        known, squares = known
        # |h - r|^2 = |h|^2 + |r|^2 - 2 h r; the first is the same for all r.
        nearest = torch.baddbmm(squares, codes, known, alpha=-2.0).amin(dim=2)
        distances = (nearest + codes.square().sum(dim=2)).clamp(min=0.0)
        return torch.stack([errors.T, distances.T], dim=2)

    def _anomaly(self, x, cells, fold):
        parts = self._parts(x, cells, fold)
        *_, levels = self._group(fold, x.dtype)
        strangeness = torch.log2(1.0 + parts / levels).mean(dim=1)
        if strangeness.shape[1] == 1:
            anomaly = strangeness[:, 0]
        else:
            weight = self.code_weight
            anomaly = (strangeness[:, 0] + weight * strangeness[:, 1]) / (1.0 + weight)
        if cells is not None:
            # Of a row without cells nothing is known.
            anomaly = anomaly * (cells != MISSING).any(dim=1)
        return anomaly

    def _cell_errors(self, x, cells, fold):
        """Return the cells' errors, the mean over the networks, shape (n, n_features)."""
        _, restored, _ = self._restore(x, fold)
        front = self.fronts[fold]
        if front is not None:
            restored = front.leave(restored)
        columns = (restored - x).square_().mean(dim=0)
        if cells is None:
            return self.space.sum_to_cells(columns)
        columns = columns * self.space.observed(cells)
        return self.space.sum_to_cells(columns) + self.space.surprises(cells, x.dtype)


def _level(values):
    """Return the median of those that are more than rounding; 1 where there are none."""
    values = values[values > LEAST]
    return float(np.median(values)) if len(values) else 1.0


def _join(masks, pools):
    """Return the masks of all folds, or None where every cell is observed."""
    if all(mask is None for mask in masks):
        return None
    whole = torch.ones_like(pools, dtype=torch.bool)
    parts = whole.chunk(len(masks))
    for part, mask in zip(parts, masks, strict=True):
        if mask is not None:
            part.copy_(mask)
    return whole
