"""Layerwise pretraining of eight logistic layers.

The gradient of a deep stack of logistic units nearly vanishes on its way to the first layers.
Pretraining trains every pair of layers, from the outside inwards, before they are trained
together, as the first deep autoencoders were.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer
from skae.metrics import reconstruction_r2

PICTURE = "stacked.png"

train, test = train_test_split(load_digits().data / 16, random_state=0)
settings = {
    "hidden_layer_sizes": (128, 64, 32),
    "activation": "logistic",
    "scale": False,
    "max_iter": 80,
    "random_state": 0,
}
deep = AutoencoderTransformer(8, **settings).fit(train)
stacked = AutoencoderTransformer(8, pretraining="layerwise", **settings).fit(train)
pca = PCA(8).fit(train)

r2 = {
    name: reconstruction_r2(estimator, test)
    for name, estimator in {"PCA": pca, "deep": deep, "stacked": stacked}.items()
}
for name, figure in r2.items():
    print(f"{name:8s} R2 {figure:.3f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.8), width_ratios=[3, 2])
for name, estimator, color in (("deep", deep, "#7f7f7f"), ("stacked", stacked, "#d95f02")):
    left.plot(estimator.validation_loss_curve_, color=color, label=name)
left.set(xlabel="epoch", ylabel="error of held-out rows", ylim=(0, None))
left.set_title("Both start at PCA")
left.legend(frameon=False)
bars = right.bar(list(r2), list(r2.values()), color=["#bbbbbb", "#7f7f7f", "#d95f02"])
right.bar_label(bars, fmt="%.2f")
right.set(ylabel="R² of test digits", ylim=(0, 1))
right.set_title("8 codes, 8 logistic layers")
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
figure.tight_layout()
figure.savefig(PICTURE, dpi=120)
print(f"Picture: {PICTURE}")
