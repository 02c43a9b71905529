"""Adversarial and discrete estimators of the family: what each is known for, measured.

Rows 8 and 9 of the family's table: codes that are not told from the prior, a codebook in
use that beats k-means, and eight Gaussians on a ring.

    python benchmarks/family_adversarial.py [--seeds 5] [--threads 1] [--only codes]
"""

import argparse
import warnings
from functools import partial

import numpy as np
import torch
from _tables import (
    TextTable,
    add_threads_argument,
    describe_machine,
    heading,
    quiet,
    remark,
    timed,
    verdict,
)
from sklearn.cluster import KMeans
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    make_blobs,
    make_swiss_roll,
)
from sklearn.model_selection import train_test_split

from skae import (
    AdversarialAutoencoderTransformer,
    AutoencoderTransformer,
    GANSampler,
    VAETransformer,
    VQVAETransformer,
)
from skae.metrics import reconstruction_r2
from skae.models.discrepancy import prior_level, prior_mmd

RADIUS = 2.0
ANGLES = 2 * np.pi * np.arange(8) / 8
CENTRES = RADIUS * np.column_stack([np.cos(ANGLES), np.sin(ANGLES)])


def surface(n_rows, seed):
    """Two numbers, uniform in a square, in six columns that bend."""
    rng = np.random.default_rng(seed)
    u, v = rng.uniform(-1.5, 1.5, (2, n_rows))
    rows = np.column_stack([u, v, u**2, v**2, u * v, np.sin(2 * u)])
    return rows + 0.05 * rng.normal(size=rows.shape)


def discrepancy(codes, standardise=False):
    """Return the squared MMD to the prior, as a multiple of its own 95% level."""
    if standardise:
        codes = (codes - codes.mean(axis=0)) / codes.std(axis=0)
    codes = torch.from_numpy(np.asarray(codes, dtype=np.float64))
    return float(prior_mmd(codes)) / prior_level(*codes.shape)


MATCHED = {
    "adversarial": AdversarialAutoencoderTransformer,
    "wasserstein": partial(VAETransformer, divergence="mmd"),
    "vae adversary": partial(VAETransformer, divergence="adversary"),
}
TABLES = {
    "surface": lambda: surface(2000, 0),
    "digits": lambda: load_digits().data,
    "breast_cancer": lambda: load_breast_cancer().data,
    "swiss_roll": lambda: make_swiss_roll(2000, noise=0.1, random_state=0)[0],
    "blobs": lambda: make_blobs(2000, 6, centers=5, random_state=0)[0],
}


def compare_codes(n_seeds, names, n_components=2):
    """Held-out rows are others for every seed: one set of them is mostly its own chance."""
    heading(
        f"{n_components} codes against the prior, held-out rows: squared MMD / its 95% level"
    )
    table = TextTable(
        {"table": "<13", "seed": ">4"}
        | {name: ">13.2f" for name in (*MATCHED, "plain")}
        | {f"R2 {name}": ">16.3f" for name in (*MATCHED, "plain")}
        | {"seconds": ">7.1f"}
    )
    summary = []
    for name in names:
        found = {kind: [] for kind in (*MATCHED, "plain")}
        X = TABLES[name]()
        for seed in range(n_seeds):
            train, test = train_test_split(X, test_size=0.3, random_state=seed)
            plain = AutoencoderTransformer(n_components, random_state=seed)
            kept, total = [], 0.0
            with quiet():
                for kind, make in MATCHED.items():
                    model = make(n_components, random_state=seed)
                    total += timed(model.fit, train)[1]
                    found[kind].append(discrepancy(model.transform(test)))
                    kept.append(reconstruction_r2(model, test))
                plain.fit(train)
            found["plain"].append(discrepancy(plain.transform(test), standardise=True))
            ratios = [ratios[-1] for ratios in found.values()]
            kept.append(reconstruction_r2(plain, test))
            table.row(name, seed, *ratios, *kept, total)
        medians = {kind: float(np.median(ratios)) for kind, ratios in found.items()}
        plain = medians.pop("plain")
        for kind, median in medians.items():
            claim = f"{kind} codes of {name} are not told from the prior"
            verdict(claim, f"median {median:.2f} of the level", "< 1", median < 1)
            known_for = f"codes from the prior, / its level, {name}"
            summary.append((f"{kind} codes", known_for, median, "plain", plain))
    return summary


