"""What each estimator of the family is known for, measured on held-out rows.

    python benchmarks/family.py [--only denoising sparse ...] [--seed 0] [--threads 1]
        [--data ANOMALY_FOLDER --mixed MIXED_FOLDER --tvae-python PATH]

One table in the end: the estimator, what it is known for, its figure and that of its baseline;
and the verdicts. The data ship with scikit-learn or are made here, but for the rows and
densities of the variational one, which need `--data`. A run takes half an hour on two cores,
most of it for these, the codes of `family_adversarial.py`, convolutions and recurrent cells.
"""

import argparse

import _figures
import numpy as np
import torch
from _tables import (
    TextTable,
    add_threads_argument,
    describe_machine,
    folder_loaders,
    heading,
    quiet,
    remark,
    verdict,
)
from family_adversarial import RINGS, compare_codebooks, compare_codes, compare_rings
from family_generation import (
    compare_densities,
    compare_samples,
    frame_loaders,
    judge_densities,
    judge_samples,
)
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, StratifiedShuffleSplit, train_test_split
from sklearn.svm import SVC

from skae import AutoencoderTransformer
from skae.architectures import Convolutional, Recurrent
from skae.corruption import GaussianNoise, MaskingNoise
from skae.metrics import reconstruction_r2
from skae.penalties import Contractive, KLSparsity, L1Activity
from skae.penalties.contractive import jacobian

COLUMNS = {
    "estimator": "<26",
    "known for": "<44",
    "figure": ">8.3f",
    "baseline": "<26",
    "its figure": ">10.3f",
}


def fit(X, n_components, seed, **params):
    """Return the fitted autoencoder; pixels and samples count alike."""
    settings = {"scale": False, "random_state": seed, **params}
    with quiet():
        return AutoencoderTransformer(n_components, **settings).fit(X)


def digits(seed):
    return train_test_split(load_digits().data / 16, random_state=seed)


def n_weights(estimator):
    return sum(p.numel() for p in estimator.net_.module_.parameters())


# ---------------------------------------------------------------------- evaluations


def denoising(table, seed):
    """Gaussian noise 0.5 and 50% masking of digits: the error left, as a fraction."""
    train, test = digits(seed)
    rng = np.random.default_rng(seed)
    unit = np.sqrt(train.var(axis=0).mean())
    masked = np.where(rng.random(test.shape) < 0.5, train.mean(axis=0), test)
    noise = 0.5 * rng.normal(size=test.shape)
    cases = {
        "noise 0.5 sd": (GaussianNoise(0.5), test + unit * noise),
        "noise 0.5 of the range": (GaussianNoise(0.5 / unit), test + noise),
        "50% masked": (MaskingNoise(0.5), masked),
    }
    plain, pca = fit(train, 16, seed), PCA(16).fit(train)
    verdicts = []
    for name, (corruption, noisy) in cases.items():
        own = np.square(noisy - test).mean()

        def left(estimator, noisy=noisy, own=own):
            reconstructed = estimator.inverse_transform(estimator.transform(noisy))
            return np.square(reconstructed - test).mean() / own

        denoised = left(fit(train, 16, seed, corruption=corruption))
        others = {"plain": left(plain), "PCA": left(pca)}
        for other, figure in others.items():
            table.row("denoising", f"error left, {name}, 16 codes", denoised, other, figure)
        met = denoised <= 0.6 and denoised < min(others.values())
        verdicts.append((f"denoising, {name}", f"{denoised:.3f}", "0.6, below both", met))
    return verdicts


def sparse(table, seed):
    """128 codes of digits: how many are at work, and what they reconstruct."""
    train, test = digits(seed)
    # A code is chosen in the light of the others: it takes a layer wider than the codes.
    wide = {"hidden_layer_sizes": 256, "max_iter": 300}
    plain = fit(train, 128, seed, **wide)
    l1 = fit(train, 128, seed, penalties=L1Activity(1.8), **wide)
    kl = fit(train, 128, seed, penalties=KLSparsity(0.05))
    small = {
        name: float((np.abs(e.transform(test)) < 1e-3).mean())
        for name, e in {"l1": l1, "plain": plain}.items()
    }
    r2 = {
        name: reconstruction_r2(e, test)
        for name, e in {"l1": l1, "kl": kl, "plain": plain}.items()
    }
    rate = float(kl.transform(test).mean())
    table.row(
        "sparse, L1Activity",
        "fraction of 128 codes at zero",
        small["l1"],
        "plain",
        small["plain"],
    )
    table.row("sparse, L1Activity", "R2", r2["l1"], "plain", r2["plain"])
    table.row("sparse, KLSparsity", "mean activity", rate, "target", 0.05)
    table.row("sparse, KLSparsity", "R2", r2["kl"], "plain", r2["plain"])
    loss = r2["plain"] - r2["l1"]
    return [
        ("sparse codes", f"{small['l1']:.3f} at zero", "0.8 and more", small["l1"] >= 0.8),
        ("sparse codes reconstruct", f"{loss:.3f} less R2", "at most 0.05", loss <= 0.05),
        ("KL sparsity", f"rate {rate:.4f}", "0.05 +- 20%", abs(rate / 0.05 - 1) <= 0.2),
    ]


