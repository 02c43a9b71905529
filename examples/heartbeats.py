"""A recurrent autoencoder finds the odd heartbeat.

Generated heartbeats: a small wave, a spike, a broad wave, at a phase and a pace of their
own, with noise. One in twenty is odd: its spike comes twice, upside down or not at all.
The network reads a beat step by step into a few codes and writes it again; it is trained
on ordinary beats, and an odd one is a beat that it cannot write.
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


def make_beats(n, rng, share_odd=0.0):
    """Return beats, shape (n, N_STEPS), and of which kind: 0 is ordinary."""
    t = np.linspace(0, 1, N_STEPS)
    start, pace = rng.uniform(0.2, 0.4, (n, 1)), rng.uniform(0.8, 1.2, (n, 1))
    odd = rng.random(n) < share_odd
    kind = np.where(odd, rng.integers(1, 4, n), 0)[:, None]

    def wave(at, width, height):
        return height * np.exp(-(((t - start - at * pace) / width) ** 2))

    spike = np.choose(kind, [1.0, 0.7, -1.0, 0.1])  # ordinary, twice, upside down, missing
    beats = wave(-0.12, 0.04, 0.2) + wave(0.0, 0.03, spike) + wave(0.25, 0.08, 0.35)
    beats += np.where(kind == 1, wave(0.12, 0.03, 0.7), 0.0)
    return beats + 0.03 * rng.normal(size=beats.shape), kind[:, 0]


rng = np.random.default_rng(0)
train, _ = make_beats(600, rng)
test, kinds = make_beats(400, rng, share_odd=0.05)
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

restored = autoencoder.inverse_transform(autoencoder.transform(test))
figure, axes = plt.subplots(2, 3, figsize=(9.5, 5))
shown = [*np.flatnonzero(~odd)[:2], *(np.flatnonzero(kinds == k)[0] for k in (1, 2, 3))]
names = ("ordinary", "spike twice", "spike upside down", "no spike")
for ax, i in zip(axes.flat, shown, strict=False):
    color = "#d95f02" if odd[i] else "#1b9e77"
    ax.plot(test[i], color=color, label="signal")
    ax.plot(restored[i], color="black", lw=1, ls="--", label="restored")
    ax.set(xlabel="step", ylabel="signal", ylim=(-1.2, 1.3), title=names[kinds[i]])
    ax.legend(frameon=False, fontsize=8, loc="lower right")
last = axes.flat[-1]
bins = np.geomspace(scores["recurrent"].min(), scores["recurrent"].max(), 30)
for label, rows, color in (("ordinary", ~odd, "#1b9e77"), ("odd", odd, "#d95f02")):
    last.hist(scores["recurrent"][rows], bins=bins, color=color, label=label, alpha=0.8)
last.set(xscale="log", yscale="log", xlabel="error (minus the score)", ylabel="beats")
last.set_title(f"average precision {average_precision_score(odd, scores['recurrent']):.2f}")
last.legend(frameon=False, fontsize=8)
figure.suptitle("Beats that a recurrent autoencoder of ordinary beats cannot write are odd")
for ax in axes.flat:
    ax.spines[["top", "right"]].set_visible(False)
figure.tight_layout()
figure.savefig(PICTURE, dpi=100)
print(f"Picture: {PICTURE}")
