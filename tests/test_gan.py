import copy
import os
import pickle
import signal
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.exceptions import ConvergenceWarning

from skae import GANSampler
from skae.display import LossCurveDisplay
from skae.models.gan import Critic, Generator, SpectralLinear
from skae.models.gan_losses import LOSSES
from skae.table.encoder import TableEncoder
from skae.table.frame import Frame

QUICK = {"max_iter": 3, "batch_size": 32, "hidden_layer_sizes": (16,), "random_state": 0}
pytestmark = [
    pytest.mark.rounding,
    pytest.mark.filterwarnings("ignore:The generated rows are near"),
]


@pytest.fixture(autouse=True)
def ctrl_c_is_heard():
    """A shell starts jobs in the background deaf to Ctrl-C, and Python keeps to that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _quick(**params):
    return GANSampler(**{**QUICK, **params})


def _ring(n_rows, seed, deviation=0.02):
    """Eight Gaussians on a ring of radius 2."""
    rng = np.random.default_rng(seed)
    angles = 2 * np.pi * rng.integers(0, 8, n_rows) / 8
    centres = 2.0 * np.column_stack([np.cos(angles), np.sin(angles)])
    return centres + deviation * rng.normal(size=(n_rows, 2))


def _quality(rows, deviation=0.02):
    """Return the modes that have their part, and the share within 3 deviations of one."""
    angles = 2 * np.pi * np.arange(8) / 8
    centres = 2.0 * np.column_stack([np.cos(angles), np.sin(angles)])
    distances = np.linalg.norm(rows[:, None] - centres, axis=2)
    near = distances.min(axis=1) < 3 * deviation
    counts = np.bincount(distances.argmin(axis=1)[near], minlength=8)
    return int((counts > len(rows) / 80).sum()), float(near.mean())


@pytest.fixture(scope="module")
def mixed():
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    frame = pd.DataFrame(
        {
            "x": x,
            "square": np.where(rng.random(400) < 0.2, np.nan, x**2),
            "kind": pd.Categorical(np.where(x > 0.5, "high", "low")),
            "yes": x > 0,
            "count": rng.poisson(4, size=400),
            "day": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(rng.integers(0, 60, 400), unit="D"),
            "same": 7.5,
        }
    )
    return frame


# ---------------------------------------------------------------- what it is for


@pytest.fixture(scope="module")
def of_ring():
    """Fitted to eight Gaussians with the defaults, without a warning; tests leave it so."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        return GANSampler(random_state=0).fit(_ring(2000, 0))


def test_eight_gaussians(of_ring):
    """Seven of eight modes and 90% within three deviations, with the defaults."""
    gan = of_ring
    modes, near = _quality(gan.sample(5000, random_state=0))
    assert modes >= 7
    assert near >= 0.9
    assert gan.coverage_ > 0.6


def test_mixed_frame_comes_back_as_such(mixed):
    gan = GANSampler(random_state=0, max_iter=400).fit(mixed)
    rows = gan.sample(2000, random_state=0)
    assert list(rows.columns) == list(mixed.columns)
    assert rows.dtypes.to_dict() == mixed.dtypes.to_dict()
    assert not rows.isna().any().any()
    assert (rows["same"] == 7.5).all()
    # What hangs together in the table hangs together here.
    assert ((rows["x"] > 0) == rows["yes"]).mean() > 0.9
    assert ((rows["x"] > 0.5) == (rows["kind"] == "high")).mean() > 0.9
    assert np.corrcoef(rows["x"] ** 2, rows["square"])[0, 1] > 0.9
    assert rows["x"].std() == pytest.approx(mixed["x"].std(), rel=0.2)


def test_polars_frame_comes_back_as_such(mixed):
    frame = pl.from_pandas(mixed)
    rows = _quick().fit(frame).sample(5, random_state=0)
    assert isinstance(rows, pl.DataFrame)
    assert rows.schema == frame.schema


def test_sparse_rows():
    X = csr_matrix(np.random.default_rng(0).poisson(0.3, size=(60, 4)).astype(float))
    gan = _quick().fit(X)
    assert gan.sample(5, random_state=0).shape == (5, 4)
    np.testing.assert_array_equal(gan.score_samples(X), gan.score_samples(X.toarray()))


