"""What the engine costs: an epoch of a fit beside a bare torch loop, and peak memory.

Claims: an epoch costs at most 1.10 of a hand-written loop's with the same network, batches
and optimiser (1.3 where the problem is tiny and overhead is all there is); fitting takes
at most 2.5 times the memory of float32 data, the data included.

    python benchmarks/engine.py [--quick]

All take turns, and the median ratio of the rounds counts, because other work on the machine
slows everyone. Ours and the bare loop run on the threads that the fit chooses, the peers on
those that they default to.
"""

import argparse
import copy
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import _figures
import numpy as np
import torch
from _tables import (
    TextTable,
    add_threads_argument,
    describe_machine,
    heading,
    quiet,
    remark,
    verdict,
)
from pyod.models.auto_encoder import AutoEncoder
from sklearn.neural_network import MLPRegressor
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch.nn import functional as F

from skae import AutoencoderTransformer
from skae.training.devices import threads_for

MEMORY_TARGET = 2.5
# Rows of a fit whose memory is what torch loads at its first use.
SMALL = 1000


@dataclass(frozen=True)
class Problem:
    n_rows: int
    n_features: int
    hidden: tuple
    batch_size: int
    n_components: int
    n_epochs: int
    n_peer_epochs: int
    target: float

    def rows(self):
        rng = np.random.default_rng(0)
        factors = rng.standard_normal((self.n_rows, self.n_components))
        loadings = rng.standard_normal((self.n_components, self.n_features))
        noise = rng.standard_normal((self.n_rows, self.n_features))
        return (np.tanh(factors @ loadings) + 0.3 * noise).astype(np.float32)

    def estimator(self, **changes):
        settings = {
            "hidden_layer_sizes": self.hidden,
            "batch_size": self.batch_size,
            "max_iter": self.n_epochs,
            "early_stopping": False,
            "learning_rate": "one_cycle",
            "device": "cpu",
            "random_state": 0,
        }
        return AutoencoderTransformer(self.n_components, **(settings | changes))


PROBLEMS = [
    Problem(20_000, 50, (128, 64), 256, 8, n_epochs=8, n_peer_epochs=4, target=1.10),
    Problem(2_000, 20, (64,), 128, 4, n_epochs=60, n_peer_epochs=12, target=1.30),
]

# ------------------------------------------------------------------ ours and bare


class EpochEnds(Callback):
    """Notes when epochs end."""

    def on_train_begin(self, net, **kwargs):
        self.times = []

    def on_epoch_end(self, net, **kwargs):
        self.times.append(time.perf_counter())


def our_epoch(problem, X):
    """Return the median seconds of an epoch of `fit`."""
    ends = EpochEnds()
    problem.estimator(callbacks=[ends]).fit(X)
    return float(np.median(np.diff(ends.times)))


def copy_of_training(fitted):
    """Return a copy of the module, and AdamW with the same groups, as `fit` has them."""
    net = fitted.net_
    module = copy.deepcopy(net.module_)
    twins = dict(zip(net.module_.parameters(), module.parameters(), strict=True))
    groups = [
        {
            "params": [twins[parameter] for parameter in group["params"]],
            "weight_decay": group["weight_decay"],
        }
        for group in net.optimizer_.param_groups
    ]
    optimizer = torch.optim.AdamW(groups, lr=fitted.learning_rate_init, fused=True)
    return module.train(), optimizer


def bare_epoch(problem, fitted, x):
    """Return the median seconds of an epoch of the loop that one would write by hand."""
    module, optimizer = copy_of_training(fitted)
    ends = []
    with threads_for(fitted._n_multiplications(problem.batch_size)):
        for _ in range(problem.n_epochs):
            total = torch.zeros(())
            for indices in torch.randperm(len(x)).split(problem.batch_size):
                batch = x.index_select(0, indices)
                optimizer.zero_grad()
                loss = F.mse_loss(module(batch), batch)
                loss.backward()
                optimizer.step()
                total += loss.detach() * len(batch)
            total.item()
            ends.append(time.perf_counter())
    return float(np.median(np.diff(ends)))


# -------------------------------------------------------------------------- peers
# Each takes a problem, its rows in standard units and our fitted estimator, and returns
# the times at which its epochs ended.


def mlp_ends(problem, x, fitted):
    model = MLPRegressor(
        hidden_layer_sizes=(*problem.hidden, problem.n_components, *problem.hidden[::-1]),
        batch_size=problem.batch_size,
        random_state=0,
    )
    ends = []
    for _ in range(problem.n_peer_epochs):
        # An epoch a call, and nothing else to speak of.
        model.partial_fit(x, x)
        ends.append(time.perf_counter())
    return ends


class TimedAutoEncoder(AutoEncoder):
    def train(self, train_loader):
        self.ends = []
        super().train(train_loader)

    def epoch_update(self):
        self.ends.append(time.perf_counter())


