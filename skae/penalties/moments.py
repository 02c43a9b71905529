"""Weighted means and deviations of codes."""


def weighted_mean(values, weights):
    """Return the mean over the rows, shape (width,)."""
    if weights is None:
        return values.mean(dim=0)
    return weights @ values / weights.sum()


def centred(codes, weights):
    """Return centred codes, and the factors that give them unit variance, shape (n_codes,).

    Rows count by their weights, by which the centred codes are multiplied already.
    """
    deviations = codes - weighted_mean(codes, weights)
    if weights is not None:
        deviations = deviations * (weights / weights.mean()).sqrt()[:, None]
    variances = deviations.square().mean(dim=0)
    least = 1e-12 * (1.0 + variances.max().detach())
    return deviations, (variances + least).rsqrt()
