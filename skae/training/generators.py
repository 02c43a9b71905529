"""Sources of randomness: one generator for all that draws, and torch's global ones."""

from contextlib import contextmanager

import numpy as np
import torch

MAX_SEED = np.iinfo(np.int32).max


@contextmanager
def use_generator(generator, module):
    """Let the parts of `module` that draw random numbers draw them from `generator`."""
    parts = [part for part in module.modules() if hasattr(part, "generator")]
    before = [part.generator for part in parts]
    for part in parts:
        part.generator = generator
    try:
        yield
    finally:
        for part, own in zip(parts, before, strict=True):
            part.generator = own


@contextmanager
def seeded_globally(seed, device):
    """Seed torch's global generators for what can draw from no other; restore them."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
