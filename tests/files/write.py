"""Writes a small file of every estimator in the format of today, and what they answer.

    python tests/files/write.py

The files of a format that was released stay as they are: later versions have to read them.
"""

import json
import warnings
from pathlib import Path
from unittest.mock import patch
from zipfile import ZIP_DEFLATED

import numpy as np
import pandas as pd
import skops.io

from skae import (
    AdversarialAutoencoderTransformer,
    AEAnomalyDetector,
    AutoencoderImputer,
    AutoencoderTransformer,
    Convolutional,
    GANSampler,
    MaskingNoise,
    Recurrent,
    VAETransformer,
    VQVAETransformer,
)
from skae.stored.packing import FORMAT

HERE = Path(__file__).parent
SMALL = {"hidden_layer_sizes": (3,), "max_iter": 2, "random_state": 0}
SETTINGS = {
    "detector": AEAnomalyDetector(n_estimators=2, **SMALL),
    "detector of clones": AEAnomalyDetector(
        AutoencoderTransformer(1, **SMALL), n_estimators=2, random_state=0
    ),
    "autoencoder": AutoencoderTransformer(1, corruption=MaskingNoise(), **SMALL),
    "convolutional": AutoencoderTransformer(
        1, network=Convolutional((2, 2), 2, 2), **SMALL
    ),
    "recurrent": AutoencoderTransformer(1, network=Recurrent(4, hidden_size=2), **SMALL),
    "variational": VAETransformer(1, **SMALL),
    "quantized": VQVAETransformer(1, **SMALL),
    "adversarial": AdversarialAutoencoderTransformer(
        1, critic_hidden_layer_sizes=(3,), **SMALL
    ),
    "gan": GANSampler(1, n_classes=2, **SMALL),
    "imputer": AutoencoderImputer(max_iter=2, random_state=0),
}
# They take numbers alone.
OF_NUMBERS = "convolutional", "recurrent"
# What the same weights answer on any processor, within rounding.
METHODS = "transform", "score_samples"


def rows_for(name):
    """Return the rows that an estimator is fitted on."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(40, 2)) @ rng.normal(size=(2, 4))
    if name in OF_NUMBERS:
        return numbers
    frame = pd.DataFrame(numbers[:, :2].round(3), columns=["a", "b"])
    frame["level"] = np.resize(["x", "y", "y"], 40)
    frame["day"] = pd.date_range("2024-01-01", periods=40)
    frame.loc[::9, "a"] = np.nan
    return frame


def answers(estimator, rows):
    """Return what an estimator answers, dict of str to nested lists of numbers."""
    found = {}
    for method in METHODS:
        if hasattr(estimator, method):
            answer = getattr(estimator, method)(rows[:6])
            if hasattr(answer, "select_dtypes"):
                answer = answer.select_dtypes("number")
            found[method] = np.asarray(answer, dtype=float).tolist()
    return found


def main():
    folder = HERE / f"format_{FORMAT}"
    folder.mkdir(exist_ok=True)
    expected = {}
    with patch("skae.conditionals.starts.N_UNITS", 4):
        for name, estimator in SETTINGS.items():
            estimator.fit(rows_for(name))
            path = folder / f"{name.replace(' ', '_')}.skops"
            skops.io.dump(estimator, path, compression=ZIP_DEFLATED, compresslevel=9)
            expected[name] = answers(estimator, rows_for(name))
            print(path.name, path.stat().st_size)
    (folder / "answers.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
