"""The training of a GAN: a critic and a generator that learn against each other."""

import copy
import math
from dataclasses import dataclass

import torch

from skae.training.schedule import one_cycle

# The gradient penalty is evaluated every so many steps of the critic, with as many times its
# weight (Karras et al., StyleGAN2, 2020, "lazy regularization").
LAZY = 4
# Fraction of the steps after which rows are shown without noise.
NOISE_UNTIL = 0.4
BETAS = 0.0, 0.99
# Fraction of the generated rows that become negative examples: noise is added to them.
AUGMENTED = 0.125
# A network whose loss is this large, or not finite, has diverged.
DIVERGED = 1e4


@dataclass
class AdversarialConfig:
    """How generator and critic are trained.

    Attributes
    ----------
    loss : NonSaturating or Wasserstein
    n_epochs, batch_size : int
    generator_rate, critic_rate : float
        Peaks of the two one-cycle schedules.
    penalty : float
        Weight of the gradient penalty.
    noise : float
        Standard deviation, at the start, of the noise on all rows that the critic sees.
    averaging : float
        Weight of the past in the moving average of the generator's weights.
    n_critic_steps : int
        Steps of the critic for each of the generator's.
    seed : int
    """

    loss: type
    n_epochs: int
    batch_size: int
    generator_rate: float
    critic_rate: float
    penalty: float
    noise: float
    averaging: float
    n_critic_steps: int
    seed: int


class AdversarialTraining:
    """Trains generator and critic by turns, and averages the generator's weights.

    Parameters
    ----------
    generator : Generator
    critic : Critic
    rows : torch.Tensor of shape (n, n_inputs)
        Real rows, on the device.
    weights : torch.Tensor of shape (n,) or None
        Their weights, 1 on average.
    config : AdversarialConfig

    Attributes
    ----------
    average : Generator
        The moving average: what generates in the end.
    generator_losses, critic_losses : list of float
        Mean losses of every epoch.
    """

    def __init__(self, generator, critic, rows, weights, config):
        self.generator, self.critic = generator.train(), critic.train()
        self.average = copy.deepcopy(generator).eval().requires_grad_(False)
        self.rows, self.weights, self.config = rows, weights, config
        self.draws = torch.Generator(rows.device).manual_seed(config.seed)
        fused = rows.device.type in ("cpu", "cuda")
        self._optimisers = [
            torch.optim.Adam(network.parameters(), lr=rate, betas=BETAS, fused=fused)
            for network, rate in (
                (generator, config.generator_rate),
                (critic, config.critic_rate),
            )
        ]
        self._rates = config.generator_rate, config.critic_rate
        steps = math.ceil(len(rows) / config.batch_size)
        self._n_steps, self._step = config.n_epochs * steps, 0
        self.generator_losses, self.critic_losses = [], []

    def run_epoch(self):
        """Take every real row once; return whether both networks are still sound."""
        device = self.rows.device
        order = torch.randperm(len(self.rows), generator=self.draws, device=device)
        totals = torch.zeros(2, device=device, dtype=torch.float32)
        kept = self.average, self.critic
        before = [copy.deepcopy(network.state_dict()) for network in kept]
        for batch in order.split(self.config.batch_size):
            self._set_rates()
            real = self.rows.index_select(0, batch)
            weight = None if self.weights is None else self.weights.index_select(0, batch)
            totals[1] += len(batch) * self._train_critic(real, weight)
            if (self._step + 1) % self.config.n_critic_steps == 0:
                self._last = self._train_generator(len(batch))
                self._follow()
            totals[0] += len(batch) * getattr(self, "_last", totals.new_zeros(()))
            self._step += 1
        totals = (totals / len(self.rows)).tolist()
        sound = all(abs(total) < DIVERGED for total in totals) and all(
            bool(value.isfinite().all())
            for network in kept
            for value in network.parameters()
        )
        if not sound:
            for network, state in zip(kept, before, strict=True):
                network.load_state_dict(state)
            return False
        self.generator_losses.append(totals[0])
        self.critic_losses.append(totals[1])
        return True

    def _set_rates(self):
        factor = one_cycle(self._step / self._n_steps)
        for optimiser, rate in zip(self._optimisers, self._rates, strict=True):
            optimiser.param_groups[0]["lr"] = rate * factor

    def _noisy(self, rows):
        """Return rows with noise that fades: what is alike from afar is learned first.

        References
        ----------
        Sonderby et al., Amortised MAP Inference for Image Super-resolution, 2017, section
        3.2 (instance noise).
        """
        left = 1.0 - self._step / (NOISE_UNTIL * self._n_steps)
        if self.config.noise == 0.0 or left <= 0.0:
            return rows
        noise = torch.empty_like(rows).normal_(generator=self.draws)
        return torch.add(rows, noise, alpha=self.config.noise * left)

    def _generate(self, n_rows):
        output = self.generator(self.generator.draw(n_rows, self.draws))
        return self._noisy(self.generator.show(output, self.draws))

    def _augment(self, fake):
        """Return generated rows, noise added to some: negative data augmentation.

        When the generator is good, nothing but these tells the critic what is not real;
        without them it would forget, and let the generator drift.

        References
        ----------
        Sinha et al., Negative Data Augmentation, 2021, section 4.
        """
        n_augmented = round(AUGMENTED * len(fake))
        noise = torch.empty_like(fake[:n_augmented]).normal_(generator=self.draws)
        return torch.cat([fake[:n_augmented] + noise, fake[n_augmented:]])

    def _train_critic(self, real, weight):
        loss, real = self.config.loss, self._noisy(real)
        with torch.no_grad():
            fake = self._augment(self._generate(len(real)))
        verdicts = self.critic(torch.cat([real, fake]))
        of_real, of_fake = loss.critic(verdicts[: len(real)], verdicts[len(real) :])
        if weight is not None:
            of_real = of_real * weight
        cost = of_real.mean() + of_fake.mean()
        value = cost.detach()
        if self.config.penalty and self._step % LAZY == 0:
            steepness = loss.steepness(self.critic, real, fake, self.draws).mean()
            fade = loss.last_penalty ** (self._step / self._n_steps)
            cost = cost + LAZY * fade * self.config.penalty * steepness
        self._take_step(1, cost)
        return value

    def _train_generator(self, n_rows):
        self.critic.requires_grad_(False)
        cost = self.config.loss.generator(self.critic(self._generate(n_rows))).mean()
        self._take_step(0, cost)
        self.critic.requires_grad_(True)
        return cost.detach()

    def _take_step(self, network, cost):
        optimiser = self._optimisers[network]
        optimiser.zero_grad()
        cost.backward()
        optimiser.step()

    @torch.no_grad()
    def _follow(self):
        """Let the average follow the generator: fast in the first steps.

        References
        ----------
        Yazici et al., The Unusual Effectiveness of Averaging in GAN Training, 2019.
        """
        past = min(self.config.averaging, (1 + self._step) / (10 + self._step))
        pairs = zip(self.average.parameters(), self.generator.parameters(), strict=True)
        for kept, live in pairs:
            kept.lerp_(live, 1.0 - past)
