import subprocess
import sys

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

LIST_MODULES = """
import sys
import pandas, sklearn, skorch, torch
before = set(sys.modules)
import skae, skae.display
print(*set(sys.modules) - before)
"""


def _run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_changes_no_global_state_and_prints_nothing():
    assert _run(WATCH_STATE) == ""


def test_import_brings_no_optional_package():
    loaded = {name.split(".")[0] for name in _run(LIST_MODULES).split()}
    assert not loaded & {"matplotlib", "pyod", "polars", "rich", "pytest"}


def test_public_names():
    import skae

    assert set(skae.__all__) >= {
        "AEAnomalyDetector",
        "AutoencoderTransformer",
        "VAETransformer",
    }
    assert all(hasattr(skae, name) for name in skae.__all__)
