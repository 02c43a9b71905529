"""A contact sheet: every display of four kinds of tables, to be opened and looked at.

    python benchmarks/displays.py FOLDER

It writes one picture per display and table, each drawn into one half of a figure whose other half
belongs to a neighbour, and sheets of all of them.
"""

import sys
import warnings
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
    """Return name of a display -> function that draws it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ae = AutoencoderTransformer(3, random_state=0).fit(table)
        vae = VAETransformer(2, sampler="codes", max_iter=20, random_state=0).fit(table)
        detector = AEAnomalyDetector(n_estimators=4, max_iter=50, random_state=0).fit(table)
    return {
        "latent": lambda ax: LatentSpaceDisplay.from_estimator(ae, table, labels, ax=ax),
        "latent of two": lambda ax: LatentSpaceDisplay.from_estimator(
            vae, table, labels, ax=ax
        ),
        "traversal": lambda ax: LatentTraversalDisplay.from_estimator(ae, table, ax=ax),
        "codes": lambda ax: CodeDisplay.from_estimator(ae, table, ax=ax),
        "reconstruction": lambda ax: ReconstructionDisplay.from_estimator(ae, table, ax=ax),
        "sample": lambda ax: SampleDisplay.from_estimator(vae, table, ax=ax),
        "loss": lambda ax: LossCurveDisplay.from_estimator(ae, ax=ax),
        "scores": lambda ax: AnomalyScoreDisplay.from_estimator(
            detector, table, labels, ax=ax
        ),
        "explanation": lambda ax: ExplanationDisplay.from_estimator(ae, table[:1], ax=ax),
        "explanations": lambda ax: ExplanationDisplay.from_estimator(ae, table[:8], ax=ax),
    }


def main(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for table_name, (table, labels) in tables(np.random.default_rng(0)).items():
        for name, draw in drawers(table, labels).items():
            display = draw(None)
            title = f"{name}_{table_name}".replace(" ", "_")
            display.figure_.savefig(folder / f"{title}.png", dpi=70)
            plt.close("all")
            figure, axes = plt.subplots(1, 2, figsize=(12, 5))
            axes[1].set_title("a neighbour")
            axes[1].plot([0, 1])
            draw(axes[0])
            figure.savefig(folder / f"beside_{title}.png", dpi=50)
            plt.close("all")
    for prefix in ("", "beside_"):
        for table_name in ("numeric", "mixed", "many_levels", "missing"):
            _sheet(folder, prefix, table_name)


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
    main(*sys.argv[1:])
