"""Where the tensors live and how many threads work on them."""

import ctypes
import threading
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path

import torch

from skae._processes import Lock, call_in_child, one_openmp_thread

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


@contextmanager
def threads_for(n_multiplications):
    """Work on one thread where a step is small; other threads keep the user's number."""
    if n_multiplications >= SMALL_STEP or torch.get_num_threads() == 1:
        yield
        return
    of_mkl = _mkl_threads() if torch.backends.mkl.is_available() else nullcontext
    with _one_torch_thread() if of_mkl is None else _one_each(of_mkl):
        yield


@contextmanager
def _one_each(of_mkl):
    """Let OpenMP and MKL work on one thread, for the calling thread alone."""
    with one_openmp_thread(), of_mkl():
        yield


@cache
def _mkl_threads():
    """Return the context of one thread of MKL, or None if torch does not show its MKL."""
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        set_here = library.MKL_Set_Num_Threads_Local
    except (OSError, AttributeError):
        return None

    @contextmanager
    def one_thread():
        before = set_here(1)
        try:
            yield
        finally:
            set_here(before)

    return one_thread


_numbers = Lock()


@contextmanager
def _one_torch_thread():
    """Set torch's own number, which is also what threads that start get."""
    n_threads = torch.get_num_threads()
    with _numbers.held():
        torch.set_num_threads(1)
        thread = threading.Thread(target=torch.set_num_threads, args=(n_threads,))
        thread.start()
        thread.join()
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


# A forked child has the number, but not the threads: it would wait for them for ever.
call_in_child(lambda: torch.set_num_threads(1))
