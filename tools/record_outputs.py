"""Record what every estimator returns on a fixed list of cases.

    python tools/record_outputs.py OUT.npz [--only TEXT]

A change of the code that shall change no result is checked by a record from before it and
one from after it, both made on the same machine, which `compare_outputs.py` lays side by
side. Only what `skae` exports is used, and only public methods and attributes. An archive
holds one array for every output, under the name "case|output" (of a frame
"case|output|column"), and for what raised "case|output|exception".
"""

import argparse
import time
import warnings
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial

import numpy as np
import pandas as pd
import polars as pl
import torch
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

import skae
from skae import (
    MLP,
    AdversarialAutoencoderTransformer,
    AEAnomalyDetector,
    AutoencoderTransformer,
    Contractive,
    Convolutional,
    GANSampler,
    GaussianNoise,
    KLSparsity,
    L1Activity,
    MaskingNoise,
    Modules,
    Orthogonal,
    Recurrent,
    SaltAndPepperNoise,
    SwapNoise,
    VAETransformer,
    VQVAETransformer,
)

N_ROWS = 150
# The fitted estimator is applied to fewer rows than it was fitted to: explaining takes long.
N_APPLIED = 40
FIRST_DATE = datetime(2020, 1, 1)
# Whole numbers about this size are more than a float can hold exactly.
LARGE = 2**60

# ------------------------------------------------------------------------- tables


@cache
def numeric():
    """Six columns on a curved surface, so that training beats its linear start."""
    rng = np.random.default_rng(0)
    t, u = rng.uniform(-2.0, 2.0, size=(2, N_ROWS))
    columns = [t, t**2 - 1.0, np.sin(2.0 * t), u, t * u, np.cos(2.0 * u)]
    return np.column_stack(columns) + 0.05 * rng.normal(size=(N_ROWS, 6))


@cache
def mixed():
    """Columns of all kinds, which hang together; no ordered categories."""
    rng = np.random.default_rng(1)
    x = numeric()
    t, u = x[:, 0], x[:, 3]
    # Levels of unequal size, so that there are rare ones.
    town = np.array(["Aachen", "Bonn", "Celle", "Düren"])[np.digitize(t, [0.0, 1.2, 1.8])]
    return pd.DataFrame(
        {
            "height": 170.0 + 10.0 * t,
            "bend": x[:, 1],
            "wave": x[:, 2],
            "count": rng.poisson(np.exp(0.8 * u)),
            "town": town,
            "flag": u > 0.3,
            "colour": pd.Categorical(np.where(x[:, 5] > 0, "red", "blue")),
            "date": pd.Timestamp(FIRST_DATE)
            + pd.to_timedelta(np.round(100.0 * x[:, 4]), unit="D"),
        }
    )


@cache
def missing():
    """The same with holes, in columns of every kind."""
    rng = np.random.default_rng(2)
    table = mixed()
    holes = rng.uniform(size=table.shape) < 0.12
    # A few columns stay whole: a column without holes is encoded in another way.
    holes[:, [table.columns.get_loc(name) for name in ("bend", "flag")]] = False
    return table.mask(holes)


@cache
def shares():
    """Numbers in [0, 1]."""
    low, high = numeric().min(axis=0), numeric().max(axis=0)
    return (numeric() - low) / (high - low)


@cache
def binary():
    """Zeros and ones."""
    return (numeric() > np.median(numeric(), axis=0)).astype(float)


@cache
def counts():
    """Counts, beside a column of text."""
    rates = np.exp(numeric().clip(-2.0, 2.0))
    drawn = np.random.default_rng(3).poisson(rates)
    table = pd.DataFrame(drawn, columns=[f"n{i}" for i in range(6)])
    return table.assign(town=mixed()["town"])


@cache
def images():
    """Flattened images of 6 x 6 pixels: a spot that moves."""
    rng = np.random.default_rng(4)
    at = rng.uniform(0.5, 4.5, size=(N_ROWS, 2))
    y, x = np.divmod(np.arange(36), 6)
    squares = (y - at[:, :1]) ** 2 + (x - at[:, 1:]) ** 2
    return np.exp(-squares / 2.0) + 0.02 * rng.normal(size=(N_ROWS, 36))


