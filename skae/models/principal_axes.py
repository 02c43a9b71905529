"""Principal axes of the training rows: where the networks start."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import eigh
from sklearn.utils import gen_batches
from sklearn.utils.extmath import randomized_svd

# The largest matrix that is decomposed exactly; beyond it, as in sklearn's PCA, the
# randomised method costs seconds where the exact one costs minutes.
MAX_EXACT = 2000
BLOCK = 8192
# Of the subspace iteration.
N_OVERSAMPLES, N_PASSES = 10, 6


@dataclass(frozen=True)
class PrincipalAxes:
    """The leading eigenvectors of the covariance of centred rows.

    Attributes
    ----------
    axes : torch.Tensor of shape (n_features, n_axes)
        Orthonormal columns; the largest entry of each is positive.
    variances : torch.Tensor of shape (n_axes,)
        Eigenvalues, falling.
    residual_variance : float
        Mean of the discarded eigenvalues; 0 when none is discarded.
    n_samples : float
        Rows that they were learned from.
    units : torch.Tensor of shape (n_features,) or None
        What the columns were multiplied by before, where some count for more than others.
    """

    axes: torch.Tensor
    variances: torch.Tensor
    residual_variance: float
    n_samples: float
    units: torch.Tensor | None = None

    @property
    def noise_variance(self):
        """The residual variance of new rows: the axes have been fitted to the old ones."""
        n_left = self.n_samples - 1 - self.axes.shape[1]
        return self.residual_variance * self.n_samples / max(n_left, 1)

    def inputs(self, weight):
        """Return a linear map of columns times `units`, (*, n_features), as one of columns."""
        return weight if self.units is None else weight * self.units

    def outputs(self, gains):
        """Return gains of columns times `units`, (n_features,), as those of columns.

        A column that does not count is not reconstructed.
        """
        if self.units is None:
            return gains
        return torch.where(self.units > 0, gains / self.units, 0.0)

    def reconstruct(self, x):
        """Return what the axes reconstruct of rows, shape (n, n_features)."""
        reconstruction = self.inputs(x) @ self.axes @ self.axes.T
        return reconstruction * self.outputs(torch.ones_like(reconstruction[0]))

    def padded_axes(self, n_components):
        """Return `axes` with zero columns added, shape (n_features, n_components).

        A table has at most min(n_rows, n_features) axes; further codes start unused.
        """
        n_missing = n_components - self.axes.shape[1]
        return torch.nn.functional.pad(self.axes, (0, n_missing))


class RowsInUnits:
    """Rows that are read block by block, times the units of their columns."""

    def __init__(self, x, units):
        self._x, self._units, self.shape = x, units, x.shape

    def __getitem__(self, index):
        return self._x[index] * self._units


def principal_axes(x, weights, n_components, random_state, units=None):
    """Return the `PrincipalAxes` of centred rows.

    Parameters
    ----------
    x : torch.Tensor of shape (n_samples, n_features), or an object with its `shape` and slices
        Rows on the CPU whose (weighted) mean is zero. What is no tensor is read block by
        block.
    weights : torch.Tensor of shape (n_samples,) or None
        Row weights.
    n_components : int or float
        A number of axes, or the fraction of the variance to explain with the fewest axes.
    random_state : numpy.random.RandomState
        Used beyond `MAX_EXACT` rows and columns.
    units : torch.Tensor of shape (n_features,), default=None
        What the columns are multiplied by before; see `PrincipalAxes`.
    """
    if units is not None:
        x = x * units if isinstance(x, torch.Tensor) else RowsInUnits(x, units)
    n_samples, n_features = x.shape
    size = min(n_samples, n_features)
    total_weight = float(n_samples if weights is None else weights.sum())
    streamed = not isinstance(x, torch.Tensor)
    if isinstance(n_components, float):
        if streamed and size > MAX_EXACT:
            raise ValueError(
                f"n_components={n_components} asks for the axes that explain a fraction "
                f"of the variance, which takes all axes of {n_features} sparse columns; give "
                "a number of components."
            )
        approximate = False
    else:
        approximate = size > MAX_EXACT or (streamed and n_features > n_samples)
    if approximate:
        k = min(n_components, size)
        if streamed:
            variances, axes = _subspace_iteration(x, weights, k, random_state)
            variances = variances / total_weight
        else:
            rows = x if weights is None else x * weights.sqrt()[:, None]
            _, singular, vt = randomized_svd(rows.numpy(), k, random_state=random_state)
            variances, axes = singular**2 / total_weight, vt.T
        total = sum(float(w.square().sum()) for w in _weighted(x, weights)) / total_weight
    else:
        gram = _gram(x, weights) / total_weight
        total = float(np.trace(gram))
        first = 0 if isinstance(n_components, float) else max(0, size - n_components)
        variances, vectors = eigh(gram, subset_by_index=[first, size - 1])
        variances, vectors = np.maximum(variances[::-1], 0.0), vectors[:, ::-1]
        if isinstance(n_components, float):
            k = _n_axes_for(n_components, variances)
            variances, vectors = variances[:k], vectors[:, :k]
        axes = vectors if n_features <= n_samples else _from_rows(x, weights, vectors)
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    axes = axes * np.where(signs == 0, 1.0, signs)
    # A column that does not count has no variance, and none that is left.
    n_counting = n_features if units is None else int((units > 0).sum())
    n_left = max(n_counting - len(variances), 0)
    residual = max(total - float(variances.sum()), 0.0) / n_left if n_left else 0.0
    return PrincipalAxes(
        torch.from_numpy(np.ascontiguousarray(axes, dtype=np.float32)),
        torch.from_numpy(np.array(variances, dtype=np.float32)),
        residual,
        # Whole weights are counts of rows; others only compare rows with each other.
        total_weight if _are_counts(weights) else n_samples,
        units,
    )


def _are_counts(weights):
    return weights is not None and bool((weights == weights.round()).all())


def _weighted(x, weights):
    """Yield the rows times the roots of their weights, in float64, some at a time."""
    for block in gen_batches(x.shape[0], BLOCK):
        rows = x[block].double()
        yield rows if weights is None else rows * weights[block].sqrt()[:, None]


def _subspace_iteration(x, weights, k, random_state):
    """Return the k largest eigenvalues of x'x and their vectors, by passes over blocks.

    References
    ----------
    Halko, Martinsson & Tropp, Finding Structure with Randomness, 2011, algorithm 4.4.
    """
    width = min(k + N_OVERSAMPLES, *x.shape)
    basis = torch.from_numpy(random_state.standard_normal((x.shape[1], width)))
    for _ in range(N_PASSES):
        basis, _ = torch.linalg.qr(basis)
        basis = sum(rows.T @ (rows @ basis) for rows in _weighted(x, weights))
    basis, _ = torch.linalg.qr(basis)
    projected = [rows @ basis for rows in _weighted(x, weights)]
    values, turns = torch.linalg.eigh(sum(part.T @ part for part in projected))
    values, vectors = values.flip(0)[:k], (basis @ turns).flip(1)[:, :k]
    return values.clamp(min=0.0).numpy(), vectors.numpy()


def _gram(x, weights):
    """Return the weighted x'x, or xx' where that is smaller, in float64."""
    n_samples, n_features = x.shape
    if n_features > n_samples:
        rows = x[:].double()
        if weights is not None:
            rows *= weights.sqrt()[:, None]
        return (rows @ rows.T).numpy()
    gram = torch.zeros(n_features, n_features, dtype=torch.float64)
    for rows in _weighted(x, weights):
        gram.addmm_(rows.T, rows)
    return gram.numpy()


def _from_rows(x, weights, vectors):
    """Turn eigenvectors of xx' into eigenvectors of x'x: columns of x'v, normalised."""
    rows = x[:].double()
    if weights is not None:
        rows *= weights.sqrt()[:, None]
    axes = (rows.T @ torch.from_numpy(vectors.copy())).numpy()
    norms = np.linalg.norm(axes, axis=0)
    # A direction without variance has no axis; a zero column leaves its code unused.
    return axes / np.where(norms > 1e-6 * norms.max(initial=0.0), norms, np.inf)


def _n_axes_for(fraction, variances):
    """Return the smallest number of axes that explain more than `fraction`, as in PCA."""
    explained = np.cumsum(variances) / max(variances.sum(), np.finfo(float).tiny)
    return min(int(np.searchsorted(explained, fraction, side="right")) + 1, len(variances))
