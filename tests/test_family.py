"""Laws that every noise, penalty, network and likelihood keeps inside an estimator.

A newcomer is added to `FAMILY`, in one line, and is held to all of them.
"""

import pickle
from functools import cache, partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from registry import FAMILY, OwnDivergence, pair_of_modules
from registry import make as make_any
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import skae.corruption
import skae.divergences
import skae.penalties
from skae import (
    AutoencoderTransformer,
    VAETransformer,
    VQVAETransformer,
)
from skae._component import Setting
from skae.architectures import (
    MLP,
    Convolutional,
    Modules,
    Network,
    Recurrent,
)
from skae.corruption import (
    GaussianNoise,
    MaskingNoise,
    SaltAndPepperNoise,
    SwapNoise,
)
from skae.divergences import KL, MMD, Adversary, Divergence
from skae.likelihoods import Likelihood, StudentT
from skae.likelihoods.choice import choose_likelihood
from skae.penalties import KLSparsity, L1Activity, Orthogonal, Penalty
from skae.table.support import COUNTS

# The laws hold after two epochs as well, which are few for a posterior.
make = partial(make_any, max_iter=2)
N_ROWS = 90
pytestmark = pytest.mark.filterwarnings("ignore:.*latent dimensions have collapsed")


@pytest.fixture(autouse=True)
def _short_pretraining(monkeypatch):
    """The laws hold after a few steps as well, and of a small mixture of codes."""
    monkeypatch.setattr("skae.training.pretraining.N_STEPS", 20)
    monkeypatch.setattr("skae.models.mixture_prior.SIZES", (2,))


def _frozen(n_codes):
    return tuple(module.requires_grad_(False) for module in pair_of_modules(n_codes))


class ShortNoise(skae.corruption.Corruption):
    def corrupt(self, x, cells, where, generator):
        return x[:, :3]


class WidePenalty(Penalty):
    def penalise(self, codes, x, weights):
        return codes


class ShortDivergence(Divergence):
    def per_row(self, mean, log_variance):
        return mean.square()


class ShortLikelihood(Likelihood):
    def nll(self, x, mean, parameters, units):
        return (x - mean).square().sum(dim=-1)


