"""A contact sheet: every display of four kinds of tables, to be opened and looked at.

    python benchmarks/displays.py FOLDER [--tables mixed] [--displays traversal codes]

It writes one picture per display and table, each drawn into one half of a figure whose other half
belongs to a neighbour, and sheets of all of them.
"""

import argparse
import warnings
from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd

mpl.use("Agg")
import matplotlib.pyplot as plt

from skae import AEAnomalyDetector, AutoencoderTransformer, VAETransformer
from skae.display import (
    AnomalyScoreDisplay,
    CodeDisplay,
    ExplanationDisplay,
    LatentSpaceDisplay,
    LatentTraversalDisplay,
    LossCurveDisplay,
    ReconstructionDisplay,
    SampleDisplay,
)

N = 500
TABLES = "numeric", "mixed", "many levels", "missing"


def tables(rng):
    """Return name -> (table, labels): numeric, mixed, many-levelled, with missing cells."""
    z = rng.normal(size=(N, 3)) + 2.5 * rng.integers(0, 2, size=(N, 1))
    numbers = pd.DataFrame(
        z @ rng.normal(size=(3, 6)) + 0.2 * rng.normal(size=(N, 6)),
        columns=[f"x{i}" for i in range(6)],
    )
    mixed = numbers[["x0", "x1"]].assign(
        day=pd.Timestamp("2024-01-01") + pd.to_timedelta((20 * z[:, 0]).round(), unit="D"),
        cut=pd.Categorical(
            np.array(["fair", "good", "ideal"])[np.digitize(z[:, 1], [0, 2])],
            ["fair", "good", "ideal"],
            ordered=True,
        ),
        colour=np.array(list("DEFGHIJ"))[np.digitize(z[:, 0], np.linspace(-1, 4, 6))],
        sold=z[:, 2] > 1,
    )
    towns = np.array([f"town number {i}" for i in range(25)])
    many = mixed.assign(town=towns[np.digitize(z[:, 0], np.linspace(-2, 5, 24))])
    holed = mixed.mask(rng.random(mixed.shape) < 0.15)
    return {
        "numeric": (numbers, pd.Series(z[:, 0].round(1), name="size")),
        "mixed": (mixed, pd.Series(np.digitize(z[:, 1], [0, 1, 2]), name="grade")),
        "many levels": (many, many["town"]),
        "missing": (holed, holed["colour"]),
    }


def drawers(table, labels):
    """Return name of a display -> function that draws it; what it takes is fitted then."""

    def fitted(make):
        @cache
        def fit():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return make().fit(table)

        return fit

    ae = fitted(lambda: AutoencoderTransformer(3, max_iter=30, random_state=0))
    vae = fitted(
        lambda: VAETransformer(2, sampler="codes", max_iter=20, random_state=0),
    )
    detector = fitted(
        lambda: AEAnomalyDetector(n_estimators=4, max_iter=50, random_state=0)
    )
    draw = {
        "latent": (LatentSpaceDisplay, ae, (table, labels)),
        "latent of two": (LatentSpaceDisplay, vae, (table, labels)),
        "traversal": (LatentTraversalDisplay, ae, (table,)),
        "codes": (CodeDisplay, ae, (table,)),
        "reconstruction": (ReconstructionDisplay, ae, (table,)),
        "sample": (SampleDisplay, vae, (table,)),
        "loss": (LossCurveDisplay, ae, ()),
        "scores": (AnomalyScoreDisplay, detector, (table, labels)),
        "explanation": (ExplanationDisplay, ae, (table[:1],)),
        "explanations": (ExplanationDisplay, ae, (table[:8],)),
    }
    return {
        name: lambda ax, c=cls, e=estimator, a=arguments: c.from_estimator(e(), *a, ax=ax)
        for name, (cls, estimator, arguments) in draw.items()
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--displays", nargs="+", metavar="DISPLAY")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    made = tables(np.random.default_rng(0))
    for table_name in args.tables:
        for name, draw in drawers(*made[table_name]).items():
            if not args.displays or name in args.displays:
                _draw(args.folder, f"{name}_{table_name}".replace(" ", "_"), draw)
        for prefix in ("", "beside_"):
            _sheet(args.folder, prefix, table_name.replace(" ", "_"))


def _draw(folder, title, draw):
    """Draw once alone and once beside a neighbour."""
    draw(None).figure_.savefig(folder / f"{title}.png", dpi=70)
    figure, axes = plt.subplots(1, 2, figsize=(12, 5))
    axes[1].set_title("a neighbour")
    axes[1].plot([0, 1])
    draw(axes[0])
    figure.savefig(folder / f"beside_{title}.png", dpi=50)
    plt.close("all")


def _sheet(folder, prefix, table_name):
    names = sorted(folder.glob(f"*_{table_name}.png"))
    names = [n for n in names if n.name.startswith("beside_") == bool(prefix)]
    names = [n for n in names if not n.name.startswith("sheet")]
    figure, axes = plt.subplots(4, 3, figsize=(21, 22), layout="constrained")
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, path in zip(axes.flat, names, strict=False):
        ax.imshow(plt.imread(path))
        ax.set_title(path.stem)
    figure.savefig(folder / f"sheet_{prefix}{table_name}.png", dpi=75)
    plt.close("all")


if __name__ == "__main__":
    main()