def contractive(table, seed):
    """The norm of the encoder's Jacobian on held-out digits."""
    train, test = digits(seed)
    plain, pressed = fit(train, 8, seed), fit(train, 8, seed, penalties=Contractive())

    def norms(estimator):
        """Return the norm, the norm of codes of unit variance, and the largest error."""
        table = estimator._table
        x = torch.from_numpy(((test - table.center_) / table.scale_).astype(np.float32))
        x.requires_grad_()
        each = jacobian(estimator.encoder_(x), x).detach().transpose(0, 1)
        exact = torch.autograd.functional.jacobian(estimator.encoder_, x[:1])[0, :, 0]
        unit = torch.from_numpy(estimator.transform(train).std(axis=0)).float()
        sizes = [j.square().sum((1, 2)).mean().sqrt() for j in (each, each / unit[:, None])]
        return *(size.item() for size in sizes), (each[0] - exact).abs().max().item()

    ours, theirs = norms(pressed), norms(plain)
    r2 = [reconstruction_r2(e, test) for e in (pressed, plain)]
    table.row("contractive", "norm of the Jacobian", ours[0], "plain", theirs[0])
    table.row(
        "contractive", "the same, codes of unit variance", ours[1], "plain", theirs[1]
    )
    table.row("contractive", "R2", r2[0], "plain", r2[1])
    table.row("contractive", "largest error of its Jacobian", ours[2], "autograd", 0.0)
    falls = [1 - our / their for our, their in zip(ours[:2], theirs[:2], strict=True)]
    names = "contractive norm", "the same, codes of unit variance"
    return [
        *(
            (name, f"{fall:.0%} lower", "30% and more", fall >= 0.3)
            for name, fall in zip(names, falls, strict=True)
        ),
        (
            "contractive R2",
            f"{r2[1] - r2[0]:.3f} less",
            "at most 0.05",
            r2[0] > r2[1] - 0.05,
        ),
        ("contractive norm is exact", f"{ours[2]:.1e}", "below 1e-5", ours[2] < 1e-5),
    ]


def shifted(images, rng, size=16):
    """Return digits somewhere on a larger canvas, flattened."""
    out = np.zeros((len(images), size, size))
    for canvas, image in zip(out, images, strict=True):
        row, column = rng.integers(0, size - 7, 2)
        canvas[row : row + 8, column : column + 8] = image
    return out.reshape(len(images), -1)


def shapes(n, rng, size=32):
    """Return discs, squares, crosses and rings of random size, light and place, flattened."""
    y, x = np.mgrid[:size, :size]
    out = []
    for kind in rng.integers(0, 4, n):
        half, light = rng.uniform(3, 6), rng.uniform(0.5, 1.0)
        row, column = rng.uniform(7, size - 7, 2)
        down, right = np.abs(y - row), np.abs(x - column)
        radius = np.hypot(down, right)
        beyond = [
            radius - half,
            np.maximum(down, right) - half,
            np.minimum(
                np.maximum(down - half, right - 1.2), np.maximum(right - half, down - 1.2)
            ),
            np.abs(radius - half) - 1.2,
        ][kind]
        out.append(light * np.clip(0.5 - beyond, 0.0, 1.0))
    return np.reshape(out, (n, -1))


