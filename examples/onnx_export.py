"""A detector of a mixed table as an ONNX file, and its scores by onnxruntime.

The file takes raw columns under their names and needs neither skae nor torch.

    pip install 'skae[onnx]'
    python examples/onnx_export.py
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd

import skae.export
from skae import AEAnomalyDetector


def payments(n_rows, seed):
    """Payments whose amount depends on the shop, some cells missing."""
    rng = np.random.default_rng(seed)
    shop = rng.choice(["bakery", "fuel", "travel"], n_rows, p=[0.6, 0.3, 0.1])
    mean = pd.Series(shop).map({"bakery": 2.0, "fuel": 4.0, "travel": 6.5}).to_numpy()
    rows = pd.DataFrame(
        {
            "amount": np.exp(mean + 0.3 * rng.normal(size=n_rows)).round(2),
            "shop": shop,
            "abroad": (shop == "travel") & (rng.random(n_rows) < 0.5),
            "when": pd.Timestamp("2026-01-01")
            + pd.to_timedelta(rng.integers(0, 90 * 24, n_rows), "h"),
        }
    )
    return rows.assign(amount=rows["amount"].mask(rng.random(n_rows) < 0.05))


def main():
    detector = AEAnomalyDetector(random_state=0).fit(payments(1000, 0))
    rows = payments(500, 1)
    rows.loc[0, ["amount", "shop"]] = 900.0, "bakery"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "payments.onnx"
        skae.export.onnx(detector, path)
        print(f"{path.name}: {path.stat().st_size / 1024:.0f} kB")
        session = onnxruntime.InferenceSession(path)
    for value in session.get_inputs():
        print(f"  {value.name}: {value.type}")

    # What a service without skae does with a row of JSON.
    said = json.loads(session.get_modelmeta().custom_metadata_map["skae"])
    row = {"amount": 900.0, "shop": "bakery", "abroad": False, "when": "2026-03-03T10:00"}
    cells = {}
    for column in said["columns"]:
        cell = row[column["name"]]
        if cell is None:
            cell = column["missing"]
        elif "unit" in column:
            cell = np.datetime64(cell, column["unit"]).astype(np.int64)
        kind = {"double": np.float64, "int64": np.int64, "string": object}[column["type"]]
        cells[column["input"]] = np.array([[cell]], dtype=kind)
    label, score, pvalue = session.run(None, cells)
    print(f"900 at a bakery: label {label[0]}, score {score[0]:.2f}, p = {pvalue[0]:.4f}")

    labels, scores, _ = session.run(None, skae.export.feed(session, rows))
    difference = np.abs(scores - detector.score_samples(rows)).max()
    same = (labels == detector.predict(rows)).mean()
    print(
        f"{len(rows)} rows: scores differ by {difference:.0e} at most, {same:.0%} of labels agree"
    )
    assert difference < 1e-5


if __name__ == "__main__":
    main()
