"""Tables to draw, and a matplotlib without a screen."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from skae import AutoencoderTransformer


@pytest.fixture(autouse=True)
def plt():
    """Draw without a screen, and leave no figure open."""
    import matplotlib

    before = matplotlib.get_backend()
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.close("all")  # what other tests have left
    yield plt
    plt.close("all")
    matplotlib.use(before)


@pytest.fixture(scope="module")
def digits():
    return load_digits().data[:100]


@pytest.fixture(scope="module")
def mixed():
    """Six columns: three numbers, a date, a category with a hole, a boolean."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 3))
    return pd.DataFrame(
        {
            "a": x[:, 0],
            "b": 100.0 + 10.0 * x[:, 1],
            "c": x[:, 2],
            "day": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(np.round(30 * x[:, 0]), unit="D"),
            "kind": np.where(x[:, 0] > 0.5, "high", np.where(x[:, 0] < -0.5, None, "low")),
            "yes": x[:, 1] > 0,
        },
        index=[f"row{i}" for i in range(60)],
    )


@pytest.fixture(scope="module")
def fitted(mixed):
    return AutoencoderTransformer(2, max_iter=4, random_state=0).fit(mixed)