def convolutional(table, seed):
    """Digits at random places of 16 x 16 pixels, shapes at random places of 32 x 32."""
    rng = np.random.default_rng(seed)
    images = load_digits().images / 16
    verdicts = []
    for data, size, n_codes, train, test in (
        (
            "shifted digits",
            16,
            16,
            shifted(np.repeat(images[:1300], 2, axis=0), rng),
            shifted(images[1300:], rng),
        ),
        ("moved shapes", 32, 8, shapes(1500, rng), shapes(500, rng)),
    ):
        ours = fit(train, n_codes, seed, network=Convolutional((size, size)))
        r2, known_for = reconstruction_r2(ours, test), f"R2 of {data}, {n_codes} codes"
        others = {"dense": fit(train, n_codes, seed), "PCA": PCA(n_codes).fit(train)}
        if data == "shifted digits":
            others["dense, narrow"] = fit(train, n_codes, seed, hidden_layer_sizes=64)
        if data == "shifted digits":
            _figures.fact("convolutional_r2", f"{r2:.3f}")
            _figures.fact("convolutional_weights", f"{round(n_weights(ours), -3):,}")
            _figures.fact("dense_r2", f"{reconstruction_r2(others['dense'], test):.3f}")
            _figures.fact("dense_weights", f"{round(n_weights(others['dense']), -3):,}")
            _figures.fact("pca_r2", f"{reconstruction_r2(others['PCA'], test):.3f}")
        worse = True
        for name, other in others.items():
            weights = "" if name == "PCA" else f", {n_weights(other):,}"
            figure = reconstruction_r2(other, test)
            name_and_weights = f"convolutional, {n_weights(ours):,}"
            table.row(name_and_weights, known_for, r2, name + weights, figure)
            worse &= figure < r2 and (name == "PCA" or n_weights(other) >= n_weights(ours))
        claim = f"convolutional, {data}"
        verdicts.append((claim, f"{r2:.3f}", "more R2, no more weights", worse))
        if data == "shifted digits":
            pca = reconstruction_r2(others["PCA"], test)
            verdicts.append(sparse_convolutional(table, train, test, seed, pca))
    return verdicts


def sparse_convolutional(table, train, test, seed, pca):
    thin = fit(train, 16, seed, network=Convolutional((16, 16)), penalties=L1Activity())
    zeros = float((np.abs(thin.transform(test)) < 1e-3).mean())
    r2 = reconstruction_r2(thin, test)
    table.row("sparse convolutional", "R2 of shifted digits", r2, "PCA", pca)
    table.row("sparse convolutional", "fraction of codes at zero", zeros, "not sparse", 0.0)
    figure = f"R2 {r2:.3f}, {zeros:.2f} at zero"
    return "sparse convolutional", figure, "above PCA", r2 > pca and zeros > 0.2


def stacked(table, seed):
    """Eight layers of logistic units."""
    train, test = digits(seed)
    layers = {"hidden_layer_sizes": (128, 64, 32), "activation": "logistic"}
    verdicts = []
    for init in ("pca", "random"):
        errors = {
            pretraining: 1
            - reconstruction_r2(
                fit(train, 8, seed, init=init, pretraining=pretraining, **layers), test
            )
            for pretraining in ("layerwise", None)
        }
        table.row(
            "stacked",
            f"error of 8 logistic layers, init={init!r}",
            errors["layerwise"],
            "not pretrained",
            errors[None],
        )
        claim = f"stacked, init={init!r}"
        figure = f"{errors['layerwise']:.3f} against {errors[None]:.3f}"
        verdicts.append((claim, figure, "lower", errors["layerwise"] < errors[None]))
    return verdicts


def waves(n, rng, n_steps=32):
    phase, speed = rng.uniform(0, 2 * np.pi, (n, 1)), rng.uniform(0.3, 0.6, (n, 1))
    return np.sin(np.arange(n_steps) * speed + phase) + 0.05 * rng.normal(size=(n, n_steps))


def recurrent(table, seed):
    """Waves of random phase and speed."""
    rng = np.random.default_rng(seed)
    train, test = waves(1000, rng), waves(500, rng)
    pca = reconstruction_r2(PCA(2).fit(train), test)
    dense = reconstruction_r2(fit(train, 2, seed), test)
    verdicts = []
    for cell in ("gru", "lstm"):
        ours = fit(train, 2, seed, network=Recurrent(32, cell=cell, hidden_size=32))
        r2 = reconstruction_r2(ours, test)
        table.row(f"recurrent, {cell}", "R2 of random phases, 2 codes", r2, "PCA", pca)
        table.row(f"recurrent, {cell}", "R2 of random phases, 2 codes", r2, "dense", dense)
        figure = f"{r2:.3f} against {pca:.3f}"
        verdicts.append((f"recurrent, {cell}, beats PCA", figure, "more R2", r2 > pca))
    return verdicts


