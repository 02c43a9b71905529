"""Adversarial codes are draws from a normal distribution, and any such draw is a digit.

A critic tries to tell the codes from draws of N(0, I), and the encoder learns to deceive it.
Below the 95% level of the maximum mean discrepancy, codes cannot be told from such draws;
`code_mmd_` is that of the training codes, and the picture shows held-out ones.

    python examples/adversarial_codes.py
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import chi
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import AdversarialAutoencoderTransformer
from skae.display import LatentSpaceDisplay, LatentTraversalDisplay

PICTURE = "adversarial_codes.png"

X, y = load_digits(return_X_y=True)
train, test, _, y_test = train_test_split(X, y, test_size=0.4, random_state=0)
figure, axes = plt.subplots(
    1, 3, figsize=(12.5, 4.3), width_ratios=[4, 4.9, 4], layout="constrained"
)
figure.get_layout_engine().set(w_pad=0.12)
angles = np.linspace(0, 2 * np.pi, 200)
circle = np.column_stack([np.cos(angles), np.sin(angles)])
for ax, (name, weight) in zip(
    axes, {"plain": 0.0, "adversarial": 1.0}.items(), strict=False
):
    autoencoder = AdversarialAutoencoderTransformer(
        2, adversarial_weight=weight, random_state=0
    ).fit(train)
    times = autoencoder.code_mmd_ / autoencoder.code_mmd_level_
    print(f"{name:12s} discrepancy {times:.2f} of its 95% level")
    LatentSpaceDisplay.from_estimator(
        autoencoder, test, y_test, label_name="digit", ax=ax, s=14
    )
    for share in (0.5, 0.95):
        ax.plot(*chi(2).ppf(share) * circle.T, "k--", lw=0.8)
    ax.set_title(f"{name}: discrepancy {times:.2f} of the level")
    ax.set_aspect("equal", adjustable="datalim")
axes[0].get_legend().remove()
LatentTraversalDisplay.from_estimator(
    autoencoder, train, image_shape=(8, 8), n_steps=8, ax=axes[2]
)
axes[2].set(title="adversarial codes, decoded", xlabel="code 0")
figure.suptitle("Codes of held-out digits; the circles hold 50% and 95% of a normal")
figure.savefig(PICTURE, dpi=100)
print(f"Picture: {PICTURE}")
