"""Contractive codes stay where they are when the row moves a little.

The penalty is the squared norm of the encoder's Jacobian: how far codes move for a small step
of the row. Noise of growing size on held-out digits shows what it does; moves are measured
in standard deviations of the codes, so that small codes alone would gain nothing.

    python examples/contractive.py
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import AutoencoderTransformer
from skae.metrics import reconstruction_r2
from skae.penalties import Contractive

PICTURE = "contractive.png"
N_CODES, NOISE = 8, np.linspace(0, 0.3, 7)

train, test = train_test_split(load_digits().data / 16, random_state=0)
# Not from PCA, whose linear part stays as it is: all of the encoder can contract.
settings = {"init": "random", "scale": False, "random_state": 0}
estimators = {
    "PCA": PCA(N_CODES),
    "plain": AutoencoderTransformer(N_CODES, **settings),
    "contractive": AutoencoderTransformer(
        N_CODES, penalties=[Contractive(0.1)], **settings
    ),
}
noise = np.random.default_rng(0).normal(size=test.shape)
figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
moves = {}
for (name, estimator), color in zip(
    estimators.items(), ("#94a4a2", "#717581", "#e76300"), strict=True
):
    codes = estimator.fit(train).transform(test)
    unit = codes.std(axis=0)
    moves[name] = [
        np.sqrt(np.square((estimator.transform(test + size * noise) - codes) / unit).mean())
        for size in NOISE
    ]
    r2 = reconstruction_r2(estimator, test)
    print(f"{name:12s} R2 {r2:.2f}, codes move {moves[name][-1]:.2f} deviations", end=" ")
    print(f"for noise {NOISE[-1]:.1f}")
    ax.plot(NOISE, moves[name], "o-", color=color, label=f"{name}, R² {r2:.2f}")
ax.set(xlabel="noise on the pixels (their range is 1)")
ax.set(ylabel="move of the codes\n[standard deviations]")
fall = 1 - moves["contractive"][-1] / moves["plain"][-1]
ax.set_title(f"Contractive codes move {fall:.0%} less under noise")
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)
figure.savefig(PICTURE, dpi=100)
print(f"Picture: {PICTURE}")
