"""Find swapped cells in a DataFrame: values that are ordinary by themselves, not together.

The Wisconsin breast cancer dataset (ships with scikit-learn) has 30 measurements of cell
nuclei. In one record of twenty, one cell is swapped for that of another record. No cell is
outside the range of its column, so that inspecting columns one by one finds nothing; the
records stand out because the cell contradicts the rest of its row.
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
CONTAMINATION = 0.05

rng = np.random.default_rng(0)
X = load_breast_cancer(as_frame=True).data
swapped = rng.permutation(len(X))[: round(CONTAMINATION * len(X))]
clean = X.copy()
for row in swapped:
    column = rng.integers(10)  # one of the ten means
    X.iloc[row, column] = clean.iloc[rng.integers(len(X)), column]
is_swapped = np.isin(np.arange(len(X)), swapped)

# With 99% of the variance kept, only contradictions between columns remain as errors.
detector = AEAnomalyDetector(
    AutoencoderTransformer(n_components=0.99), contamination=CONTAMINATION, random_state=0
).fit(X)
forest = IsolationForest(contamination=CONTAMINATION, random_state=0).fit(X)
print(f"{len(swapped)} of {len(X)} records contain a swapped cell; they are not labelled.")
for name, model in {"AEAnomalyDetector": detector, "IsolationForest": forest}.items():
    found = is_swapped[model.predict(X) == -1]
    auroc = roc_auc_score(is_swapped, -model.score_samples(X))
    print(
        f"{name:18s} AUROC {auroc:.3f}; of {len(found)} flagged, {found.sum()} contain a swapped cell"
    )

figure, ax = plt.subplots(figsize=(6.5, 4))
flagged = detector.predict(X) == -1
groups = {
    "not flagged": (~flagged & ~is_swapped, "#bbbbbb", "o", 12),
    "flagged": (flagged & ~is_swapped, "#7570b3", "o", 20),
    "swapped, flagged": (flagged & is_swapped, "#d95f02", "D", 36),
    "swapped, missed": (~flagged & is_swapped, "black", "x", 36),
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
caught = (flagged & is_swapped).sum()
ax.set_title(
    f"{caught} of {len(swapped)} swapped records are flagged (two of 30 columns shown)"
)
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)
figure.tight_layout()
figure.savefig(PICTURE, dpi=120)
print(f"Picture: {PICTURE}")
