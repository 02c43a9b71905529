"""How many false alarms? Nominal and observed rates on rows that were not seen in fit.

The threshold of a detector is a promise such as "one normal row in a hundred is flagged". If it
is derived from the scores of training rows, to which the model has adapted, the promise does
not hold on fresh rows. AEAnomalyDetector derives it from scores by networks that were not
trained on the row. Its p-values are valid at any level, and `select` controls the false
discovery rate of the rows that it selects. The digits (ship with scikit-learn) are the normal
rows; the anomalies are digits shifted by one pixel to the right. All figures are means over
random splits.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import IsolationForest

from skae import AEAnomalyDetector

PICTURE = "anomaly_threshold.png"
RATES = [0.02, 0.05, 0.1, 0.2]
N_TRAIN, N_ANOMALIES, N_SPLITS = 800, 200, 3

digits = load_digits().images
normal = digits.reshape(len(digits), -1)
n_fresh = len(normal) - N_TRAIN - N_ANOMALIES
shifted = np.roll(digits, 1, axis=2).reshape(len(digits), -1)

alarms = {"false_alarm_rate": [], "pvalues": [], "IsolationForest": []}
mistakes, found = [], []
for split in range(N_SPLITS):
    order = np.random.default_rng(split).permutation(len(normal))
    train, fresh = normal[order[:N_TRAIN]], normal[order[N_TRAIN:-N_ANOMALIES]]
    # The digits that are shifted are in neither the training nor the fresh rows.
    odd = shifted[order[-N_ANOMALIES:]]
    for name in alarms:
        alarms[name].append([])
    detectors = [
        AEAnomalyDetector(contamination=0.0, false_alarm_rate=rate, random_state=split).fit(
            train
        )
        for rate in RATES
    ]
    for rate, detector in zip(RATES, detectors, strict=True):
        forest = IsolationForest(contamination=rate, random_state=split).fit(train)
        alarms["IsolationForest"][-1].append(np.mean(forest.predict(fresh) == -1))
        alarms["false_alarm_rate"][-1].append(np.mean(detector.predict(fresh) == -1))
        alarms["pvalues"][-1].append(np.mean(detector.pvalues(fresh) <= rate))
    is_odd = np.repeat([False, True], [len(fresh), len(odd)])
    chosen = [detectors[-1].select(np.vstack([fresh, odd]), fdr=rate) for rate in RATES]
    mistakes.append([np.sum(c & ~is_odd) / max(np.sum(c), 1) for c in chosen])
    found.append([np.mean(c[is_odd]) for c in chosen])

mean = {name: np.mean(rates, axis=0) for name, rates in alarms.items()}
mean_mistakes, mean_found = np.mean(mistakes, axis=0), np.mean(found, axis=0)
print(f"Proportion of {n_fresh} fresh normal digits that are flagged, {N_SPLITS} splits:")
print("   nominal  " + "  ".join(f"{name:>16s}" for name in alarms))
for i, rate in enumerate(RATES):
    print(f"  {rate:8.0%}  " + "  ".join(f"{mean[name][i]:16.1%}" for name in alarms))
print(f"With {N_ANOMALIES} shifted digits among them, select(fdr=...) selects:")
for rate, wrong, part in zip(RATES, mean_mistakes, mean_found, strict=True):
    print(f"  fdr={rate:<5} {part:4.0%} of the shifted; {wrong:5.1%} false discoveries")

figure, axes = plt.subplots(1, 2, figsize=(9.5, 4.9), layout="constrained")
styles = {
    "IsolationForest": ("IsolationForest(contamination=...)", "#7570b3", "s"),
    "false_alarm_rate": ("AEAnomalyDetector(false_alarm_rate=...)", "#d95f02", "o"),
    "pvalues": ("AEAnomalyDetector.pvalues", "#1b9e77", "x"),
}
for name, (label, color, marker) in styles.items():
    axes[0].plot(RATES, mean[name], color=color, marker=marker, label=label)
axes[0].set(xlabel="nominal false alarm rate", ylabel="observed on fresh normal rows")
axes[0].set_title("False alarms: exact on the line")
axes[1].plot(
    RATES, mean_mistakes, color="#d95f02", marker="o", label="AEAnomalyDetector.select"
)
axes[1].set(xlabel="nominal false discovery rate", ylabel="observed among selected rows")
axes[1].set_title("False discoveries: controlled below the line")
ticks = [f"{rate:.0%}" for rate in RATES]
for ax in axes:
    ends = [0.0, 0.26]
    ax.plot(ends, ends, color="black", lw=1, ls=":", label="observed = nominal")
    ax.set(xlim=ends, ylim=ends, aspect="equal")
    ax.set_xticks(RATES, ticks)
    ax.set_yticks(RATES, ticks)
    ax.legend(frameon=False, loc="lower right", fontsize=9)
    ax.spines[["top", "right"]].set_visible(False)
figure.savefig(PICTURE, dpi=120)
print(f"Picture: {PICTURE}")
