"""Gradient descent with differential privacy: rows' gradients are clipped, and noise is added."""

import copy
import warnings
from functools import cache, lru_cache

import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from skae.training.devices import threads_for
from skae.training.generators import GlobalDraws, use_generator


class Opacus:
    """What is used of Opacus, which is slow to import, and optional."""

    def __init__(self):
        try:
            from opacus.accountants import RDPAccountant
            from opacus.accountants.utils import get_noise_multiplier
            from opacus.optimizers import DPOptimizer
        except ImportError as error:
            raise ImportError(
                "fit_privately needs Opacus; install it with pip install 'skae[privacy]'."
            ) from error
        self.accountant, self.optimizer = RDPAccountant, DPOptimizer
        self.calibrate = _remembering(get_noise_multiplier)


@cache
def _remembering(calibrate):
    """Return a function that searches for the noise of each budget once: it takes long."""
    return lru_cache(calibrate)


class _PerRow(nn.Module):
    """The loss of one row by a model of its own, whose weights are given."""

    def __init__(self, model):
        super().__init__()
        # Of weights that parts of the model share, `functional_call` does not put all back.
        self.model = copy.deepcopy(model)

    def forward(self, row):
        return self.model.losses(row[None], row[None], None)[0].sum()


class PrivateDescent:
    """DP-SGD by Opacus' optimiser and accountant; gradients of rows are torch's own.

    Attributes
    ----------
    epsilon : float
        What was spent.
    noise_multiplier : float
    """

    def __init__(self, opacus, fitted, batch_size, max_grad_norm, seed):
        self._opacus, self._accountant = opacus, opacus.accountant()
        self._fitted, self._seed = fitted, seed
        self._batch_size, self._max_grad_norm = batch_size, max_grad_norm

    def run(self, source, sampling_rate, n_steps, epsilon, delta):
        """Take as many steps, with the noise that keeps within the budget."""
        with warnings.catch_warnings():
            # Of Rényi's orders the largest is the best for much noise, and good enough.
            warnings.filterwarnings("ignore", "Optimal order is the largest", UserWarning)
            self.noise_multiplier = self._noise_for(sampling_rate, n_steps, epsilon, delta)
            self._descend(source, sampling_rate, n_steps)
            self.epsilon = float(self._accountant.get_epsilon(delta))

    def _noise_for(self, sampling_rate, n_steps, epsilon, delta):
        try:
            return self._opacus.calibrate(
                target_epsilon=epsilon,
                target_delta=delta,
                sample_rate=sampling_rate,
                steps=n_steps,
                accountant="rdp",
            )
        except ValueError as error:
            raise ValueError(
                f"epsilon={epsilon!r} with delta={delta!r} cannot be kept in {n_steps} steps "
                f"by any noise ({error}); give a larger one, or fewer passes by max_iter."
            ) from error

    def _descend(self, source, sampling_rate, n_steps):
        fitted, device = self._fitted, self._fitted.device_
        model = fitted.net_.module_
        weights = dict(model.named_parameters())
        generator = torch.Generator(device).manual_seed(self._seed)
        optimizer = self._opacus.optimizer(
            torch.optim.AdamW(
                list(weights.values()),
                lr=fitted.learning_rate_init,
                weight_decay=fitted.alpha,
            ),
            noise_multiplier=self.noise_multiplier,
            max_grad_norm=self._max_grad_norm,
            expected_batch_size=self._batch_size,
            generator=generator,
        )
        per_row = _PerRow(model.train())
        gradients = vmap(
            grad(lambda given, row: functional_call(per_row, given, (row,))),
            in_dims=(None, 0),
            randomness="different",
        )
        with (
            threads_for(fitted._n_multiplications(int(self._batch_size) + 1)),
            use_generator(None, per_row),
            GlobalDraws(self._seed, device)(),
        ):
            for _ in range(n_steps):
                chosen = torch.rand(len(source), generator=generator, device=device)
                batch = source.x[chosen < sampling_rate]
                given = {f"model.{name}": w.detach() for name, w in weights.items()}
                of_rows = gradients(given, batch) if len(batch) else {}
                for name, weight in weights.items():
                    nothing = weight.new_zeros(0, *weight.shape)
                    weight.grad_sample = of_rows.get(f"model.{name}", nothing)
                optimizer.step()
                optimizer.zero_grad()
                self._accountant.step(
                    noise_multiplier=self.noise_multiplier, sample_rate=sampling_rate
                )
        for weight in weights.values():
            vars(weight).clear()  # gradients of rows
        model.eval()