def pyod_ends(problem, x, fitted):
    model = TimedAutoEncoder(
        hidden_neuron_list=[*problem.hidden, problem.n_components],
        batch_size=problem.batch_size,
        epoch_num=problem.n_peer_epochs,
        preprocessing=False,
        device="cpu",
        random_state=0,
        verbose=0,
    )
    return model.fit(x).ends


def skorch_ends(problem, x, fitted):
    ends = EpochEnds()
    NeuralNet(
        copy.deepcopy(fitted.net_.module_),
        criterion=torch.nn.MSELoss,
        optimizer=torch.optim.AdamW,
        lr=1e-3,
        batch_size=problem.batch_size,
        max_epochs=problem.n_peer_epochs,
        # All rows train, as with the others.
        train_split=None,
        callbacks=[ends],
        verbose=0,
    ).fit(x, x)
    return ends.times


PEERS = {
    "MLPRegressor": mlp_ends,
    "PyOD AutoEncoder": pyod_ends,
    "skorch NeuralNet": skorch_ends,
}


def peer_epoch(ends, problem, x, fitted):
    with quiet():
        return float(np.median(np.diff(ends(problem, x, fitted))))


# ------------------------------------------------------------------------- report


def measure(problem, n_rounds):
    """Return contender -> seconds of an epoch, round by round."""
    X = problem.rows()
    fitted = problem.estimator(max_iter=1).fit(X)
    x = torch.from_numpy(fitted._table.encode(X)[0])
    contenders = {
        "bare torch loop": lambda: bare_epoch(problem, fitted, x),
        "skae": lambda: our_epoch(problem, X),
    }
    for name, ends in PEERS.items():
        contenders[name] = partial(peer_epoch, ends, problem, x.numpy(), fitted)
    for epoch in contenders.values():
        epoch()  # warms up
    rounds = [[epoch() for epoch in contenders.values()] for _ in range(n_rounds)]
    return dict(zip(contenders, np.transpose(rounds), strict=True))


# As the pages call them.
SHOWN = {
    "skae": "skae",
    "MLPRegressor": "MLPRegressor",
    "PyOD AutoEncoder": "PyOD AutoEncoder",
    "skorch NeuralNet": "default skorch",
}


def print_outcome(problem, seconds):
    heading(
        f"{problem.n_rows} rows, {problem.n_features} columns, hidden {problem.hidden}, "
        f"{problem.n_components} components, batches of {problem.batch_size}: medians of "
        "the rounds"
    )
    table = TextTable({"": "<16", "ms an epoch": ">11.2f", "to bare": ">7.2f"})
    for name, figures in seconds.items():
        to_bare = figures / seconds["bare torch loop"]
        table.row(name, 1e3 * np.median(figures), np.median(to_bare))
        if name in SHOWN:
            row = f"{problem.n_rows:,} rows, {problem.n_features} columns"
            _figures.cell("training", row, SHOWN[name], f"{np.median(to_bare):.2f}")


def memory_of_fit(n_rows):
    """Return the bytes of the data and of a fit's peak, measured in a fresh process."""
    script = Path(__file__).with_name("_peak_memory.py")
    result = subprocess.run(
        [sys.executable, script, "--rows", str(n_rows)],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise SystemExit(f"{script.name} failed: {result.stderr.strip()}")
    data, peak = map(int, result.stdout.split())
    return data, peak


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--quick", action="store_true", help="3 rounds, and a tenth of the rows for memory"
    )
    add_threads_argument(parser)
    _figures.add_argument(parser)
    args = parser.parse_args()
    n_rounds, n_rows = (3, 100_000) if args.quick else (args.rounds, 1_000_000)

    describe_machine(args.threads)
    # First, while this process is small: on Linux a child starts from its parent's peak.
    data, peak = memory_of_fit(n_rows)
    _, fixed = memory_of_fit(SMALL)
    outcomes = []
    for problem in PROBLEMS:
        outcomes.append(measure(problem, n_rounds))
        print_outcome(problem, outcomes[-1])

    heading("Summary")
    for problem, seconds in zip(PROBLEMS, outcomes, strict=True):
        ratios = seconds["skae"] / seconds["bare torch loop"]
        ratio = float(np.median(ratios))
        verdict(
            f"epoch of {problem.n_rows} rows to the bare loop's",
            f"{ratio:.2f}, rounds {ratios.min():.2f} to {ratios.max():.2f}",
            f"<= {problem.target:.2f}",
            ratio <= problem.target,
        )
    claim = f"peak memory of a fit to its data, {n_rows} x 50 float32"
    figure = (
        f"{peak / data:.2f}, of which {fixed / data:.2f} come with a fit of {SMALL} rows"
    )
    if args.quick:
        # What torch loads weighs too much beside small data.
        remark(f"{claim}: {figure}")
    else:
        met = peak / data <= MEMORY_TARGET
        verdict(claim, figure, f"<= {MEMORY_TARGET}", met)
        _figures.fact("peak_memory", f"{peak / data:.1f} times")
    _figures.write(args)


if __name__ == "__main__":
    main()
