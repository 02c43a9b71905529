"""What a fit asks of the codes besides reconstruction of the rows.

A penalty of your own is a subclass of `Penalty` with one method; see there.
"""

from numbers import Real

import torch
from sklearn.utils._param_validation import Interval

from skae._component import Setting
from skae.models.watched import Watched, is_own

__all__ = ["Contractive", "KLSparsity", "L1Activity", "Orthogonal", "Penalty"]

# Rates are kept this far from 0 and 1, so that their logarithms stay finite.
LEAST_RATE = 1e-6
# Fraction of its variance that a code has at least of its own.
RIDGE = 1e-4


class Penalty(Setting):
    """What the penalties share: they are added, times `weight`, to the loss of the rows.

    The codes are those of `transform`. The sum is also the loss of held-out rows; scores
    count the reconstruction alone. A subclass defines `penalise`, and stores its settings as
    scikit-learn's estimators do.

    Attributes
    ----------
    weight : float
        1 where a subclass stores none.
    code_activation : {"shrink", "logistic"} or None
        The activation that the codes need for the penalty to mean what it says.
    by_inputs : bool
        Whether `penalise` differentiates the codes by the rows.
    relative : bool
        Whether `penalise` sees the codes in units of the scale that they start with.
    scale_free : bool
        Whether codes of another scale cost the same. They are then rescaled to the scale
        that they had before the first step: nothing else would keep them there.

    Examples
    --------
    Codes that are small:

    >>> from skae import AutoencoderTransformer
    >>> from skae.penalties import Penalty
    >>> class Small(Penalty):
    ...     def __init__(self, weight=1.0):
    ...         self.weight = weight
    ...
    ...     def penalise(self, codes, x, weights):
    ...         return codes.square().mean(dim=1)
    >>> small = AutoencoderTransformer(2, penalties=[Small(0.1)])
    """

    weight = 1.0
    code_activation: str | None = None
    by_inputs = False
    relative = False
    scale_free = False

    _parameter_constraints: dict = {"weight": [Interval(Real, 0, None, closed="left")]}

    def penalise(self, codes, x, weights):
        """Return what the codes cost.

        Parameters
        ----------
        codes : torch.Tensor of shape (n, n_components)
        x : torch.Tensor of shape (n, n_inputs)
            Rows of the design matrix, as the network sees them.
        weights : torch.Tensor of shape (n,) or None
            Weights of the rows. The costs are not yet multiplied by them.

        Returns
        -------
        costs : torch.Tensor of shape (n,), or () for a cost of all rows together
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method penalise.")


class L1Activity(Penalty):
    """The mean size of the codes, ``mean_k |z_k| / s_k``: a row uses few of them.

    The codes are shrunk towards zero by learned thresholds, and are exactly zero below
    them. s_k is the scale that a code starts with, so that a weight
    means much the same on any table.

    Parameters
    ----------
    weight : float, default=1.0
        Factor on the costs in the loss.

    References
    ----------
    Olshausen & Field, Emergence of Simple-Cell Receptive Field Properties by Learning a
    Sparse Code, 1996; the thresholds: Gregor & LeCun, 2010.
    """

    code_activation = "shrink"
    relative = True

    def __init__(self, weight=1.0):
        self.weight = weight

    def penalise(self, codes, x, weights):
        return codes.abs().mean(dim=1)


class KLSparsity(Penalty):
    """The mean over the codes of KL(target || rate): every code is active as often as `target` says.

    The codes are logistic units, in (0, 1), and the rate of one is its mean over the
    batch. Training then starts near the principal components, not at them.

    Parameters
    ----------
    target : float, default=0.05
        Mean activity of a code, between 0 and 1.
    weight : float, default=3.0
        Factor on the costs in the loss.

    References
    ----------
    Lee, Ekanadham & Ng, Sparse Deep Belief Net Model for Visual Area V2, 2008; Ng, Sparse
    Autoencoder, CS294A lecture notes, 2011, section 3.
    """

    code_activation = "logistic"

    _parameter_constraints: dict = {
        **Penalty._parameter_constraints,
        "target": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(self, target=0.05, weight=3.0):
        self.target = target
        self.weight = weight

    def penalise(self, codes, x, weights):
        rate = weighted_mean(codes, weights).clamp(LEAST_RATE, 1.0 - LEAST_RATE)
        rho = self.target
        divergence = rho * (rho / rate).log() + (1 - rho) * ((1 - rho) / (1 - rate)).log()
        return divergence.mean()


class Contractive(Penalty):
    """tr(J' C^-1 J): the encoder's squared Jacobian, of codes made uncorrelated, variance 1.

    Codes change little when a row does, except along the surface on which the rows lie. J is
    exact, for any network: one backward pass for all codes at once. C is the batch's
    covariance, its diagonal where a batch has fewer than two rows per code. Without it codes
    would merely shrink, or all follow the first, since the decoder is free to undo that;
    Rifai et al. tie the decoder to the encoder instead.

    Parameters
    ----------
    weight : float, default=0.1
        Factor on the costs in the loss.

    References
    ----------
    Rifai et al., Contractive Auto-Encoders, 2011, eq. 1 and 2.
    """

    by_inputs = True
    scale_free = True

    def __init__(self, weight=0.1):
        self.weight = weight

    def penalise(self, codes, x, weights):
        n, k = codes.shape
        centred, scale = _centred(codes, weights)
        if n <= 3:  # too few for a variance
            return codes.new_zeros(())
        slopes = jacobian(codes, x) * scale[:, None, None]
        if n < 2 * (k + 2):
            # The mean of 1 / variance over batches is (n - 1) / (n - 3) of what it should be.
            return (n - 3) / n * slopes.square().sum(dim=(0, 2))
        correlations = (centred * scale).T @ (centred * scale) / n
        ridge = RIDGE * torch.eye(k, dtype=codes.dtype, device=codes.device)
        root = torch.linalg.cholesky(correlations + ridge)
        white = torch.linalg.solve_triangular(root, slopes.flatten(1), upper=False)
        # As above, for the inverse of a matrix: Muirhead, 1982, theorem 3.2.12.
        return (n - k - 2) / n * white.unflatten(1, (n, -1)).square().sum(dim=(0, 2))


class Orthogonal(Penalty):
    """The mean squared correlation of two codes: none repeats another.

    Parameters
    ----------
    weight : float, default=1.0
        Factor on the costs in the loss.

    References
    ----------
    Cogswell et al., Reducing Overfitting in Deep Networks by Decorrelating
    Representations, 2016, with correlations in place of covariances.
    """

    scale_free = True

    def __init__(self, weight=1.0):
        self.weight = weight

    def penalise(self, codes, x, weights):
        n_codes = codes.shape[1]
        if n_codes == 1 or len(codes) == 1:
            return codes.new_zeros(())
        centred, scale = _centred(codes, weights)
        correlations = (centred * scale).T @ (centred * scale) / len(codes)
        others = correlations.square().sum() - correlations.diagonal().square().sum()
        return others / (n_codes * (n_codes - 1))


def _centred(codes, weights):
    """Return centred codes, and the factors that give them unit variance, shape (n_codes,).

    Rows count by their weights, by which the centred codes are multiplied already.
    """
    centred = codes - weighted_mean(codes, weights)
    if weights is not None:
        centred = centred * (weights / weights.mean()).sqrt()[:, None]
    variances = centred.square().mean(dim=0)
    least = 1e-12 * (1.0 + variances.max().detach())
    return centred, (variances + least).rsqrt()


def weighted_mean(values, weights):
    """Return the mean over the rows, shape (width,)."""
    if weights is None:
        return values.mean(dim=0)
    return weights @ values / weights.sum()


def jacobian(codes, x):
    """Return dz_k / dx_j of every row, shape (n_components, n, n_inputs).

    `codes` must have been computed from `x`, row by row, with gradients enabled. The
    result can be differentiated again.
    """
    n_codes = codes.shape[1]
    seeds = torch.eye(n_codes, dtype=codes.dtype, device=codes.device)
    seeds = seeds[:, None, :].expand(n_codes, len(codes), n_codes)
    return torch.autograd.grad(codes, x, seeds, create_graph=True, is_grads_batched=True)[0]


class Penalties:
    """All the penalties of a fit.

    Parameters
    ----------
    penalties : list of Penalty

    Attributes
    ----------
    watched : list of Watched
        Those of the user's own.
    """

    def __init__(self, penalties):
        watched = [
            Watched(f"penalise of {penalty!r}", penalty.by_inputs)
            if is_own(penalty)
            else None
            for penalty in penalties
        ]
        self._penalties = list(zip(penalties, watched, strict=True))
        self.watched = [of_one for of_one in watched if of_one is not None]
        self._by_inputs = any(penalty.by_inputs for penalty in penalties)
        self.scale_free = all(penalty.scale_free for penalty in penalties)

    def __call__(self, network, x, weights=None):
        """Return the reconstruction of rows x, and what is added to their losses.

        Returns
        -------
        output : torch.Tensor of shape (n, n_outputs)
        costs : torch.Tensor of shape (n,) or ()
        """
        training = torch.is_grad_enabled()
        with torch.set_grad_enabled(training or self._by_inputs):
            if self._by_inputs:
                x = x.detach().requires_grad_()
            codes, output = network.codes_and_output(x)
            scale = network.encoder.code_scale
            costs = sum(
                penalty.weight
                * _cost(
                    penalty,
                    watched,
                    codes / scale if penalty.relative else codes,
                    x,
                    weights,
                )
                for penalty, watched in self._penalties
            )
        return (output, costs) if training else (output.detach(), costs.detach())


def _cost(penalty, watched, codes, x, weights):
    given = codes, x, weights
    if watched is None:
        cost = penalty.penalise(*given)
    else:
        cost = watched.call(penalty.penalise, *given)
    if cost.shape not in ((), (len(codes),)):
        raise ValueError(
            f"penalise of {penalty!r} returns shape {tuple(cost.shape)} for {len(codes)} "
            f"rows; give shape ({len(codes)},), one cost per row, or ()."
        )
    return cost


def shared_code_activation(penalties):
    """Return the code activation that all of the penalties can do with, or None.

    Raises
    ------
    ValueError
        If two of them need different ones.
    """
    needed = {p.code_activation: type(p).__name__ for p in penalties if p.code_activation}
    if len(needed) > 1:
        raise ValueError(
            f"penalties={penalties!r}: {' and '.join(needed.values())} need codes of "
            f"different activations ({' and '.join(map(repr, needed))}); use one of them."
        )
    return next(iter(needed), None)


def as_list(penalties):
    """Return the penalties that a single one, several or None stand for.

    Raises
    ------
    ValueError
        If one of them is none, or a setting of one is out of bounds.
    """
    given = [penalties] if isinstance(penalties, Penalty) else list(penalties or ())
    for penalty in given:
        if not isinstance(penalty, Penalty):
            raise ValueError(
                f"penalties={penalties!r} holds {penalty!r}; give a list of objects of "
                "skae.penalties, such as [L1Activity()]."
            )
        penalty.check()
    return given
