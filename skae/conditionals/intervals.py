"""The standard normal probability of an interval, fast enough for every step."""

import math

import torch

# Below this, float32 has no distribution function; its expansion there is exact enough.
FAR = -10.0
# What the probability of an interval is the difference of is known this well at best.
LEAST_LOG_RATIO = -1e-7


class _LogProbabilityBetween(torch.autograd.Function):
    @staticmethod
    def forward(ctx, low, high):
        # Of positive numbers the complement of the function rounds to 0 much later.
        flip = low > 0
        left, right = torch.where(flip, -high, low), torch.where(flip, -low, high)
        log_p = 0.5 * (_twice_ndtr(right) - _twice_ndtr(left))
        log_p = log_p.clamp_(min=torch.finfo(log_p.dtype).tiny).log_()
        is_far = right < FAR
        if is_far.any():
            log_low, log_high = (
                _log_ndtr_of_far(left[is_far]),
                _log_ndtr_of_far(right[is_far]),
            )
            log_ratio = (log_low - log_high).clamp(max=LEAST_LOG_RATIO)
            log_p[is_far] = log_high + torch.log(-torch.expm1(log_ratio))
        ctx.save_for_backward(low, high, log_p)
        return log_p

    @staticmethod
    def backward(ctx, grad):
        low, high, log_p = ctx.saved_tensors
        grad = grad * math.sqrt(0.5 / math.pi)
        of_low, of_high = (
            torch.addcmul(log_p, end, end, value=0.5).neg_().exp_().mul_(grad)
            for end in (low, high)
        )
        return of_low.neg_(), of_high


def log_probability_between(low, high):
    """Return log(Phi(high) - Phi(low)), of low below high.

    Parameters
    ----------
    low, high : torch.Tensor of the same shape
    """
    return _LogProbabilityBetween.apply(low, high)


def _twice_ndtr(x):
    return torch.special.erfc(x * -math.sqrt(0.5))


def _log_ndtr_of_far(x):
    """Return log Phi(x), of x below `FAR`.

    By its asymptotic expansion: Abramowitz & Stegun, Handbook of Mathematical Functions,
    1964, equation 26.2.12.
    """
    square = x.square()
    inverse = square.reciprocal()
    series = -inverse * (1.0 - 3.0 * inverse * (1.0 - 5.0 * inverse))
    return -0.5 * square - (-x).log() - 0.5 * math.log(2.0 * math.pi) + series.log1p()
