"""Networks as they are exported: for inference, in float64, on the CPU."""

import copy

import torch

from skae.models.importance_draws import sobol_normal
from skae.models.variational import VariationalModel
from skae.models.watched import Watched

# Columns, at most, whose noise is worked out in as many steps.
MAX_STEPS = 64
# Of use in training only.
OF_TRAINING = "penalties", "divergence", "generator"


def copy_for_inference(network, settings=None):
    """Return a copy of a network in float64, without what only training needs.

    Parameters
    ----------
    network : torch.nn.Module
    settings : dict, default=None
        Attributes of the copy.
    """
    without = copy.copy(network)
    without.__dict__ = dict(vars(network))
    for group in ("_modules", "_parameters", "_buffers"):
        without.__dict__[group] = dict(vars(network)[group])
    for name in OF_TRAINING:
        if name in without._modules or name in without.__dict__:
            without._modules.pop(name, None)
            setattr(without, name, None)
    copied = copy.deepcopy(without).cpu().double().eval().requires_grad_(False)
    vars(copied).update(settings or {})
    for part in copied.modules():
        for name, value in list(vars(part).items()):
            if isinstance(value, Watched):
                setattr(part, name, None)
        if isinstance(part, torch.nn.RNNBase):
            part.flatten_parameters()
    if isinstance(copied, VariationalModel):
        _fix_draws(copied)
    return copied


def _fix_draws(model):
    """Keep as tensors what `score` works out of numbers each time."""
    model.fixed_draws = sobol_normal(2 * model.n_importance_samples, model.n_components)
    log_jacobian = torch.from_numpy(model.__dict__.pop("log_jacobian").copy())
    model.register_buffer("log_jacobian", log_jacobian)
    if model.noise is not None:
        model.noise.in_steps = len(model.noise.correlations) <= MAX_STEPS