# What can be searched, and two values of it.
SEARCHED = [
    ("AE GaussianNoise", "corruption__scale", [0.0, 0.5]),
    ("AE MaskingNoise", "corruption", [MaskingNoise(0.1), None]),
    ("AE Convolutional", "network__kernel_size", [1, 3]),
    ("AE Convolutional", "network", [Convolutional((4, 4), (4, 8)), MLP()]),
    ("AE max_pool", "network__downsampling", ["max_pool", "stride"]),
    ("VAE Recurrent", "network__cell", ["gru", "lstm"]),
    ("AE MLP", "loss", ["huber", "binary_cross_entropy"]),
    ("VAE gaussian", "likelihood", ["student_t", "bernoulli"]),
    ("VAE free_bits", "divergence__free_bits", [0.0, 2.0]),
    ("VAE free_bits", "divergence__warmup", [0.0, 1.0]),
    ("VAE free_bits", "divergence", [MMD(), KL()]),
    ("VAE mmd", "divergence", ["adversary", "kl"]),
    ("AE L1Activity", "penalties__weight", [0.1, 3.0]),
    ("AE L1Activity", "penalties", [[L1Activity(0.1)], [L1Activity(3.0), Orthogonal()]]),
]
# What is out of bounds, and what the error says.
BAD = [
    ("network", Convolutional((4, 5)), r"image_shape=\(4, 5\) .*4 x 5 = 20 .*X has 16"),
    ("network", Convolutional((4, 4, 4, 4)), r"image_shape=\(4, 4, 4, 4\) .*height, width"),
    ("network", Convolutional((4, -4)), r"image_shape=\(4, -4\)"),
    ("network", Convolutional((4, 4), channels=(8, 0)), r"channels=\(8, 0\) .*a stage"),
    (
        "network",
        Convolutional((4, 4), (8,), 5),
        r"kernel_size=5 .*4 x 4 pixels; use at most 4",
    ),
    ("network", Convolutional((4, 4), downsampling="pool"), r"'downsampling' .*'pool'"),
    ("network", Convolutional((4, 4), activation="swish"), r"'activation' .*'swish'"),
    ("network", Recurrent(5, 3), r"n_steps=5, n_features=3 .*5 x 3 = 15 .*X has 16"),
    ("network", Recurrent(16, cell="rnn"), r"'cell' parameter of Recurrent .*'rnn'"),
    (
        "network",
        Modules(*pair_of_modules(3)),
        r"encoder of network=Modules.*\(2, 3\).*\(n, 2\)",
    ),
    (
        "network",
        (pair_of_modules(2)[0], torch.nn.Linear(2, 9)),
        r"decoder .*\(2, 9\).*\(n, 16\)",
    ),
    (
        "network",
        (torch.nn.LSTM(16, 2), pair_of_modules(2)[1]),
        r"encoder .*returns a tuple .*tensor",
    ),
    ("network", _frozen(2), r"4 parameters, none of which can be trained"),
    ("network", pair_of_modules(2)[:1], r"tuple of 1; give a pair"),
    ("network", "mlp", r"'network' parameter of"),
    ("loss", "log", r"'loss' parameter of"),
    ("pretraining", "stacked", r"'pretraining' parameter of"),
    ("corruption", MaskingNoise(1.5), r"'rate' parameter of MaskingNoise .*0.*1.* 1\.5"),
    ("corruption", SwapNoise(-0.1), r"'rate' parameter of SwapNoise .*Got -0\.1"),
    ("corruption", SaltAndPepperNoise(2), r"'rate' parameter of SaltAndPepperNoise"),
    ("corruption", GaussianNoise(-1.0), r"'scale' parameter of GaussianNoise"),
    ("penalties", [L1Activity(-1.0)], r"'weight' parameter of L1Activity"),
    ("penalties", [KLSparsity(1.0)], r"'target' parameter of KLSparsity"),
    ("penalties", ["l1"], r"penalties=\['l1'\] holds 'l1'; .*skae\.penalties"),
    ("penalties", "l1", r"'penalties' parameter of"),
    ("penalties", KLSparsity(0.0), r"'target' parameter of KLSparsity"),
    ("penalties", [L1Activity(), KLSparsity()], r"different activations .*use one"),
    ("penalties", WidePenalty(), r"WidePenalty\(\) returns shape \(27, 2\).*\(27,\)"),
    ("corruption", 0.5, r"'corruption' parameter of .*Corruption"),
    ("corruption", ShortNoise(), r"ShortNoise\(\) returns shape \(27, 3\).*\(27, 16\)"),
]
BAD_OF_VAE = [
    ("divergence", KL(free_bits=-0.5), r"'free_bits' parameter of KL .*Got -0\.5"),
    ("divergence", KL(warmup=1.5), r"'warmup' parameter of KL .*Got 1\.5"),
    ("divergence", MMD(warmup=-1.0), r"'warmup' parameter of MMD .*Got -1\.0"),
    ("divergence", Adversary(warmup="long"), r"'warmup' parameter of Adversary .*'long'"),
    (
        "divergence",
        Adversary(gradient_penalty=-1.0),
        r"'gradient_penalty' parameter of Adv",
    ),
    ("divergence", Adversary((8, 0)), r"hidden_layer_sizes=\(8, 0\) holds 0; .*1 or more"),
    ("divergence", OwnDivergence(warmup=2.0), r"'warmup' parameter of OwnDiv.*Got 2\.0"),
    (
        "divergence",
        "hinge",
        r"'divergence' parameter of VAETransformer .*'adversary'.*hinge",
    ),
    ("divergence", KL, r"'divergence' parameter of VAETransformer"),
    ("divergence", Divergence(), r"Divergence needs a method per_row"),
    ("divergence", ShortDivergence(), r"ShortDivergence\(\) returns shape \(27, 2\).*27"),
    (
        "likelihood",
        "cauchy",
        r"'likelihood' parameter of VAETransformer .*'student_t'.*cauchy",
    ),
    ("likelihood", StudentT, r"'likelihood' parameter of VAETransformer"),
    ("likelihood", Likelihood(), r"Likelihood needs a method nll"),
    (
        "likelihood",
        ShortLikelihood(),
        r"nll of ShortLikelihood\(\) returns shape \(27,\).*\(27, 16\)",
    ),
]


@pytest.fixture
def rows(request):
    params = getattr(request.node, "callspec", SimpleNamespace(params={})).params
    return _rows_for(params.get("name"))


