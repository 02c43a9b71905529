"""Contractive codes change little when the row does.

The penalty is the squared norm of the encoder's Jacobian: how far the codes move for a small
change of the row. The example adds noise of increasing size to held-out digits. Changes are
measured in standard deviations of the codes, so that small codes by themselves would not help.

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
# Not from PCA, whose linear part would be kept: the whole encoder can contract.
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
changes = {}
for (name, estimator), color in zip(
    estimators.items(), ("#94a4a2", "#717581", "#e76300"), strict=True
):
    codes = estimator.fit(train).transform(test)
    unit = codes.std(axis=0)
    changes[name] = [
        np.sqrt(np.square((estimator.transform(test + size * noise) - codes) / unit).mean())
        for size in NOISE
    ]
    r2 = reconstruction_r2(estimator, test)
    print(
        f"{name:12s} R2 {r2:.2f}, codes change by {changes[name][-1]:.2f} deviations",
        end=" ",
    )
    print(f"for noise {NOISE[-1]:.1f}")
    ax.plot(NOISE, changes[name], "o-", color=color, label=f"{name}, R² {r2:.2f}")
ax.set(xlabel="standard deviation of the noise (pixels range from 0 to 1)")
ax.set(ylabel="change of the codes\n[standard deviations]")
fall = 1 - changes["contractive"][-1] / changes["plain"][-1]
ax.set_title(f"Contractive codes change {fall:.0%} less under noise")
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)
figure.savefig(PICTURE, dpi=100)
print(f"Picture: {PICTURE}")
