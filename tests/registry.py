"""Every estimator and every option, with quick settings: what all laws run over.

A new estimator is added to `ESTIMATORS` (`IMPUTERS`, if it only fills cells), a new option to `FAMILY`, each in one line, and is
held to all of the laws. Where a law cannot hold for an estimator, `EXCEPTIONS` says why.
"""

import math

import torch
from sklearn.base import clone

import skae.corruption
import skae.penalties
from skae import (
    AdversarialAutoencoderTransformer,
    AEAnomalyDetector,
    AutoencoderImputer,
    AutoencoderTransformer,
    GANSampler,
    VAETransformer,
    VQVAETransformer,
)
from skae.architectures import (
    MLP,
    Convolutional,
    LinearPlusMLP,
    Modules,
    Network,
    Recurrent,
)
from skae.conditionals.starts import MIXTURES
from skae.corruption import (
    GaussianNoise,
    MaskingNoise,
    SaltAndPepperNoise,
    SwapNoise,
)
from skae.divergences import KL, Divergence
from skae.likelihoods import Likelihood
from skae.likelihoods.choice import LIKELIHOODS
from skae.models.losses import NUMBER_LOSSES
from skae.penalties import (
    Contractive,
    KLSparsity,
    L1Activity,
    NeighborEmbedding,
    Orthogonal,
    Penalty,
)

QUICK = {"max_iter": 4, "random_state": 0}
# Of columns' networks: the same steps as ever, of smaller ones, that fewer rows judge.
SHORT_CONDITIONALS = {
    "skae.conditionals.starts.N_UNITS": 32,
    "skae.conditionals.division.CROSSED_BATCH_SIZE": 64,
    "skae.conditionals.starts.MIXTURES": MIXTURES[:1],
    "skae.conditionals.fitting.MAX_CHECKED": 100,
    "skae.conditionals.fitting.N_CHECKED_PATTERNS": 16,
    "skae.conditionals.fitting.N_PATTERNS": 8,
}

# What it is called -> the class, quick settings.
TRANSFORMERS = {
    cls.__name__: (cls, {"n_components": 2, **QUICK})
    for cls in (
        AutoencoderTransformer,
        VAETransformer,
        VQVAETransformer,
        AdversarialAutoencoderTransformer,
    )
}
DETECTORS = {
    "AEAnomalyDetector": (AEAnomalyDetector, {"n_estimators": 4, **QUICK, "max_iter": 30}),
    "AEAnomalyDetector of clones": (
        AEAnomalyDetector,
        {
            "estimator": AutoencoderTransformer(2, max_iter=4),
            "n_estimators": 2,
            "random_state": 0,
        },
    ),
}
SAMPLERS = {
    "GANSampler": (
        GANSampler,
        {**QUICK, "batch_size": 32, "hidden_layer_sizes": (16,)},
    ),
}
ESTIMATORS = {**TRANSFORMERS, **DETECTORS, **SAMPLERS}
# They neither score nor code: of the laws those hold that ask for neither.
IMPUTERS = {"AutoencoderImputer": (AutoencoderImputer, {**QUICK})}
FITTED = {**ESTIMATORS, **IMPUTERS}


def pair_of_modules(n_codes):
    """Make an encoder and a decoder of one's own for 16 columns."""
    generator = torch.Generator().manual_seed(0)
    pair = torch.nn.Linear(16, n_codes), torch.nn.Linear(2, 16)
    for module in pair:
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=0.1, generator=generator)
    return pair


class OwnNoise(skae.corruption.Corruption):
    """Halves of a standard deviation."""

    def __init__(self, steps=2):
        self.steps = steps

    def corrupt(self, x, cells, where, generator):
        return (self.steps * x).round() / self.steps


class OwnPenalty(Penalty):
    def __init__(self, weight=0.1):
        self.weight = weight

    def penalise(self, codes, x, weights):
        return codes.square().mean(dim=1)


class OwnDivergence(Divergence):
    """The squared 2-Wasserstein distance between posterior and prior."""

    def __init__(self, warmup=0.1):
        self.warmup = warmup

    def per_row(self, mean, log_variance):
        return (mean**2 + (torch.exp(0.5 * log_variance) - 1) ** 2).sum(dim=-1)