def test_weights_shift_what_is_generated():
    rng = np.random.default_rng(0)
    side = np.repeat([-3.0, 3.0], 300)
    X = (side + 0.1 * rng.normal(size=600))[:, None]
    weight = np.where(side > 0, 9.0, 1.0)
    gan = GANSampler(random_state=0, max_iter=60).fit(X, sample_weight=weight)
    assert 0.8 < (gan.sample(2000, random_state=0) > 0).mean() < 0.97


def test_row_of_weight_zero_is_left_out(X):
    weight = np.ones(len(X))
    weight[50:] = 0.0
    one = _quick().fit(X, sample_weight=weight)
    spoiled = X.copy()
    spoiled[50:] = 1e6
    other = _quick().fit(spoiled, sample_weight=weight)
    np.testing.assert_array_equal(
        one.sample(9, random_state=0), other.sample(9, random_state=0)
    )


def test_critic_prefers_the_table_to_noise(of_ring):
    rows, noise = _ring(500, 1), np.random.default_rng(1).uniform(-2, 2, size=(500, 2))
    assert of_ring.score_samples(rows).mean() > of_ring.score_samples(noise).mean() + 1


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_learn_a_shifted_cloud(loss):
    X = np.random.default_rng(0).normal(size=(500, 2)) @ [[1.0, 0.9], [0.0, 0.4]] + 5.0
    gan = GANSampler(
        loss=loss, n_classes=1, n_critic_steps=2, max_iter=150, random_state=0
    ).fit(X)
    rows = gan.sample(2000, random_state=0)
    np.testing.assert_allclose(rows.mean(axis=0), X.mean(axis=0), atol=0.3)
    spreads = rows.std(axis=0) / X.std(axis=0)
    assert (spreads > 0.6).all()
    assert (spreads < 1.5).all()
    assert np.corrcoef(rows.T)[0, 1] > 0.8  # 0.91 in the table


def test_rejection_raises_the_critics_opinion():
    """Without classes there are rows between the clusters, and much to reject."""
    gan = GANSampler(n_classes=1, random_state=0, max_iter=40).fit(_ring(1000, 0))
    passed = gan.score_samples(gan.sample(2000, random_state=0)).mean()
    gan.set_params(rejection=False)
    assert passed > gan.score_samples(gan.sample(2000, random_state=0)).mean() + 0.5


# ---------------------------------------------------------------- contract


def test_same_seed_same_bits(X):
    state = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    one, other = (_quick(spectral_norm=True).fit(X) for _ in range(2))
    np.testing.assert_array_equal(
        one.sample(9, random_state=1), other.sample(9, random_state=1)
    )
    np.testing.assert_array_equal(one.score_samples(X), other.score_samples(X))
    assert not np.array_equal(one.sample(9, random_state=1), one.sample(9, random_state=2))
    assert torch.equal(state[0], torch.get_rng_state())
    assert state[1] == np.random.get_state()[1].tolist()  # noqa: NPY002


@pytest.mark.parametrize("spectral_norm", [True, False])
def test_pickles(mixed, spectral_norm):
    gan = _quick(spectral_norm=spectral_norm).fit(mixed)
    again = pickle.loads(pickle.dumps(gan))
    np.testing.assert_array_equal(again.score_samples(mixed), gan.score_samples(mixed))
    pd.testing.assert_frame_equal(
        again.sample(5, random_state=0), gan.sample(5, random_state=0)
    )


def test_clone_and_get_params():
    gan = GANSampler(3, loss="wasserstein", gradient_penalty=2.0)
    assert clone(gan).get_params() == gan.get_params()


def test_batch_division_does_not_matter(X):
    gan = _quick().fit(X)
    parts = [gan.score_samples(X[start : start + 7]) for start in range(0, len(X), 7)]
    np.testing.assert_allclose(np.concatenate(parts), gan.score_samples(X), rtol=1e-10)


