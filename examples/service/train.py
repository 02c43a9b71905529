"""A detector of a small mixed table, with missing cells, as both files of the service.

python examples/service/train.py [folder]
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import skae
import skae.export


def payments(n_rows=500, seed=0):
    """Payments whose amount depends on the shop; one cell in twenty is missing."""
    rng = np.random.default_rng(seed)
    shop = rng.choice(["bakery", "fuel", "travel"], n_rows, p=[0.6, 0.3, 0.1])
    mean = pd.Series(shop).map({"bakery": 2.0, "fuel": 4.0, "travel": 6.5}).to_numpy()
    amount = np.exp(mean + 0.3 * rng.normal(size=n_rows)).round(2)
    hours = pd.to_timedelta(rng.integers(0, 90 * 24, n_rows), "h")
    rows = pd.DataFrame(
        {
            "amount": amount,
            "shop": shop,
            "abroad": pd.Series(
                (shop == "travel") & (rng.random(n_rows) < 0.5), dtype="boolean"
            ),
            "when": pd.Timestamp("2026-01-01", tz="UTC") + hours,
        }
    )
    return rows.mask(rng.random(rows.shape) < 0.05)


def main(folder="."):
    detector = skae.AEAnomalyDetector(random_state=0).fit(payments())
    skae.save(detector, Path(folder) / "detector.skops")
    skae.export.onnx(detector, Path(folder) / "detector.onnx")


if __name__ == "__main__":
    main(*sys.argv[1:])
