"""Where the tensors live and how many threads work on them."""

import threading
from contextlib import contextmanager

import torch

from skae._processes import Lock, call_in_child

# Below this many multiplications a step a second thread gains little, and on a busy
# machine the threads wait for each other: up to a hundred times slower was seen.
SMALL_STEP = 500_000_000


def resolve_device(device):
    """Return the `torch.device` that the parameter `device` names.

    Raises
    ------
    ValueError
        If torch knows no such device, or this machine has none.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f"device={device!r} is not a device that torch knows; use 'auto', 'cpu', "
            "'cuda', 'cuda:0', 'mps' or a torch.device."
        ) from error
    if resolved.type == "cuda":
        n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
        available = (resolved.index or 0) < n_devices
    else:
        accelerator = None
        if torch.accelerator.is_available():  # torch 2.6 raises where there is none
            accelerator = torch.accelerator.current_accelerator()
        available = resolved.type == "cpu" or (
            accelerator is not None and accelerator.type == resolved.type
        )
    if not available:
        raise ValueError(
            f"device={str(device)!r} is not available on this machine; use "
            "device='auto' (the GPU where there is one) or device='cpu'."
        )
    return resolved


# torch's number of threads is that of a thread, but a thread has, when it first asks, the
# number that any other was given last.
_numbers = Lock()


@contextmanager
def threads_for(n_multiplications):
    """Work on one thread where a step is small; other threads keep the user's number."""
    n_threads = n_threads_here()
    if n_multiplications >= SMALL_STEP or n_threads == 1:
        yield
        return
    _set_here(1)
    try:
        yield
    finally:
        _set_here(n_threads)


def n_threads_here():
    """Return how many threads torch uses in this one."""
    with _numbers.held():
        return torch.get_num_threads()


def _set_here(n_threads):
    """Set the number of this thread, and of no thread that is yet to start."""
    with _numbers.held():
        of_new_threads = _in_new_thread(torch.get_num_threads)
        torch.set_num_threads(n_threads)
        if of_new_threads != n_threads:
            _in_new_thread(torch.set_num_threads, of_new_threads)


def _in_new_thread(function, *args):
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*args)))
    thread.start()
    thread.join()
    return results[0]


# A forked child has the number, but not the threads: it would wait for them for ever.
call_in_child(lambda: torch.set_num_threads(1))
