"""Training on a Parquet file batch by batch: peak memory, and the error against a fit in memory.

Claims: over five million rows of twenty columns, `partial_fit` peaks within 20% of what it
takes over one million; the streamed estimator's error on new rows is within 2% of that of
`fit` on the first 200,000 rows.

    python benchmarks/streaming.py [--rows 500000] [--fit-rows 50000] [--seeds 1]

The rows are a two-layer network's outputs for four standard normal factors, plus normal
noise of a tenth of the columns' deviation. The file is written to a temporary directory,
chunk by chunk, and streamed once in a process of its own, because a peak is of a process's
whole life. Memory is what the process takes beyond its imports.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import _figures
import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import torch._dynamo  # noqa: F401  torch loads it with the first optimiser: an import, no data
from _peak_memory import peak_bytes
from _tables import (
    TextTable,
    add_threads_argument,
    describe_machine,
    heading,
    remark,
    timed,
    verdict,
)
from pyarrow import parquet
from sklearn.decomposition import PCA

from skae import AutoencoderTransformer

N_FACTORS, N_UNITS, N_FEATURES, NOISE = 4, 16, 20, 0.1
NAMES = [f"x{i}" for i in range(N_FEATURES)]
CHUNK = 65_536
N_NEW = 50_000
MEMORY_TARGET, ERROR_TARGET = 1.20, 1.02
# Fraction of the rows after which the peak is read for the first time.
EARLY = 0.2

# --------------------------------------------------------------------------- rows


def generate(n_rows, seed):
    """Return rows of the model, float32; the model is always the same."""
    model = np.random.default_rng(0)
    first = model.standard_normal((N_FACTORS, N_UNITS)) / np.sqrt(N_FACTORS)
    second = model.standard_normal((N_UNITS, N_FEATURES))
    rng = np.random.default_rng(seed)
    hidden = np.tanh(2.0 * rng.standard_normal((n_rows, N_FACTORS)) @ first)
    noise = NOISE * np.sqrt(np.square(second).sum(axis=0) / 2.0)
    rows = hidden @ second + noise * rng.standard_normal((n_rows, N_FEATURES))
    return rows.astype(np.float32)


def write(path, n_rows):
    schema = pa.schema([(name, pa.float32()) for name in NAMES])
    with parquet.ParquetWriter(path, schema) as writer:
        for number, start in enumerate(range(0, n_rows, CHUNK)):
            rows = generate(min(CHUNK, n_rows - start), [1, number])
            writer.write_table(pa.table(list(rows.T.copy()), schema=schema))


def read(path):
    """Yield pandas frames of at most `CHUNK` rows."""
    # Buffering ahead keeps what was read until the file is closed.
    with parquet.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(batch_size=CHUNK):
            yield batch.to_pandas()


def read_first(path, n_rows):
    """Return the first rows as one array."""
    chunks, n_read = [], 0
    for frame in read(path):
        chunks.append(frame.to_numpy())
        n_read += len(frame)
        if n_read >= n_rows:
            break
    return np.concatenate(chunks)[:n_rows]


def error_of(model, rows):
    """Return the mean squared error in units of the columns' variance: 1 - R2."""
    reconstructed = np.asarray(model.inverse_transform(model.transform(rows)))
    rows = np.asarray(rows)
    errors = np.square(np.subtract(reconstructed, rows, dtype=np.float64)).mean(axis=0)
    return float((errors / rows.var(axis=0, dtype=np.float64)).mean())


# ---------------------------------------------------------------------- streaming


def stream(path, n_rows, seed):
    """Print what a pass over the file took and gave, as JSON; for a process of its own."""
    after_imports, earlier_peak = psutil.Process().memory_info().rss, peak_bytes()
    model, n_seen, early_peak = (
        AutoencoderTransformer(N_FACTORS, random_state=seed),
        0,
        None,
    )

    def run():
        nonlocal n_seen, early_peak
        for frame in read(path):
            model.partial_fit(frame)
            n_seen += len(frame)
            if early_peak is None and n_seen >= EARLY * n_rows:
                early_peak = peak_bytes()

    _, seconds = timed(run)
    final_peak = peak_bytes()
    # Linux hands a parent's peak down to its child: then the stream's own is not known.
    if early_peak == earlier_peak:
        raise SystemExit("The stream stayed below the peak that its process started with.")
    new = generate(N_NEW, [2, seed])
    outcome = {
        "early": early_peak - after_imports,
        "final": final_peak - after_imports,
        "seconds": seconds,
        "error": error_of(model, pd.DataFrame(new, columns=NAMES)),
    }
    print(json.dumps(outcome))


def stream_apart(path, n_rows, seed, n_threads):
    """Return what `stream` prints in a fresh process."""
    command = [sys.executable, __file__, "--rows", str(n_rows), "--stream", path]
    command += ["--seed", str(seed)]
    command += [] if n_threads is None else ["--threads", str(n_threads)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SystemExit(f"Streaming failed: {result.stderr.strip()}")
    return json.loads(result.stdout.splitlines()[-1])


# -------------------------------------------------------------------------- report


def compare(path, args):
    """Print a table; return what the streams gave, and the errors in memory."""
    heading(
        f"{args.rows} rows, {N_FEATURES} columns, {N_FACTORS} components: error on {N_NEW} new "
        f"rows, the noise alone about {NOISE**2 / (1 + NOISE**2):.4f}"
    )
    table = TextTable({"": "<24", "seed": ">4d", "error": ">8.5f", "seconds": ">8.1f"})
    streams, errors = [], []
    for seed in range(args.seeds):
        # First, while this process is small.
        streams.append(stream_apart(path, args.rows, seed, args.threads))
        table.row("streamed, all rows", seed, streams[-1]["error"], streams[-1]["seconds"])
    rows = read_first(path, args.fit_rows)
    for seed in range(args.seeds):
        new = generate(N_NEW, [2, seed])
        pca, seconds = timed(PCA(N_FACTORS).fit, rows)
        table.row("PCA in memory", seed, error_of(pca, new), seconds)
        model = AutoencoderTransformer(N_FACTORS, random_state=seed)
        _, seconds = timed(model.fit, rows)
        errors.append(error_of(model, new))
        table.row(f"fit on {len(rows)} rows", seed, errors[-1], seconds)
    return streams, errors


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--fit-rows", type=int, default=200_000, help="rows in memory")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--stream", help=argparse.SUPPRESS)
    add_threads_argument(parser)
    _figures.add_argument(parser)
    args = parser.parse_args()

    describe_machine(args.threads)
    if args.stream:
        stream(args.stream, args.rows, args.seed)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "rows.parquet")
        write(path, args.rows)
        size = Path(path).stat().st_size
        streams, errors = compare(path, args)

    heading("Summary")
    early, final = (max(s[key] for s in streams) for key in ("early", "final"))
    verdict(
        f"peak memory after {args.rows} rows to that after {round(EARLY * args.rows)}",
        f"{final / early:.3f}, {early / 1e6:.0f} to {final / 1e6:.0f} MB",
        f"<= {MEMORY_TARGET:.2f}",
        final <= MEMORY_TARGET * early,
    )
    ratio = float(np.mean([s["error"] for s in streams]) / np.mean(errors))
    verdict(
        "held-out error of the stream to that of the fit in memory",
        f"{ratio:.3f}",
        f"<= {ERROR_TARGET}",
        ratio <= ERROR_TARGET,
    )
    remark(f"the file takes {size / 1e6:.0f} MB")
    _figures.fact("streaming_error", f"{ratio:.2f}")
    _figures.write(args)


if __name__ == "__main__":
    main()
