"""Reduce, reconstruct, compare with PCA, find anomalies: the main features in one script.

The data are 1,797 handwritten digits of 8 x 8 pixels, a DataFrame that ships with
scikit-learn. Each digit is represented by eight codes.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import AEAnomalyDetector, AutoencoderTransformer
from skae.metrics import reconstruction_r2

PICTURE = "quickstart.png"
N_COMPONENTS, N_SHOWN = 8, 10

digits = load_digits(as_frame=True).data
train, test = train_test_split(digits, test_size=0.3, random_state=0)

models = {
    "PCA": PCA(N_COMPONENTS),
    # scale=False: errors are measured in the original units, as by PCA.
    "autoencoder": AutoencoderTransformer(N_COMPONENTS, scale=False, random_state=0),
}
reconstructed = {"held-out digits": test.to_numpy()}
print(f"{N_COMPONENTS} codes for {digits.shape[1]} columns; R² on held-out digits:")
for name, model in models.items():
    codes = model.fit(train).transform(test)
    r2 = reconstruction_r2(model, test)
    reconstructed[f"{name}, R² = {r2:.2f}"] = np.asarray(model.inverse_transform(codes))
    print(f"  {name:12s} {r2:.3f}")

detector = AEAnomalyDetector(random_state=0).fit(train)
scores = detector.score_samples(test)
flagged = detector.predict(test) == -1
print(f"{flagged.sum()} of {len(test)} held-out digits are flagged as anomalies.")

rows = {
    **{label: images[:N_SHOWN] for label, images in reconstructed.items()},
    "most ordinary digits": test.to_numpy()[scores.argsort()[::-1][:N_SHOWN]],
    "most anomalous digits": test.to_numpy()[scores.argsort()[:N_SHOWN]],
}
figure, axes = plt.subplots(len(rows), N_SHOWN, figsize=(8, 5.2))
for axes_of_row, (label, images) in zip(axes, rows.items(), strict=True):
    for ax, image in zip(axes_of_row, images, strict=True):
        ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
        ax.set_axis_off()
    axes_of_row[0].set_title(label, loc="left", fontsize=10)
figure.tight_layout(h_pad=0.6, w_pad=0.2)
figure.savefig(PICTURE, dpi=120)
print(f"Picture: {PICTURE}")
