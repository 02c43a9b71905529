"""Fits to Parquet files that memory does not hold: rows per second, memory and error.

Claims: `AutoencoderTransformer.fit` of a lazy table takes at most 1.15 times as long as the
same epochs of a loop by hand in bare torch over pyarrow's batches; its memory stays within
10% when the table grows fourfold; and its error on new rows is within 2% of that of a fit in
memory.

    python benchmarks/out_of_core.py [--rows 1000000] [--epochs 2] [--memory-limit 300MB]

The rows are those of `streaming.py`. Every task runs in a process of its own, because a peak
is of a process's whole life; memory is what it takes beyond its imports. The loop by hand
has the same network, batches and optimiser; it holds out nothing, mixes nothing but the rows
of a batch of pyarrow's, and knows the means and deviations beforehand. The fit reads the
table twice, writes it encoded, holds rows out, and mixes all rows.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import torch
import torch._dynamo
from _peak_memory import peak_bytes
from _tables import (
    TextTable,
    add_threads_argument,
    describe_machine,
    heading,
    remark,
    verdict,
)
from pyarrow import parquet
from sklearn.decomposition import IncrementalPCA
from streaming import N_FEATURES, generate, write

from skae import AutoencoderTransformer

N_COMPONENTS, N_NEW, BATCH = 4, 50_000, 1024
TIME_TARGET, MEMORY_TARGET, ERROR_TARGET = 1.15, 1.10, 1.02
READ = 65_536

# ---------------------------------------------------------------------------- tasks


def batches(path):
    with parquet.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(batch_size=READ):
            yield np.column_stack([column.to_numpy() for column in batch.columns])


def read(path, args):
    return sum(len(rows) for rows in batches(path)) and None


def incremental_pca(path, args):
    pca = IncrementalPCA(N_COMPONENTS)
    for rows in batches(path):
        pca.partial_fit(rows)
    new = generate(N_NEW, 2)
    return float(np.square(new - pca.inverse_transform(pca.transform(new))).mean())


def lazily(path, args):
    return fit(path, args.memory_limit, args.epochs)


def in_memory(path, args):
    return fit(path, "100GB", args.epochs)


def fit(path, memory_limit, epochs):
    model = AutoencoderTransformer(
        N_COMPONENTS,
        max_iter=epochs,
        n_iter_no_change=epochs,
        batch_size=BATCH,
        random_state=0,
        memory_limit=memory_limit,
        device="cpu",
    ).fit(path)
    new = parquet.read_table(Path(path).parent / "new.parquet")
    restored = np.column_stack([c.to_numpy() for c in model.reconstruct(new).columns])
    return float(np.square(generate(N_NEW, 2) - restored).mean())


def by_hand(path, args):
    """Train the network of a fit in a bare loop over pyarrow's batches."""
    first = next(batches(path))
    few = AutoencoderTransformer(
        N_COMPONENTS, max_iter=1, random_state=0, batch_size=BATCH, device="cpu"
    ).fit(np.tile(first, (2, 1)))
    model = few.net_.module_.train()
    mean, scale = torch.from_numpy(first.mean(axis=0)), torch.from_numpy(first.std(axis=0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    for _ in range(args.epochs):
        for rows in batches(path):
            x = (torch.from_numpy(rows) - mean) / scale
            for part in torch.randperm(len(x)).split(BATCH):
                batch = x.index_select(0, part)
                optimizer.zero_grad()
                loss = (model(batch) - batch).square().mean()
                loss.backward()
                optimizer.step()
    return None


TASKS = {
    "reading alone": read,
    "loop by hand": by_hand,
    "fit, lazily": lazily,
    "fit, in memory": in_memory,
    "IncrementalPCA": incremental_pca,
}

# ----------------------------------------------------------------------------- runs


def measure(task, path, args):
    """Print the seconds, bytes and error of a task, run in this process."""
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    before = psutil.Process().memory_info().rss
    start = time.perf_counter()
    error = TASKS[task](path, args)
    seconds = time.perf_counter() - start
    print(json.dumps([seconds, peak_bytes() - before, error]))


def run(task, path, args):
    command = [sys.executable, __file__, "--task", task, "--path", path]
    command += ["--epochs", str(args.epochs), "--memory-limit", args.memory_limit]
    if args.threads is not None:
        command += ["--threads", str(args.threads)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--memory-limit", default="300MB")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--task", choices=TASKS, help=argparse.SUPPRESS)
    parser.add_argument("--path", help=argparse.SUPPRESS)
    add_threads_argument(parser)
    args = parser.parse_args()
    torch.set_num_threads(args.threads or torch.get_num_threads())
    if args.task:
        measure(args.task, args.path, args)
        return
    describe_machine(args.threads)
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "new.parquet", 1)
        new = generate(N_NEW, 2)
        write_rows(Path(folder) / "new.parquet", new)
        for n_rows in (args.rows // 4, args.rows):
            path = str(Path(folder) / f"{n_rows}.parquet")
            write(path, n_rows)
            report(n_rows, path, args, figures)
    judge(figures, args)


def write_rows(path, rows):
    import pyarrow as pa

    names = [f"x{i}" for i in range(N_FEATURES)]
    parquet.write_table(pa.table(list(rows.T.copy()), names=names), path)


def report(n_rows, path, args, figures):
    heading(f"{n_rows:,} rows of {N_FEATURES} columns, {args.epochs} epochs")
    table = TextTable({"task": "<16", "rows/s": ">12,.0f", "MB": ">8.0f", "error": ">9.4f"})
    for task in args.tasks:
        seconds, n_bytes, error = figures[task, n_rows] = run(task, path, args)
        table.row(task, n_rows / seconds, n_bytes / 1e6, np.nan if error is None else error)


def judge(figures, args):
    few, many = args.rows // 4, args.rows
    lazy = figures["fit, lazily", many]
    ratio = lazy[0] / figures["loop by hand", many][0]
    verdict(
        "time to the loop by hand",
        f"{ratio:.2f}",
        f"<= {TIME_TARGET}",
        ratio <= TIME_TARGET,
    )
    growth = lazy[1] / figures["fit, lazily", few][1]
    verdict(
        "memory, four times the rows",
        f"{growth:.2f}",
        f"<= {MEMORY_TARGET}",
        growth <= MEMORY_TARGET,
    )
    if "fit, in memory" in args.tasks:
        error = lazy[2] / figures["fit, in memory", many][2]
        verdict(
            "error to the fit in memory",
            f"{error:.3f}",
            f"<= {ERROR_TARGET}",
            error <= ERROR_TARGET,
        )
    remark("Rows per second are of the whole task: all of its passes and epochs.")


if __name__ == "__main__":
    main()
