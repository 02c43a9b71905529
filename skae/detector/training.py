"""Training of many denoising networks at once: a bare loop over stacked tensors."""

import math

import torch

from skae.training.schedule import one_cycle

WEIGHT_DECAY = 0.01
# Reports of progress in one training, at most.
N_REPORTS = 10


def train_to_denoise(
    networks,
    subsets,
    noise,
    n_steps,
    batch_size,
    learning_rate,
    generator,
    loss_curve,
    report,
):
    """Train every network to reconstruct its rows from copies with Gaussian noise.

    A step takes `batch_size` rows of the subset of each network, with replacement.

    Parameters
    ----------
    networks : BatchedMLP
    subsets : Subsets
        The rows of each network; entries that are not observed have no loss.
    noise : torch.Tensor of shape (n_networks, 1, 1)
        Standard deviation of the noise.
    n_steps, batch_size : int
    learning_rate : float
        Peak of the one-cycle schedule.
    generator : torch.Generator
        Source of the batches and the noise.
    loss_curve : list of float
        The loss of every step, the mean over the networks, is appended.
    report : callable () -> bool
        Called `N_REPORTS` times at most; true asks to stop.

    Returns
    -------
    stop_reason : str
        "steps", "callback" or "interrupted" (Ctrl-C).

    References
    ----------
    Vincent et al., Extracting and Composing Robust Features with Denoising Autoencoders,
    2008, section 2.3.
    """
    n_networks, n_rows, width = subsets.x.shape
    device = subsets.x.device
    fused = {"fused": True} if device.type in ("cpu", "cuda") else {}
    optimizer = torch.optim.AdamW(
        networks.parameters(), lr=learning_rate, weight_decay=WEIGHT_DECAY, **fused
    )
    (group,) = optimizer.param_groups
    first = torch.arange(n_networks, device=device)[:, None] * n_rows
    rows = subsets.x.flatten(0, 1)
    mask = None if subsets.mask is None else subsets.mask.flatten(0, 1)
    every, shape = math.ceil(n_steps / N_REPORTS), (n_networks, batch_size)
    unread, step, stop_reason = [], 0, "steps"
    try:
        while step < n_steps:
            group["lr"] = learning_rate * one_cycle(step / n_steps)
            picks = torch.randint(n_rows, shape, generator=generator, device=device)
            picks = (picks + first).view(-1)
            x = rows.index_select(0, picks).view(*shape, width)
            draws = torch.empty_like(x).normal_(generator=generator)
            error = networks(torch.addcmul(x, draws, noise)) - x
            if mask is not None:
                error = error * mask.index_select(0, picks).view_as(x)
            # The mean over rows, but the sum over networks: none slows another down.
            loss = error.square().sum() / (batch_size * width)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            unread.append(loss.detach())
            step += 1
            if step % every == 0:
                _read(unread, loss_curve, n_networks)
                if report():
                    stop_reason = "callback"
                    break
    except KeyboardInterrupt:
        stop_reason = "interrupted"
    _read(unread, loss_curve, n_networks)
    return stop_reason


def _read(unread, loss_curve, n_networks):
    """Move losses from the device, which is waited for, to the curve."""
    if unread:
        loss_curve += (torch.stack(unread) / n_networks).tolist()
        unread.clear()
