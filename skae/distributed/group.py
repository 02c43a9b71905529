"""Workers that are joined by a process group of `torch.distributed`."""

import pickle
import time
from contextlib import suppress

import torch
import torch.distributed as dist

from skae.training.callback_copies import cloudpickle
from skae.training.workers import Workers


class Group(Workers):
    """The workers of one training, each in its own process or thread.

    Parameters
    ----------
    processes : torch.distributed.ProcessGroup
        Of the gloo backend, for everything that is pickled.
    checkpoints : Checkpoints, default=None
        Where the state of the training is kept. None: it is not.
    interval : float, default=0.0
        Seconds between two checkpoints, at least; 0: there is one after each epoch.
    of_tensors : torch.distributed.ProcessGroup, default=None
        Of the backend of the device that is trained on, for gradients. None: `processes`.
    """

    def __init__(self, processes, checkpoints=None, interval=0.0, of_tensors=None):
        self._processes, self._of_tensors = processes, of_tensors or processes
        self._on_cpu = of_tensors is None
        self._checkpoints, self._interval = checkpoints, interval
        self._last = time.monotonic()
        self.rank, self.size = processes.rank(), processes.size()
        # What all workers have raised, because one of them could not go on.
        self.error = None

    @classmethod
    def of_world(cls, checkpoints, interval):
        """Return the workers that an engine has joined as the default process group."""
        world = dist.group.WORLD
        if dist.get_backend() == "gloo":
            return cls(world, checkpoints, interval)
        return cls(dist.new_group(backend="gloo"), checkpoints, interval, world)

    # ------------------------------------------------------------------ objects

    def shared(self, value, root=0):
        data = _packed(value) if self.rank == root else None
        size = torch.tensor([0 if data is None else len(data)])
        options = dist.BroadcastOptions()
        options.rootRank = root
        self._processes.broadcast([size], options).wait()
        data = torch.empty(int(size), dtype=torch.uint8) if data is None else data
        self._processes.broadcast([data], options).wait()
        return value if self.rank == root else _unpacked(data)

    def gathered(self, value):
        data = _packed(value)
        sizes = self._all(torch.tensor([len(data)]))
        padded = torch.zeros(int(max(sizes)), dtype=torch.uint8)
        padded[: len(data)] = data
        parts = zip(self._all(padded), sizes, strict=True)
        return [_unpacked(part[: int(size)]) for part, size in parts]

    def _all(self, tensor):
        """Return a tensor of one shape, of every worker."""
        parts = [torch.empty_like(tensor) for _ in range(self.size)]
        self._processes.allgather([parts], [tensor]).wait()
        return parts

    def merged(self, value, merge):
        """Merge by a tree: neighbours first, then every second one, and so on."""
        step = 1
        while step < self.size:
            if self.rank % (2 * step):
                self._send(value, self.rank - step)
                value = None
                break
            if self.rank + step < self.size:
                value = _merged(value, self._receive(self.rank + step), merge)
            step *= 2

        def result():
            if isinstance(value, Exception):
                raise value
            return value

        return self.agreed(result)

    def _send(self, value, rank):
        data = _packed(value)
        for tensor in torch.tensor([len(data)]), data:
            self._processes.send([tensor], rank, 0).wait()

    def _receive(self, rank):
        size = torch.zeros(1, dtype=torch.int64)
        self._processes.recv([size], rank, 0).wait()
        data = torch.empty(int(size), dtype=torch.uint8)
        self._processes.recv([data], rank, 0).wait()
        return _unpacked(data)

    def agreed(self, work):
        result, error = None, None
        try:
            result = work()
        except Exception as raised:
            error = raised
        errors = [e for e in self.gathered(_portable(error)) if e is not None]
        if errors:
            self.error = errors[0]
            raise self.error
        return result

    def leave(self):
        """Wait for the others: they may still be reading what this worker has sent."""
        with suppress(RuntimeError):  # they have nothing to say any more
            self.gathered(None)

    # ------------------------------------------------------------------ tensors

    def rows(self, values):
        parts = self.gathered(values.cpu().numpy())
        return torch.cat([torch.from_numpy(part) for part in parts]).to(values.device)

    def total(self, number):
        return self._sum(number.clone())

    def _sum(self, tensor):
        moved = tensor.cpu() if self._on_cpu else tensor
        self._of_tensors.allreduce([moved]).wait()
        return moved.to(tensor.device)

    def average_gradients(self, parameters, n_rows):
        """Average by one reduction of all gradients; a worker without rows has a part in it.

        What no worker has a gradient of keeps none: an optimiser leaves it as it is.
        """
        if self.size == 1:
            return
        first = parameters[0]
        parts = [
            torch.zeros_like(p).view(-1) if p.grad is None else p.grad.reshape(-1)
            for p in parameters
        ]
        known = first.new_tensor([p.grad is not None for p in parameters])
        flat = torch.cat([*parts, known, first.new_ones(1)]) * n_rows
        flat = self._sum(flat)
        known = flat[-1 - len(parameters) : -1].tolist()
        flat /= flat[-1].clone()
        pieces = flat.split([*(p.numel() for p in parameters), len(parameters) + 1])
        for parameter, piece, is_known in zip(parameters, pieces, known, strict=False):
            parameter.grad = piece.view_as(parameter) if is_known else None

    @torch.no_grad()
    def synchronise(self, module):
        if self.size == 1:
            return
        state = module.state_dict()
        mine = {name: tensor.cpu() for name, tensor in state.items()}
        for name, tensor in self.shared(mine).items():
            state[name].copy_(tensor)

    # -------------------------------------------------------------- checkpoints

    def resumed(self):
        if self._checkpoints is None:
            return None
        state = self._checkpoints.load()
        return None if state is None else (state[0], state[1][self.rank])

    def save(self, make_state):
        if self._checkpoints is None:
            return
        now = time.monotonic()
        if not self.shared(now - self._last >= self._interval):
            return
        common, own = make_state()
        owns = self.gathered(own)
        self._checkpoints.save((common, owns) if self.is_first else None)
        self._last = now


def _merged(value, other, merge):
    """Return two values merged; an error in place of either, or of the result, stays one."""
    for given in (value, other):
        if isinstance(given, Exception):
            return given
    try:
        return merge(value, other)
    except Exception as error:
        return _portable(error)


def _portable(error):
    """Return an error that can be sent, without its traceback."""
    if error is None:
        return None
    try:
        _unpacked(_packed(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _packed(value):
    return torch.frombuffer(bytearray(cloudpickle.dumps(value)), dtype=torch.uint8)


def _unpacked(data):
    return pickle.loads(data.numpy().tobytes())
