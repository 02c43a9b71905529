"""Differentially private training of the variational autoencoder."""

import secrets
import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import clone

from skae._warnings import warn
from skae.table.rows import TrainingRows
from skae.table.stand_ins import bounded, check_bounds, stand_in_rows
from skae.table.validation import check_fitted_table
from skae.training.private_descent import Opacus, PrivateDescent
from skae.vae import VAETransformer

# Passes over the rows, and rows in a step at most, unless parameters say so.
N_EPOCHS, MAX_BATCH = 20, 512
# Steps in an epoch, unless `batch_size` says so.
STEPS_PER_EPOCH = 10
# What would look at rows beside the training.
BY_CODES = {
    "sampler": "codes",
    "prior": "normal",
    "noise_covariance": "diagonal",
    "match_marginals": False,
    "early_stopping": False,
    "refit": False,
    "warm_start": False,
    "max_iter": 1,
    "random_state": 0,
}
# Rows that the model draws to see which of its codes it uses.
N_DRAWN = 1000


def fit_privately(
    estimator: VAETransformer,
    X: Any,
    *,
    bounds: Any,
    epsilon: float,
    delta: float = 1e-5,
    max_grad_norm: float = 1.0,
) -> VAETransformer:
    """Fit a variational autoencoder with differential privacy, by DP-SGD.

    Whatever is computed from the result, rows of `sample` among it, satisfies (epsilon,
    delta)-differential privacy for adding or removing one row of X: it would be nearly as
    probable without any one of them.

    Parameters
    ----------
    estimator : VAETransformer
        Its parameters; it stays as it is. `max_iter` is the number of passes over the rows
        (None: 20), `batch_size` the expected number of rows in a step (None: a tenth of
        the rows, 512 at most), `learning_rate_init` stays constant. What would look at the
        rows besides is off: early stopping, the mixture prior, heavy tails and correlations of
        the noise, the columns' networks and their marginal distributions.
    X : data frame or ndarray of shape (n_samples, n_features)
        Rows without missing cells: numbers, text, categories and booleans.
    bounds : dict
        For every column, by its name (of an array, its position), ``(low, high)`` of
        numbers or a list of all levels. They have to be public: from a questionnaire, not
        from X. Numbers beyond them are moved to the nearer one.
    epsilon : float
        The privacy budget, in nats: 1 is strong, 10 is weak.
    delta : float, default=1e-5
        Probability with which the budget may be exceeded; below one over the number of rows.
    max_grad_norm : float, default=1.0
        A row's gradient, of all parameters together, is scaled down to this Euclidean norm.

    Returns
    -------
    fitted : VAETransformer
        With ``sampler_="codes"``, and these attributes besides: `epsilon_`, what the
        accountant says was spent, in nats; `delta_`; `noise_multiplier_`, the standard
        deviation of the noise in units of `max_grad_norm`. `loss_curve_` is empty, as
        losses are of the rows. Numbers that `sample` draws lie within the bounds. A later
        `fit` or `partial_fit` is not private, and takes the three attributes away.

    Raises
    ------
    ValueError
        If a column has no bounds, a level is not among them, a cell is missing, or a
        parameter is out of bounds. Nothing has been trained then.
    TypeError
        If `estimator` is no `VAETransformer`.
    ImportError
        If Opacus is not installed.

    Warns
    -----
    UserWarning
        If `random_state` is set: the noise can be taken away by whoever knows it.

    Notes
    -----
    What is public: names and dtypes of the columns, the number of rows, `bounds`, and
    whether an error was raised. Scales, levels and the start are learned from rows that are
    made up, uniformly within the bounds. After that the rows have a part in the gradients
    only: of a random batch, which every row enters independently (Poisson sampling), each
    row's gradient is clipped, and normal noise is added to the sum. The accountant is that
    of Rényi differential privacy. The noise is of torch's generator, which is not one of
    cryptography.

    The budget is that of one fit. Fits to the same rows add up: so does a search for
    parameters, and so do the steps before in a pipeline, which are not private.

    References
    ----------
    Abadi et al., Deep Learning with Differential Privacy, 2016, algorithm 1. The
    accountant: Mironov, Talwar & Zhang, Rényi Differential Privacy of the Sampled Gaussian
    Mechanism, 2019. Opacus: Yousefpour et al., 2021.

    Examples
    --------
    >>> import pandas as pd
    >>> from skae import VAETransformer
    >>> from skae.privacy import fit_privately
    >>> rows = pd.DataFrame({"age": [31.0, 44.0] * 500, "smokes": ["no", "yes"] * 500})
    >>> bounds = {"age": (18, 100), "smokes": ["no", "yes"]}
    >>> vae = fit_privately(
    ...     VAETransformer(2), rows, bounds=bounds, epsilon=3.0
    ... )  # doctest: +SKIP
    >>> vae.epsilon_ <= 3.0  # doctest: +SKIP
    True
    """
    if not isinstance(estimator, VAETransformer):
        raise TypeError(
            f"estimator is of type {type(estimator).__name__}; differentially private training is "
            "that of VAETransformer, whose other statistics can be left out."
        )
    bounds = check_bounds(X, bounds)
    _check_budget(max(1, X.shape[0]), epsilon, delta, max_grad_norm)
    opacus = Opacus()
    fitted = clone(estimator).set_params(**BY_CODES)
    seed = _seed_of(estimator.random_state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are about rows that are made up
        fitted.fit(stand_in_rows(X, bounds))
    fitted._forget_noise()
    if fitted.net_.module_.has_dataset_loss:
        raise ValueError(
            f"divergence={estimator.divergence!r} compares rows with each other, so that the "
            "influence of one has no bound; use divergence='kl'."
        )
    rows = check_fitted_table(fitted, bounded(X, bounds), fitted._table)
    source = fitted._encode(rows, np.arange(rows.shape[0]))
    n_epochs = estimator.max_iter or N_EPOCHS
    n_rows = len(source)
    batch_size = estimator.batch_size or min(-(-n_rows // STEPS_PER_EPOCH), MAX_BATCH)
    sampling_rate = min(1.0, batch_size / n_rows)
    descent = PrivateDescent(opacus, fitted, sampling_rate * n_rows, max_grad_norm, seed)
    descent.run(source, sampling_rate, round(n_epochs / sampling_rate), epsilon, delta)
    fitted.set_params(**{name: getattr(estimator, name) for name in BY_CODES})
    fitted.loss_curve_, fitted.n_iter_, fitted._is_bounded = [], n_epochs, True
    fitted.best_iter_ = n_epochs
    fitted.epsilon_, fitted.delta_ = descent.epsilon, delta
    fitted.noise_multiplier_ = descent.noise_multiplier
    _learn_of_draws(fitted)
    return fitted


def _learn_of_draws(fitted):
    """Learn of rows that the model draws what a fit learns of its training rows."""
    drawn = fitted.sample(N_DRAWN, random_state=0)
    rows = check_fitted_table(fitted, drawn, fitted._table)
    index = np.arange(N_DRAWN)
    fitted._learn_activity(TrainingRows.of(fitted._encode(rows, index), index, None, 0))


def _check_budget(n_rows, epsilon, delta, max_grad_norm):
    for name, value in (("epsilon", epsilon), ("max_grad_norm", max_grad_norm)):
        if not isinstance(value, Real) or isinstance(value, bool) or not 0 < value < np.inf:
            raise ValueError(f"{name}={value!r}; give a finite number above 0.")
    if not isinstance(delta, Real) or not 0 < delta < 1 / n_rows:
        raise ValueError(
            f"delta={delta!r} with {n_rows} rows: as much as one row's disclosure would "
            f"count. Give a number above 0 and below 1/{n_rows}."
        )


def _seed_of(random_state):
    if random_state is None:
        return secrets.randbits(63)
    warn(
        f"random_state={random_state!r} makes the noise repeatable, and whoever knows it can "
        "take the noise away; use random_state=None for rows that are private."
    )
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(random_state.randint(np.iinfo(np.int32).max))
