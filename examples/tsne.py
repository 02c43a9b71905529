"""t-SNE of raw rows and t-SNE of codes: held-out digits with heavy noise.

t-SNE preserves neighbourhoods, and noise destroys them. The codes of a denoising autoencoder,
which has seen neither these digits nor a label, contain little of the noise.
`LatentSpaceDisplay` embeds them, and the accuracy of five nearest neighbours shows how much of
the classes is preserved in the plane.

    python examples/tsne.py
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skae import AutoencoderTransformer
from skae.corruption import GaussianNoise
from skae.display import LatentSpaceDisplay

PICTURE = "tsne.png"
N_CODES, NOISE = 16, 0.4

X, y = load_digits(return_X_y=True)
train, test, _, y_test = train_test_split(X / 16, y, test_size=300, random_state=0)
unit = np.sqrt(train.var(axis=0).mean())  # with scale=False, noise is measured in this unit
noisy = test + NOISE * np.random.default_rng(0).normal(size=test.shape)
autoencoder = AutoencoderTransformer(
    N_CODES, corruption=GaussianNoise(NOISE / unit), scale=False, random_state=0
).fit(train)
rows = {
    "64 noisy pixels": noisy,
    f"{N_CODES} principal components": PCA(N_CODES).fit(train).transform(noisy),
    f"{N_CODES} denoising codes": autoencoder.transform(noisy),
}
figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.9), layout="constrained")
for ax, (name, codes) in zip(axes, rows.items(), strict=True):
    display = LatentSpaceDisplay.from_predictions(
        codes,
        y_test,
        layout="tsne",
        color_by="label",
        label_name="digit",
        random_state=0,
        ax=ax,
    )
    neighbours = KNeighborsClassifier(5)
    accuracy = cross_val_score(neighbours, display.embedding, y_test, cv=10).mean()
    print(
        f"{name:24s} {accuracy:.1%} of the digits classified correctly by their neighbours"
    )
    ax.set(title=f"{name}: {accuracy:.0%} correct", xlabel="t-SNE, axis 1")
    ax.set_ylabel("t-SNE, axis 2" if ax is axes[0] else "")
    if ax is not axes[-1]:
        ax.get_legend().remove()
figure.suptitle("Noisy held-out digits, classified by their neighbours in the plane")
figure.savefig(PICTURE, dpi=100)
print(f"Picture: {PICTURE}")
