"""Held-out reconstruction at equal code widths: skae, PCA and the usual autoencoders.

Claims: never clearly worse than PCA; about half of PCA's error left; no slower to fit than
scikit-learn's MLPRegressor; past the peers' final error in a tenth of their time.

    python benchmarks/reconstruction.py --data FOLDER [--only iris wine] [--max-rows 5000]

Labels are not used. 30% of the rows are held out, columns are standardised by the training
rows, all contenders get the same float32 rows and keep their own defaults otherwise.
"""

import argparse
import math
import time
from dataclasses import dataclass

import _figures
import numpy as np
import torch
from _tables import (
    TextTable,
    add_threads_argument,
    choose,
    describe_machine,
    folder_loaders,
    heading,
    load_each,
    quiet,
    sklearn_loaders,
    subsample,
    timed,
    verdict,
)
from pyod.models.auto_encoder import AutoEncoder
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.utils import gen_batches
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping
from torch import nn

from skae import AutoencoderTransformer

BLOCK = 8192
# The start is PCA itself: it counts as there despite float32's last digits.
ROUNDING = 1e-6
WORSE = 0.002

# ----------------------------------------------------------------------- contenders
# Each takes training rows, a code width and a seed, and returns a function from rows to
# their reconstructions.


def fit_pca(X, k, seed):
    pca = PCA(k, random_state=seed).fit(X)
    return lambda rows: pca.inverse_transform(pca.transform(rows))


def fit_mlp(X, k, seed):
    model = MLPRegressor(
        hidden_layer_sizes=(128, k, 128), early_stopping=True, random_state=seed
    )
    model.fit(X, X.ravel() if X.shape[1] == 1 else X)
    return lambda rows: model.predict(rows).reshape(rows.shape)


def fit_pyod(X, k, seed):
    model = AutoEncoder(
        hidden_neuron_list=[64, 32, k],
        preprocessing=False,
        # It drops incomplete batches, and fails where that leaves none.
        batch_size=min(32, len(X)),
        random_state=seed,
        verbose=0,
    ).fit(X)
    network = model.model.eval()

    @torch.no_grad()
    def reconstruct(rows):
        return network(torch.from_numpy(rows).to(model.device)).cpu().numpy()

    return reconstruct


def fit_skorch(X, k, seed):
    torch.manual_seed(seed)
    n_features = X.shape[1]
    module = nn.Sequential(
        nn.Linear(n_features, 128),
        nn.ReLU(),
        nn.Linear(128, k),
        nn.Linear(k, 128),
        nn.ReLU(),
        nn.Linear(128, n_features),
    )
    net = NeuralNet(
        module,
        criterion=nn.MSELoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        batch_size=128,
        max_epochs=100,
        callbacks=[EarlyStopping(patience=10, sink=lambda message: None)],
        verbose=0,
    ).fit(X, X)
    return net.predict


def fit_ours(X, k, seed):
    model = AutoencoderTransformer(k, random_state=seed).fit(X)
    return lambda rows: model.inverse_transform(model.transform(rows))


TRAINED = {"MLP": fit_mlp, "PyOD": fit_pyod, "skorch": fit_skorch}
PEERS = {"PCA": fit_pca, **TRAINED}
CONTENDERS = {**PEERS, "skae": fit_ours}

# --------------------------------------------------------------------- measurements


def squared_error(reconstruct, X):
    """Return the sum over all cells, in float64, block by block."""
    return sum(
        float(np.square(np.subtract(reconstruct(X[s]), X[s], dtype=np.float64)).sum())
        for s in gen_batches(len(X), BLOCK)
    )


