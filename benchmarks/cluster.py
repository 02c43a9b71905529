"""Training and scoring by one and two workers of an engine, on this machine.

Claims, on two cores that are free: two workers of Ray train at least 1.7 times as many rows
per second as one with the largest of the batches, to the same held-out error, and score at
least 1.8 times as many; Dask and Spark take at most 1.1 times as long to score as their own
map of a bare function.

    python benchmarks/cluster.py [--engines ray dask spark] [--rows 400000] [--json PATH]

Everything goes over the loopback address. Rows per second of training are those of the
epochs after the first, without the start of the workers, the two passes before and what the
first worker learns afterwards; those of scoring by Ray are of the blocks that sixteen have more
than four, without the start as well, by workers that stay (`ActorPoolStrategy`): tasks, which are
its default, wait for a loop that looks ten times a second which are done. Runs that are
compared take turns, and the ratio is that of their medians: on a machine that others use as well
only ratios mean something, and those of one to two workers are then a lower bound. What a
worker sends in a step is reckoned: a ring reduces n numbers by 2 (k - 1) / k n numbers per worker.
`cluster_model.py` takes the figures that `--json` writes.
"""

import argparse
import json
import os
import sys
import time
from statistics import median

import numpy as np
import pandas as pd
import torch
from _tables import TextTable, describe_machine, heading, remark, verdict

from skae import AEAnomalyDetector, AutoencoderTransformer
from skae.lazy import map_rows

N_COLUMNS, N_COMPONENTS, EPOCHS = 20, 4, 12
# Batches that the workers divide among them; how many blocks Ray scores: few, and more.
BATCHES, N_BLOCKS = (4096, 16_384), (4, 16)
TRAINING, SCORING, OVERHEAD, ERROR = 1.7, 1.8, 1.1, 1.02
PATHS = os.pathsep.join([os.getcwd(), *filter(None, sys.path)])


def rows_of(n_rows, seed):
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((n_rows, 5))
    loadings = np.random.default_rng(1).standard_normal((5, N_COLUMNS))
    cells = np.tanh(factors @ loadings) + 0.1 * rng.standard_normal((n_rows, N_COLUMNS))
    return pd.DataFrame(cells, columns=[f"x{i}" for i in range(N_COLUMNS)])


def parts_of(rows, n_parts):
    numbers = np.array_split(np.arange(len(rows)), n_parts)
    return [rows.iloc[part] for part in numbers]


def in_turns(tasks, n_turns):
    """Return the median seconds of tasks, dict, which are run by turns after one run each."""
    seconds = {name: [] for name in tasks}
    for turn in range(n_turns + 1):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return {name: median(times) for name, times in seconds.items()}


def fitted_detector(rows):
    detector = AEAnomalyDetector(n_estimators=8, max_iter=50, random_state=0)
    return detector.fit(rows.iloc[:5000])


# ------------------------------------------------------------------------------ Ray


