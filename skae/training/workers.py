"""What the workers of a training tell each other; of one alone: nothing."""


class Workers:
    """The workers of a training: here the one that there is.

    Whoever trains calls these methods, in the same order on every worker; see
    `skae.distributed.Group` for several. What they return is the same on all workers unless
    it says otherwise.

    Attributes
    ----------
    rank : int
        The number of this worker, from 0.
    size : int
        How many there are.
    """

    rank, size = 0, 1

    @property
    def is_first(self):
        return self.rank == 0

    def part(self, n):
        """Return which of `n` things are this worker's, a slice."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def shared(self, value, root=0):
        """Return what the worker `root` gives as `value`; what others give is ignored."""
        return value

    def gathered(self, value):
        """Return what the workers give, a list in their order."""
        return [value]

    def merged(self, value, merge):
        """Return all values merged, on the first worker; None on the others.

        Parameters
        ----------
        value : object
        merge : callable (value, other) -> value
            Takes the value of a worker and that of workers after it.
        """
        return value

    def agreed(self, work):
        """Return what `work`, a callable, returns on this worker.

        An error on one of them is raised on all: none waits for another that is not coming.
        """
        return work()

    def rows(self, values):
        """Return a tensor's rows of all workers, one worker's after the other's."""
        return values

    def total(self, number):
        """Return the sum of a tensor of shape () over the workers."""
        return number

    def average_gradients(self, parameters, n_rows):
        """Replace the gradients of mean losses of `n_rows` rows by those of all workers' rows."""

    def synchronise(self, module):
        """Give the weights and buffers of a module the values that the first worker has."""

    def resumed(self):
        """Return what `save` has kept before this process took over, or None."""

    def save(self, make_state):
        """Keep what `make_state`, a callable, returns; it may be called or not."""


ALONE = Workers()
