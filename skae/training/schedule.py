"""How long to train and how fast to learn: epochs, learning rates, annealing."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import NamedTuple

from skae.table.rows import TrainingRows
from skae.training.workers import ALONE, Workers

# Fraction of the steps over which the learning rate falls to 0 where a cycle ends early.
COOLDOWN = 0.2


class Budget(NamedTuple):
    """How long an estimator trains where no parameter says so.

    Attributes
    ----------
    factor : float
        Multiple of the usual budget of steps.
    harder : bool
        Whether every step shows other rows, or training leads far from the start.
    warmup : float
        Fraction of the steps over which the weight of a divergence rises.
    steady : bool
        Whether a row has the same gradient whenever it is seen: nothing is drawn.
    """

    factor: float = 1.0
    harder: bool = False
    warmup: float = 0.0
    steady: bool = False


@dataclass
class Schedule:
    """What a fit settles before its first step.

    Attributes
    ----------
    n_epochs, batch_size : int
    learning_rate : float
        Peak of the one-cycle schedule, or the constant rate.
    one_cycle : bool
    n_iter_no_change : int
        Epochs without an improvement of the held-out loss after which training stops.
    tol : float
        Smallest improvement that counts, relative to the held-out loss at the start.
    seed : int
        Seeds the order of the rows, dropout and the draws of the model.
    warmup : float
        Fraction of the steps over which a model's `annealing` rises to 1.
    corrupt : callable (x, observed, generator) -> x, or None
        What the network sees of a batch, whose clean rows it learns to reconstruct.
    steady : bool
        Whether nothing is drawn (see `Budget`): the cycle is of straight lines then. What is
        drawn is averaged in the many steps of small rates with which the other cycle ends.
    refit : bool
        Whether to train once more, on all rows, for the steps that held-out rows chose.
    folds_choose : bool
        Whether other held-out rows have a say in how many steps a refit takes.
    before_refit : callable () -> None
        Called when the model is in the state that held-out rows chose.
    confirm : bool
        Whether other rows are held out in turn where the first ones leave it open if the start
        is to be left.
    start_again : callable (TrainingRows) -> None, or None
        Has the model start as it does where it knows the rows to train on, and no others;
        None: what only chooses starts as the refit does.
    begin_epoch : callable () -> None
    end_epoch : callable () -> bool
        scikit-learn's callbacks; true asks to stop.
    draws : callable () -> context manager
        Held while the model runs, if it may draw from torch's global generators.
    workers : Workers
        Who trains: several have the rows, and the rows of a batch, in parts.
    """

    n_epochs: int
    batch_size: int
    learning_rate: float
    one_cycle: bool
    n_iter_no_change: int
    tol: float
    seed: int
    warmup: float = 0.0
    corrupt: Callable | None = None
    steady: bool = False
    refit: bool = False
    folds_choose: bool = True
    before_refit: Callable[[], None] = field(default=lambda: None)
    confirm: bool = False
    start_again: Callable[[TrainingRows], None] | None = None
    begin_epoch: Callable[[], None] = field(default=lambda: None)
    end_epoch: Callable[[], bool] = field(default=lambda: False)
    draws: Callable[[], AbstractContextManager] = nullcontext
    workers: Workers = ALONE

    def steps_per_epoch(self, n_rows):
        return math.ceil(n_rows / self.batch_size)

    def learning_rates(self, steps, n_steps, n_all):
        """Return the rates of some steps of a cycle; None leaves the optimiser's.

        Where only the first `n_steps` of its `n_all` steps are taken, the last of these cool
        down: amid a cycle weights are restless, and which step is the last would be luck.

        References
        ----------
        Hagele et al., Scaling Laws and Compute-Optimal Training Beyond Fixed Training
        Durations, 2024, section 3.
        """
        if not self.one_cycle:
            return None
        cycle = linear_cycle if self.steady else one_cycle
        rates = [self.learning_rate * cycle(step / n_all) for step in steps]
        if n_steps == n_all:
            return rates
        left = [(n_steps - step) / (COOLDOWN * n_steps) for step in steps]
        return [rate * min(1.0, part) for rate, part in zip(rates, left, strict=True)]

    def annealing(self, steps, n_all):
        """Return the factors on a divergence's weight at some of all steps."""
        n_warm = max(self.warmup * n_all, 1.0)
        return [min(1.0, (step + 1) / n_warm) for step in steps]


def linear_cycle(progress, warm=0.1, start=0.04):
    """Return the factor on the peak learning rate at `progress` in [0, 1).

    A line up from `start` during the fraction `warm` of the steps, a line down to 0 during
    the rest.

    References
    ----------
    Smith & Topin, Super-Convergence, 2018. Down to 0: Bergsma et al., Straight to Zero: Why
    Linearly Decaying the Learning Rate to Zero Works Best for LLMs, 2025.
    """
    if progress < warm:
        return start + (1.0 - start) * progress / warm
    return (1.0 - progress) / (1.0 - warm)


def one_cycle(progress, warm=0.1, start=0.04, end=0.01):
    """Return the factor on the peak learning rate at `progress` in [0, 1].

    Half a cosine up from `start` during the fraction `warm` of the steps, half a cosine
    down to `end` during the rest.

    References
    ----------
    Smith & Topin, Super-Convergence, 2018 (with cosine annealing).
    """
    if progress < warm:
        low, phase = start, 1.0 - progress / warm
    else:
        low, phase = end, (progress - warm) / (1.0 - warm)
    return low + (1.0 - low) * 0.5 * (1.0 + math.cos(math.pi * phase))
