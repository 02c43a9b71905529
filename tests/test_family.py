"""Laws that every noise, penalty, network and likelihood keeps inside an estimator.

A newcomer is added to `FAMILY`, in one line, and is held to all of them.
"""

import pickle
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import skae.corruption
import skae.penalties
from skae import (
    AdversarialAutoencoderTransformer,
    AutoencoderTransformer,
    VAETransformer,
    VQVAETransformer,
)
from skae._ranges import COUNTS
from skae.corruption import (
    GaussianNoise,
    MaskingNoise,
    SaltAndPepperNoise,
    SwapNoise,
)
from skae.likelihoods import LIKELIHOODS
from skae.losses import NUMBER_LOSSES
from skae.networks import MLP, Convolutional, Modules, Network, Recurrent
from skae.penalties import Contractive, KLSparsity, L1Activity, Orthogonal


def _both(name, **params):
    return {
        f"{kind} {name}": (cls, params)
        for kind, cls in {"AE": AutoencoderTransformer, "VAE": VAETransformer}.items()
    }


def _pair(n_codes):
    generator = torch.Generator().manual_seed(0)
    pair = torch.nn.Linear(16, n_codes), torch.nn.Linear(2, 16)
    for module in pair:
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=0.1, generator=generator)
    return pair


# What it is -> the class, its parameters.
FAMILY = {
    **_both("GaussianNoise", corruption=GaussianNoise()),
    **_both("MaskingNoise", corruption=MaskingNoise()),
    **_both("SwapNoise", corruption=SwapNoise()),
    **_both("SaltAndPepperNoise", corruption=SaltAndPepperNoise()),
    **_both("MLP", network=MLP()),
    **_both("Convolutional", network=Convolutional((4, 4), channels=(4, 8))),
    **_both("Recurrent", network=Recurrent(8, 2, hidden_size=8)),
    **_both("Recurrent lstm", network=Recurrent(16, cell="lstm", hidden_size=8)),
    "AE Modules": (AutoencoderTransformer, {"network": Modules(*_pair(2))}),
    "VAE Modules": (VAETransformer, {"network": Modules(*_pair(4))}),
    "VQVAE": (
        VQVAETransformer,
        {
            "network": Convolutional((4, 2, 2), channels=4, kernel_size=2),
            "corruption": MaskingNoise(),
        },
    ),
    "VQVAE Modules": (VQVAETransformer, {"network": Modules(*_pair(2))}),
    "adversarial": (
        AdversarialAutoencoderTransformer,
        {"network": Recurrent(8, 2, hidden_size=8), "corruption": GaussianNoise()},
    ),
    "adversarial Modules": (
        AdversarialAutoencoderTransformer,
        {"network": Modules(*_pair(2))},
    ),
    **{
        f"AE {loss}": (AutoencoderTransformer, {"loss": loss})
        for loss in NUMBER_LOSSES
        if loss != "squared"
    },
    **{f"VAE {name}": (VAETransformer, {"likelihood": name}) for name in LIKELIHOODS},
    "VAE mmd": (VAETransformer, {"divergence": "mmd"}),
    "VAE adversary": (VAETransformer, {"divergence": "adversary"}),
    "VAE free_bits": (VAETransformer, {"free_bits": 0.5}),
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
    "AE L1Activity": (AutoencoderTransformer, {"penalties": [L1Activity()]}),
    "AE KLSparsity": (AutoencoderTransformer, {"penalties": [KLSparsity()]}),
    "AE Contractive": (AutoencoderTransformer, {"penalties": [Contractive()]}),
    "AE Orthogonal": (AutoencoderTransformer, {"penalties": (Orthogonal(), Contractive())}),
}
# What can be searched, and two values of it.
SEARCHED = [
    ("AE GaussianNoise", "corruption__scale", [0.0, 0.5]),
    ("AE MaskingNoise", "corruption", [MaskingNoise(0.1), None]),
    ("AE Convolutional", "network__kernel_size", [1, 3]),
    ("VAE Recurrent", "network__cell", ["gru", "lstm"]),
    ("AE MLP", "loss", ["huber", "binary_cross_entropy"]),
    ("VAE gaussian", "likelihood", ["student_t", "bernoulli"]),
    ("VAE free_bits", "free_bits", [0.0, 2.0]),
    ("VAE mmd", "divergence", ["adversary", "kl"]),
    ("AE L1Activity", "penalties", [[L1Activity(0.1)], [L1Activity(1.0), Contractive()]]),
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
    ("network", Recurrent(5, 3), r"n_steps=5, n_features=3 .*5 x 3 = 15 .*X has 16"),
    ("network", Recurrent(16, cell="rnn"), r"'cell' parameter of Recurrent .*'rnn'"),
    ("network", Modules(*_pair(3)), r"encoder of network=Modules.*\(2, 3\).*\(n, 2\)"),
    ("network", _pair(2)[:1], r"tuple of 1; give a pair"),
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
    ("penalties", L1Activity(), r"'penalties' parameter of"),
    ("penalties", [L1Activity(), KLSparsity()], r"different kinds .*use one"),
    ("corruption", 0.5, r"'corruption' parameter of .*Corruption"),
]


