"""What held-out rows judge a variational autoencoder by in training: what they will score."""

import torch
from sklearn.utils import gen_batches

from skae.models.heavy_tails import ROUGHLY, heavy_tailed

# Draws of a row, and rows at a time.
N_DRAWS, BLOCK = 8, 512


@torch.no_grad()
def judged_by_scores(model, learned, weights, held_out):
    """Return minus the bounds that `score` will be, of few draws, in standard units.

    By minus the evidence lower bound rows would be held to how well the encoder knows them,
    which it does worse and worse where rows are few, while codes that `score` and a decoder
    know them by still become better; and to normal noise, where this is replaced.

    Parameters
    ----------
    model : VariationalModel
    learned : iterable of tuple (x, observed)
        Rows that show the tails of the noise.
    weights : torch.Tensor of shape (n_learned,) or None
    held_out : iterable of tuple (x, observed)

    Returns
    -------
    losses : torch.Tensor of shape (n_held_out,)
    """
    noise = model.likelihood
    shown = []
    if model.expects_tails and model.is_normal:
        shown = list(model.errors_of(learned, weights))
    if shown:  # not to a worker without rows
        errors, of_cells = map(torch.cat, zip(*shown, strict=True))
        noise = heavy_tailed(noise, errors, of_cells, *ROUGHLY)
    bounds = [noise.center.new_zeros(0)]
    for x, observed in held_out:
        for rows in gen_batches(len(x), BLOCK):
            part = x[rows], None if observed is None else observed[rows]
            bounds += model.bounds(*part, [(noise, None)], N_DRAWS, bool(shown))
    return -torch.cat(bounds)
