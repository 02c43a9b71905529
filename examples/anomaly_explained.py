"""Why is this row anomalous? The most anomalous rows of a table, with expected values.

The table of 2,000 parcels is generated here: sizes, weight, distance, service, days and price.
In one parcel of fifty, one cell is wrong, but it is no more unusual than one value in ten of
its column, so that limits on single columns do not reveal it. The rest of the row does, and
`explain` shows which cell contradicts it and which value was expected there.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from skae import AEAnomalyDetector

PICTURE = "anomaly_explained.png"
N_ROWS, FRACTION_WRONG, N_SHOWN = 2000, 0.02, 5


def make_parcels(n, rng):
    """Return a table whose columns depend on each other."""
    length = rng.uniform(25, 60, n)
    width = length * rng.uniform(0.6, 0.8, n)
    height = width * rng.uniform(0.5, 0.8, n)
    volume = length * width * height / 1000
    weight = volume * rng.lognormal(-1.4, 0.15, n)
    distance = rng.uniform(20, 1200, n)
    is_express = rng.random(n) < 0.4
    days = np.where(is_express, 1 + distance / 1000, 2.5 + distance / 250)
    price = (4 + 0.6 * weight + 0.006 * distance) * np.where(is_express, 2, 1)
    return pd.DataFrame(
        {
            "length [cm]": length.round(1),
            "width [cm]": width.round(1),
            "height [cm]": height.round(1),
            "volume [l]": volume.round(1),
            "weight [kg]": weight.round(2),
            "distance [km]": distance.round(0),
            "service": np.where(is_express, "express", "standard"),
            "days on the way": (days * rng.lognormal(0, 0.08, n)).round(1),
            "price [EUR]": (price * rng.lognormal(0, 0.04, n)).round(2),
        }
    )


def plant(clean, rng):
    """Return the table with wrong cells, and a mask of the wrong cells."""
    X, is_wrong = clean.copy(), np.zeros(clean.shape, dtype=bool)
    for row in rng.permutation(len(X))[: round(FRACTION_WRONG * len(X))]:
        column = clean.columns[rng.integers(clean.shape[1])]
        if column == "service":
            wrong = {"express": "standard", "standard": "express"}[clean[column][row]]
        else:
            # From the opposite end of the column, but not from its outermost twentieths.
            high = clean[column][row] < clean[column].median()
            quantile = rng.uniform(0.8, 0.95) if high else rng.uniform(0.05, 0.2)
            wrong = clean[column].quantile(quantile, interpolation="nearest")
        X.loc[row, column] = wrong
        is_wrong[row, X.columns.get_loc(column)] = True
    return X, is_wrong


def text(value):
    return value if isinstance(value, str) else f"{value:.1f}"


rng = np.random.default_rng(0)
X, is_wrong = plant(make_parcels(N_ROWS, rng), rng)
numeric = X.select_dtypes("number")
planted = np.any(is_wrong, axis=1)

detector = AEAnomalyDetector(random_state=0).fit(X)
scores = detector.score_samples(X)
alone = (numeric.rank(pct=True) - 0.5).abs().max(axis=1)
print(f"{planted.sum()} of {len(X)} parcels contain a wrong cell; they are not labelled.")
print(f"AUROC of the most extreme single cell  {roc_auc_score(planted, alone):.3f}")
print(f"AUROC of AEAnomalyDetector             {roc_auc_score(planted, -scores):.3f}")

worst = np.argsort(scores)[: planted.sum()]
contributions, expected = detector.explain(X.iloc[worst], expected=True)
first = contributions.to_numpy().argmax(axis=1)
is_found = planted[worst]
is_right = is_wrong[worst, first]
print(
    f"Of the {len(worst)} most anomalous rows, {is_found.sum()} contain a wrong cell, and"
)
print(f"in {is_right.sum()} of those the wrong cell has the largest contribution.")

figure, axes = plt.subplots(
    1, N_SHOWN, figsize=(14, 3.8), sharex=True, sharey=True, layout="constrained"
)
for rank, ax in enumerate(axes):
    row = worst[rank]
    parts = contributions.iloc[rank]
    for bar, column in enumerate(X):
        is_planted = is_wrong[row, bar]
        color = "#d95f02" if is_planted else "#bbbbbb"
        ax.barh(bar, parts[column], color=color, height=0.7)
        if column in parts.nlargest(2).index and parts[column] > 0.1 * parts.max():
            value, better = X.iloc[row][column], expected.iloc[rank][column]
            note = f" is {text(value)}, expected {text(better)} "
            # Inside the bar if it is long, otherwise beside it.
            is_long = parts[column] > 2.5
            ax.text(
                parts[column],
                bar,
                note,
                color="white" if is_long and is_planted else "black",
                ha="right" if is_long else "left",
                va="center",
                fontsize=9,
            )
    ax.set_title(f"parcel {row}, score {scores[row]:.1f}", fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
axes[0].set_yticks(range(X.shape[1]), X.columns)
axes[0].invert_yaxis()
figure.supxlabel("contribution of the cell to the row's anomaly score", fontsize=10)
figure.suptitle(
    f"The {N_SHOWN} most anomalous of {N_ROWS:,} parcels (orange: the wrong cell)"
)
figure.savefig(PICTURE, dpi=120)
print(f"Picture: {PICTURE}")