@cache
def waves():
    """Flattened sequences: twelve steps of a wave, whose phase and pitch differ."""
    rng = np.random.default_rng(5)
    phase, pitch = rng.uniform(0.0, 6.0, (N_ROWS, 1)), rng.uniform(0.3, 0.8, (N_ROWS, 1))
    return np.sin(phase + pitch * np.arange(12)) + 0.02 * rng.normal(size=(N_ROWS, 12))


@cache
def wide():
    """More columns than a detector's networks see: they get the principal axes."""
    rng = np.random.default_rng(6)
    mixing = rng.normal(size=(6, 140))
    return np.tanh(numeric() @ mixing) + 0.05 * rng.normal(size=(N_ROWS, 140))


@cache
def rarities():
    """Columns of kinds that the mixed table lacks, among them one without any cell."""
    x = numeric()
    table = pd.DataFrame(
        {
            "length": x[:, 0],
            "narrow": x[:, 1].astype(np.float32),
            "whole": pd.Series(np.round(10.0 * x[:, 2])).astype("Int64"),
            "large": LARGE + np.round(1e3 * x[:, 3]).astype(np.int64),
            "wait": pd.to_timedelta(np.round(50.0 * x[:, 4]), unit="h"),
            "zoned": mixed()["date"].dt.tz_localize("UTC"),
            "objects": pd.Series(x[:, 5].round(1), dtype=object),
            "flags": pd.Series(x[:, 3] > 0, dtype=object),
            "digits": pd.Categorical(np.digitize(x[:, 0], [-1.0, 1.0])),
            "constant": 3.0,
            "empty": np.nan,
        }
    )
    table.loc[::7, ["whole", "wait", "objects", "flags"]] = None
    return table


@cache
def coded():
    """An array whose last column are codes of categories."""
    levels = np.digitize(numeric()[:, 0], [-1.0, 0.0, 1.0])
    return np.column_stack([numeric()[:, 1:], levels])


def strange_rows():
    """Rows of the mixed table, some with a level that is not in it."""
    rows = mixed()[:N_APPLIED].copy()
    rows.loc[:9, "town"] = "Essen"
    return rows


def outlying_rows():
    """Rows of the curved table, some far from its surface."""
    rows = numeric()[:N_APPLIED].copy()
    rows[:8] += np.random.default_rng(7).normal(scale=3.0, size=(8, 6))
    return rows


def sparse():
    rows = numeric() * (np.random.default_rng(8).uniform(size=(N_ROWS, 6)) < 0.6)
    return csr_matrix(rows)


def holed(rows):
    """Return an array without about every tenth of its cells."""
    holes = np.random.default_rng(10).uniform(size=rows.shape) < 0.1
    return np.where(holes, np.nan, rows)


def as_polars(table):
    """Return a polars frame, made without pyarrow."""
    return pl.DataFrame(
        {
            name: [None if pd.isna(cell) else cell for cell in column.to_list()]
            for name, column in table.items()
        }
    ).with_columns(pl.col("colour").cast(pl.Categorical))


