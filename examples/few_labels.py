"""Codes as features: an SVM with 100 labelled digits, and codes learned from all digits.

Labels are expensive, images are not. A denoising autoencoder learns its codes from all training
digits without labels; the classifier is given 100 labelled ones, as pixels, as principal
components or as codes.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedShuffleSplit, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skae import AutoencoderTransformer
from skae.corruption import GaussianNoise

PICTURE = "few_labels.png"
N_CODES, LABELLED = 16, (30, 50, 100, 200)

X, y = load_digits(return_X_y=True)
train, test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)
autoencoder = AutoencoderTransformer(
    N_CODES, corruption=GaussianNoise(1.0), scale=False, random_state=0
)
features = {
    "pixels": (train, test),
    f"PCA, {N_CODES}": [PCA(N_CODES).fit(train).transform(rows) for rows in (train, test)],
    f"codes, {N_CODES}": [autoencoder.fit(train).transform(rows) for rows in (train, test)],
}
accuracy = {name: [] for name in features}
for n_labelled in LABELLED:
    draws = StratifiedShuffleSplit(20, train_size=n_labelled, random_state=0)
    draws = [rows for rows, _ in draws.split(train, y_train)]
    for name, (known, unknown) in features.items():
        hits = []
        for rows in draws:
            svm = make_pipeline(StandardScaler(), SVC(C=10.0))
            svm.fit(known[rows], y_train[rows])
            hits.append(svm.score(unknown, y_test))
        accuracy[name].append(np.mean(hits))
for name, values in accuracy.items():
    print(f"{name:10s}", "  ".join(f"{value:.3f}" for value in values))

figure, ax = plt.subplots(figsize=(6.4, 4))
for (name, values), color in zip(
    accuracy.items(), ("#bbbbbb", "#7f7f7f", "#d95f02"), strict=True
):
    ax.plot(LABELLED, values, "o-", color=color, label=name)
ax.set(xscale="log", xlabel="labelled digits", ylabel="accuracy of an SVM on test digits")
ax.set_xticks(LABELLED, [str(n) for n in LABELLED])
ax.minorticks_off()
ax.legend(frameon=False, loc="lower right")
pixels, _, ours = (values[LABELLED.index(100)] for values in accuracy.values())
ax.set_title(f"100 labelled digits: {ours:.1%} with codes, {pixels:.1%} with pixels")
ax.spines[["top", "right"]].set_visible(False)
figure.tight_layout()
figure.savefig(PICTURE, dpi=120)
print(f"Picture: {PICTURE}")