@pytest.mark.parametrize("n_rows", [2, 3, 33])
def test_few_rows(n_rows):
    X = np.random.default_rng(0).normal(size=(n_rows, 3))
    assert _quick().fit(X).sample(4, random_state=0).shape == (4, 3)


def test_progress_bar(X):
    pytest.importorskip("rich")
    assert _quick(max_iter=4).set_callbacks(ProgressBar()).fit(X).n_iter_ == 4


class _Watch:
    """A callback that stops the fit at its third epoch, having looked at the sampler."""

    def __init__(self):
        self.samples = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, **kwargs):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None, **kwargs):
        if context.task_name == "epoch" and fitted_estimator is not None:
            self.samples.append(fitted_estimator.sample(2, random_state=0))
        return len(self.samples) == 3


def test_callback_sees_a_fitted_sampler_and_may_stop(X):
    watch = _Watch()
    gan = _quick(max_iter=9)
    gan.set_callbacks(watch).fit(X)
    assert gan.n_iter_ == 3
    np.testing.assert_array_equal(watch.samples[-1], gan.sample(2, random_state=0))
    assert not np.array_equal(watch.samples[0], watch.samples[1])


def test_curves(X):
    gan = _quick().fit(X)
    assert len(gan.loss_curve_) == len(gan.critic_loss_curve_) == gan.n_iter_ == 3
    pytest.importorskip("matplotlib").use("Agg")
    display = LossCurveDisplay.from_estimator(gan)
    assert list(display.lines_) == ["generator", "critic"]


# ---------------------------------------------------------------- failures


def test_ctrl_c_leaves_a_sampler(X, monkeypatch):
    from skae.training.gan import AdversarialTraining

    play, epochs = AdversarialTraining.run_epoch, []

    def press(game):
        epochs.append(1)
        if len(epochs) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return play(game)

    monkeypatch.setattr(AdversarialTraining, "run_epoch", press)
    gan = _quick(max_iter=50)
    with pytest.warns(ConvergenceWarning, match="interrupted after 2 epochs"):
        gan.fit(X)
    assert np.isfinite(gan.sample(5, random_state=0)).all()
    assert np.isfinite(gan.score_samples(X)).all()


def test_divergence_warns_and_keeps_the_last_sound_state(X):
    gan = _quick(max_iter=30, learning_rate_init=1e30, critic_learning_rate_init=1e30)
    with pytest.warns(ConvergenceWarning, match=r"diverged in epoch .*Use smaller ones"):
        gan.fit(X)
    assert np.isfinite(gan.sample(5, random_state=0)).all()
    assert np.isfinite(gan.score_samples(X)).all()


def test_collapse_warns():
    """Without a step to speak of, everything is generated in one place."""
    gan = _quick(max_iter=1, n_classes=1, learning_rate_init=1e-9, rejection=False)
    with pytest.warns(ConvergenceWarning, match=r"coverage_.*collapsed.*larger max_iter"):
        gan.fit(_ring(300, 0))
    assert gan.coverage_ < 0.2


def test_game_without_reins_collapses_and_says_so():
    """Neither classes nor noise nor penalty: the generator finds a few modes."""
    gan = GANSampler(
        n_classes=1, instance_noise=0.0, gradient_penalty=0.0, max_iter=60, random_state=0
    )
    with pytest.warns(ConvergenceWarning, match=r"coverage_.*collapsed"):
        gan.fit(_ring(2000, 0))
    assert gan.coverage_ < 0.5
    assert _quality(gan.sample(5000, random_state=0), 0.1)[0] < 7


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"loss": "hinge"}, "'loss' parameter"),
        ({"gradient_penalty": -1.0}, "'gradient_penalty' parameter"),
        ({"averaging": 1.0}, "'averaging' parameter"),
        ({"hidden_layer_sizes": (8, 0)}, "hidden_layer_sizes=.* holds 0"),
        ({"device": "nowhere"}, "device='nowhere'"),
    ],
)
def test_bad_parameters_are_an_error(X, params, message):
    with pytest.raises(ValueError, match=message):
        _quick(**params).fit(X)


