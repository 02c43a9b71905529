"""A recurrent autoencoder detects anomalous heartbeats.

Each generated heartbeat has a small wave, a spike and a broad wave, at a random phase and
speed, with noise. One in twenty is anomalous: its spike is doubled, inverted or missing. The
network encodes a beat step by step into a few codes and decodes it again. It is trained on
ordinary beats, and beats that it cannot reconstruct are anomalous.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA
from sklearn.metrics import average_precision_score

from skae import AutoencoderTransformer
from skae.architectures import Recurrent

PICTURE = "heartbeats.png"
N_STEPS, N_CODES = 40, 3


def make_beats(n, rng, fraction_odd=0.0):
    """Return beats, shape (n, N_STEPS), and their kind (0: ordinary)."""
    t = np.linspace(0, 1, N_STEPS)
    start, pace = rng.uniform(0.2, 0.4, (n, 1)), rng.uniform(0.8, 1.2, (n, 1))
    odd = rng.random(n) < fraction_odd
    kind = np.where(odd, rng.integers(1, 4, n), 0)[:, None]

    def wave(at, width, height):
        return height * np.exp(-(((t - start - at * pace) / width) ** 2))

    spike = np.choose(kind, [1.0, 0.7, -1.0, 0.1])  # ordinary, doubled, inverted, missing
    beats = wave(-0.12, 0.04, 0.2) + wave(0.0, 0.03, spike) + wave(0.25, 0.08, 0.35)
    beats += np.where(kind == 1, wave(0.12, 0.03, 0.7), 0.0)
    return beats + 0.03 * rng.normal(size=beats.shape), kind[:, 0]


rng = np.random.default_rng(0)
train, _ = make_beats(600, rng)
test, kinds = make_beats(400, rng, fraction_odd=0.05)
odd = kinds > 0
autoencoder = AutoencoderTransformer(
    N_CODES,
    network=Recurrent(N_STEPS, cell="gru", hidden_size=32),
    scale=False,
    max_iter=40,
    random_state=0,
).fit(train)
pca = PCA(N_CODES).fit(train)
scores = {
    "recurrent": -autoencoder.score_samples(test),
    "PCA": np.square(pca.inverse_transform(pca.transform(test)) - test).mean(axis=1),
}
for name, score in scores.items():
    print(f"{name:10s} average precision {average_precision_score(odd, score):.3f}")

reconstructed = autoencoder.inverse_transform(autoencoder.transform(test))
figure, axes = plt.subplots(2, 3, figsize=(9.5, 5))
shown = [*np.flatnonzero(~odd)[:2], *(np.flatnonzero(kinds == k)[0] for k in (1, 2, 3))]
names = ("ordinary", "spike doubled", "spike inverted", "no spike")
for ax, i in zip(axes.flat, shown, strict=False):
    color = "#d95f02" if odd[i] else "#1b9e77"
    ax.plot(test[i], color=color, label="signal")
    ax.plot(reconstructed[i], color="black", lw=1, ls="--", label="reconstruction")
    ax.set(xlabel="step", ylabel="signal", ylim=(-1.2, 1.3), title=names[kinds[i]])
    ax.legend(frameon=False, fontsize=8, loc="lower right")
last = axes.flat[-1]
bins = np.geomspace(scores["recurrent"].min(), scores["recurrent"].max(), 30)
for label, rows, color in (("ordinary", ~odd, "#1b9e77"), ("anomalous", odd, "#d95f02")):
    last.hist(scores["recurrent"][rows], bins=bins, color=color, label=label, alpha=0.8)
last.set(
    xscale="log", yscale="log", xlabel="error (negative score)", ylabel="number of beats"
)
last.set_title(f"average precision {average_precision_score(odd, scores['recurrent']):.2f}")
last.legend(frameon=False, fontsize=8)
figure.suptitle(
    "Anomalous beats are not reconstructed by an autoencoder trained on ordinary beats"
)
for ax in axes.flat:
    ax.spines[["top", "right"]].set_visible(False)
figure.tight_layout()
figure.savefig(PICTURE, dpi=100)
print(f"Picture: {PICTURE}")
