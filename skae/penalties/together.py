"""The penalties of a fit, as its loss has them."""

import torch

from skae.models.watched import Watched, is_own
from skae.penalties.penalty import Penalty


class Penalties:
    """All the penalties of a fit.

    Parameters
    ----------
    penalties : list of Penalty

    Attributes
    ----------
    watched : list of Watched
        Those of the user's own.
    """

    def __init__(self, penalties):
        watched = [
            Watched(f"penalise of {penalty!r}", penalty.by_inputs)
            if is_own(penalty)
            else None
            for penalty in penalties
        ]
        self._penalties = list(zip(penalties, watched, strict=True))
        self.watched = [of_one for of_one in watched if of_one is not None]
        self._by_inputs = any(penalty.by_inputs for penalty in penalties)
        self.scale_free = all(penalty.scale_free for penalty in penalties)

    def __call__(self, network, x, weights=None):
        """Return the reconstruction of rows x, and what is added to their losses.

        Returns
        -------
        output : torch.Tensor of shape (n, n_outputs)
        costs : torch.Tensor of shape (n,) or ()
        """
        training = torch.is_grad_enabled()
        with torch.set_grad_enabled(training or self._by_inputs):
            if self._by_inputs:
                x = x.detach().requires_grad_()
            codes, output = network.codes_and_output(x)
            scale = network.encoder.code_scale
            costs = sum(
                penalty.weight
                * _cost(
                    penalty,
                    watched,
                    codes / scale if penalty.relative else codes,
                    x,
                    weights,
                )
                for penalty, watched in self._penalties
            )
        return (output, costs) if training else (output.detach(), costs.detach())


def _cost(penalty, watched, codes, x, weights):
    given = codes, x, weights
    if watched is None:
        cost = penalty.penalise(*given)
    else:
        cost = watched.call(penalty.penalise, *given)
    if cost.shape not in ((), (len(codes),)):
        raise ValueError(
            f"penalise of {penalty!r} returns shape {tuple(cost.shape)} for {len(codes)} "
            f"rows; give shape ({len(codes)},), one cost per row, or ()."
        )
    return cost


def shared_code_activation(penalties):
    """Return the code activation that all of the penalties can do with, or None.

    Raises
    ------
    ValueError
        If two of them need different ones.
    """
    needed = {p.code_activation: type(p).__name__ for p in penalties if p.code_activation}
    if len(needed) > 1:
        raise ValueError(
            f"penalties={penalties!r}: {' and '.join(needed.values())} need codes of "
            f"different activations ({' and '.join(map(repr, needed))}); use one of them."
        )
    return next(iter(needed), None)


def as_list(penalties):
    """Return the penalties that a single one, several or None stand for.

    Raises
    ------
    ValueError
        If one of them is none, or a setting of one is out of bounds.
    """
    given = [penalties] if isinstance(penalties, Penalty) else list(penalties or ())
    for penalty in given:
        if not isinstance(penalty, Penalty):
            raise ValueError(
                f"penalties={penalties!r} holds {penalty!r}; give a list of objects of "
                "skae.penalties, such as [L1Activity()]."
            )
        penalty.check()
    return given
