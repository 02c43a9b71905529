"""Rare classes count with `sample_weight`: fifteen sevens among eight hundred digits.

The error is a mean over rows, to which a rare class contributes little. With weights that give
both parts of the table equal importance, as scikit-learn's "balanced" class weights do, the
codes represent the sevens as well, at little cost to the other digits.

    python examples/rare_classes.py
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_sample_weight

from skae import AutoencoderTransformer
from skae.display import ReconstructionDisplay

PICTURE = "rare_classes.png"
RARE, N_RARE, N_CODES, N_SHOWN = 7, 15, 8, 9

X, y = load_digits(return_X_y=True)
train, test, y_train, y_test = train_test_split(
    X / 16, y, test_size=0.5, stratify=y, random_state=0
)
kept = np.r_[np.flatnonzero(y_train != RARE), np.flatnonzero(y_train == RARE)[:N_RARE]]
train, y_train = train[kept], y_train[kept]
weights = {
    "unweighted": None,
    "balanced": compute_sample_weight("balanced", y_train == RARE),
}
reconstructed, r2 = {}, {}
for name, weight in weights.items():
    autoencoder = AutoencoderTransformer(N_CODES, scale=False, random_state=0)
    codes = autoencoder.fit(train, sample_weight=weight).transform(test)
    reconstructed[name] = autoencoder.inverse_transform(codes)
    errors = np.square(reconstructed[name] - test).mean(axis=1)
    r2[name] = [1 - errors[y_test == d].mean() / test.var(axis=0).mean() for d in range(10)]
    others = np.mean(np.delete(r2[name], RARE))
    print(
        f"{name:15s} R2 of the rare sevens {r2[name][RARE]:.2f}, of the others {others:.2f}"
    )

figure, (left, right) = plt.subplots(
    1, 2, figsize=(10.5, 3.2), width_ratios=[3, 2], layout="constrained"
)
sevens = np.flatnonzero(y_test == RARE)[:N_SHOWN]
ReconstructionDisplay.from_predictions(
    test[sevens],
    {name: rows[sevens] for name, rows in reconstructed.items()},
    image_shape=(8, 8),
    ax=left,
)
left.set_title(f"Held-out sevens; {N_RARE} of {len(train)} training rows are sevens")
for (name, values), color, shift in zip(
    r2.items(), ("#94a4a2", "#e76300"), (-0.2, 0.2), strict=True
):
    right.bar(np.arange(10) + shift, values, width=0.4, color=color, label=name)
right.set(xlabel="digit", ylabel="held-out R²", ylim=(0, 1))
right.set_xticks(range(10))
right.set_title(
    f"Sevens: R² {r2['unweighted'][RARE]:.2f}, with weights {r2['balanced'][RARE]:.2f}"
)
right.legend(ncols=2, frameon=False, loc="upper center")
right.spines[["top", "right"]].set_visible(False)
figure.savefig(PICTURE, dpi=100)
print(f"Picture: {PICTURE}")