def compare_codebooks(n_seeds):
    heading("Digits, 4 blocks of 64 entries: mean squared error of held-out pixels")
    table = TextTable(
        {"seed": ">4", "VQ-VAE": ">8.2f", "k-means a block": ">15.2f"}
        | {"usage": ">6.2f", "seconds": ">7.1f"}
    )
    usages, errors = [], []
    train, test = train_test_split(load_digits().data, test_size=0.3, random_state=0)
    for seed in range(n_seeds):
        model = VQVAETransformer(scale=False, random_state=seed)
        with quiet():
            _, seconds = timed(model.fit, train)
        error = np.square(model.inverse_transform(model.transform(test)) - test).mean()
        reconstructed = np.empty_like(test)
        n_blocks, n_entries = model.codebook_.shape[:2]
        for columns in np.array_split(np.arange(test.shape[1]), n_blocks):
            clusters = KMeans(n_entries, random_state=seed).fit(train[:, columns])
            labels = clusters.predict(test[:, columns])
            reconstructed[:, columns] = clusters.cluster_centers_[labels]
        of_clusters = np.square(reconstructed - test).mean()
        usages.append(model.codebook_usage_)
        errors.append((error, of_clusters))
        table.row(seed, error, of_clusters, usages[-1], seconds)
    least = min(usages)
    verdict("codebook in use", f"{least:.0%} at least", ">= 80%", least >= 0.8)
    n_better = sum(ours < theirs for ours, theirs in errors)
    verdict(
        "VQ-VAE's error below k-means with as many centres per block",
        f"{n_better} of {n_seeds} seeds",
        "all",
        n_better == n_seeds,
    )
    ours, theirs = np.mean(errors, axis=0)
    return [
        (
            "VQ-VAE",
            "squared error, digits, 4 x 64 entries",
            ours,
            "k-means a block",
            theirs,
        ),
        ("VQ-VAE", "least fraction of the codebook in use", least, "wanted", 0.8),
    ]


def ring(n_rows, deviation, seed):
    rng = np.random.default_rng(seed)
    return CENTRES[rng.integers(0, 8, n_rows)] + deviation * rng.normal(size=(n_rows, 2))


def modes(rows, deviation):
    """Return the modes with a tenth of their part at least, and the fraction near a mode."""
    distances = np.linalg.norm(rows[:, None] - CENTRES, axis=2)
    near = distances.min(axis=1) < 3 * deviation
    counts = np.bincount(distances.argmin(axis=1)[near], minlength=8)
    return int((counts > len(rows) / 80).sum()), float(near.mean())


# Without the classes that start at clusters, nor rejection: what the penalty alone is worth.
ALONE = {"n_classes": 1, "rejection": False, "max_iter": 750}
RINGS = {
    "default, wide": (0.05, True, {}),
    "default": (0.02, True, {}),
    "wasserstein": (0.02, True, {"loss": "wasserstein"}),
    "alone, penalty": (0.02, True, ALONE | {"gradient_penalty": 0.5}),
    "alone, spectral": (
        0.02,
        False,
        ALONE | {"gradient_penalty": 0.0, "spectral_norm": True},
    ),
    "alone, neither": (0.02, False, ALONE | {"gradient_penalty": 0.0}),
}


def compare_rings(n_seeds, names):
    heading(
        "Eight Gaussians, radius 2, 2,000 rows: modes, and fraction within 3 deviations"
    )
    table = TextTable(
        {"deviation": ">9", "settings": "<18", "seed": ">4", "modes": ">5"}
        | {"near": ">7.3f", "coverage": ">8.2f", "warned": ">6", "seconds": ">7.1f"}
    )
    passes = {}
    for name in names:
        deviation, wanted, params = RINGS[name]
        passed = 0
        for seed in range(n_seeds):
            model = GANSampler(random_state=seed, **params)
            with quiet(), warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                _, seconds = timed(model.fit, ring(2000, deviation, seed))
            found, near = modes(model.sample(5000, random_state=seed), deviation)
            passed += found >= 7 and near >= 0.9
            said = "yes" if warned else "no"
            table.row(deviation, name, seed, found, near, model.coverage_, said, seconds)
        said = f"{passed} of {n_seeds} seeds"
        if wanted:
            verdict(f"{name}: 7 modes, 90% near", said, "4 of 5", passed >= 0.8 * n_seeds)
        else:
            remark(f"{name}: 7 modes, 90% near for {said}")
        passes[name] = passed / n_seeds
    without = passes.pop("alone, neither", None)
    return [
        (
            f"GAN, {name}",
            "fraction of seeds: 7 modes, 90% near",
            fraction,
            "no penalty",
            without,
        )
        for name, fraction in passes.items()
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", choices=("rings", "codebooks", "codes"))
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES)[:2])
    parser.add_argument("--rings", nargs="+", choices=RINGS, default=list(RINGS))
    add_threads_argument(parser)
    arguments = parser.parse_args()
    describe_machine(arguments.threads)
    if arguments.only in (None, "rings"):
        compare_rings(arguments.seeds, arguments.rings)
    if arguments.only in (None, "codebooks"):
        compare_codebooks(arguments.seeds)
    if arguments.only in (None, "codes"):
        compare_codes(min(arguments.seeds, 3), arguments.tables)
