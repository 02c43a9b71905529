"""Fit, fill and score a folder of Parquet files that is read in chunks.

Three files are written to a temporary directory: readings of machines, a category and missing
cells, all functions of three hidden causes. A lazy frame of polars over the folder is given to
`fit` as a table in memory would be. The first argument is the number of rows (default 90,000);
`memory_limit` is set so low that they are trained on from temporary files.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from skae import AutoencoderTransformer

N_ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 90_000
N_FILES, N_NUMBERS = 3, 12


def make_rows(n, rng):
    causes = rng.normal(size=(n, 3))
    angles = np.arange(N_NUMBERS)
    readings = np.sin(causes @ np.array([np.cos(angles), np.sin(2 * angles), angles % 3]))
    readings += 0.1 * rng.normal(size=readings.shape)
    readings[rng.random(readings.shape) < 0.02] = np.nan
    rows = pl.DataFrame({f"reading {i}": readings[:, i] for i in range(N_NUMBERS)})
    site = np.array(["north", "south"])[(causes[:, 0] > 0).astype(int)]
    return rows.with_columns(site=pl.Series(site)).fill_nan(None)


with tempfile.TemporaryDirectory() as directory:
    folder, rng = Path(directory), np.random.default_rng(0)
    for i in range(N_FILES):
        make_rows(N_ROWS // N_FILES, rng).write_parquet(folder / f"{i}.parquet")
    table = pl.scan_parquet(folder / "*.parquet")

    model = AutoencoderTransformer(3, random_state=0, max_iter=4, memory_limit="10MB")
    model.fit(table)
    fresh = make_rows(2000, rng)
    print(f"{N_ROWS:,} rows; score of fresh ones {model.score(fresh):.3f} (means: -1)")

    # Results are read chunk by chunk as well, or written to a file.
    model.impute(table).write_parquet(folder / "filled.parquet")
    filled = pl.scan_parquet(folder / "filled.parquet")
    n_missing = filled.null_count().collect().sum_horizontal().item()
    print(f"filled.parquet: {filled.select(pl.len()).collect().item():,} rows, "
          f"{n_missing} missing cells")  # fmt: skip

    scores = model.score_samples(table)
    odd = min(scores, key=lambda chunk: chunk["score_samples"].min())
    print(f"the worst score of all rows: {odd['score_samples'].min():.2f}")
