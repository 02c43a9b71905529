"""What skorch's callbacks are told of the batches of an epoch."""

import torch
from skorch.callbacks import Callback

from skae.training.skorch_callbacks import listed

BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_grad_computed")


class Batches:
    """Tells the callbacks of a net of its batches, and writes them into its history.

    Where a callback has a hook for batches, it is told of every one as it comes, which
    waits for the device. Where none has, but the user gave some, the losses stay on the
    device until the end of the epoch; without callbacks nothing is kept.

    Parameters
    ----------
    net : Net
    prefix : {"train", "valid"}

    Attributes
    ----------
    watched : bool
        Whether a callback has a hook for batches.
    kept : list of tuple (loss, batch_size), or None
        Batches that the history does not hold yet.
    """

    def __init__(self, net, prefix):
        self.net, self.prefix, self.training = net, prefix, prefix == "train"
        self.watched = any(_has_batch_hooks(callback) for _, callback in net.callbacks_)
        self.kept = [] if listed(net.callbacks) else None
        self.count = 0

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        """Write what is left into the history, also of an epoch that was interrupted."""
        if self.kept is None:
            return
        history = self.net.history
        if self.kept:
            losses = torch.stack([loss for loss, _ in self.kept]).tolist()
            for loss, (_, n_rows) in zip(losses, self.kept, strict=True):
                history.new_batch()
                self._record(loss, n_rows)
        if not history[-1]["batches"]:
            history.new_batch()  # file names of checkpoints may refer to the last one
        history.record(f"{self.prefix}_batch_count", self.count)

    def begin(self, x):
        if self.watched:
            self._notify("on_batch_begin", x)

    def of_gradients(self, x):
        parameters = list(self.net.get_all_learnable_params())
        self._notify("on_grad_computed", x, named_parameters=parameters)

    def end(self, x, loss, output):
        self.count += 1
        if self.watched:
            self._record(loss.item(), len(x))
            self._notify("on_batch_end", x, loss=loss, y_pred=output)
        elif self.kept is not None:
            self.kept.append((loss.detach(), len(x)))

    def _notify(self, hook, x, **more):
        batch = x, x[:, : self.net.design_.n_outputs]
        self.net.notify(hook, batch=batch, training=self.training, **more)

    def _record(self, loss, n_rows):
        self.net.history.record_batch(f"{self.prefix}_loss", loss)
        self.net.history.record_batch(f"{self.prefix}_batch_size", n_rows)


def _has_batch_hooks(callback):
    own = (getattr(getattr(callback, hook), "__func__", None) for hook in BATCH_HOOKS)
    return any(
        function is not getattr(Callback, hook)
        for function, hook in zip(own, BATCH_HOOKS, strict=True)
    )
