"""Codes of an adversarial autoencoder follow a normal distribution; plain codes do not.

A critic is trained to distinguish the codes from draws of N(0, I), and the encoder is trained
to deceive it. Here a gradient boosting classifier then attempts the same on the codes of
held-out digits: an AUROC of 0.5 is perfect. The codes of the plain autoencoder are standardised
first.

    python examples/adversarial_codes.py
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.layout_engine import ConstrainedLayoutEngine
from scipy.stats import chi
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score, train_test_split
from sklearn.preprocessing import StandardScaler

from skae import AdversarialAutoencoderTransformer, AutoencoderTransformer
from skae.display import LatentSpaceDisplay, LatentTraversalDisplay

PICTURE = "adversarial_codes.png"

X, y = load_digits(return_X_y=True)
train, test, _, y_test = train_test_split(X, y, test_size=0.4, random_state=0)
adversarial = AdversarialAutoencoderTransformer(2, random_state=0).fit(train)
plain = AutoencoderTransformer(2, random_state=0).fit(train)
scaler = StandardScaler().fit(plain.transform(train))
codes = {
    "plain, standardised": scaler.transform(plain.transform(test)),
    "adversarial": adversarial.transform(test),
}

classifier = HistGradientBoostingClassifier(max_iter=50, random_state=0)
folds = StratifiedKFold(5, shuffle=True, random_state=0)
draws = np.random.default_rng(0).normal(size=(len(test), 2))
is_drawn = np.repeat([0, 1], len(test))
angles = np.linspace(0, 2 * np.pi, 200)
circle = np.column_stack([np.cos(angles), np.sin(angles)])
figure, axes = plt.subplots(
    1,
    3,
    figsize=(12.5, 4.3),
    width_ratios=[4, 4.9, 4],
    layout=ConstrainedLayoutEngine(w_pad=0.12),
)
for ax, (name, rows) in zip(axes, codes.items(), strict=False):
    auroc = cross_val_score(
        classifier, np.vstack([rows, draws]), is_drawn, cv=folds, scoring="roc_auc"
    ).mean()
    print(f"{name:20s} distinguished from normal draws: AUROC {auroc:.2f}")
    LatentSpaceDisplay.from_predictions(
        rows,
        y_test,
        color_by="label",
        label_name="digit",
        scatter_kwargs={"s": 14},
        ax=ax,
    )
    for proportion in (0.5, 0.95):
        ax.plot(*chi(2).ppf(proportion) * circle.T, "k--", lw=0.8)
    ax.set_title(f"{name}: AUROC {auroc:.2f}")
    ax.set(xlim=(-4.5, 4.5), ylim=(-4.5, 4.5), aspect="equal")
axes[0].get_legend().remove()
LatentTraversalDisplay.from_estimator(
    adversarial, train, image_shape=(8, 8), n_steps=8, ax=axes[2]
)
axes[2].set(title="adversarial codes, decoded", xlabel="code 0")
figure.suptitle(
    "Codes of held-out digits; the circles contain 50% and 95% of a normal distribution"
)
figure.savefig(PICTURE, dpi=100)
print(f"Picture: {PICTURE}")
