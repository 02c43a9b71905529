"""What it takes to serve one row: from JSON to its score, and what the path costs to import.

    python benchmarks/serving.py [--calls N]

- One row of 20 numbers as JSON, to its score, in a function of one process: p50 and p99 in ms
  (and p5, which other work on the machine hardly touches), and rows a second with 8 clients on
  threads. By skae, by onnxruntime from skae's file, by IsolationForest of scikit-learn and of
  skl2onnx, and by PyOD's AutoEncoder.
- The same over HTTP, by `examples/service`, for both of skae's files, with label and p-value.
- Import of the serving path without torch: time and memory in a process of its own.

All of them on one thread a call, timed in turns, so that what else the machine does falls on
all alike.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import _figures
import httpx
import numpy as np
import onnxruntime as ort
import skl2onnx
import torch
import uvicorn
from sklearn.ensemble import IsolationForest

import skae
import skae.export

SERVICE = Path(__file__).parents[1] / "examples" / "service"
sys.path.insert(0, str(SERVICE))

from app import create_app  # noqa: E402  of the folder named above
from by_onnx import OnnxScorer  # noqa: E402  of the folder named above
from by_skae import SkaeScorer  # noqa: E402  of the folder named above
from cells import parse  # noqa: E402  of the folder named above

N_CLIENTS = 8
# Calls of one path before the next has its turn, and those before that are not timed.
TURN, WARM = 50, 5
IMPORTS = """
import sys, time
sys.path.insert(0, sys.argv[2])
start, worked = time.perf_counter(), time.process_time()
{imports}
imported, processor = time.perf_counter() - start, time.process_time() - worked
scorer = make(sys.argv[1])
assert not {{"torch", "skae", "sklearn", "scipy", "pandas"}} & set(sys.modules)
status = open("/proc/self/status").read()
peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
print(imported, processor, peak)
"""
PATHS = {
    "by_onnx": "import cells\nfrom by_onnx import OnnxScorer as make",
    "and fastapi": "import uvicorn\nfrom app import create_app as make\nimport by_onnx",
}


def rows_of(n_rows, seed):
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).normal(size=(5, 20))
    return rng.normal(size=(n_rows, 5)) @ mixing + 0.1 * rng.normal(size=(n_rows, 20))


def session_of(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def from_json(body, names):
    """Return a row as a matrix, unchecked: what those without a service would do."""
    row = json.loads(body)
    return np.array([[row[name] for name in names]])


def paths(train, names, folder):
    """Return what makes a score of JSON, by name."""
    detector = skae.AEAnomalyDetector(random_state=0).fit(train)
    skae.save(detector, folder / "detector.skops")
    # The score alone, as of the others.
    skae.export.onnx(detector, folder / "score.onnx", "score_samples")
    skae.export.onnx(detector, folder / "detector.onnx")
    of_skae, checked = (
        SkaeScorer(folder / "detector.skops"),
        OnnxScorer(folder / "detector.onnx"),
    )
    session = session_of(folder / "score.onnx")

    def by_skae(body):
        rows, _ = parse(body, of_skae.columns)
        return of_skae.detector.score_samples(of_skae.table(rows))[0]

    def by_onnx(body):
        rows, _ = parse(body, checked.columns)
        return session.run(None, {"X": np.array(rows, dtype=np.float64)})[0][0]

    def by_service(body):
        rows, _ = parse(body, checked.columns)
        return checked.score(rows)[0][0]

    forest = IsolationForest(random_state=0).fit(train)
    converted = skl2onnx.to_onnx(
        forest, train[:1].astype(np.float32), target_opset={"": 18, "ai.onnx.ml": 3}
    )
    (folder / "forest.onnx").write_bytes(converted.SerializeToString())
    trees = session_of(folder / "forest.onnx")

    def by_trees(body):
        row = from_json(body, names).astype(np.float32)
        return trees.run(["scores"], {"X": row})[0][0, 0]

    made = {
        "skae": by_skae,
        "skae by onnxruntime": by_onnx,
        "  with label and p-value": by_service,
        "IsolationForest": lambda body: forest.score_samples(from_json(body, names))[0],
        "IsolationForest by skl2onnx": by_trees,
    }
    try:
        from pyod.models.auto_encoder import AutoEncoder
    except ImportError:
        print("PyOD is not installed: left out")
        return made
    peer = AutoEncoder(verbose=0, random_state=0).fit(train)
    made["PyOD AutoEncoder"] = lambda body: peer.decision_function(from_json(body, names))[
        0
    ]
    return made


def one_by_one(made, bodies, n_calls):
    """Return the times of calls in ms, by name, taken in turns of many calls."""
    times: dict = {name: [] for name in made}
    for _ in range(-(-n_calls // TURN)):
        for name, score in made.items():
            for i in range(-WARM, TURN):
                start = time.perf_counter()
                score(bodies[i % len(bodies)])
                if i >= 0:
                    times[name].append(1e3 * (time.perf_counter() - start))
    return times


def rate(score, bodies, n_calls):
    """Return rows a second with eight clients."""
    with ThreadPoolExecutor(N_CLIENTS) as pool:
        list(pool.map(score, bodies[:N_CLIENTS]))
        start = time.perf_counter()
        list(pool.map(score, [bodies[i % len(bodies)] for i in range(n_calls)]))
        return n_calls / (time.perf_counter() - start)


def over_http(title, path, bodies, n_calls):
    server = uvicorn.Server(uvicorn.Config(create_app(path), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:

        def score(body):
            return client.post("/score", params={"n_cells": 0}, content=body).json()[
                "score"
            ]

        times = one_by_one({title: score}, bodies, n_calls)[title]
        show(title, times, rate(score, bodies, n_calls))
    server.should_exit = True
    thread.join()


def show(title, times, per_second):
    p5, p50, p99 = np.quantile(times, [0.05, 0.5, 0.99])
    print(
        f"{title:28} p5 {p5:7.3f} ms   p50 {p50:7.3f} ms   p99 {p99:8.3f} ms   {per_second:7.0f} rows/s",
        flush=True,
    )


def imports(path, n_times=5):
    for title, lines in PATHS.items():
        command = [
            sys.executable,
            "-c",
            IMPORTS.format(imports=lines),
            str(path),
            str(SERVICE),
        ]
        runs = [
            subprocess.run(command, capture_output=True, check=True, text=True).stdout
            for _ in range(n_times)
        ]
        found = np.array([run.split() for run in runs], dtype=float)
        imported, processor, peak = np.median(found, axis=0)
        print(
            f"import {title:12} {imported:.3f} s (least {found[:, 0].min():.3f} s, "
            f"{processor:.3f} s of a processor), {peak:.0f} MB with the file loaded",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1000)
    _figures.add_argument(parser)
    args = parser.parse_args()
    n_calls = args.calls
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    train = rows_of(2000, 1)
    names = [f"x{i}" for i in range(20)]
    bodies = [
        json.dumps(dict(zip(names, row, strict=True))).encode()
        for row in rows_of(200, 2).tolist()
    ]
    with tempfile.TemporaryDirectory() as folder:
        made = paths(train, names, Path(folder))
        times = one_by_one(made, bodies, n_calls)
        for name, score in made.items():
            show(name, times[name], rate(score, bodies, n_calls))
        ours, peer = (
            np.quantile(times[name], [0.05, 0.5])
            for name in ("skae by onnxruntime", "IsolationForest by skl2onnx")
        )
        ratios = ours / peer
        print(f"skae's ONNX / IsolationForest's: p5 {ratios[0]:.2f}, p50 {ratios[1]:.2f}")
        over_http("HTTP, skae", Path(folder) / "detector.skops", bodies, n_calls)
        over_http("HTTP, onnxruntime", Path(folder) / "detector.onnx", bodies, n_calls)
        imports(Path(folder) / "detector.onnx")
    p50 = np.quantile(times["  with label and p-value"], 0.5)
    _figures.fact("row_by_onnx", f"{p50:.1f} ms")
    _figures.write(args)


if __name__ == "__main__":
    main()
