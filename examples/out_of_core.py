"""Train on a Parquet file that does not fit into the memory allowed.

The file is written by the script into a temporary directory: numeric columns, a category and a
boolean, in row groups. `partial_fit` takes one batch of rows at a time and does not keep it;
scores and codes are computed batch by batch as well. The growth of the memory of the process is
measured and must stay below an allowance that is smaller than the table. The first argument is
the number of rows (default 300,000), on which the allowance does not depend.
"""

import resource
import sys
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from skae import AutoencoderTransformer

PICTURE = "out_of_core.png"
N_ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
BATCH, N_NUMBERS, ALLOWANCE = 5000, 98, 200  # rows, columns, MB
SITES = ["north", "east", "south", "west"]


def memory():
    """Return the peak memory of the process so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def make_batch(n, rng):
    """Return readings of machines: nonlinear functions of three hidden causes, and a site."""
    causes = rng.normal(size=(n, 3))
    angles = np.arange(N_NUMBERS)
    readings = np.sin(causes @ np.array([np.cos(angles), np.sin(2 * angles), angles % 3]))
    readings += 0.1 * rng.normal(size=readings.shape)
    frame = pd.DataFrame(readings, columns=[f"reading {i}" for i in range(N_NUMBERS)])
    site = (causes[:, 0] > 0) * 2 + (causes[:, 1] > 0)
    # The dtype declares all categories, so that the first batch need not hold them all.
    frame["site"] = pd.Categorical.from_codes(site.astype(int), SITES)
    frame["alarm"] = causes[:, 2] > 1.5
    return frame


def as_arrow(frame):
    return pa.Table.from_pandas(frame, preserve_index=False)


def write(path, rng):
    """Write the file in batches; return the size of the rows in memory, in MB."""
    size, schema = 0, as_arrow(make_batch(1, np.random.default_rng(0))).schema
    with pq.ParquetWriter(path, schema) as writer:
        for _ in range(0, N_ROWS, BATCH):
            table = as_arrow(make_batch(BATCH, rng))
            writer.write_table(table)
            size += table.nbytes
    return size / 2**20


def batches(path):
    """Yield the file's rows as DataFrames, one batch at a time."""
    # Without pre-buffering, as the reader would keep what it has read.
    with pq.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(batch_size=BATCH):
            yield batch.to_pandas()


with tempfile.TemporaryDirectory() as directory:
    path, rng = Path(directory) / "readings.parquet", np.random.default_rng(0)
    test = make_batch(2000, rng)
    size = write(path, rng)
    # One small fit loads whatever the libraries need to run.
    AutoencoderTransformer(4).partial_fit(test[:1000]).score(test[:1000])
    before = memory()
    model, curve = AutoencoderTransformer(4, hidden_layer_sizes=64, random_state=0), []
    for batch in batches(path):
        model.partial_fit(batch)
        curve.append((model.score(test), memory() - before))
    n_rows, total = 0, 0.0
    for batch in batches(path):
        codes, scores = model.transform(batch), model.score_samples(batch)
        n_rows, total = n_rows + len(codes), total + scores.sum()
    growth = memory() - before

rows, (heldout, grown) = BATCH * np.arange(1, len(curve) + 1), np.array(curve).T
print(f"{n_rows:,} rows, {size:.0f} MB in memory; {ALLOWANCE} MB are allowed.")
print(f"Memory grew by {growth:.0f} MB at most, in training, codes and scores.")
print(f"Held-out score: {heldout[0]:.3f} after one batch, {heldout[-1]:.3f} after all;")
print(f"mean score of the {n_rows:,} rows, batch by batch: {total / n_rows:.3f}")
if growth > ALLOWANCE:
    raise SystemExit("This is more than the allowance.")

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.4))
left.plot(rows / 1e6, -heldout, color="#d95f02")
left.set(xlabel="million rows seen", ylabel="error of held-out rows", ylim=(0, None))
left.set_title("Training by partial_fit")
right.plot(rows / 1e6, grown, color="#d95f02", label="growth of the process")
right.plot(rows / 1e6, size * rows / N_ROWS, color="#7f7f7f", label="rows seen, if kept")
right.axhline(ALLOWANCE, color="black", linestyle=":", label="allowance")
right.set(xlabel="million rows seen", ylabel="MB")
right.set_title("Memory")
right.legend(loc="upper left", bbox_to_anchor=(0.0, 0.84), frameon=False)
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
figure.tight_layout()
figure.savefig(PICTURE, dpi=120)
print(f"Picture: {PICTURE}")