@pytest.mark.parametrize("n_samples", [0, -1, 2.5])
def test_bad_number_of_samples_is_an_error(X, n_samples):
    with pytest.raises(ValueError, match="n_samples="):
        _quick().fit(X).sample(n_samples)


# ---------------------------------------------------------------- players


@pytest.fixture(scope="module")
def players(mixed):

    frame = Frame.of(mixed)
    table = TableEncoder().fit(frame)
    design, seed = table.design_, torch.Generator().manual_seed(0)
    varies = torch.ones(design.numeric.width)
    centres = torch.from_numpy(table.encode(frame)[0][:4])
    settings = design, (8,), "relu", varies, seed
    generator = Generator(3, centres, torch.ones(4), *settings)
    critic = Critic(design.n_inputs, design.numeric.width, (8,), True, seed)
    return table, generator, critic, torch.from_numpy(table.encode(frame)[0])


def test_gradient_reaches_every_parameter(players):
    _, generator, critic, real = players
    draws = torch.Generator().manual_seed(1)
    rows = generator.show(generator(generator.draw(64, draws)), draws)
    assert rows.shape == (64, real.shape[1])
    (critic(rows).sum() + critic(real).sum()).backward()
    for name, value in [*generator.named_parameters(), *critic.named_parameters()]:
        assert value.grad is not None, name
        assert value.grad.abs().sum() > 0, name


def test_realised_rows_are_encoded_rows(players):
    """What the critic judges is what the table makes of the sampled frame."""
    table, generator, _, _ = players
    draws = torch.Generator().manual_seed(1)
    with torch.no_grad():
        output = generator(generator.draw(50, draws))
        rows, logits = generator.realise(output, draws)
    frame = table.decode(logits.numpy(), np.float64, rng=np.random.RandomState(0))

    again = table.encode(Frame.of(frame))[0]
    n_numbers = table.design_.numeric.width
    np.testing.assert_allclose(again[:, n_numbers:], rows[:, n_numbers:], atol=1e-6)


def test_spectral_layer_is_one_lipschitz():
    layer = SpectralLinear(6, 4, torch.Generator().manual_seed(0))
    with torch.no_grad():
        layer.weight.mul_(30.0)
        for _ in range(50):
            layer(torch.zeros(1, 6))
            size = torch.dot(layer.left, layer.weight @ _unit(layer.weight.T @ layer.left))
    expected = torch.linalg.matrix_norm(layer.weight, 2)
    assert size.item() == pytest.approx(expected.item(), rel=1e-3)
    layer.eval()
    before = copy.deepcopy(layer.state_dict())
    layer(torch.ones(1, 6))
    assert torch.equal(before["left"], layer.left)


def _unit(vector):
    return torch.nn.functional.normalize(vector, dim=0)


def test_wasserstein_penalty_is_zero_for_slope_one():
    generator = torch.Generator().manual_seed(0)
    real, fake = torch.randn(5, 3), torch.randn(5, 3)
    direction = _unit(torch.tensor([1.0, 2.0, 2.0]))
    loss = LOSSES["wasserstein"]
    steepness = loss.steepness(lambda x: x @ direction, real, fake, generator)
    assert steepness.abs().max() < 1e-6
    r1 = LOSSES["non_saturating"].steepness(lambda x: 2 * x @ direction, real, fake, None)
    torch.testing.assert_close(r1, torch.full((5,), 4.0))


def test_one_row_with_weight_is_too_few():
    X = np.random.default_rng(0).normal(size=(20, 2))
    with pytest.raises(ValueError, match="sample_weight leaves 1 row"):
        GANSampler(max_iter=1).fit(X, sample_weight=np.eye(20)[0])


@pytest.mark.filterwarnings("error")
@pytest.mark.filterwarnings("ignore:The generated rows are near")
def test_a_table_without_numbers_warns_of_nothing():
    frame = pd.DataFrame({"level": list("abab"), "flag": [True, False, False, True]})
    rows = GANSampler(max_iter=2, random_state=0).fit(frame).sample(5, random_state=0)
    assert set(rows["level"]) <= {"a", "b"}
