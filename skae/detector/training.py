"""The training of many denoising networks at once: a bare loop over stacked tensors."""

import math

import torch

from skae.training.schedule import one_cycle

WEIGHT_DECAY = 0.01
# Times that progress is told of.
N_REPORTS = 10


def train_to_denoise(
    networks,
    pools,
    masks,
    noises,
    n_steps,
    batch_size,
    learning_rate,
    generator,
    progress,
):
    """Train every network to restore its rows from copies with Gaussian noise.

    A step takes `batch_size` rows of each network's pool, with replacement.

    Parameters
    ----------
    networks : MemberNetworks
    pools : torch.Tensor of shape (n_members, n_rows, width)
        The networks' rows.
    masks : torch.Tensor of bool of the shape of `pools`, or None
        Which cells are observed; the others cost nothing.
    noises : torch.Tensor of shape (n_members, 1, 1)
        Standard deviations.
    n_steps, batch_size : int
    learning_rate : float
        Peak of the one-cycle schedule.
    generator : torch.Generator
        Source of the batches and the noise.
    progress : callable (share of the steps done) -> bool
        Called `N_REPORTS` times at most; true asks to stop.

    Returns
    -------
    n_iter : int
        Steps taken.
    stop_reason : str
        "steps", "callback" or "interrupted" (Ctrl-C).

    References
    ----------
    Vincent et al., Extracting and Composing Robust Features with Denoising Autoencoders,
    2008, section 2.3.
    """
    n_members, n_rows, width = pools.shape
    device = pools.device
    fused = {"fused": True} if device.type in ("cpu", "cuda") else {}
    optimizer = torch.optim.AdamW(
        networks.parameters(), lr=learning_rate, weight_decay=WEIGHT_DECAY, **fused
    )
    (group,) = optimizer.param_groups
    first = torch.arange(n_members, device=device)[:, None] * n_rows
    pools = pools.reshape(-1, width)
    masks = None if masks is None else masks.reshape(-1, width)
    every, shape = math.ceil(n_steps / N_REPORTS), (n_members, batch_size)
    step = 0
    try:
        while step < n_steps:
            group["lr"] = learning_rate * one_cycle(step / n_steps)
            picks = torch.randint(n_rows, shape, generator=generator, device=device)
            picks = (picks + first).view(-1)
            x = pools.index_select(0, picks).view(*shape, width)
            noise = torch.empty_like(x).normal_(generator=generator)
            error = networks(torch.addcmul(x, noise, noises)) - x
            if masks is not None:
                error = error * masks.index_select(0, picks).view_as(x)
            # The mean of each network, the sum over networks: none slows another.
            loss = error.square().sum() / (batch_size * width)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            if step % every == 0 and progress(step / n_steps):
                return step, "callback"
    except KeyboardInterrupt:
        return step, "interrupted"
    return step, "steps"