def start_ray(n_cpus):
    import ray

    ray.shutdown()
    ray.init(
        num_cpus=n_cpus,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": PATHS}},
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    return ray


def train(ray, rows, n_workers, batch_size):
    """Return rows per second and error on new rows."""
    from skae.engines import fit

    model = AutoencoderTransformer(
        N_COMPONENTS, max_iter=EPOCHS, batch_size=batch_size, refit=False, random_state=0
    )
    fit(model, ray.data.from_pandas(parts_of(rows, 4)), n_workers=n_workers)
    seconds = [epoch["dur"] for epoch in model.net_.history[1:]]
    n_train = len(rows) * (1.0 - model.validation_fraction_)
    n_weights = sum(p.numel() for p in model.net_.module_.parameters() if p.requires_grad)
    return n_train / median(seconds), -model.score(rows_of(20_000, 2)), n_weights


def run_ray(args, figures):
    rows = rows_of(args.rows, 0)
    ray = start_ray(2)
    trained = {}
    for _ in range(args.turns):
        for key in [(k, b) for b in BATCHES for k in (1, 2)] + [(1, BATCHES[0] // 2)]:
            trained.setdefault(key, []).append(train(ray, rows, *key))
    heading(f"Ray: {args.rows:,} rows of {N_COLUMNS} columns")
    table = TextTable(
        {"workers": ">7.0f", "batch": ">7.0f", "rows/s": ">12,.0f", "error": ">8.4f"}
    )
    medians = {}
    for key, results in trained.items():
        medians[key] = tuple(map(median, zip(*results, strict=True)))
        table.row(*key, *medians[key][:2])
    one, two = medians[1, BATCHES[-1]], medians[2, BATCHES[-1]]
    n_bytes = 4 * one[2]
    figures["training"] = {
        "batch": BATCHES[0],
        "n_bytes": n_bytes,
        "rows_per_second": {f"{k},{b}": v[0] for (k, b), v in medians.items()},
    }
    remark(f"A step reduces {n_bytes / 1e3:,.0f} kB; a worker of two sends as much.")
    at_least("two workers train", two[0] / one[0], TRAINING)
    at_most("error of two workers to one's", two[1] / one[1], ERROR)
    score_by_ray(args, rows, figures)


def score_by_ray(args, rows, figures):
    detector, rates = fitted_detector(rows), {1: [], 2: []}
    for _ in range(args.turns):
        for n_cpus in rates:
            ray = start_ray(n_cpus)
            tasks = {n: scoring_of(ray, detector, rows, n, n_cpus) for n in N_BLOCKS}
            few, many = in_turns(tasks, 2).values()
            n_more = (N_BLOCKS[1] - N_BLOCKS[0]) * len(rows)
            rates[n_cpus].append(n_more / (many - few))
    ray.shutdown()
    one, two = (median(of_turns) for of_turns in rates.values())
    figures["scoring"] = {"1": one, "2": two}
    remark(f"Scoring: {one:,.0f} and {two:,.0f} rows/s.")
    at_least("two workers score", two / one, SCORING)


def scoring_of(ray, detector, rows, n_blocks, n_workers):
    """Return a function that scores the rows, so many times, by workers that stay."""
    table = ray.data.from_pandas([rows] * n_blocks).materialize()
    options = {"compute": ray.data.ActorPoolStrategy(size=n_workers)}

    def score():
        map_rows(detector, "score_samples", table, engine_options=options).materialize()

    return score


# --------------------------------------------------------------------- Dask and Spark


def run_dask(args, figures):
    import dask.dataframe as dd
    from distributed import Client, LocalCluster

    rows = rows_of(args.rows, 0)
    detector = fitted_detector(rows)
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        table = client.persist(dd.from_pandas(rows, npartitions=8))
        model = client.scatter(detector, broadcast=True)

        def bare(part, model):
            return pd.Series(model.score_samples(part), part.index)

        meta = pd.Series(dtype=np.float64)
        tasks = {
            "skae": lambda: detector.score_samples(table).sum().compute(),
            "bare": lambda: table.map_partitions(bare, model, meta=meta).sum().compute(),
        }
        compare("Dask", tasks, args)


def run_spark(args, figures):
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master("local[2]")
    for key, value in {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
    }.items():
        builder = builder.config(key, value)
    session, rows = builder.getOrCreate(), rows_of(args.rows // 4, 0)
    detector = fitted_detector(rows)
    table = session.createDataFrame(rows).repartition(4).cache()
    table.count()
    shared = session.sparkContext.broadcast(detector)

    def bare(parts):
        for part in parts:
            yield part.assign(score_samples=shared.value.score_samples(part))

    columns = ", ".join(f"{name} double" for name in [*rows.columns, "score_samples"])
    tasks = {
        "skae": lambda: total(detector.score_samples(table)),
        "bare": lambda: total(table.mapInPandas(bare, columns)),
    }
    compare("Spark", tasks, args)
    session.stop()


def total(table):
    return table.groupBy().sum("score_samples").collect()


def compare(engine, tasks, args):
    seconds = in_turns(tasks, 2 * args.turns + 1)
    heading(f"{engine}: scores, to a bare function in its own map")
    remark(f"{seconds['skae']:.2f} s and {seconds['bare']:.2f} s.")
    at_most(f"{engine} to its own map", seconds["skae"] / seconds["bare"], OVERHEAD)


def at_least(claim, ratio, target):
    verdict(claim, f"{ratio:.2f} times", f">= {target}", ratio >= target)


def at_most(claim, ratio, target):
    verdict(claim, f"{ratio:.2f} times", f"<= {target}", ratio <= target)


ENGINES = {"ray": run_ray, "dask": run_dask, "spark": run_spark}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=ENGINES)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json", help="file for what cluster_model.py takes")
    args = parser.parse_args()
    torch.set_num_threads(1)
    describe_machine(1)
    remark(
        f"Load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores."
    )
    figures = {}
    for engine in args.engines:
        ENGINES[engine](args, figures)
    if args.json and figures:
        with open(args.json, "w") as file:
            json.dump(figures, file, indent=1)


if __name__ == "__main__":
    main()