class ErrorClock(Callback):
    """Notes the held-out error of what a fit would return, and when it had that.

    `trace` holds (seconds since `start`, squared error) at the start of training and
    after every epoch. Between them the fit keeps its best state so far by its own
    held-out rows, so only an epoch that is kept changes the error. The clock stands
    still while the error is evaluated.
    """

    def __init__(self, estimator, X):
        self.estimator, self.X = estimator, X
        self.trace = []
        self.start = time.perf_counter()

    def on_train_begin(self, net, **kwargs):
        self._note(net)

    def on_epoch_end(self, net, **kwargs):
        if net.best_epoch_ == len(net.history):
            self._note(net)

    @torch.no_grad()
    def _note(self, net):
        now = time.perf_counter()
        network, table = net.module_.eval(), self.estimator._table

        def reconstruct(rows):
            design = torch.from_numpy(table.encode(rows)[0]).to(net.device)
            return table.decode(network(design).cpu().numpy(), rows.dtype)

        error = squared_error(reconstruct, self.X)
        self.trace.append((now - self.start, error))
        self.start += time.perf_counter() - now


def trace_ours(X_train, X_test, k, seed):
    """Fit once more, with the clock."""
    model = AutoencoderTransformer(k, random_state=seed)
    clock = ErrorClock(model, X_test)
    model.callbacks = [clock]
    clock.start = time.perf_counter()
    model.fit(X_train)
    return clock.trace


@dataclass(frozen=True)
class Case:
    """What one table and one code width gave.

    Attributes
    ----------
    left : dict of str to float
        Contender -> fraction of the held-out variance that is lost, 1 - R2.
    seconds : dict of str to float
        Contender -> fit time.
    trace : list of (float, float)
        Our seconds and fractions lost, see `ErrorClock`.
    """

    name: str
    k: int
    left: dict
    seconds: dict
    trace: list

    def ratio_to_pca(self):
        """(1 - R2 of ours) / (1 - R2 of PCA); 1 where neither loses anything."""
        tiny = ROUNDING
        return (self.left["skae"] + tiny) / (self.left["PCA"] + tiny)

    def relative_time_to(self, peers):
        """Our time to the best peer's final error, as a fraction of that peer's fit time."""
        best = min(peers, key=self.left.get)
        goal = self.left[best] * (1.0 + ROUNDING)
        reached = (seconds for seconds, left in self.trace if left <= goal)
        return next(reached, math.inf) / self.seconds[best]


def measure_peer(peer, X_train, X_test, k, seed):
    """Return the held-out squared error and the fit's seconds; a failure loses all."""
    start = time.perf_counter()
    try:
        with quiet():
            reconstruct, seconds = timed(PEERS[peer], X_train, k, seed)
            error = squared_error(reconstruct, X_test)
    except Exception as failure:
        print(f"  {peer} FAILED: {type(failure).__name__}: {failure}", flush=True)
        return math.inf, time.perf_counter() - start
    return error if math.isfinite(error) else math.inf, seconds


def measure(name, X_train, X_test, k, seed):
    mean = X_train.mean(axis=0, dtype=np.float64)
    total = squared_error(lambda rows: mean, X_test)
    left, seconds = {}, {}
    for peer in PEERS:
        error, seconds[peer] = measure_peer(peer, X_train, X_test, k, seed)
        left[peer] = error / total
    reconstruct, seconds["skae"] = timed(fit_ours, X_train, k, seed)
    left["skae"] = squared_error(reconstruct, X_test) / total
    trace = trace_ours(X_train, X_test, k, seed)
    return Case(name, k, left, seconds, [(t, error / total) for t, error in trace])


def split_and_standardise(X, seed):
    train, test = train_test_split(X, test_size=0.3, random_state=seed)
    scaler = StandardScaler().fit(train)
    return [scaler.transform(part).astype(np.float32) for part in (train, test)]


def code_widths(n_features):
    return sorted({min(k, n_features) for k in (2, round(math.sqrt(n_features)))})


# --------------------------------------------------------------------------- report


def new_table():
    formats = {"table": "<14", "rows": ">6d", "cols": ">4d", "k": ">2d"}
    formats |= {f"R2 {name}": ">9.4f" for name in CONTENDERS}
    formats |= {f"s {name}": ">8.2f" for name in CONTENDERS}
    formats |= {"left/PCA": ">8.2f", "t/nets": ">6.2f", "t/all": ">7.2f"}
    return TextTable(formats)