def few_labels(table, seed, n_labelled=100, n_draws=10, sizes=(32, 16, 8)):
    """An SVM with 100 labelled digits: on pixels, principal components and codes.

    The codes are learned from all rows, without labels, and the principal components too.
    For each of the three alike, cross-validation among the labelled digits chooses the
    SVM's C and gamma, the number of features, and whether columns are standardised.
    """
    X, y = load_digits(return_X_y=True)
    X = X / 16
    features = {
        "pixels": [X],
        "PCA": [PCA(k).fit_transform(X) for k in sizes],
        "codes": [
            fit(X, k, seed, corruption=GaussianNoise(1.0)).transform(X) for k in sizes
        ],
    }
    grid = {"C": [1.0, 10.0, 100.0], "gamma": [0.1, 0.3, 1.0, 3.0]}
    draws = StratifiedShuffleSplit(n_draws, train_size=n_labelled, random_state=seed)
    accuracy = {name: [] for name in features}
    for known, unknown in draws.split(X, y):
        for name, tables in features.items():
            best = max(
                (
                    (GridSearchCV(SVC(), grid, cv=5).fit(rows[known], y[known]), rows)
                    for rows in (unit_rows(rows, by) for rows in tables for by in (None, 0))
                ),
                key=lambda pair: pair[0].best_score_,
            )
            search, rows = best
            accuracy[name].append(search.score(rows[unknown], y[unknown]))
    mean = {name: float(np.mean(values)) for name, values in accuracy.items()}
    for other in ("pixels", "PCA"):
        table.row(
            "codes as features",
            f"accuracy of an SVM, {n_labelled} labelled digits",
            mean["codes"],
            other,
            mean[other],
        )
    most = np.maximum(accuracy["pixels"], accuracy["PCA"])
    won = int(np.sum(np.array(accuracy["codes"]) > most))
    figure = f"{mean['codes']:.3f}, best of {won} of {n_draws} draws"
    met = mean["codes"] > max(mean["pixels"], mean["PCA"])
    return [("codes as features", figure, "above pixels and PCA", met)]


def unit_rows(rows, axis):
    """Return rows, of unit mean square, in which gamma means the same whatever they are."""
    centred = rows - rows.mean(axis=0)
    return centred / (centred.std(axis=axis) + 1e-9) / np.sqrt(rows.shape[1])


def variational(table, options):
    """New rows, and densities, on tables of other people."""
    if not options.data:
        remark("The VAE's rows and densities were left out: they need --data.")
        return
    loaders = frame_loaders(options.data, options.mixed)
    outcomes = compare_samples(loaders, options.max_rows, 1, options.tvae_python)
    gains = compare_densities(folder_loaders(options.data), options.max_rows, options.seed)
    for row in judge_samples(outcomes) + judge_densities(gains):
        table.row(*row)


def adversarial(table, options):
    for row in compare_codes(min(options.seeds, 3), ("surface", "digits")):
        table.row(*row)


def codebooks(table, options):
    for row in compare_codebooks(options.seeds):
        table.row(*row)


def rings(table, options):
    for row in compare_rings(options.seeds, RINGS):
        table.row(*row)


# What draws its figures from one split, and what prints tables of its own on the way.
EVALUATIONS = {
    "denoising": denoising,
    "sparse": sparse,
    "contractive": contractive,
    "convolutional": convolutional,
    "stacked": stacked,
    "recurrent": recurrent,
    "few_labels": few_labels,
}
OTHERS = {
    "variational": variational,
    "adversarial": adversarial,
    "codebooks": codebooks,
    "gan": rings,
}


class Later:
    """Rows that are printed together, in the end."""

    def __init__(self):
        self.rows = []

    def row(self, *cells):
        self.rows.append(cells)

    def print(self):
        table = TextTable(COLUMNS)
        for cells in self.rows:
            table.row(*cells)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*EVALUATIONS, *OTHERS]
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=5, help="of rings, codes, codebooks")
    parser.add_argument("--data", help="folder of .npz files, for the variational one")
    parser.add_argument("--mixed", help="folder of penguins, auto_imports and adult")
    parser.add_argument("--max-rows", type=int, default=2000, help="rows of these at most")
    parser.add_argument("--tvae-python", help="an interpreter that has ctgan")
    add_threads_argument(parser)
    _figures.add_argument(parser)
    arguments = parser.parse_args()
    describe_machine(arguments.threads)
    table, verdicts = Later(), []
    for name in arguments.only:
        if name in EVALUATIONS:
            verdicts += EVALUATIONS[name](table, arguments.seed)
        else:
            OTHERS[name](table, arguments)
    heading("What each estimator is known for (held-out rows)")
    table.print()
    heading("Verdicts of one split; the others stand above, with what they rest on")
    for claim in verdicts:
        verdict(*claim)
    _figures.write(arguments)


if __name__ == "__main__":
    main()
