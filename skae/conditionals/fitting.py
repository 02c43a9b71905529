"""Training of the conditional networks: every step hides other variables of other rows."""

import math
from contextlib import closing, contextmanager
from functools import cached_property
from itertools import chain, islice

import torch

from skae._prefetch import prefetched
from skae.conditionals.likelihood import (
    loss_of_held_out,
    loss_of_learned,
    losses_of_variables,
)
from skae.conditionals.seen import Rows, Seen
from skae.training.devices import threads_for

N_UNITS, N_LAYERS, DROPOUT = 128, 2, 0.3
LEARNING_RATE, WEIGHT_DECAY = 3e-3, 0.01
# Steps at most, and how many of the first raise the learning rate; it stays where it is then.
MAX_STEPS, N_WARM = 2000, 50
# The weights that count are a moving average of those of the last steps, with this decay.
AVERAGED = 0.99
# Rows are drawn for so many steps at a time, and so many masks for each: rows share them,
# as what networks see of hidden cells takes as long as a step.
N_AHEAD, N_PATTERNS = 8, 16
# Masks of visible variables in a check.
N_CHECKED_PATTERNS = 64
# After how many steps each a training is checked on held-out rows, and how many these are at
# most; fewer are looked at several times, with other patterns.
N_BETWEEN, MAX_CHECKED = 50, 1000
# It ends after so many steps, and this fraction of all of them, without a gain of so many
# nats per variable.
LEAST_VAIN, VAIN, LEAST_GAIN = 200, 0.25, 1e-3
# Steps where no rows can be held out.
N_UNCHECKED = 100


class Training:
    """Trains networks, and keeps the state that is best on the rows that each holds out.

    Parameters
    ----------
    networks : ConditionalNetworks
    visibility : Visibility
    groups : list of Group
    batch_size, seed : int

    Attributes
    ----------
    losses : list of float
        In nats per variable, of held-out rows: before the first step, and at every check.
    n_steps : int
        Steps that were taken.
    interrupted : bool
        Whether Ctrl-C ended the training.
    """

    def __init__(self, networks, visibility, groups, batch_size, seed):
        self.networks, self.visibility = networks, visibility
        self.batch_size = batch_size
        self.seed = seed
        self.learned = [group for group in groups if not group.held_by.all()]
        self.checked = self._checked([group for group in groups if group.held_by.any()])
        self.losses, self.n_steps, self.interrupted = [], 0, False

    def _checked(self, groups):
        """Return the rows to check on by group, some of them repeated, as they are seen."""
        generator, checked = torch.Generator().manual_seed(1), []
        for group in groups:
            n = min(len(group.rows), math.ceil(MAX_CHECKED / len(groups)))
            n_fresh = n * max(1, min(8, MAX_CHECKED // (n * len(groups))))
            n_patterns = math.ceil(N_CHECKED_PATTERNS / len(groups))
            n_fresh = n_patterns * math.ceil(n_fresh / n_patterns)
            rows = group.rows.take(torch.arange(n_fresh) % n)
            mask = self.visibility.draw(n_patterns, generator)
            checked.append(Seen.of(group._replace(rows=rows), mask, self.visibility))
        return checked

    def _draws(self, n_steps):
        """Yield what steps learn from, of some at a time a list of `Seen`."""
        generator = torch.Generator().manual_seed(self.seed + 1)
        sizes = torch.stack([group.rows.weights.sum() for group in self.learned])
        for _ in range(math.ceil(n_steps / N_AHEAD)):
            with threads_for(0):  # not around the loop: another thread makes each item
                chosen = torch.multinomial(sizes, N_AHEAD, True, generator=generator)
                counts = chosen.bincount(minlength=len(sizes)).tolist()
                parts = [
                    self._draw(group, n, generator)
                    for group, n in zip(self.learned, counts, strict=True)
                ]
                steps = [next(parts[group]) for group in chosen.tolist()]
            yield steps

    def _draw(self, group, n_steps, generator):
        """Yield rows of a group for so many steps, as they are seen."""
        n_patterns = n_steps * N_PATTERNS
        n_rows = n_patterns * math.ceil(self.batch_size / N_PATTERNS)
        index = torch.multinomial(group.rows.weights, n_rows, True, generator=generator)
        rows = group.rows.take(index)
        # Drawn by weight, rows count alike.
        group = group._replace(rows=Rows(*rows[:-1], torch.ones(n_rows)))
        mask = self.visibility.draw(n_patterns, generator)
        seen = Seen.of(group, mask, self.visibility)
        order = torch.randperm(n_rows, generator=generator)
        yield from map(seen.take, order.tensor_split(n_steps))

    def check(self):
        """Return the loss of the rows that are held out."""
        return self._of_checked(loss_of_held_out).item()

    @torch.no_grad()
    def _of_checked(self, loss):
        self.networks.eval()
        found = loss(self.networks, self.checked)
        self.networks.train()
        return found

    @cached_property
    def first_loss(self):
        """The loss before the first step: of several starts the best is trained on."""
        return self.check()

    def first_losses(self):
        """Return the parts that variables have in the loss before the first step."""
        return self._of_checked(losses_of_variables).numpy()

    def run(self, max_steps):
        """Train, of `max_steps` (or None) at most."""
        networks = self.networks
        n_steps = MAX_STEPS if self.checked else N_UNCHECKED
        n_steps = n_steps if max_steps is None else min(n_steps, max_steps)
        networks.generator = torch.Generator().manual_seed(self.seed)
        networks.train()
        try:
            with closing(prefetched(self._draws(n_steps))) as draws:
                batches = chain.from_iterable(draws)
                self._run(islice(batches, n_steps), n_steps, _optimizer_of(networks))
        except KeyboardInterrupt:
            self.interrupted = True
        if self.checked:
            networks.load_state_dict(self._kept)
        networks.generator = None
        networks.eval().requires_grad_(False)

    def _run(self, batches, n_steps, optimizer):
        self._kept = _state(self.networks)
        mean = [p.detach().clone() for p in self.networks.parameters()]
        self.losses = [self.first_loss] if self.checked else []
        every, self._n_best = min(N_BETWEEN, n_steps), 0
        self._reference = self.losses[0] if self.losses else math.inf
        for seen in batches:
            self._step(seen, optimizer)
            torch._foreach_lerp_(mean, list(self.networks.parameters()), 1.0 - AVERAGED)
            if self.checked and self.n_steps % every == 0:
                with _exchanged(self.networks, mean):
                    self._compare(self.check())
                if self.n_steps - self._n_best >= max(LEAST_VAIN, VAIN * self.n_steps):
                    break

    def _step(self, seen, optimizer):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(1.0, (self.n_steps + 1) / N_WARM)
        loss = loss_of_learned(self.networks, seen)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        self.n_steps += 1

    def _compare(self, loss):
        """Keep the networks if they are the best so far."""
        if loss < min(self.losses):
            self._kept = _state(self.networks)
        if loss < self._reference - LEAST_GAIN:
            self._reference, self._n_best = loss, self.n_steps
        self.losses.append(loss)


def _optimizer_of(networks):
    groups = [
        {
            "params": [p for p in networks.parameters() if p.shape[1] > 1],
            "weight_decay": WEIGHT_DECAY,
        },
        {
            "params": [p for p in networks.parameters() if p.shape[1] == 1],
            "weight_decay": 0.0,
        },
    ]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE, fused=True)


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
