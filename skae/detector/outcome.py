"""What a training came to: what the networks have learned, and what to warn of."""

import numpy as np
import torch

# Rows of each network on which it is checked what it has learned.
N_CHECKED = 256
# Variance per cell below which rows are all equal.
ROUNDING = 1e-10
# A network that explains less than this proportion of what a linear one would at least has
# learned next to nothing. On 22 real tables they explained 0.97 and more of all variance.
LEAST_EXPLAINED = 0.5
# The mean loss, in units of that of the columns' means, above which it rose in training.
RISEN = 2.0
# The default of `learning_rate_init`.
USUAL_RATE = 0.01


class Outcome:
    """What a training came to.

    Parameters
    ----------
    loss_curve : list of float
        Loss of every step.
    stop_reason : str
        "steps", "callback" or "interrupted" (Ctrl-C).
    n_diverged : int
        Networks whose weights were not finite.

    Attributes
    ----------
    explained : ndarray of shape (n_networks,)
        Proportion of the variance of its own rows that each network reconstructs.
    idle : ndarray of bool of shape (n_networks,)
        Networks that have learned next to nothing.
    """

    def __init__(self, loss_curve, stop_reason, n_diverged):
        self.loss_curve, self.stop_reason = loss_curve, stop_reason
        self.n_diverged = n_diverged

    def check(self, networks, subsets, noise):
        """Look at what the networks have learned.

        Parameters
        ----------
        networks : BatchedMLP
        subsets : Subsets
        noise : torch.Tensor of shape (n_networks, 1, 1)
            Its standard deviation in training.
        """
        self.explained = explained_variance(networks, subsets)
        least = explainable_variance(networks, noise)
        self.idle = self.explained < LEAST_EXPLAINED * least.flatten().cpu().numpy()

    def warning(self, config, n_steps):
        """Return what to warn of, or None.

        Parameters
        ----------
        config : SimpleNamespace
            Of `choose_config`.
        n_steps : int
            Steps at most.
        """
        n_networks, rate = len(self.idle), f"{config.learning_rate_init:g}"
        if self.stop_reason == "interrupted":
            return (
                f"Training was interrupted after {len(self.loss_curve)} steps; further "
                "training might improve the detector."
            )
        if self.n_diverged:
            return (
                f"{self.n_diverged} of {n_networks} networks diverged with "
                f"learning_rate_init={rate} and reconstruct nothing now. Use a smaller "
                "learning_rate_init."
            )
        if self.stop_reason == "callback" or not self.idle.any():
            return None
        left = 1.0 - np.median(self.explained[self.idle])
        return (
            f"{self.idle.sum()} of {n_networks} networks learned next to nothing in "
            f"{n_steps} steps with learning_rate_init={rate}: their error on the rows that "
            f"they were trained on is {left:.2g} times that of the means of the columns. "
            f"Use a {self._remedy(config)}."
        )

    def _remedy(self, config):
        if np.mean(self.loss_curve) > RISEN:
            return "smaller learning_rate_init"
        if config.learning_rate_init < USUAL_RATE:
            return "larger learning_rate_init"
        return "larger max_iter"


@torch.no_grad()
def explained_variance(networks, subsets):
    """Return what proportion of the variance of its rows each network reconstructs.

    Parameters
    ----------
    networks : BatchedMLP
    subsets : Subsets

    Returns
    -------
    explained : ndarray of shape (n_networks,)
        1 is perfect, 0 is as good as the means of the columns; 1 for rows that are all
        equal.
    """
    x = subsets.x[:, :N_CHECKED]
    mask = torch.ones_like(x) if subsets.mask is None else subsets.mask[:, :N_CHECKED].to(x)
    mean = (mask * x).sum(1, keepdim=True) / mask.sum(1, keepdim=True).clamp(min=1.0)
    left = (mask * (networks(x) - x).square()).sum((1, 2))
    total = (mask * (x - mean).square()).sum((1, 2))
    varies = total > ROUNDING * mask.sum((1, 2))
    return torch.where(varies, 1.0 - left / total, 1.0).cpu().numpy()


def explainable_variance(networks, noise):
    """Return what proportion of the variance a linear network would explain at least.

    That is, of columns of which none says anything of another: as many as the narrowest
    layer has units, each shrunk by ``1 / (1 + noise^2)``, as is best against the noise.

    Parameters
    ----------
    networks : BatchedMLP
    noise : torch.Tensor
        Standard deviations.
    """
    width = networks.weights[0].shape[1]
    passed = min(min(weight.shape[2] for weight in networks.weights) / width, 1.0)
    return passed * (1.0 - (noise**2 / (1.0 + noise**2)) ** 2)