@cache
def _rows_for(name):
    """Return 16 columns that are, more or less, functions of two, in [0, 1], or counts."""
    _, settings = FAMILY.get(name, (None, {}))
    rng = np.random.default_rng(0)
    X = np.sin(rng.normal(size=(N_ROWS, 2)) @ rng.normal(size=(2, 16))) / 2 + 0.5
    if choose_likelihood(settings.get("likelihood", "gaussian")).support is COUNTS:
        X = np.round(10 * X)
    X.setflags(write=False)
    return X


@cache
def _fitted(name):
    """Return a fit that laws look at, and leave as it is."""
    return make(name).fit(_rows_for(name))


def _outputs(estimator, X):
    codes = estimator.transform(X)
    return [codes, estimator.inverse_transform(codes), estimator.score_samples(X)]


def _assert_same(one, other, X):
    for a, b in zip(_outputs(one, X), _outputs(other, X), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(params=FAMILY)
def name(request):
    return request.param


def test_fits_to_finite_outputs_of_the_right_shape(name, rows):
    codes, back, scores = _outputs(_fitted(name), rows)
    assert codes.shape == (N_ROWS, 2)
    assert back.shape == rows.shape
    assert scores.shape == (N_ROWS,)
    assert all(np.isfinite(output).all() for output in (codes, back, scores))


def test_clone_fits_alike_and_leaves_global_generators_alone(name, rows):
    numpys = np.random.get_state()[1].copy()  # noqa: NPY002
    torchs = torch.get_rng_state()
    fitted = _fitted(name)
    _assert_same(clone(fitted).fit(rows), fitted, rows)
    _assert_same(fitted, fitted, rows)
    now = np.random.get_state()[1]  # noqa: NPY002
    np.testing.assert_array_equal(now, numpys)
    assert torch.equal(torch.get_rng_state(), torchs)


def test_pickles(name, rows):
    fitted = _fitted(name)
    _assert_same(pickle.loads(pickle.dumps(fitted)), fitted, rows)


@pytest.mark.parametrize("name", [name for name in FAMILY if "Modules" not in name])
def test_missing_cells_are_filled_and_weights_count(name, rows):
    """A pair of one's own modules is made for as many columns as there are."""
    holed = np.where(np.random.default_rng(1).random(rows.shape) < 0.1, np.nan, rows)
    fitted = make(name).fit(holed, sample_weight=np.arange(N_ROWS) % 3)
    assert np.isfinite(fitted.impute(holed)).all()
    assert np.isfinite(fitted.sample(3, random_state=0)).all()
    contributions = fitted.explain(holed[:20]).to_numpy()
    assert (contributions >= 0).all()
    np.testing.assert_allclose(
        contributions.sum(1), fitted._errors(holed[:20]), rtol=1e-5, atol=1e-6
    )


def test_learns_from_a_stream_and_goes_on(name, rows):
    stream = make(name)
    for chunk in np.split(rows, 2):
        stream.partial_fit(chunk)
    assert np.isfinite(stream.score_samples(rows)).all()
    resumed = pickle.loads(pickle.dumps(_fitted(name))).set_params(warm_start=True)
    assert np.isfinite(resumed.fit(rows).score_samples(rows)).all()


def test_fit_changes_no_setting(name):
    assert repr(_fitted(name).get_params()) == repr(make(name).get_params())


def test_float32_rows_of_any_number(name, rows):
    """One row beyond a batch is a batch; two rows are enough to fit."""
    make(name, batch_size=16, max_iter=1).fit(rows[:50].astype(np.float32))
    make(name, max_iter=1).fit(rows[:2])


@pytest.mark.parametrize(("name", "key", "values"), SEARCHED, ids=lambda value: str(value))
def test_is_searched(name, key, values, rows):
    eager = make(name, max_iter=6, init="random", early_stopping=False)
    search = GridSearchCV(eager, {key: values}, cv=2, refit=False).fit(rows)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert scores[0] != scores[1]


def _settings():
    """Return (member, parameter, setting in it), each setting of a class once."""
    found = {}
    for name, (_, params) in FAMILY.items():
        for key, value in params.items():
            if isinstance(value, Setting):
                for inner in value.get_params(deep=False):
                    found.setdefault((type(value), inner), (name, key, inner))
    return list(found.values())


@pytest.mark.parametrize(("name", "key", "inner"), _settings())
def test_settings_are_set_by_name(name, key, inner):
    """`set_params` reaches what stands in a parameter, and a clone has it too."""
    estimator = make(name)
    other = clone(estimator).set_params(**{f"{key}__{inner}": "another"})
    assert clone(other).get_params()[f"{key}__{inner}"] == "another"
    assert estimator.get_params()[f"{key}__{inner}"] != "another"


@pytest.mark.parametrize(("parameter", "value", "message"), BAD, ids=lambda v: str(v)[:40])
def test_out_of_bounds_is_an_error_before_training(parameter, value, message, rows):
    with pytest.raises(ValueError, match=message):
        AutoencoderTransformer(2, **{parameter: value}).fit(rows)


@pytest.mark.parametrize(
    ("parameter", "value", "message"), BAD_OF_VAE, ids=lambda v: str(v)[:40]
)
def test_of_a_vae_too(parameter, value, message, rows):
    with pytest.raises((ValueError, NotImplementedError), match=message):
        VAETransformer(2, **{parameter: value}).fit(rows)


@pytest.mark.parametrize("network", [Convolutional((2, 2), 4, 1), Recurrent(4)])
def test_images_and_sequences_are_numbers(network, rows):
    frame = (
        pd.DataFrame(rows[:, :3])
        .assign(c=["a", "b", "c"] * (N_ROWS // 3))
        .set_axis([*"wxyz"], axis=1)
    )
    with pytest.raises(ValueError, match=r"takes rows of numbers.*1 col.*make numbers"):
        AutoencoderTransformer(2, network=network).fit(frame)


def test_one_of_a_pair_of_modules_may_be_frozen(rows):
    encoder, decoder = pair_of_modules(2)
    encoder.requires_grad_(False)
    fitted = AutoencoderTransformer(
        2, network=(encoder, decoder), max_iter=4, random_state=0
    ).fit(rows)
    trained = fitted.encoder_.block.correction, fitted.decoder_.block.correction
    same = [
        torch.equal(a.weight.cpu(), b.weight.cpu())
        for a, b in zip((encoder, decoder), trained, strict=True)
    ]
    assert same == [True, False]


@pytest.mark.parametrize(
    "parameter", [{"tied_weights": True}, {"pretraining": "layerwise"}]
)
def test_what_perceptrons_can_do_only(parameter, rows):
    estimator = AutoencoderTransformer(2, network=Recurrent(16), **parameter)
    with pytest.raises(ValueError, match=rf"{next(iter(parameter))}.* is for perceptrons"):
        estimator.fit(rows)


def test_all_networks_are_held_to_the_laws():
    held = {type(params.get("network")).__name__ for _, params in FAMILY.values()}
    assert {cls.__name__ for cls in Network.__subclasses__()} <= held


def _penalties(params):
    given = params.get("penalties", ())
    return [given] if isinstance(given, Penalty) else given


def test_all_penalties_are_held_to_the_laws():
    lists = [_penalties(params) for _, params in FAMILY.values()]
    held = {type(penalty).__name__ for penalties in lists for penalty in penalties}
    assert set(skae.penalties.__all__) - {"Penalty"} <= held


def test_all_noises_are_held_to_the_laws():
    held = {type(params.get("corruption")).__name__ for _, params in FAMILY.values()}
    assert set(skae.corruption.__all__) - {"Corruption"} <= held


def test_all_divergences_are_held_to_the_laws():
    held = {type(params.get("divergence")).__name__ for _, params in FAMILY.values()}
    held |= {
        type(skae.divergences.choose_divergence(name)).__name__
        for _, params in FAMILY.values()
        if isinstance(name := params.get("divergence"), str)
    }
    assert set(skae.divergences.__all__) - {"Divergence"} <= held


def test_interpolates_whatever_transform_gives():
    X = np.random.default_rng(0).normal(size=(60, 5))
    quick = {"max_iter": 2, "random_state": 0}
    plain = AutoencoderTransformer(2, **quick).set_output(transform="pandas").fit(X)
    indices = VQVAETransformer(4, codebook_size=4, encoding="indices", **quick).fit(X)
    for fitted in plain, indices:
        assert fitted.interpolate(X[:1], X[1:2], n_steps=4).shape == (4, 5)