def print_case(table, case, shape):
    table.row(
        case.name,
        *shape,
        case.k,
        *(1.0 - left for left in case.left.values()),
        *case.seconds.values(),
        case.ratio_to_pca(),
        case.relative_time_to(TRAINED),
        case.relative_time_to(PEERS),
    )


def summarise(cases):
    heading(f"Summary of {len(cases)} cases")
    below = [c for c in cases if c.left["skae"] > c.left["PCA"] + WORSE]
    names = [
        f"{c.name} k={c.k} by {c.left['skae'] - c.left['PCA']:.4f}" for c in below
    ] or ["none"]
    verdict(
        f"(a) cases more than {WORSE} R2 below PCA", ", ".join(names), "none", not below
    )
    ratio = float(np.median([case.ratio_to_pca() for case in cases]))
    verdict(
        "(b) median fraction of PCA's error that is left",
        f"{ratio:.3f}",
        "<= 0.50, aim 0.40",
        ratio <= 0.5,
    )
    ours, mlp = (sum(c.seconds[name] for c in cases) for name in ("skae", "MLP"))
    verdict(
        "(c) total fit time",
        f"{ours:.1f} s",
        f"<= MLPRegressor's, {mlp:.1f} s",
        ours <= mlp,
    )
    for peers, label in ((TRAINED, "the trained networks"), (PEERS, "all peers, PCA too")):
        times = [case.relative_time_to(peers) for case in cases]
        median = float(np.median(times))
        verdict(
            "(d) median of our time to the best peer's error / its fit time, best of "
            f"{label}",
            f"{median:.3f}, never reached in {sum(map(math.isinf, times))}",
            "<= 0.1",
            median <= 0.1,
        )


# As the pages call them.
SHOWN = {
    "PCA": "PCA",
    "MLP": "MLPRegressor on (X, X)",
    "PyOD": "PyOD AutoEncoder",
    "skorch": "plain skorch",
    "skae": "skae",
}


def note_figures(cases):
    left = {name: np.array([case.left[name] for case in cases]) for name in CONTENDERS}
    best = np.min([*left.values()], axis=0)
    seconds = {name: sum(case.seconds[name] for case in cases) for name in CONTENDERS}
    for name, shown in SHOWN.items():
        for row, value in (
            ("mean held-out R²", f"{1.0 - left[name].mean():.3f}"),
            (
                f"cases more than {WORSE} below PCA",
                str(sum(left[name] > left["PCA"] + WORSE)),
            ),
            (
                f"best, or within {WORSE} of the best",
                f"{np.mean(left[name] <= best + WORSE):.0%}",
            ),
            ("total fit time, relative to skae", f"{seconds[name] / seconds['skae']:.2f}"),
        ):
            _figures.cell("reconstruction", row, shown, value)
    unexplained = float(np.median([case.ratio_to_pca() for case in cases]))
    _figures.fact("unexplained", f"{unexplained:.0%}")


def warm_up():
    """Let torch load what it loads at first use, outside the first contender's time."""
    X = np.random.default_rng(0).standard_normal((64, 4)).astype(np.float32)
    with quiet():
        for fit in CONTENDERS.values():
            fit(X, 2, 0)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="folder of .npz files with X and y")
    parser.add_argument("--max-rows", type=int, help="rows a table at most (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", metavar="TABLE")
    add_threads_argument(parser)
    _figures.add_argument(parser)
    args = parser.parse_args()
    loaders = choose({**sklearn_loaders(), **folder_loaders(args.data)}, args.only)

    describe_machine(args.threads)
    warm_up()
    heading(
        "Held-out R2, fit seconds, (1 - R2) / (1 - R2 of PCA), and our time to the error of "
        "the best network / peer as a fraction of its fit time"
    )
    table, cases = new_table(), []
    for name, X, y in load_each(loaders):
        X, _ = subsample(X, y, args.max_rows, args.seed)
        X_train, X_test = split_and_standardise(X, args.seed)
        for k in code_widths(X.shape[1]):
            case = measure(name, X_train, X_test, k, args.seed)
            print_case(table, case, X_train.shape)
            cases.append(case)
    summarise(cases)
    note_figures(cases)
    _figures.write(args)


if __name__ == "__main__":
    main()
