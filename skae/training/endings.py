"""What a user is told of how a training ended."""

from torch import nn

from skae.models.deterministic import DeterministicModel

# A loss that is higher than its start by more than this, relative to one more than the start,
# has risen; where there was nothing to learn it rose by less than a tenth of that.
RISEN = 0.02


def how_it_ended(net, learning_rate_init):
    """Return what to warn of, or None.

    That is a training that was interrupted, diverged, or only raised the loss.
    """
    curve, best = net.loss_curves()[0], net.best_epoch_
    kept = f"the state after epoch {best}" if best else "the state before the first step"
    if net.stop_reason_ == "interrupted":
        return (
            f"fit was interrupted after {len(curve)} epochs; {kept} is kept, and further "
            "training might improve it."
        )
    broken = [part.name for part in net.module_.watched() if part.is_broken]
    if net.stop_reason_ == "diverged" and broken:
        return (
            f"Training diverged in epoch {max(len(curve), 1)}: {' and '.join(broken)} gave "
            f"numbers, or a gradient, that are not finite; {kept} is kept. Keep it finite "
            "for all codes and rows: clamp what a logarithm or a root is taken of."
        )
    if net.stop_reason_ == "diverged":
        return (
            f"Training diverged in epoch {max(len(curve), 1)} with learning_rate_init="
            f"{learning_rate_init:g}; {kept} is kept. Use a smaller learning_rate_init."
        )
    if _only_raised_the_loss(net, curve):
        return (
            f"Training learned nothing with learning_rate_init={learning_rate_init:g}: "
            f"it raised the loss from {net.train_start_loss_:.3g} to {max(curve):.3g}, "
            f"and {kept} is kept. Use a smaller learning_rate_init."
        )
    return None


def _only_raised_the_loss(net, curve):
    """Return whether no epoch was better than the start, and some were much worse.

    Where the start is the best that there is, as on linear data, the loss stays near it.
    """
    if net.best_epoch_ or net.stop_reason_ == "callback":
        return False
    # Dropout raises the loss in training, and a discrepancy is as high as chance has it.
    # So do draws of codes, without bound where there is hardly noise, and new codebooks.
    model = net.module_
    noisy = any(m.p for m in model.modules() if isinstance(m, nn.Dropout))
    if noisy or model.has_dataset_loss or not isinstance(model, DeterministicModel):
        return False
    start = net.train_start_loss_
    risen = max(curve, default=start) - start
    return risen > RISEN * (1.0 + abs(start))
