"""ONNX files in bulk, row by row, and what the serving path costs to import.

    python benchmarks/onnx_bulk.py [--rows N]

- N rows (a million) of 20 columns scored by onnxruntime, in batches, against `score_samples`;
  the same for one row at a time, beside IsolationForest by skl2onnx.
- Time and memory of a process that imports onnxruntime and numpy, loads the file and scores a
  row, without torch.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import onnxruntime as ort
import skl2onnx
import torch
from sklearn.ensemble import IsolationForest

import skae.export
from skae import AEAnomalyDetector, AutoencoderTransformer

# Rows that onnxruntime is given at a time: the work space stays in a processor's cache.
BATCH = 500
SERVING = """
import sys, time
start, worked = time.perf_counter(), time.process_time()
import json
import numpy as np
import onnxruntime as ort
imported, processor = time.perf_counter(), time.process_time() - worked
session = ort.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
said = json.loads(session.get_modelmeta().custom_metadata_map["skae"])
row = np.zeros((1, len(said["columns"])))
label, score, pvalue = session.run(None, {"X": row})
scored = time.perf_counter()
assert "torch" not in sys.modules and "skae" not in sys.modules
status = open("/proc/self/status").read()
peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
print(f"{imported - start:.3f} {processor:.3f} {scored - imported:.3f} {peak:.0f}")
"""


def rows_of(n_rows, seed):
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).normal(size=(5, 20))
    return rng.normal(size=(n_rows, 5)) @ mixing + 0.1 * rng.normal(size=(n_rows, 20))


def session_of(model):
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    content = model.SerializeToString()
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def in_batches(session, X, batch=BATCH):
    name = session.get_outputs()[-1].name
    parts = [
        session.run([name], {"X": X[i : i + batch]})[0] for i in range(0, len(X), batch)
    ]
    return np.concatenate(parts)


def bulk(title, estimator, X):
    session = session_of(skae.export.onnx(estimator, None, "score_samples"))
    start = time.process_time()
    wanted = estimator.score_samples(X)
    middle = time.process_time()
    found = in_batches(session, X)
    end = time.process_time()
    difference = np.abs(found - wanted).max() / np.abs(wanted).max()
    print(
        f"{title:24} score_samples {middle - start:6.1f} s, onnxruntime {end - middle:6.1f} s of a processor"
        f"   difference {difference:.1e}",
        flush=True,
    )


def one_row(title, session, X, n_times=300):
    given = session.get_inputs()[0]
    row = X[:1].astype(np.float32 if given.type == "tensor(float)" else np.float64)
    times = []
    for _ in range(n_times):
        start = time.perf_counter()
        session.run(None, {given.name: row})
        times.append(time.perf_counter() - start)
    p50, p99 = (1e3 * np.quantile(times[10:], q) for q in (0.5, 0.99))
    print(f"{title:24} one row: p50 {p50:.3f} ms   p99 {p99:.3f} ms", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    n_rows = parser.parse_args().rows
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    train, X = rows_of(2000, 1), rows_of(n_rows, 2)
    detector = AEAnomalyDetector(random_state=0).fit(train)
    forest = IsolationForest(random_state=0).fit(train)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "detector.onnx"
        model = skae.export.onnx(detector, path)
        one_row("detector", session_of(model), X)
        converted = skl2onnx.to_onnx(
            forest, X[:1].astype(np.float32), target_opset={"": 21, "ai.onnx.ml": 3}
        )
        one_row("IsolationForest", session_of(converted), X)
        command = [sys.executable, "-c", SERVING, str(path)]
        runs = [
            subprocess.run(
                command, capture_output=True, check=True, text=True
            ).stdout.split()
            for _ in range(5)
        ]
    imported, processor, scored, peak = np.median(np.array(runs, dtype=float), axis=0)
    print(
        f"without torch: import {imported:.3f} s ({processor:.3f} s of a processor), load and "
        f"score {scored:.3f} s, {peak:.0f} MB"
    )
    bulk("detector", detector, X)
    bulk("AutoencoderTransformer", AutoencoderTransformer(5, random_state=0).fit(train), X)


if __name__ == "__main__":
    main()
