"""Fits on a CUDA device: steps played from a recording, taken one by one, and on the CPU.

Claim: an epoch of recorded steps takes at most a third of the time of the same steps taken one
by one, and ends at the same loss.

    python benchmarks/gpu.py [--rows 50000] [--epochs 6]

Launching the kernels of a small network takes longer than they run, whatever the device;
`skae.training.recording` launches a step at once. Without a CUDA device it says so.
"""

import argparse
import time
from statistics import median

import numpy as np
import pandas as pd
import torch
from _tables import TextTable, describe_machine, heading, remark, verdict

from skae import AutoencoderTransformer, VAETransformer
from skae.training.recording import Recording

TARGET, SAME = 1 / 3, 1e-3
ESTIMATORS = {
    "AutoencoderTransformer": AutoencoderTransformer,
    "VAETransformer": VAETransformer,
}


def tables(n_rows):
    """Return a table of numbers, and one with categories."""
    rng = np.random.default_rng(0)
    cells = np.tanh(rng.standard_normal((n_rows, 5)) @ rng.standard_normal((5, 20)))
    cells += 0.1 * rng.standard_normal(cells.shape)
    mixed = pd.DataFrame(cells[:, :8], columns=[*"abcdefgh"])
    mixed["side"] = np.where(mixed.pop("a") > 0.0, "left", "right")
    mixed["size"] = pd.cut(mixed.pop("b"), 5, labels=["xs", "s", "m", "l", "xl"])
    return {"numbers": cells.astype(np.float32), "mixed": mixed}


def fit(Estimator, X, epochs, device):
    """Return the seconds of an epoch and of the fit, and the last training loss."""
    model = Estimator(
        4,
        max_iter=epochs,
        early_stopping=False,
        random_state=0,
        device=device,
        **({"sampler": "codes"} if Estimator is VAETransformer else {}),
    )
    start = time.perf_counter()
    model.fit(X)
    seconds = time.perf_counter() - start
    # The first epoch holds the recording.
    durations = [epoch["dur"] for epoch in model.net_.history[1:]]
    return median(durations), seconds, model.loss_curve_[-1]


def one_by_one(Estimator, X, epochs):
    """Return what `fit` does where no step is recorded."""
    of = Recording.of
    Recording.of = classmethod(lambda *args: None)
    try:
        return fit(Estimator, X, epochs, "cuda")
    finally:
        Recording.of = of


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--epochs", type=int, default=6)
    args = parser.parse_args()
    describe_machine(torch.get_num_threads())
    if not torch.cuda.is_available():
        remark("There is no CUDA device here.")
        return
    remark(f"Device: {torch.cuda.get_device_name(0)}.")
    fit(AutoencoderTransformer, tables(500)["mixed"], 2, "cuda")  # libraries are loaded
    heading(f"{args.rows:,} rows, {args.epochs} epochs")
    table = TextTable(
        {
            **{"estimator": "<23", "table": "<8"},
            **{"steps": "<11", "ms an epoch": ">11,.1f", "s in all": ">9.2f"},
            "loss": ">9.5f",
        }
    )
    ratios, differences = [], []
    for name, Estimator in ESTIMATORS.items():
        for kind, X in tables(args.rows).items():
            runs = {
                "recorded": fit(Estimator, X, args.epochs, "cuda"),
                "one by one": one_by_one(Estimator, X, args.epochs),
                "on the CPU": fit(Estimator, X, args.epochs, "cpu"),
            }
            for steps, (epoch, seconds, loss) in runs.items():
                table.row(name, kind, steps, 1e3 * epoch, seconds, loss)
            recorded, taken = runs["recorded"], runs["one by one"]
            ratios.append(recorded[0] / taken[0])
            differences.append(abs(recorded[2] - taken[2]) / (1.0 + abs(taken[2])))
    worst, apart = max(ratios), max(differences)
    verdict("an epoch, recorded to one by one", f"{worst:.2f}", "<= 1/3", worst <= TARGET)
    verdict("their losses apart", f"{apart:.1e}", f"<= {SAME:g}", apart <= SAME)


if __name__ == "__main__":
    main()
