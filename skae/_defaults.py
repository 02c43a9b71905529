"""What None stands for: settings chosen from the shape of the data.

One training run is a budget of optimiser steps under a one-cycle schedule. Small tables
overfit before they need many steps; large ones want every row seen several times.
"""

import math

MIN_STEPS, MAX_STEPS, STEPS_PER_ROW = 300, 1000, 1.0
MIN_EPOCHS = 8
ADVERSARIAL_STEPS = 2000
DEEP_FROM = 10_000
# Rows from which equal layers have enough to fill them.
EVEN_FROM = 1000
# Below that many rows, more than a tenth of them is held out.
REFIT_BELOW = 1000
# Below that many, other rows are held out in turn where the first ones leave it open whether
# training has gained anything: no more than 200 are held out then.
CONFIRM_BELOW = 2000


def choose_hidden_layer_sizes(n_samples, even=False):
    """Two hidden layers; wider and one more where there are rows enough to fill them.

    `even`: of equal widths between, at about the same time per step.
    """
    if n_samples >= DEEP_FROM:
        return 256, 128, 64
    return (112, 112) if even and n_samples >= EVEN_FROM else (128, 64)


def choose_validation_fraction(n_samples):
    """A tenth, but 100 rows if that is at most three tenths: fewer are too noisy."""
    return min(max(100 / n_samples, 0.1), 0.3)


def choose_batch_size(n_train):
    """Sixteen steps per epoch, in powers of two from 32 to 256; to 1024 past 50,000 rows."""
    largest = min(max(256, n_train // 200), 1024)
    return 2 ** round(math.log2(min(max(n_train / 16, 32), largest)))


def choose_max_iter(n_train, batch_size, budget_factor=1.0):
    """The epochs that `budget_factor` times the budget of steps allows."""
    budget = budget_factor * min(max(STEPS_PER_ROW * n_train, MIN_STEPS), MAX_STEPS)
    return max(MIN_EPOCHS, math.ceil(budget / math.ceil(n_train / batch_size)))


def choose_budget_factor(missing_fraction, harder=False):
    """More steps with missing cells: three times as many from a fifth of the cells on.

    There every step hides other cells, so that there is more to learn from a row. `harder`:
    corruption changes every step as well, and a penalty leads far from the start.
    """
    return 3.0 if harder else 1.0 + min(10.0 * missing_fraction, 2.0)


def choose_adversarial_max_iter(n_rows, batch_size):
    """The epochs of adversarial training: 2,000 steps, at least 4 epochs."""
    return max(4, math.ceil(ADVERSARIAL_STEPS / math.ceil(n_rows / batch_size)))


def choose_codebook_size(n_train):
    """A tenth of the rows, at most 64: an entry stands for ten rows or more."""
    return min(max(n_train // 10, 1), 64)


def choose_n_iter_no_change(max_iter):
    """Half the schedule: a one-cycle schedule gains late."""
    return max(10, max_iter // 2)


def choose_clip(n_samples):
    """Clipping bound of the corrections, in standard deviations: where 75 rows may lie beyond.

    At most n / c of n rows lie beyond c times the mean size (Markov), and fewer than 75 rows
    can neither train nor judge a correction. Never less than 2.
    """
    return max(2.0, n_samples / 75)
