"""The state of a training after an epoch, from which another process can go on."""

from skorch.history import History


class Resuming:
    """Keeps the state of a training after every epoch, and goes on from what was kept.

    A training that goes on is to the bit the training that was not interrupted: what is
    kept are weights, moments, and where the random numbers were.

    Parameters
    ----------
    net : Net
    stopping : EarlyStopping
        Which has looked at the start.
    generator : torch.Generator
        Of the training.
    schedule : Schedule
        Its `workers` keep the state.

    Attributes
    ----------
    n_epochs : int
        How many epochs are over.
    finished : str or None
        Why training has stopped; None: it has not.
    """

    def __init__(self, net, stopping, generator, schedule):
        self._net, self._stopping = net, stopping
        self._generator, self._schedule = generator, schedule
        self.n_epochs, self.finished = 0, None
        state = schedule.workers.resumed()
        if state is not None:
            self._resume(*state)

    def end_epoch(self, finished):
        """Keep the state, if it is time."""
        self.n_epochs, self.finished = self.n_epochs + 1, finished
        self._schedule.workers.save(self._state)

    def _state(self):
        """Return what all workers have in common, and what is this one's own."""
        net = self._net
        common = {
            "n_epochs": self.n_epochs,
            "finished": self.finished,
            "module": net.module_.state_dict(),
            "optimizer": net.optimizer_.state_dict(),
            "history": list(net.history_),
            "best_epoch": net.best_epoch_,
            "stopping": self._stopping.state(),
        }
        draws = getattr(self._schedule.draws, "states", None)
        return common, (self._generator.get_state(), draws)

    def _resume(self, common, own):
        net = self._net
        self.n_epochs, self.finished = common["n_epochs"], common["finished"]
        net.module_.load_state_dict(common["module"])
        net.optimizer_.load_state_dict(common["optimizer"])
        net.history_ = History(common["history"])
        net.best_epoch_ = common["best_epoch"]
        self._stopping.resume(common["stopping"])
        generator, draws = own
        self._generator.set_state(generator)
        if draws is not None:
            self._schedule.draws.states = draws
