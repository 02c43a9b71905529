"""Learns how codes are turned, and completed, so that the first ones reconstruct the most."""

from itertools import product

import torch

from skae.architectures.linear_plus import linear
from skae.models.completion import CodeCompletion, complete, features
from skae.models.first_codes import loading_signs
from skae.table.blocks import OBSERVED

N_HIDDEN = 128
BATCH = 64
# Learning rate of the first step; it falls to 0.
RATE = 0.01
# Rows are seen with several choices of their first codes where the last layer is solved for.
N_CHOICES = 3
# Ridge, where the rows' weights sum to 1.
RIDGE = 0.01
# Variances of codes below this fraction of the largest one are not scaled up further.
LEAST_VARIANCE = 1e-6
# Where Adam has a step in one kernel.
FUSED = "cpu", "cuda"
# What is tried of fractions of the decoder's output, and of its sureness of levels.
TRIED = (0.0, 0.25, 0.5, 0.75, 1.0)


def turn_to_regression(codes, x, fractions):
    """Return M and its inverse: the codes (z - mean) M tell one after the other the most.

    They are uncorrelated, with unit variances, and the first k are the k linear combinations
    of the codes from which x is regressed best, for every k.

    Parameters
    ----------
    codes : torch.Tensor of float64 of shape (n, n_components)
        Without their means.
    x : torch.Tensor of float64 of shape (n, n_outputs)
    fractions : torch.Tensor of float64 of shape (n,)
        Of the rows.

    References
    ----------
    Izenman, Reduced-Rank Regression for the Multivariate Linear Model, 1975, section 2.
    """
    weighted = codes * fractions[:, None]
    variances, axes = torch.linalg.eigh(codes.T @ weighted)
    spread = variances.clamp(min=LEAST_VARIANCE * float(variances.max())).sqrt()
    whitening = axes / spread
    turn = torch.linalg.svd(whitening.T @ (weighted.T @ x), full_matrices=False)[0]
    if turn.shape[1] < len(turn):  # fewer columns than codes
        turn = torch.linalg.qr(turn, mode="complete")[0]
    # What is learned next is not to depend on the signs that a processor finds.
    turn = turn * loading_signs(codes @ whitening @ turn, x).double()
    return whitening @ turn, turn.T @ (axes * spread).T


def decorrelate(codes, fractions):
    """Return M and its inverse, upper triangular: what each code says beside those before it.

    Parameters
    ----------
    codes, fractions : torch.Tensor
        As in `turn_to_regression`.
    """
    covariance = codes.T @ (codes * fractions[:, None])
    least = LEAST_VARIANCE * float(covariance.diagonal().max())
    inverse = torch.linalg.cholesky(covariance + least * torch.eye(len(covariance))).T
    return torch.linalg.inv(inverse), inverse


def learn(model, rows, nothing, n_numbers, n_steps, *, turns):
    """Turn the codes of a model, if it `turns`, and learn their completion.

    The turn is that of the regression of the rows on the codes. The perceptron m starts at
    the regression of the codes that are left out, with random hidden units, and is trained on
    what rows cost by their first k codes, k = 1, ..., K - 1, each with a probability
    proportional to 1 / k. The decoder stays as it is, and so do the reconstructions from all
    codes.

    Parameters
    ----------
    model : Model
        Ready for inference.
    rows : Rows
    nothing : torch.Tensor of shape (n_outputs,)
        The decoder's output without any code.
    n_numbers : int
        Outputs, the first ones, that are numbers.
    n_steps : int or None
        None: the codes are principal components, of which one says nothing of another.
    turns : bool

    References
    ----------
    Nested dropout of a trained decoder's codes: Rippel, Gelbart & Adams, Learning Ordered
    Representations with Nested Dropout, 2014. Random hidden units: Rahimi & Recht, Weighted
    Sums of Random Kitchen Sinks, 2008.
    """
    fractions, device = rows.fractions(), rows.x.device
    codes = model.encode(rows.x)
    output = model.decode(codes)
    codes, outcome = codes.cpu().double(), output.cpu().double()
    centre = fractions @ codes
    centred, n_codes = codes - centre, codes.shape[1]
    if not (centred.any() and outcome.isfinite().all()):
        return
    if n_codes == 1 and not model.shrinks:
        return
    x = rows.x[:, : output.shape[1]].cpu().double()
    if turns:
        whitening, colouring = turn_to_regression(centred, x, fractions)
    else:
        whitening, colouring = decorrelate(centred, fractions)
    w, layers = (centred @ whitening).to(rows.x), None
    if n_codes > 1 and n_steps is not None:
        generator = torch.Generator().manual_seed(0)
        layers = _first_layers(w, fractions, generator)
        way_back = colouring.to(rows.x), centre.to(rows.x)
        _train(model, rows, w, way_back, layers, n_steps, generator)
        layers = [layer.detach() for layer in layers]
    if turns:
        model.turn(*(part.float().to(device) for part in (whitening, colouring, centre)))
        # The new codes are w, but for their scale.
        scale = (fractions @ model.encode(rows.x).cpu().double().square()).sqrt()
        scale = torch.where(scale > 0, scale, 1.0)
        centre, whitening, colouring = 0.0 * scale, (1.0 / scale).diag(), scale.diag()

    def regress(outcome):
        loadings = w.cpu().double().T @ (fractions[:, None] * outcome)
        return [part.float().to(device) for part in (fractions @ outcome, loadings)]

    errors = None
    if model.shrinks:
        errors = rows.x[:, :n_numbers] - output[:, :n_numbers]
        if rows.observed is not None:
            errors = errors * (rows.observed[:, model.numeric_features] == OBSERVED)
        errors = regress(errors.cpu().double())
    has_link = getattr(model.decoder, "link", None) is not None
    bounds = (output.amin(0), output.amax(0)) if has_link else None
    tensors = [part.float().to(device) for part in (centre, whitening, colouring)]
    nothing = nothing.float().to(device)
    model.completion = CodeCompletion(
        *tensors, *regress(outcome), layers, nothing, n_numbers, bounds, errors
    )


