"""Training of the conditional networks: every step hides other variables of other rows."""

import math
from contextlib import contextmanager
from typing import NamedTuple

import torch

from skae.conditionals.network import log_probability_between

N_NETWORKS, N_UNITS, N_LAYERS, DROPOUT = 2, 128, 2, 0.3
LEARNING_RATE, WEIGHT_DECAY = 3e-3, 0.01
# Steps at most, and how many of the first raise the learning rate; it stays where it is then.
MAX_STEPS, N_WARM = 2000, 50
BATCH_SIZE = 256
# The weights that count are a moving average of those of the last steps, with this decay.
AVERAGED = 0.99
# Patterns of visible variables in a step and in a check, where no cell is missing.
N_PATTERNS, N_CHECKED_PATTERNS = 32, 64
# After how many steps each a training is checked on held-out rows, and how many these are at
# most; fewer are looked at several times, with other patterns.
N_BETWEEN, MAX_CHECKED = 50, 1000
# It ends after so many steps, and this fraction of all of them, without a gain of so many
# nats per variable.
LEAST_VAIN, VAIN, LEAST_GAIN = 200, 0.25, 1e-3
# Steps where no rows can be held out.
N_UNCHECKED = 100
# Fraction of the rows that is held out, at least so many.
HELD_OUT, LEAST_HELD_OUT = 0.15, 5


class Rows(NamedTuple):
    """Rows to learn from, as tensors.

    Attributes
    ----------
    x : of shape (n, width)
    known : of bool of shape (n, n_variables)
    low, high : of shape (n, n_ranked)
    levels : of shape (n, n_levels in all)
        1 for the level of each variable of levels, 0 for others.
    weights : of shape (n,)
    """

    x: torch.Tensor
    known: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    levels: torch.Tensor
    weights: torch.Tensor

    def take(self, index):
        return Rows(*(part[index] for part in self))

    def __len__(self):
        return len(self.x)


def train(networks, gaussian, visibility, rows, max_steps, seed):
    """Train the networks, and keep the state that is best on held-out rows.

    Parameters
    ----------
    networks : ConditionalNetworks
    gaussian : Gaussian
    visibility : Visibility
    rows : Rows
    max_steps : int or None
    seed : int

    Returns
    -------
    losses : list of float
        In nats per variable, of held-out rows: before the first step, and at every check.
    n_done : int
        Steps that were taken.
    interrupted : bool
        Whether Ctrl-C ended the training.
    """
    generator = torch.Generator().manual_seed(seed)
    n_held_out = max(LEAST_HELD_OUT, round(HELD_OUT * len(rows)))
    n_held_out = min(n_held_out, len(rows) // 3)
    order = torch.randperm(len(rows), generator=generator)
    rest = rows.take(order[n_held_out:])
    checked = order[: min(n_held_out, MAX_CHECKED)]
    complete = bool(rows.known.all())
    n_copies = max(1, min(8, MAX_CHECKED // max(1, len(checked))))
    n_fresh = n_copies * len(checked)
    if complete:  # so that rows can share patterns
        n_fresh = N_CHECKED_PATTERNS * math.ceil(n_fresh / N_CHECKED_PATTERNS)
    fresh = rows.take(checked[torch.arange(n_fresh) % len(checked)]) if n_held_out else None
    n_steps = MAX_STEPS if n_held_out else N_UNCHECKED
    n_steps = n_steps if max_steps is None else min(n_steps, max_steps)

    def loss_of(part, seed_of_masks=None):
        own = generator if seed_of_masks is None else torch.Generator().manual_seed(1)
        n_patterns = N_PATTERNS if seed_of_masks is None else N_CHECKED_PATTERNS
        shared = complete and len(part) % n_patterns == 0
        mask = visibility.draw(n_patterns if shared else len(part), own)
        return _loss(networks, gaussian, visibility, part, mask)

    @torch.no_grad()
    def check():
        networks.eval()
        loss = loss_of(fresh, 1).item()
        networks.train()
        return loss

    decayed = [p for p in networks.parameters() if p.shape[1] > 1]
    others = [p for p in networks.parameters() if p.shape[1] == 1]
    groups = [
        {"params": decayed, "weight_decay": WEIGHT_DECAY},
        {"params": others, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, fused=True)
    mean = [p.detach().clone() for p in networks.parameters()]
    losses = [check()] if n_held_out else []
    best = reference = losses[0] if losses else math.inf
    kept = _state(networks)
    every, n_done, n_best, interrupted = min(N_BETWEEN, n_steps), 0, 0, False
    networks.generator = generator
    networks.train()
    batch = min(BATCH_SIZE, N_PATTERNS * math.ceil(len(rest) / N_PATTERNS))
    try:
        for step in range(n_steps):
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE * min(1.0, (step + 1) / N_WARM)
            index = torch.multinomial(rest.weights, batch, True, generator=generator)
            loss = loss_of(rest.take(index))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            n_done = step + 1
            torch._foreach_lerp_(mean, list(networks.parameters()), 1.0 - AVERAGED)
            if n_held_out and n_done % every == 0:
                with _exchanged(networks, mean):
                    losses.append(check())
                    if losses[-1] < best:
                        best, kept = losses[-1], _state(networks)
                if losses[-1] < reference - LEAST_GAIN:
                    reference, n_best = losses[-1], n_done
                if n_done - n_best >= max(LEAST_VAIN, VAIN * n_done):
                    break
    except KeyboardInterrupt:
        interrupted = True
    if n_held_out:
        networks.load_state_dict(kept)
    networks.generator = None
    networks.eval().requires_grad_(False)
    return losses, n_done, interrupted


def _loss(networks, gaussian, visibility, rows, mask):
    """Return the mean of the negative log-likelihood per variable that is asked for.

    As many rows one after the other have the same mask, whose cells are known then, as there
    are more rows than masks.
    """
    n_each = len(rows) // len(mask)
    of_row = mask.repeat_interleave(n_each, 0)
    visible, asked = visibility.of_rows(of_row, rows.known)
    seen = visible[::n_each, networks.owner]
    mean, spread = gaussian.given(rows.x.unflatten(0, (len(mask), n_each)), seen)
    mean, spread = mean.flatten(0, 1), spread.repeat_interleave(n_each, 0)
    hidden = networks.hidden(rows.x, visible, mean, spread)
    nll = rows.x.new_zeros(networks.n_networks, len(rows))
    n = networks.n_ranked
    if n:
        log_weights, means, scales = networks.mixture(hidden, mean, spread)
        low = (rows.low[..., None] - means) / scales
        high = (rows.high[..., None] - means) / scales
        log_p = (log_weights + log_probability_between(low, high)).logsumexp(-1)
        nll = nll - torch.where(asked[:, :n], log_p, 0.0).sum(-1)
    if networks.sizes:
        log_p = networks.log_probabilities(hidden, mean)
        of_level = asked[:, networks.owner][:, n:] * rows.levels
        nll = nll - (log_p * of_level).sum(-1)
    return (nll / visibility.n_asked(of_row)).mean()


@contextmanager
def _exchanged(networks, weights):
    """Have other weights in the networks."""
    own = [p.data for p in networks.parameters()]
    for parameter, weight in zip(networks.parameters(), weights, strict=True):
        parameter.data = weight
    try:
        yield
    finally:
        for parameter, weight in zip(networks.parameters(), own, strict=True):
            parameter.data = weight


def _state(networks):
    return {name: value.clone() for name, value in networks.state_dict().items()}
