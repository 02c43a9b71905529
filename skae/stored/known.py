"""The classes and functions that stored state may name: no others are ever looked up."""

from functools import cache
from importlib import import_module
from types import SimpleNamespace

import torch

# Room -> what of it stands in the state of fitted estimators.
KNOWN = {
    "architectures.convolutional": (
        *("Convolutional", "ConvolutionalEncoder", "ConvolutionalDecoder"),
        "PointwiseConvolution",
    ),
    "architectures.linear_plus": ("Dropout", "LinearPlus", "LinearPlusMLP", "Perceptron"),
    "architectures.mlp": ("MLP",),
    "architectures.modules": ("Modules", "Unchanged"),
    "architectures.recurrent": ("Recurrent", "RecurrentDecoder", "RecurrentEncoder"),
    "architectures.tied": ("TiedDecoder",),
    "conditionals.evidence": ("Evidence", "WithEvidence"),
    "conditionals.relations.equals": ("Equal",),
    "conditionals.relations.extremes": ("Extreme",),
    "conditionals.relations.formulas": ("Formula",),
    "conditionals.gaussian": ("Gaussian",),
    "conditionals.relations.lookups": ("Calendar", "Lookup"),
    "conditionals.grids": ("Listed", "Steps"),
    "conditionals.mixture": ("Levels", "Mixture"),
    "conditionals.model": ("Conditionals",),
    "conditionals.network": ("ConditionalNetworks",),
    "conditionals.relations.orders": ("Orders",),
    "conditionals.ranks": ("Ranks",),
    "conditionals.relations.relations": ("Relations",),
    "conditionals.relations.rules": ("Constant", "Hierarchy"),
    "conditionals.relations.ties": ("Tie",),
    "conditionals.units": ("Pooled", "Units"),
    "conditionals.variables": ("Variables",),
    "conditionals.visibility": ("Visibility",),
    "corruption": ("GaussianNoise", "MaskingNoise", "SaltAndPepperNoise", "SwapNoise"),
    "detector.batched_mlp": ("BatchedMLP",),
    "detector.calibration": ("CrossConformal",),
    "detector.clones": ("CloneEnsemble",),
    "detector.denoising": ("DenoisingEnsemble",),
    "detector.encoded_table": ("EncodedTable",),
    "detector.projection": ("PCAProjection",),
    "detector.space": ("CellSpace",),
    "detector.subsets": ("Subsets",),
    "detector.window": ("PastScores", "Window"),
    "divergences": ("KL", "MMD", "Adversary", "Unit"),
    "likelihoods.discrete": ("Bernoulli", "NegativeBinomial", "Poisson"),
    "likelihoods.normal": ("Gaussian", "StudentT"),
    "models.adversarial": ("AdversarialModel",),
    "models.arrangement": ("ArrangedDecoder", "ArrangedEncoder"),
    "models.completion": ("CodeCompletion",),
    "models.chow_liu": ("ChowLiuTree",),
    "models.code_activations": ("Logistic", "Shrink"),
    "models.deterministic": ("Decoder", "DeterministicModel", "Encoder"),
    "models.correlated_noise": ("CorrelatedNoise",),
    "models.discrepancy": ("RecentCodes",),
    "models.divergence_terms": ("AdversarialTerm", "DiscrepancyTerm", "PerRowTerm"),
    "models.gan": ("Critic", "Generator", "SpectralLinear"),
    "models.fitted_likelihood": ("FittedLikelihood", "SettledValues"),
    "models.links": ("Exponential", "Logistic"),
    "models.losses": (
        *("BinaryDivergence", "BlockLoss", "ColumnLosses"),
        *("absolute_error", "huber_error", "squared_error"),
    ),
    "models.mixture_prior": ("MixturePrior",),
    "models.quantized": ("QuantizedModel", "Quantizer"),
    "models.variational": ("VariationalModel",),
    "models.watched": ("Watched",),
    "penalties.contractive": ("Contractive",),
    "penalties.neighbors": ("NeighborEmbedding",),
    "penalties.orthogonal": ("Orthogonal",),
    "penalties.sparsity": ("KLSparsity", "L1Activity"),
    "penalties.together": ("Penalties",),
    "table.blocks.absence": ("AbsenceBlock",),
    "table.blocks.base": ("BlockModule", "Settings"),
    "table.blocks.categories": ("CategoryBlock",),
    "table.blocks.design": ("Design",),
    "table.blocks.normal_scores": ("NormalScores",),
    "table.blocks.numbers": ("NumberBlock",),
    "table.blocks.ordered": ("OrderedBlock",),
    "table.clocks": ("Clock", "EarlyClock"),
    "table.encoder": ("TableEncoder",),
    "table.frame": ("Frame",),
    "table.level_column": ("LevelColumn",),
    "table.marginals": ("Marginals",),
    "table.number_column": ("EmptyColumn", "NumberColumn"),
    "table.ordered_column": ("OrderedColumn",),
    "training.net": ("Net",),
    # A detector of clones holds estimators.
    "adversarial": ("AdversarialAutoencoderTransformer",),
    "autoencoder": ("AutoencoderTransformer",),
    "vae": ("VAETransformer",),
    "vqvae": ("VQVAETransformer",),
}
# Of scikit-learn, which say themselves when their version is another one.
OF_SKLEARN = {
    "GaussianMixture": "sklearn.mixture",
    "StandardScaler": "sklearn.preprocessing",
}
# Name in files of an earlier format -> name today.
MOVED: dict[str, str] = {}

_NAMES = {f"{room}.{name}" for room, names in KNOWN.items() for name in names}


def name_of(thing):
    """Return the name of a class or a function in stored state, or None if it has none."""
    if thing is SimpleNamespace:
        return "SimpleNamespace"
    module = getattr(thing, "__module__", None) or ""
    name = f"{module}.{getattr(thing, '__qualname__', '')}"
    if name.startswith("skae.") and name.removeprefix("skae.") in _NAMES:
        return name.removeprefix("skae.")
    own = name.rpartition(".")[2]
    if module.startswith("sklearn.") and own in OF_SKLEARN:
        return f"sklearn.{own}" if find(f"sklearn.{own}") is thing else None
    if module.startswith("torch.nn.") and _of_torch(thing.__qualname__) is thing:
        return f"torch.nn.{thing.__qualname__}"
    return None


@cache
def find(name):
    """Return the class or the function of a name in stored state.

    Raises
    ------
    ValueError
        If no such name is known. Nothing has been imported then.
    """
    if name == "SimpleNamespace":
        return SimpleNamespace
    if isinstance(name, str):
        name = MOVED.get(name, name)
        if name in _NAMES:
            room, _, own = name.rpartition(".")
            return getattr(import_module(f"skae.{room}"), own)
        of_sklearn = OF_SKLEARN.get(name.removeprefix("sklearn."))
        if name.startswith("sklearn.") and of_sklearn is not None:
            return getattr(import_module(of_sklearn), name.removeprefix("sklearn."))
        found = _of_torch(name.removeprefix("torch.nn."))
        if name.startswith("torch.nn.") and found is not None:
            return found
    raise ValueError(f"it names {name!r}, which is no class of a fitted estimator")


def _of_torch(name):
    """Return a module class of torch.nn, or None if there is none of that name."""
    # The second room has a layer of `MultiheadAttention` that the first does not show.
    found = vars(torch.nn).get(name) or vars(torch.nn.modules.linear).get(name)
    is_module = isinstance(found, type) and issubclass(found, torch.nn.Module)
    return found if is_module else None