def choose_trust(model, rows, is_start):
    """Choose how far to trust the decoder, and its logits, for every number of codes.

    And how far to correct its numbers; of the start it is known that all the way is PCA.

    Parameters
    ----------
    model : Model
    rows : Rows
        Not those that the completion was learned from.
    is_start : bool
        Whether the codes are principal components.

    Returns
    -------
    trust : tuple of torch.Tensor of shape (n_components,)
        See `TRUST` of `CodeCompletion`.
    """
    completion, codes = model.completion, model.encode(rows.x)
    trust = tuple(torch.ones_like(part) for part in completion.trust)
    has_levels = len(completion.nothing) > completion.n_numbers
    pairs = list(product(TRIED, TRIED if has_levels else (1.0,)))
    for n_kept in range(1, codes.shape[1] + model.shrinks):
        parts = completion.parts(model.decode, codes, n_kept)
        best = _least(rows, completion, parts, [(*pair, 1.0) for pair in pairs])
        if completion.corrects and not is_start:
            tried = [(*best[:2], corrected) for corrected in TRIED]
            best = _least(rows, completion, parts, tried)
        for part, value in zip(trust, best, strict=True):
            part[n_kept - 1] = value
    return trust


def _least(rows, completion, parts, tried):
    """Return what of that is tried costs the rows least."""
    costs = [rows.mean_cost(completion.mix(*parts, *values)) for values in tried]
    return tried[int(torch.stack(costs).argmin())]


def _first_layers(w, fractions, generator):
    """Return layers with random hidden units, and the last weights that least squares give."""
    n_codes = w.shape[1]
    hidden = linear(2 * n_codes, N_HIDDEN, generator).to(w)
    given, wanted = [], []
    for _ in range(N_CHOICES):
        kept = _choose_kept(len(w), n_codes, generator).to(w)
        units = features(w * kept, kept, hidden.weight, hidden.bias)
        given.append(torch.nn.functional.pad(units, (0, 1), value=1.0))
        wanted.append(w)
    a, b = torch.cat(given).cpu().double(), torch.cat(wanted).cpu().double()
    weighted = a * fractions.repeat(N_CHOICES)[:, None]
    gram = weighted.T @ a + N_CHOICES * RIDGE * torch.eye(a.shape[1])
    last = torch.linalg.solve(gram, weighted.T @ b).to(w)
    weights = hidden.weight.detach(), hidden.bias.detach(), last[:-1].T, last[-1]
    return [weight.clone().requires_grad_() for weight in weights]


def _choose_kept(n_rows, n_codes, generator):
    """Return which codes of each row are kept, of 1 and 0, shape (n_rows, n_codes)."""
    chances = 1.0 / torch.arange(1, n_codes)
    n_kept = 1 + torch.multinomial(chances, n_rows, replacement=True, generator=generator)
    return (torch.arange(n_codes) < n_kept[:, None]).float()


def _train(model, rows, w, way_back, layers, n_steps, generator):
    """Train the layers in place, on the rows' costs with the first codes alone."""
    (colouring, centre), (n_rows, n_codes) = way_back, w.shape
    optimizer = torch.optim.Adam(layers, lr=RATE, fused=rows.x.device.type in FUSED)
    parts = (rows.fractions() * n_rows).to(w)  # weights are relative
    for step in range(n_steps):
        optimizer.param_groups[0]["lr"] = RATE * (1.0 - step / n_steps)
        index = torch.randint(n_rows, (min(BATCH, n_rows),), generator=generator)
        kept = _choose_kept(len(index), n_codes, generator).to(w)
        with torch.enable_grad():
            completed = complete(w[index] * kept, kept, layers) @ colouring + centre
            costs = rows.costs(model.decode(completed), index)
            if rows.weights is not None:
                costs = costs * parts[index]
            # Of these alone: the network is not to have gradients.
            gradients = torch.autograd.grad(costs.mean(), layers)
        for layer, gradient in zip(layers, gradients, strict=True):
            layer.grad = gradient
        optimizer.step()
