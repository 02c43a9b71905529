"""A contact sheet: every display of five kinds of tables, to be opened and looked at.

    python benchmarks/displays.py FOLDER [--tables mixed] [--displays traversal codes]
    python benchmarks/displays.py FOLDER --style dark_background

It writes one picture per display and table, each drawn into one half of a figure whose other half
belongs to a neighbour, and sheets of all of them. The layout by UMAP takes part where umap-learn
is installed.
"""

import argparse
import warnings
from functools import cache, partial
from importlib.util import find_spec
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
TABLES = "numeric", "mixed", "many levels", "missing", "wide"


def tables(rng):
    """Return name -> (table, labels), what `TABLES` says; names of the wide one are long."""
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
    wide = pd.DataFrame(
        z @ rng.normal(size=(3, 36)) + 0.5 * rng.normal(size=(N, 36)),
        columns=[f"average of measurement {i} [$ per m2, $]" for i in range(36)],
    )
    wide["a category whose name is very long"] = towns[np.digitize(z[:, 1], [0, 1, 2])]
    return {
        "numeric": (numbers, pd.Series(z[:, 0].round(1), name="size")),
        "mixed": (mixed, pd.Series(np.digitize(z[:, 1], [0, 1, 2]), name="grade")),
        "many levels": (many, many["town"]),
        "missing": (holed, holed["colour"]),
        "wide": (wide, mixed["day"]),
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

    ae = fitted(lambda: AutoencoderTransformer(4, max_iter=30, random_state=0))
    vae = fitted(
        lambda: VAETransformer(2, sampler="codes", max_iter=20, random_state=0),
    )
    detector = fitted(
        lambda: AEAnomalyDetector(n_estimators=4, max_iter=50, random_state=0)
    )
    draw = {
        "latent": (LatentSpaceDisplay.from_estimator, ae, (table, labels)),
        "latent of two": (LatentSpaceDisplay.from_estimator, vae, (table, labels)),
        "latent by tsne": (
            partial(LatentSpaceDisplay.from_estimator, layout="tsne"),
            ae,
            (table, labels),
        ),
        "latent by umap": (
            partial(LatentSpaceDisplay.from_estimator, layout="umap"),
            ae,
            (table, labels),
        ),
        "traversal": (LatentTraversalDisplay.from_estimator, ae, (table,)),
        "codes": (CodeDisplay.from_estimator, ae, (table,)),
        "reconstruction": (ReconstructionDisplay.from_estimator, ae, (table,)),
        "sample": (SampleDisplay.from_estimator, vae, (table,)),
        "loss": (LossCurveDisplay.from_estimator, ae, ()),
        "scores": (AnomalyScoreDisplay.from_estimator, detector, (table, labels)),
        "explanation": (ExplanationDisplay.from_estimator, ae, (table[:1],)),
        "explanations": (ExplanationDisplay.from_estimator, ae, (table[:8],)),
    }
    if find_spec("umap") is None:
        del draw["latent by umap"]
    return {
        name: lambda ax, f=function, e=estimator, a=arguments: f(e(), *a, ax=ax)
        for name, (function, estimator, arguments) in draw.items()
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--displays", nargs="+", metavar="DISPLAY")
    parser.add_argument("--style", default="default", help="of matplotlib")
    args = parser.parse_args()
    plt.style.use(args.style)
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
    n_lines = -(-len(names) // 3)
    figure, axes = plt.subplots(
        n_lines, 3, figsize=(21, 5.5 * n_lines), layout="constrained"
    )
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, path in zip(axes.flat, names, strict=False):
        ax.imshow(plt.imread(path))
        ax.set_title(path.stem)
    figure.savefig(folder / f"sheet_{prefix}{table_name}.png", dpi=75)
    plt.close("all")


if __name__ == "__main__":
    main()