class OwnLikelihood(Likelihood):
    """The Laplace distribution, whose scale is learned from that of `start` on."""

    def __init__(self, start=0.5):
        self.start = start

    def first_parameters(self, noise_variance, units):
        variance = self.start if noise_variance is None else noise_variance
        return {"log_scale": torch.full_like(units.center, 0.5 * math.log(variance / 2))}

    def nll(self, x, mean, parameters, units):
        log_scale = parameters["log_scale"]
        return (x - mean).abs() / log_scale.exp() + log_scale + math.log(2)

    def draw(self, mean, parameters, units, rng):
        return rng.laplace(mean, parameters["log_scale"].exp().numpy())


class OwnNetwork(Network):
    """A layer of a width of its own, in between the linear maps."""

    def __init__(self, n_units=8):
        self.n_units = n_units

    def build_encoder(self, n_in, n_out, layers):
        settings = layers.activation, layers.dropout, layers.clip, layers.generator
        return LinearPlusMLP(n_in, n_out, (self.n_units,), *settings)

    build_decoder = build_encoder


def _both(name, **params):
    return {
        f"{kind} {name}": (cls, params)
        for kind, cls in {"AE": AutoencoderTransformer, "VAE": VAETransformer}.items()
    }


# Options of the transformers: what it is -> the class, its parameters.
FAMILY = {
    **_both("GaussianNoise", corruption=GaussianNoise()),
    **_both("MaskingNoise", corruption=MaskingNoise()),
    **_both("SwapNoise", corruption=SwapNoise()),
    **_both("SaltAndPepperNoise", corruption=SaltAndPepperNoise()),
    **_both("MLP", network=MLP()),
    **_both("Convolutional", network=Convolutional((4, 4), channels=(4, 8))),
    "AE max_pool": (
        AutoencoderTransformer,
        {"network": Convolutional((2, 8), (4,), 2, downsampling="max_pool")},
    ),
    "VAE average_pool": (
        VAETransformer,
        {"network": Convolutional((4, 2, 2), 4, 1, downsampling="average_pool")},
    ),
    **_both("Recurrent", network=Recurrent(8, 2, hidden_size=8)),
    **_both("Recurrent lstm", network=Recurrent(16, cell="lstm", hidden_size=8)),
    "AE Modules": (AutoencoderTransformer, {"network": Modules(*pair_of_modules(2))}),
    "VAE Modules": (VAETransformer, {"network": Modules(*pair_of_modules(4))}),
    "VQVAE": (
        VQVAETransformer,
        {
            "network": Convolutional((4, 2, 2), channels=4, kernel_size=2),
            "corruption": MaskingNoise(),
        },
    ),
    "VQVAE Modules": (VQVAETransformer, {"network": Modules(*pair_of_modules(2))}),
    "adversarial": (
        AdversarialAutoencoderTransformer,
        {"network": Recurrent(8, 2, hidden_size=8), "corruption": GaussianNoise()},
    ),
    "adversarial Modules": (
        AdversarialAutoencoderTransformer,
        {"network": Modules(*pair_of_modules(2))},
    ),
    **{
        f"AE {loss}": (AutoencoderTransformer, {"loss": loss})
        for loss in NUMBER_LOSSES
        if loss != "squared"
    },
    **{f"VAE {name}": (VAETransformer, {"likelihood": name}) for name in LIKELIHOODS},
    "VAE mmd": (VAETransformer, {"divergence": "mmd"}),
    "VAE adversary": (VAETransformer, {"divergence": "adversary"}),
    "VAE of one's own": (
        VAETransformer,
        {"divergence": OwnDivergence(), "likelihood": OwnLikelihood()},
    ),
    "VAE free_bits": (VAETransformer, {"divergence": KL(free_bits=0.5)}),
    "AE tied_weights": (AutoencoderTransformer, {"tied_weights": True}),
    "AE pretraining": (AutoencoderTransformer, {"pretraining": "layerwise"}),
    "AE sparse Convolutional": (
        AutoencoderTransformer,
        {
            "network": Convolutional((4, 4), channels=4),
            "penalties": [L1Activity(), Contractive()],
        },
    ),
    "AE contractive Recurrent": (
        AutoencoderTransformer,
        {"network": Recurrent(8, 2, hidden_size=8), "penalties": [Contractive()]},
    ),
    "AE L1Activity": (AutoencoderTransformer, {"penalties": L1Activity()}),
    "AE KLSparsity": (AutoencoderTransformer, {"penalties": [KLSparsity()]}),
    "AE Contractive": (AutoencoderTransformer, {"penalties": [Contractive()]}),
    "AE NeighborEmbedding": (AutoencoderTransformer, {"penalties": NeighborEmbedding()}),
    "AE Orthogonal": (AutoencoderTransformer, {"penalties": (Orthogonal(), Contractive())}),
    "AE of one's own": (
        AutoencoderTransformer,
        {
            "corruption": OwnNoise(),
            "penalties": OwnPenalty(),
            "network": OwnNetwork(),
        },
    ),
}


