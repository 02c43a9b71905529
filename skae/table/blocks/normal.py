"""The normal distribution by operations that any graph can express, in float64."""

import torch

# Wichura, Algorithm AS 241: The Percentage Points of the Normal Distribution, 1988, PPND16:
# numerators and denominators for |p - 1/2| <= 0.425, for r <= 5 and beyond, highest first.
CENTRAL = (
    (
        2509.0809287301226727,
        33430.575583588128105,
        67265.770927008700853,
        45921.953931549871457,
        13731.693765509461125,
        1971.5909503065514427,
        133.14166789178437745,
        3.387132872796366608,
    ),
    (
        5226.495278852545925,
        28729.085735721942674,
        39307.89580009271061,
        21213.794301586595867,
        5394.1960214247511077,
        687.1870074920579083,
        42.313330701600911252,
        1.0,
    ),
)
NEAR = (
    (
        7.7454501427834140764e-4,
        0.0227238449892691845833,
        0.24178072517745061177,
        1.27045825245236838258,
        3.64784832476320460504,
        5.7694972214606914055,
        4.6303378461565452959,
        1.42343711074968357734,
    ),
    (
        1.05075007164441684324e-9,
        5.475938084995344946e-4,
        0.0151986665636164571966,
        0.14810397642748007459,
        0.68976733498510000455,
        1.6763848301838038494,
        2.05319162663775882187,
        1.0,
    ),
)
FAR = (
    (
        2.01033439929228813265e-7,
        2.71155556874348757815e-5,
        0.0012426609473880784386,
        0.026532189526576123093,
        0.29656057182850489123,
        1.7848265399172913358,
        5.4637849111641143699,
        6.6579046435011037772,
    ),
    (
        2.04426310338993978564e-15,
        1.4215117583164458887e-7,
        1.8463183175100546818e-5,
        7.868691311456132591e-4,
        0.0148753612908506148525,
        0.13692988092273580531,
        0.59983220655588793769,
        1.0,
    ),
)


def normal_quantile(p, close):
    """Return the normal quantile of p, kept `close` to 0 and 1 at most.

    References
    ----------
    Wichura, Algorithm AS 241, 1988, relative accuracy 1e-16.
    """
    p = p.clamp(close, 1.0 - close)
    q = p - 0.5
    central = q * _ratio(CENTRAL, 0.180625 - q.square())
    r = (-torch.minimum(p, 1.0 - p).log()).sqrt()
    tail = torch.where(r <= 5.0, _ratio(NEAR, r - 1.6), _ratio(FAR, r - 5.0))
    return torch.where(q.abs() <= 0.425, central, q.sign() * tail)


def _ratio(coefficients, r):
    above, below = (_polynomial(part, r) for part in coefficients)
    return above / below


def _polynomial(coefficients, r):
    value = torch.full_like(r, coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * r + coefficient
    return value


def normal_cdf(x):
    """Return P(Z <= x) of a standard normal Z.

    A continued fraction in the tails, a power series in the middle.

    References
    ----------
    Abramowitz & Stegun, Handbook of Mathematical Functions, 1964, 26.2.11 and 26.2.14.
    """
    size = x.abs().clamp(max=38.0)
    density = (-0.5 * size.square()).exp() * 0.3989422804014327
    # Phi(x) = 1/2 + phi(x) (x + x^3 / 3 + x^5 / (3 5) + ...)
    near = size.clamp(max=3.0)
    term = near
    total = near
    for n in range(1, 40):
        term = term * near.square() / (2 * n + 1)
        total = total + term
    middle = 0.5 + (-0.5 * near.square()).exp() * 0.3989422804014327 * total
    # 1 - Phi(x) = phi(x) / (x + 1 / (x + 2 / (x + 3 / (x + ...))))
    far = size.clamp(min=3.0)
    fraction = far
    for n in range(30, 0, -1):
        fraction = far + n / fraction
    upper = torch.where(size < 3.0, middle, 1.0 - density / fraction)
    return torch.where(x < 0, 1.0 - upper, upper)
