"""The settings of torch and numpy that fits and scores count on, whatever the caller's."""

from contextlib import ExitStack, contextmanager

import numpy as np
import torch

from skae._processes import Setting, SharedSettings

# What autocast can be switched on for.
AUTOCAST = "cpu", "cuda", "mps", "xpu"
NUMPY_ERRORS = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}


def _precision(backend):
    def write(value):
        backend.fp32_precision = value

    return Setting(lambda: backend.fp32_precision, write, ("ieee", "none"))


def _float32_products():
    """Return the settings of how exact products of float32 are."""
    cpu, gpu = torch.backends.mkldnn, torch.backends.cuda.matmul
    if hasattr(cpu, "matmul"):
        return [_precision(place) for place in (cpu.matmul, cpu.conv, cpu.rnn, gpu)]
    precision = torch.get_float32_matmul_precision, torch.set_float32_matmul_precision
    return [Setting(*precision, ("highest",))]  # torch < 2.9


_of_the_process = SharedSettings(
    [
        Setting(torch.get_default_dtype, torch.set_default_dtype, (torch.float32,)),
        *_float32_products(),
    ]
)


@contextmanager
def usual_settings():
    """Run with gradients, in float32, on the CPU unless told otherwise, without autocast.

    That is how torch comes, and numpy, which only warns of overflows. The caller's
    settings are back afterwards, those of the process when no thread needs them changed.
    """
    with _of_the_process(), ExitStack() as stack:
        if torch.is_inference_mode_enabled() or not torch.is_grad_enabled():
            stack.enter_context(torch.inference_mode(False))  # switches gradients on, too
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        for kind in AUTOCAST:
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if np.geterr() != NUMPY_ERRORS:
            stack.enter_context(np.errstate(**NUMPY_ERRORS))
        yield