@pytest.fixture
def rows(request):
    """16 columns that are, more or less, functions of two, in [0, 1], or counts."""
    params = getattr(request.node, "callspec", SimpleNamespace(params={})).params
    _, settings = FAMILY.get(params.get("name"), (None, {}))
    rng = np.random.default_rng(0)
    X = np.sin(rng.normal(size=(150, 2)) @ rng.normal(size=(2, 16))) / 2 + 0.5
    if LIKELIHOODS[settings.get("likelihood", "gaussian")].kind is COUNTS:
        X = np.round(10 * X)
    X.setflags(write=False)
    return X


def _make(name, **more):
    cls, params = FAMILY[name]
    return cls(2, **{"max_iter": 4, "random_state": 0, **clone_of(params), **more})


def clone_of(params):
    return {key: clone(value, safe=False) for key, value in params.items()}


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
    codes, back, scores = _outputs(_make(name).fit(rows), rows)
    assert codes.shape == (150, 2)
    assert back.shape == rows.shape
    assert scores.shape == (150,)
    assert all(np.isfinite(output).all() for output in (codes, back, scores))


def test_is_deterministic_and_leaves_global_generators_alone(name, rows):
    numpys = np.random.get_state()[1].copy()  # noqa: NPY002
    torchs = torch.get_rng_state()
    one, other = (_make(name).fit(rows) for _ in range(2))
    _assert_same(one, other, rows)
    _assert_same(one, one, rows)
    now = np.random.get_state()[1]  # noqa: NPY002
    np.testing.assert_array_equal(now, numpys)
    assert torch.equal(torch.get_rng_state(), torchs)


def test_clones_and_pickles(name, rows):
    fitted = _make(name).fit(rows)
    _assert_same(clone(fitted).fit(rows), fitted, rows)
    _assert_same(pickle.loads(pickle.dumps(fitted)), fitted, rows)


@pytest.mark.parametrize("name", [name for name in FAMILY if "Modules" not in name])
def test_missing_cells_are_filled_and_weights_count(name, rows):
    """A pair of one's own modules is made for as many columns as there are."""
    holed = np.where(np.random.default_rng(1).random(rows.shape) < 0.1, np.nan, rows)
    fitted = _make(name).fit(holed, sample_weight=np.arange(150) % 3)
    assert np.isfinite(fitted.impute(holed)).all()
    assert np.isfinite(fitted.sample(3, random_state=0)).all()
    contributions = fitted.explain(holed[:20]).to_numpy()
    assert (contributions >= 0).all()
    np.testing.assert_allclose(
        contributions.sum(1), fitted._errors(holed[:20]), rtol=1e-5, atol=1e-6
    )


def test_learns_from_a_stream_and_goes_on(name, rows):
    stream = _make(name)
    for chunk in np.split(rows, 3):
        stream.partial_fit(chunk)
    assert np.isfinite(stream.score_samples(rows)).all()
    resumed = _make(name, warm_start=True).fit(rows).fit(rows)
    assert np.isfinite(resumed.score_samples(rows)).all()


def test_fit_changes_no_setting(name, rows):
    estimator = _make(name)
    before = repr(estimator.get_params())
    assert repr(estimator.fit(rows).get_params()) == before


def test_float32_rows_of_any_number(name, rows):
    """One row beyond a batch is a batch; two rows are enough to fit."""
    _make(name, batch_size=16).fit(rows[:50].astype(np.float32))
    _make(name).fit(rows[:2])


@pytest.mark.parametrize(("name", "key", "values"), SEARCHED, ids=lambda value: str(value))
def test_is_searched(name, key, values, rows):
    eager = _make(name, max_iter=20, init="random")
    search = GridSearchCV(eager, {key: values}, cv=2).fit(rows)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert scores[0] != scores[1]


@pytest.mark.parametrize(("parameter", "value", "message"), BAD, ids=lambda v: str(v)[:40])
def test_out_of_bounds_is_an_error_before_training(parameter, value, message, rows):
    with pytest.raises(ValueError, match=message):
        AutoencoderTransformer(2, **{parameter: value}).fit(rows)


def test_images_are_numbers(rows):
    frame = (
        pd.DataFrame(rows[:, :3]).assign(c=["a", "b", "c"] * 50).set_axis([*"wxyz"], axis=1)
    )
    with pytest.raises(ValueError, match=r"Convolutional.*takes rows of numbers.*1 col"):
        AutoencoderTransformer(2, network=Convolutional((2, 2), 4, 1)).fit(frame)


@pytest.mark.parametrize(
    "parameter", [{"tied_weights": True}, {"pretraining": "layerwise"}]
)
def test_what_perceptrons_can_do_only(parameter, rows):
    estimator = AutoencoderTransformer(2, network=Recurrent(16), **parameter)
    with pytest.raises(ValueError, match=rf"{next(iter(parameter))}.* is for perceptrons"):
        estimator.fit(rows)


def test_all_networks_are_held_to_the_laws():
    held = {type(params.get("network")) for _, params in FAMILY.values()}
    assert set(Network.__subclasses__()) <= held


def test_all_penalties_are_held_to_the_laws():
    lists = [params.get("penalties", ()) for _, params in FAMILY.values()]
    held = {type(penalty).__name__ for penalties in lists for penalty in penalties}
    assert set(skae.penalties.__all__) - {"Penalty"} <= held


def test_all_noises_are_held_to_the_laws():
    held = {type(params.get("corruption")).__name__ for _, params in FAMILY.values()}
    assert set(skae.corruption.__all__) - {"Corruption"} <= held
