"""Where the tensors live and how many threads work on them."""

from contextlib import contextmanager

import torch

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
    """Work on one thread where a step is small; the user's thread count comes back."""
    n_threads = torch.get_num_threads()
    if n_multiplications >= SMALL_STEP or n_threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