def modules(n_codes=2, n_encoded=2):
    """Return a pair of torch modules for the numeric table."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return tuple(
            torch.nn.Sequential(
                torch.nn.Linear(n_in, 16), torch.nn.Tanh(), torch.nn.Linear(16, n_out)
            )
            for n_in, n_out in ((6, n_encoded), (n_codes, 6))
        )


# --------------------------------------------------------------------- estimators


def autoencoder(n_components=2, **parameters):
    parameters = {"max_iter": 8, "random_state": 0} | parameters
    return AutoencoderTransformer(n_components, **parameters)


def vae(n_components=2, **parameters):
    parameters = {"max_iter": 8, "random_state": 0, "n_importance_samples": 16} | parameters
    return VAETransformer(n_components, **parameters)


def kl(**settings):
    """Return the parameters of a VAE that set its divergence, before and after it had an object."""
    if not hasattr(skae, "KL"):
        return settings
    names = {"kl_warmup": "warmup", "free_bits": "free_bits"}
    return {"divergence": skae.KL(**{names[name]: at for name, at in settings.items()})}


def vqvae(n_components=4, **parameters):
    parameters = {"max_iter": 8, "random_state": 0} | parameters
    return VQVAETransformer(n_components, **parameters)


def adversarial(n_components=2, **parameters):
    parameters = {"max_iter": 8, "random_state": 0} | parameters
    return AdversarialAutoencoderTransformer(n_components, **parameters)


def gan(**parameters):
    parameters = {
        "hidden_layer_sizes": (32, 32),
        "batch_size": 64,
        "max_iter": 20,
        "random_state": 0,
    } | parameters
    return GANSampler(**parameters)


def detector(estimator=None, **parameters):
    parameters = {"n_estimators": 8, "max_iter": 30, "random_state": 0} | parameters
    return AEAnomalyDetector(estimator, **parameters)


def clones(estimator, **parameters):
    return detector(estimator, n_estimators=4, max_iter=None, **parameters)


# ---------------------------------------------------------------- ways of fitting


def fit(estimator, table):
    return estimator.fit(table)


def fit_weighted(estimator, table):
    """Fit with unequal weights, some of which are 0."""
    weights = np.random.default_rng(9).integers(0, 4, size=N_ROWS).astype(float)
    return estimator.fit(table, sample_weight=weights)


def fit_twice(estimator, table):
    """Fit again: with `warm_start` training goes on."""
    return estimator.fit(table).fit(table)


def fit_in_chunks(estimator, table):
    half = N_ROWS // 2
    return estimator.partial_fit(table[:half]).partial_fit(table[half:])


def fit_weighted_chunks(estimator, table):
    weights = np.random.default_rng(9).integers(0, 4, size=N_ROWS).astype(float)
    half = N_ROWS // 2
    estimator.partial_fit(table[:half], sample_weight=weights[:half])
    return estimator.partial_fit(table[half:], sample_weight=weights[half:])


# -------------------------------------------------------------------------- cases


@dataclass
class Case:
    """An estimator, what it is fitted to, how, and what it is applied to then."""

    estimator: object
    table: object
    rows: object = None
    fit: object = fit

    def __post_init__(self):
        if self.rows is None:
            self.rows = self.table[:N_APPLIED]


# Name -> function that makes the case: what a parameter's object refuses is recorded too.
AUTOENCODERS = {
    "numeric": lambda: Case(autoencoder(), numeric()),
    "mixed": lambda: Case(autoencoder(), mixed()),
    "missing": lambda: Case(autoencoder(3), missing()),
    "loss=absolute": lambda: Case(autoencoder(loss="absolute"), missing()),
    "loss=huber": lambda: Case(autoencoder(loss="huber"), mixed()),
    "loss=binary_cross_entropy": lambda: Case(
        autoencoder(loss="binary_cross_entropy"), shares()
    ),
    "tied_weights": lambda: Case(autoencoder(tied_weights=True), mixed()),
    "tied_weights, init=random": lambda: Case(
        autoencoder(tied_weights=True, init="random"), numeric()
    ),
    "pretraining": lambda: Case(
        autoencoder(pretraining="layerwise", hidden_layer_sizes=(32, 16)), numeric()
    ),
    "pretraining, init=random, logistic": lambda: Case(
        autoencoder(
            pretraining="layerwise",
            init="random",
            hidden_layer_sizes=(32, 16),
            activation="logistic",
        ),
        numeric(),
    ),
    "init=random": lambda: Case(autoencoder(init="random"), mixed()),
    "hidden_layer_sizes=()": lambda: Case(
        autoencoder(hidden_layer_sizes=(), init="random"), numeric()
    ),
    "hidden_layer_sizes=20": lambda: Case(autoencoder(hidden_layer_sizes=20), mixed()),
    **{
        f"activation={name}": lambda name=name: Case(
            autoencoder(activation=name), numeric()
        )
        for name in ("tanh", "logistic", "identity", "silu", "gelu", "elu")
    },
    **{
        f"scale={scale}, {table.__name__}": lambda scale=scale, table=table: Case(
            autoencoder(scale=scale), table()
        )
        for scale in (False, "robust", "quantile")
        for table in (numeric, missing)
    },
    **{
        f"corruption={type(noise).__name__}, {table.__name__}": (
            lambda noise=noise, table=table: Case(autoencoder(corruption=noise), table())
        )
        for noise in (GaussianNoise(), MaskingNoise(), SwapNoise(), SaltAndPepperNoise())
        for table in (mixed, missing)
    },
    "penalties=L1Activity": lambda: Case(
        autoencoder(8, penalties=L1Activity(0.3)), numeric()
    ),
    "penalties=KLSparsity": lambda: Case(autoencoder(8, penalties=KLSparsity()), mixed()),
    "penalties=Contractive": lambda: Case(autoencoder(penalties=Contractive()), mixed()),
    "penalties=Contractive, small batches": lambda: Case(
        autoencoder(4, penalties=Contractive(), batch_size=10), numeric()
    ),
    "penalties=Orthogonal": lambda: Case(autoencoder(penalties=Orthogonal()), numeric()),
    "penalties=[Contractive, Orthogonal]": lambda: Case(
        autoencoder(penalties=[Contractive(0.05), Orthogonal(0.5)]), numeric()
    ),
    "penalties=[L1Activity, Orthogonal], weighted": lambda: Case(
        autoencoder(4, penalties=[L1Activity(), Orthogonal()]), mixed(), fit=fit_weighted
    ),
    "network=MLP": lambda: Case(autoencoder(network=MLP()), numeric()),
    **{
        f"network=Convolutional, {way}": lambda way=way: Case(
            autoencoder(
                network=Convolutional((6, 6), channels=(4, 8), downsampling=way),
                scale=False,
            ),
            images(),
        )
        for way in ("stride", "max_pool", "average_pool")
    },
    "network=Convolutional, its defaults": lambda: Case(
        autoencoder(network=Convolutional((6, 6))), images()
    ),
    "network=Convolutional, 3 channels": lambda: Case(
        autoencoder(network=Convolutional((4, 3, 3), channels=4, activation=None)),
        images(),
    ),
    **{
        f"network=Recurrent, {cell}": lambda cell=cell: Case(
            autoencoder(network=Recurrent(12, cell=cell, hidden_size=16)), waves()
        )
        for cell in ("gru", "lstm")
    },
    "network=Recurrent, 2 features": lambda: Case(
        autoencoder(network=Recurrent(6, 2, hidden_size=16)), waves()
    ),
    "network=Modules": lambda: Case(autoencoder(network=Modules(*modules())), numeric()),
    "network=pair of modules": lambda: Case(autoencoder(network=modules()), numeric()),
    "n_components=0.8": lambda: Case(autoencoder(0.8), mixed()),
    "sample_weight": lambda: Case(autoencoder(), missing(), fit=fit_weighted),
    "sample_weight, numeric": lambda: Case(autoencoder(), numeric(), fit=fit_weighted),
    "partial_fit": lambda: Case(autoencoder(), mixed(), fit=fit_in_chunks),
    "partial_fit, missing": lambda: Case(autoencoder(), missing(), fit=fit_in_chunks),
    "partial_fit, small batches": lambda: Case(
        autoencoder(batch_size=5), numeric(), fit=fit_in_chunks
    ),
    "partial_fit, weighted": lambda: Case(
        autoencoder(), numeric(), fit=fit_weighted_chunks
    ),
    "partial_fit, binary_cross_entropy": lambda: Case(
        autoencoder(loss="binary_cross_entropy"), shares(), fit=fit_in_chunks
    ),
    "warm_start": lambda: Case(autoencoder(warm_start=True), mixed(), fit=fit_twice),
    "stops early": lambda: Case(
        autoencoder(n_iter_no_change=2, tol=0.05, learning_rate_init=0.02), numeric()
    ),
    "validation_fraction=0.15": lambda: Case(
        autoencoder(validation_fraction=0.15), numeric()
    ),
    "dropout": lambda: Case(autoencoder(dropout=0.1), mixed()),
    "alpha=0, batch_size=50": lambda: Case(
        autoencoder(alpha=0.0, batch_size=50), numeric()
    ),
    "learning_rate=constant": lambda: Case(autoencoder(learning_rate="constant"), mixed()),
    "min_frequency=0.2": lambda: Case(autoencoder(min_frequency=0.2), missing()),
    "min_frequency=10": lambda: Case(autoencoder(min_frequency=10), mixed()),
    "max_categories=3": lambda: Case(autoencoder(max_categories=3), mixed()),
    "categorical_features=[count]": lambda: Case(
        autoencoder(categorical_features=["count"]),
        mixed().drop(columns=["town", "flag", "colour"]),
    ),
    "unseen level": lambda: Case(autoencoder(), mixed(), rows=strange_rows()),
    "unseen level, error": lambda: Case(autoencoder(handle_unknown="error"), mixed()),
    "holes that fit has not seen": lambda: Case(
        autoencoder(), mixed(), rows=missing()[:N_APPLIED]
    ),
    "other kinds of columns": lambda: Case(autoencoder(3), rarities()),
    "categories in an array": lambda: Case(autoencoder(categorical_features=[5]), coded()),
    "more columns than rows": lambda: Case(autoencoder(), wide()[:60]),
    "five rows": lambda: Case(autoencoder(), mixed()[:5]),
    "float32": lambda: Case(autoencoder(), numeric().astype(np.float32)),
    "sparse": lambda: Case(autoencoder(), sparse()),
    "sparse, more columns than rows": lambda: Case(autoencoder(), csr_matrix(wide()[:60])),
    "polars": lambda: Case(autoencoder(), as_polars(missing())),
}

VAES = {
    "numeric": lambda: Case(vae(), numeric()),
    "mixed": lambda: Case(vae(), mixed()),
    "missing": lambda: Case(vae(3), missing()),
    "likelihood=student_t": lambda: Case(vae(likelihood="student_t"), missing()),
    "likelihood=bernoulli": lambda: Case(vae(likelihood="bernoulli"), binary()),
    "likelihood=bernoulli, shares": lambda: Case(vae(likelihood="bernoulli"), shares()),
    "likelihood=poisson": lambda: Case(vae(likelihood="poisson"), counts()),
    "likelihood=negative_binomial": lambda: Case(
        vae(likelihood="negative_binomial"), counts()
    ),
    "divergence=mmd": lambda: Case(vae(divergence="mmd"), mixed()),
    "divergence=adversary": lambda: Case(vae(divergence="adversary"), mixed()),
    "divergence=mmd, weighted": lambda: Case(
        vae(divergence="mmd"), numeric(), fit=fit_weighted
    ),
    "divergence=adversary, missing": lambda: Case(vae(divergence="adversary"), missing()),
    "free_bits": lambda: Case(vae(4, **kl(free_bits=0.5)), numeric()),
    "prior=normal": lambda: Case(vae(prior="normal"), mixed()),
    "match_marginals=False": lambda: Case(vae(match_marginals=False), mixed()),
    "beta=2": lambda: Case(vae(beta=2.0), numeric()),
    "kl_warmup=0.6": lambda: Case(vae(**kl(kl_warmup=0.6)), numeric()),
    "min_noise_variance=0.05": lambda: Case(vae(min_noise_variance=0.05), numeric()),
    "init=random": lambda: Case(vae(init="random"), mixed()),
    "scale=False": lambda: Case(vae(scale=False), numeric()),
    "scale=robust": lambda: Case(vae(scale="robust"), missing()),
    "corruption=SwapNoise": lambda: Case(vae(corruption=SwapNoise()), missing()),
    "dropout": lambda: Case(vae(dropout=0.1), mixed()),
    "network=Convolutional": lambda: Case(
        vae(network=Convolutional((6, 6), channels=(4, 8))), images()
    ),
    "network=Recurrent": lambda: Case(vae(network=Recurrent(12, hidden_size=16)), waves()),
    "network=Modules": lambda: Case(vae(network=modules(2, 4)), numeric()),
    "n_components=0.8": lambda: Case(vae(0.8), numeric()),
    "sample_weight": lambda: Case(vae(), missing(), fit=fit_weighted),
    "partial_fit": lambda: Case(vae(), mixed(), fit=fit_in_chunks),
    "partial_fit, poisson": lambda: Case(
        vae(likelihood="poisson"), counts(), fit=fit_in_chunks
    ),
    "warm_start": lambda: Case(vae(warm_start=True), numeric(), fit=fit_twice),
    "unseen level": lambda: Case(vae(), mixed(), rows=strange_rows()),
    "float32": lambda: Case(vae(), numeric().astype(np.float32)),
    "sparse": lambda: Case(vae(), sparse()),
}

VQVAES = {
    **{
        f"encoding={encoding}, {table.__name__}": (
            lambda encoding=encoding, table=table: Case(vqvae(encoding=encoding), table())
        )
        for encoding in ("vectors", "indices")
        for table in (numeric, missing)
    },
    "mixed": lambda: Case(vqvae(), mixed()),
    "n_blocks=1, codebook_size=20": lambda: Case(
        vqvae(n_blocks=1, codebook_size=20, commitment=0.5), numeric()
    ),
    "n_components=3": lambda: Case(vqvae(3), numeric()),
    "init=random": lambda: Case(vqvae(init="random"), numeric()),
    "network=Convolutional": lambda: Case(
        vqvae(network=Convolutional((6, 6), channels=(4, 8))), images()
    ),
    "corruption=MaskingNoise": lambda: Case(vqvae(corruption=MaskingNoise(0.2)), mixed()),
    "sample_weight": lambda: Case(vqvae(), mixed(), fit=fit_weighted),
    "partial_fit": lambda: Case(vqvae(), numeric(), fit=fit_in_chunks),
    "warm_start": lambda: Case(vqvae(warm_start=True), numeric(), fit=fit_twice),
}

ADVERSARIALS = {
    "numeric": lambda: Case(adversarial(), numeric()),
    "mixed": lambda: Case(adversarial(), mixed()),
    "missing": lambda: Case(adversarial(3), missing()),
    "adversarial_weight=0": lambda: Case(adversarial(adversarial_weight=0.0), numeric()),
    "gradient_penalty=0": lambda: Case(
        adversarial(gradient_penalty=0.0, critic_hidden_layer_sizes=16), numeric()
    ),
    "init=random": lambda: Case(adversarial(init="random"), numeric()),
    "corruption=GaussianNoise": lambda: Case(
        adversarial(corruption=GaussianNoise(0.1)), mixed()
    ),
    "network=Convolutional": lambda: Case(
        adversarial(network=Convolutional((6, 6), channels=(4, 8))), images()
    ),
    "network=Modules": lambda: Case(adversarial(network=modules()), numeric()),
    "sample_weight": lambda: Case(adversarial(), mixed(), fit=fit_weighted),
    "partial_fit": lambda: Case(adversarial(), mixed(), fit=fit_in_chunks),
    "warm_start": lambda: Case(adversarial(warm_start=True), numeric(), fit=fit_twice),
}

GANS = {
    **{
        f"loss={loss}, {table.__name__}": lambda loss=loss, table=table: Case(
            gan(loss=loss), table()
        )
        for loss in ("non_saturating", "wasserstein")
        for table in (numeric, mixed, missing)
    },
    "spectral_norm": lambda: Case(gan(spectral_norm=True), mixed()),
    "n_critic_steps=2": lambda: Case(gan(loss="wasserstein", n_critic_steps=2), numeric()),
    "n_components=5, n_classes=1": lambda: Case(gan(n_components=5, n_classes=1), mixed()),
    "gradient_penalty=0.5": lambda: Case(gan(gradient_penalty=0.5), numeric()),
    "gradient_penalty=0, instance_noise=0": lambda: Case(
        gan(gradient_penalty=0.0, instance_noise=0.0), numeric()
    ),
    "averaging=0, rejection=False": lambda: Case(
        gan(averaging=0.0, rejection=False), numeric()
    ),
    "activation=silu": lambda: Case(gan(activation="silu"), numeric()),
    "scale=quantile": lambda: Case(gan(scale="quantile"), mixed()),
    "scale=False": lambda: Case(gan(scale=False), numeric()),
    "max_categories=3": lambda: Case(gan(max_categories=3), missing()),
    "unseen level": lambda: Case(gan(), mixed(), rows=strange_rows()),
    "sample_weight": lambda: Case(gan(), mixed(), fit=fit_weighted),
}

DETECTORS = {
    "numeric": lambda: Case(detector(), numeric(), rows=outlying_rows()),
    "mixed": lambda: Case(detector(), mixed(), rows=strange_rows()),
    "missing": lambda: Case(detector(), missing()),
    "contamination=0.0": lambda: Case(
        detector(contamination=0.0), numeric(), rows=outlying_rows()
    ),
    "contamination=0.0, missing": lambda: Case(detector(contamination=0.0), missing()),
    "contamination=0.1": lambda: Case(
        detector(contamination=0.1), numeric(), rows=outlying_rows()
    ),
    "code_weight=1, max_trim=0.1": lambda: Case(
        detector(code_weight=1.0, max_trim=0.1), mixed()
    ),
    "noise=(0.1, 0.3)": lambda: Case(detector(noise=(0.1, 0.3)), numeric()),
    "max_samples=(20, 0.5)": lambda: Case(detector(max_samples=(20, 0.5)), numeric()),
    "hidden_layer_sizes=(16, 8)": lambda: Case(
        detector(hidden_layer_sizes=(16, 8), n_folds=4, batch_size=16), mixed()
    ),
    "140 columns": lambda: Case(
        detector(n_estimators=4), wide(), rows=wide()[: N_APPLIED // 4]
    ),
    "140 columns, contamination=0.0": lambda: Case(
        detector(n_estimators=4, contamination=0.0), wide(), rows=wide()[: N_APPLIED // 4]
    ),
    "140 columns, missing": lambda: Case(
        detector(n_estimators=4), holed(wide()), rows=holed(wide())[: N_APPLIED // 4]
    ),
    "three rows": lambda: Case(detector(), numeric()[:3]),
    "other kinds of columns": lambda: Case(detector(), rarities()),
    "sample_weight": lambda: Case(detector(), mixed(), fit=fit_weighted),
    "partial_fit": lambda: Case(
        detector(), numeric(), rows=outlying_rows(), fit=fit_in_chunks
    ),
    "partial_fit, mixed, contamination=0.0": lambda: Case(
        detector(contamination=0.0), mixed(), fit=fit_in_chunks
    ),
    "estimator=AutoencoderTransformer": lambda: Case(
        clones(autoencoder()), numeric(), rows=outlying_rows()
    ),
    "estimator=AutoencoderTransformer, missing": lambda: Case(
        clones(autoencoder(loss="huber"), contamination=0.1), missing()
    ),
    "estimator=VAETransformer": lambda: Case(clones(vae()), mixed(), rows=strange_rows()),
    "estimator=AutoencoderTransformer, partial_fit": lambda: Case(
        clones(autoencoder()), mixed(), fit=fit_in_chunks
    ),
    "sparse": lambda: Case(detector(), sparse()),
    "polars": lambda: Case(detector(), as_polars(mixed())),
}


def to_the_last_epoch(make):
    case = make()
    case.estimator.set_params(early_stopping=False)
    return case


def both_ways(cases):
    """Return the cases as they are, and all but streams with ``early_stopping=False``.

    Few epochs do not always beat the start. The held-out losses are worth recording then,
    but the state that is kept tells nothing of the training.
    """
    return cases | {
        f"{name}, early_stopping=False": partial(to_the_last_epoch, make)
        for name, make in cases.items()
        if "partial_fit" not in name
    }


CASES = {
    f"{family}: {name}": make
    for family, cases in {
        "AutoencoderTransformer": both_ways(AUTOENCODERS),
        "VAETransformer": both_ways(VAES),
        "VQVAETransformer": both_ways(VQVAES),
        "AdversarialAutoencoderTransformer": both_ways(ADVERSARIALS),
        "GANSampler": GANS,
        "AEAnomalyDetector": DETECTORS,
    }.items()
    for name, make in cases.items()
}

# ------------------------------------------------------------------------ outputs

# Name -> what is asked of a fitted estimator that has a method of that name.
METHODS = {
    "transform": lambda model, rows: model.transform(rows),
    "inverse_transform": lambda model, rows: model.inverse_transform(model.transform(rows)),
    "score_samples": lambda model, rows: model.score_samples(rows),
    "explain": lambda model, rows: dict(
        zip(("contributions", "expected"), model.explain(rows, expected=True), strict=True)
    ),
    "get_feature_names_out": lambda model, rows: model.get_feature_names_out(),
    "impute": lambda model, rows: model.impute(rows),
    "sample": lambda model, rows: model.sample(20, random_state=0),
    "interpolate": lambda model, rows: model.interpolate(rows[:1], rows[3:4], n_steps=5),
    "predict": lambda model, rows: model.predict(rows),
    "decision_function": lambda model, rows: model.decision_function(rows),
    "pvalues": lambda model, rows: model.pvalues(rows),
    "select": lambda model, rows: model.select(rows, fdr=0.2),
}

ATTRIBUTES = (
    "active_components_",
    "best_iter_",
    "code_mmd_",
    "codebook_",
    "codebook_usage_",
    "coverage_",
    "critic_loss_curve_",
    "loss_curve_",
    "max_samples_",
    "n_components_",
    "n_iter_",
    "noise_variance_",
    "offset_",
    "prior_",
    "validation_loss_curve_",
)


def outputs_of(make):
    """Return name -> array of all that a case gives, exceptions included."""
    outputs = {}
    try:
        case = make()
        model = case.fit(case.estimator, case.table)
    except Exception as error:
        return {"fit|exception": said(error)}
    for name, method in METHODS.items():
        if not hasattr(model, name):
            continue
        try:
            outputs |= as_arrays(name, method(model, case.rows))
        except Exception as error:
            outputs[f"{name}|exception"] = said(error)
    for name in ATTRIBUTES:
        if hasattr(model, name):
            outputs |= as_arrays(name, getattr(model, name))
    # Every column has a unit of its own: an entry for each, so that each is compared in it.
    for column, variance in enumerate(outputs.pop("noise_variance_", ())):
        outputs[f"noise_variance_|{column}"] = variance
    return outputs


def said(error):
    return np.array(f"{type(error).__name__}: {error}")


def as_arrays(name, output):
    """Return name -> array: one of an array, several of a frame or a dictionary."""
    if isinstance(output, dict):
        return {
            key: array
            for part, value in output.items()
            for key, array in as_arrays(f"{name}|{part}", value).items()
        }
    if not hasattr(output, "columns"):
        dense = output.toarray() if hasattr(output, "toarray") else output
        array = np.asarray(dense)
        # Objects could only be stored as pickles.
        return {name: array.astype(str) if array.dtype == object else array}
    columns = {str(label): output[label] for label in output.columns}
    kinds = [f"{label}: {column.dtype}" for label, column in columns.items()]
    return {f"{name}|(dtypes)": np.array(kinds)} | {
        f"{name}|{label}": column_array(column) for label, column in columns.items()
    }


def column_array(column):
    """Return a column of a frame as an array of numbers, NaN for holes, or of strings."""
    cells = column.to_list()
    known = [cell for cell in cells if not pd.isna(cell)]
    if known and isinstance(known[0], str):
        return np.array(["(missing)" if pd.isna(cell) else cell for cell in cells])
    # What is large is recorded less a constant: a small difference would be lost beside it.
    if known and isinstance(known[0], int) and known[0] > LARGE // 2:
        cells = [None if pd.isna(cell) else cell - LARGE for cell in cells]
    if known and isinstance(known[0], datetime):
        start = FIRST_DATE.replace(tzinfo=known[0].tzinfo)
        cells = [None if pd.isna(cell) else cell - start for cell in cells]
        known = [timedelta()]
    if known and isinstance(known[0], timedelta):
        day = timedelta(days=1)
        cells = [np.nan if pd.isna(cell) else cell / day for cell in cells]
    return np.array([np.nan if pd.isna(cell) else float(cell) for cell in cells])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", help="the .npz file to write")
    parser.add_argument("--only", default="", help="cases whose names hold this text")
    args = parser.parse_args()

    print(f"skae from {skae.__file__}")
    names = [name for name in CASES if args.only in name]
    record, n_raised, begin = {}, 0, time.perf_counter()
    # Sums over several threads depend, in their last digits, on who comes first.
    torch.set_num_threads(1)
    with threadpool_limits(1), warnings.catch_warnings():
        # Few epochs: that they are too few is no news.
        warnings.simplefilter("ignore")
        for name in names:
            start = time.perf_counter()
            outputs = outputs_of(CASES[name])
            record |= {f"{name}|{output}": array for output, array in outputs.items()}
            seconds = time.perf_counter() - start
            best = (
                f", best epoch {outputs['best_iter_']}" if "best_iter_" in outputs else ""
            )
            print(f"{seconds:5.1f} s  {name}: {len(outputs)} arrays{best}", flush=True)
            for output, array in outputs.items():
                if output.endswith("|exception"):
                    n_raised += 1
                    print(f"         {output}: {array}", flush=True)
    np.savez_compressed(args.out, **record)
    print(
        f"{len(names)} cases, {len(record)} arrays, {n_raised} exceptions, "
        f"{time.perf_counter() - begin:.0f} s: {args.out}"
    )


if __name__ == "__main__":
    main()
