import subprocess
import sys

import pytest

WATCH = """
import sys, warnings
import narwhals, numpy, pandas, scipy, sklearn.utils, skorch, torch

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

before, modules = state(), set(sys.modules)
import skae
brought = set(sys.modules) - modules
import skae.metrics
after = state()
print("the end of what skae prints")
print(*(name for name in before if before[name] != after[name]))
print(*brought)
import skae.display
print(*set(sys.modules) - modules)
"""
# Slow to import, and needed by a few methods only.
LATER = {
    "skae.display",
    "sklearn.cluster",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.manifold",
    "sklearn.mixture",
    "sklearn.neighbors",
}
OPTIONAL = {"matplotlib", "polars", "pyod", "pytest"}  # pandas brings pyarrow, skorch rich


@pytest.fixture(scope="module")
def printed():
    """The lines that a process prints which watches imports; starting one takes seconds."""
    done = subprocess.run([sys.executable, "-c", WATCH], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_import_changes_no_global_state_and_prints_nothing(printed):
    assert printed[:2] == ["the end of what skae prints", ""]
    assert len(printed) == 4


@pytest.fixture(scope="module")
def brought(printed):
    """The modules that `import skae` brings, and those that the displays bring."""
    return [set(line.split()) for line in printed[2:]]


def test_import_brings_no_optional_package(brought):
    loaded = {name.split(".")[0] for name in brought[1]}
    assert "skae" in loaded
    assert not loaded & OPTIONAL


def test_import_leaves_what_few_need_for_later(brought):
    assert "skae.anomaly" in brought[0]
    assert not brought[0] & LATER
    assert "skae.display" in brought[1]


def test_public_names():
    import skae

    assert set(skae.__all__) >= {
        "AEAnomalyDetector",
        "AutoencoderTransformer",
        "VAETransformer",
    }
    assert all(hasattr(skae, name) for name in skae.__all__)
