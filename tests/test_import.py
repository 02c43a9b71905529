import os
import subprocess
import sys

import pytest

MOST_SECONDS = 0.1

WATCH_STATE = """
import sys, warnings
import numpy, pandas, scipy, sklearn, skorch, torch

def state():
    return {
        "numpy's generator": str(numpy.random.get_state()),
        "torch's generator": torch.get_rng_state().tolist(),
        "threads": torch.get_num_threads(),
        "dtype": str(torch.get_default_dtype()),
        "determinism": torch.are_deterministic_algorithms_enabled(),
        "gradients": torch.is_grad_enabled(),
        "numpy's errors": numpy.geterr(),
        "print options": numpy.get_printoptions(),
        "warnings": [str(entry) for entry in warnings.filters],
        "scikit-learn": sklearn.get_config(),
    }

before = state()
import skae, skae.metrics
after = state()
changed = [name for name in before if before[name] != after[name]]
assert not changed, changed
"""

# Processor time, so that other processes do not count, and without a collection of torch's
# garbage, which may fall due at any moment.
MEASURE = """
import gc, sys, time
import pandas, sklearn, skorch, torch
gc.disable()
before, start = set(sys.modules), time.process_time()
import skae
print(time.process_time() - start)
print(*set(sys.modules) - before)
import skae.display
print(*set(sys.modules) - before)
"""


def _run(code):
    # An installed package has its bytecode.
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_changes_no_global_state_and_prints_nothing():
    assert _run(WATCH_STATE) == ""


@pytest.fixture(scope="module")
def measured():
    """Seconds that the import took, the modules it brought, those with the displays."""
    for _ in range(4):  # the first run may have to compile, and others may get in the way
        seconds, *modules = _run(MEASURE).splitlines()
        if float(seconds) <= MOST_SECONDS:
            break
    return float(seconds), *(set(names.split()) for names in modules)


def test_import_takes_no_time(measured):
    """Beyond what torch, scikit-learn and skorch take."""
    assert measured[0] <= MOST_SECONDS


def test_import_brings_no_optional_package(measured):
    loaded = {name.split(".")[0] for name in measured[2]}
    assert "skae" in loaded
    assert not loaded & {"matplotlib", "pyod", "polars", "rich", "pytest"}


def test_import_leaves_what_few_need_for_later(measured):
    few = {"skae.display", "sklearn.cluster", "sklearn.mixture", "sklearn.neighbors"}
    assert not measured[1] & few


def test_public_names():
    import skae

    assert set(skae.__all__) >= {
        "AEAnomalyDetector",
        "AutoencoderTransformer",
        "VAETransformer",
    }
    assert all(hasattr(skae, name) for name in skae.__all__)