# Detectors that find what there is to find.
DEFAULT_DETECTORS = {
    "default": AEAnomalyDetector(random_state=0),
    "autoencoder": AEAnomalyDetector(
        AutoencoderTransformer(2, max_iter=40, refit=False),
        n_estimators=2,
        random_state=0,
    ),
    "variational": AEAnomalyDetector(
        VAETransformer(2, max_iter=40, refit=False, n_importance_samples=8),
        n_estimators=2,
        random_state=0,
    ),
}


def make(name, **more):
    """Make the estimator or the member of the family of that name."""
    cls, params = FITTED[name] if name in FITTED else _of_family(name)
    return cls(
        **{**{key: clone(value, safe=False) for key, value in params.items()}, **more}
    )


def without_columns(cls, *args, **params):
    """Make one that draws by its codes: the columns' networks take most of a short fit."""
    if cls is VAETransformer:
        params["sampler"] = "codes"
    return cls(*args, **params)


def with_columns(estimator):
    """Have one that can learn the columns' networks learn them, whatever the module says."""
    if hasattr(estimator, "sampler"):
        estimator.set_params(sampler="columns")
    return estimator


def _of_family(name):
    cls, params = FAMILY[name]
    if cls is VAETransformer:
        # Its columns' networks, most of a short fit, know nothing of these options.
        params = {"sampler": "codes", "match_marginals": False, **params}
    return cls, {"n_components": 2, **QUICK, **params}


def _except(estimator, reason, *laws):
    return {law: {estimator: reason} for law in laws}


# Law -> estimator -> why it does not hold there.
EXCEPTIONS = {
    **_except(
        "GANSampler",
        "it does not learn from streams",
        "test_streams_are_the_same",
        "test_all_tensors_of_a_stream_move",
    ),
    **_except(
        "GANSampler",
        "a sampler explains no cells",
        "test_arrow_table",
        "test_contributions_are_a_frame_of_the_library",
        "test_contributions_of_an_array_are_a_frame_with_its_columns",
        "test_contributions_sum_to_the_anomaly_score",
        "test_max_columns_divides_the_score_among_the_worst_cells",
        "test_wholly_missing_column_says_nothing",
    ),
    **_except(
        "GANSampler",
        "what a critic thinks of a cell that it has not seen is left to the game",
        "test_unknown_level_is_as_surprising_as_the_rarest",
        "test_unknown_level_of_every_dtype",
        "test_wholly_missing_row_has_a_score",
    ),
    **_except(
        "VQVAETransformer",
        "what comes back is near the rows behind the entries, whatever the row",
        "test_numbers_that_name_things",
    ),
    **_except(
        "VQVAETransformer",
        "the start, at the centres of k-means, is better than a few epochs on few rows",
        "test_without_early_stopping_all_epochs_run_on_all_rows",
    ),
    **_except(
        "VQVAETransformer",
        "its codes are a number of dimensions, no proportion of the variance",
        "test_proportion_of_variance_out_of_range",
        "test_share_of_variance_needs_as_many_components_as_pca",
    ),
    **_except(
        "VQVAETransformer",
        "the entries start at clusters of the rows, which weights do not enter",
        "test_weighted_start_is_that_of_repeated_rows",
    ),
    **_except(
        "VQVAETransformer",
        "its entries follow the codes at any rate, and the held-out rows say how long",
        "test_own_rows_choose_the_state_alone",
    ),
    **_except(
        "AdversarialAutoencoderTransformer",
        "its loss rises as the critic learns to tell",
        "test_warm_start_goes_on",
    ),
}


def having(method, names=FITTED):
    """Return the names of those that have a method."""
    return [name for name in names if hasattr(make(name), method)]


def held_to(law, names=ESTIMATORS):
    """Return the names of those that the law is asked of."""
    return [name for name in names if name not in EXCEPTIONS.get(law, {})]
