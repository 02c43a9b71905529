"""Find the mistaken cells of a DataFrame: values that are ordinary alone, not together.

The Wisconsin breast cancer table (ships with scikit-learn) has 30 measurements of cell
nuclei. In one record of twenty, one cell is swapped for another record's. No cell is out
of its column's range, so that looking at columns one by one finds nothing; what gives
the records away is that the cell contradicts the rest of its row.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from skae import AEAnomalyDetector, AutoencoderTransformer

PICTURE = "anomaly_dataframe.png"
SHARE = 0.05

rng = np.random.default_rng(0)
X = load_breast_cancer(as_frame=True).data
mistaken = rng.permutation(len(X))[: round(SHARE * len(X))]
clean = X.copy()
for row in mistaken:
    column = rng.integers(10)  # one of the ten means
    X.iloc[row, column] = clean.iloc[rng.integers(len(X)), column]
is_mistaken = np.isin(np.arange(len(X)), mistaken)

# Keeping 99% of the variance leaves only what contradicts the other columns.
detector = AEAnomalyDetector(
    AutoencoderTransformer(n_components=0.99), contamination=SHARE, random_state=0
).fit(X)
forest = IsolationForest(contamination=SHARE, random_state=0).fit(X)
print(f"{len(mistaken)} of {len(X)} records hold a swapped cell; nobody has marked them.")
for name, model in {"AEAnomalyDetector": detector, "IsolationForest": forest}.items():
    found = is_mistaken[model.predict(X) == -1]
    auroc = roc_auc_score(is_mistaken, -model.score_samples(X))
    print(
        f"{name:18s} AUROC {auroc:.3f}; of {len(found)} flagged, {found.sum()} are mistaken"
    )

figure, ax = plt.subplots(figsize=(6.5, 4))
flagged = detector.predict(X) == -1
groups = {
    "not flagged": (~flagged & ~is_mistaken, "#bbbbbb", "o", 12),
    "flagged": (flagged & ~is_mistaken, "#7570b3", "o", 20),
    "mistaken, flagged": (flagged & is_mistaken, "#d95f02", "D", 36),
    "mistaken, missed": (~flagged & is_mistaken, "black", "x", 36),
}
for label, (rows, color, marker, size) in groups.items():
    ax.scatter(
        X["mean radius"][rows],
        X["mean area"][rows],
        s=size,
        color=color,
        marker=marker,
        label=f"{label} ({rows.sum()})",
    )
ax.set(xlabel="mean radius", ylabel="mean area")
caught = (flagged & is_mistaken).sum()
ax.set_title(f"{caught} of {len(mistaken)} mistaken records are flagged; two of 30 columns")
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)
figure.tight_layout()
figure.savefig(PICTURE, dpi=120)
print(f"Picture: {PICTURE}")
