"""What keeps the codes near the prior: the KL divergence, MMD, an adversary, or your own."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from torch.distributions import Normal, kl_divergence

from skae import KL, MMD, AdversarialAutoencoderTransformer, Adversary, VAETransformer
from skae.divergences import DIVERGENCES, Divergence, Unit, gaussian_kl
from skae.metrics import reconstruction_r2
from skae.models.discrepancy import RecentCodes, prior_level, prior_mmd

pytestmark = pytest.mark.rounding


def _discrepancy(codes):
    return float(prior_mmd(torch.from_numpy(np.asarray(codes, dtype=np.float64))))


def _quick(divergence="adversary", **params):
    params = {"max_iter": 4, "refit": False, "random_state": 0, **params}
    return VAETransformer(2, sampler="codes", divergence=divergence, **params)


def _normal(n_rows, n_dimensions, seed):
    draws = torch.Generator().manual_seed(seed)
    return torch.randn(n_rows, n_dimensions, generator=draws, dtype=torch.float64)


# ---------------------------------------------------------------- what it is for


@pytest.fixture(scope="module")
def on_curve(curved):
    """A fit, for tests that leave it as it is."""

    return _quick(MMD(), max_iter=80).fit(curved.train)


def _skewed(n_rows, seed):
    """Four columns of two exponential factors, which no linear code makes normal."""
    rng = np.random.default_rng(seed)
    z = rng.exponential(size=(n_rows, 2))
    sums = np.column_stack([z, z[:, 0] + z[:, 1], z[:, 0] - z[:, 1]])
    return sums + 0.1 * rng.normal(size=sums.shape)


@pytest.fixture(scope="module")
def skewed():
    """Rows to fit to, others, and the discrepancies of both by the evidence lower bound."""
    tables = _skewed(400, 0), _skewed(600, 1)
    usual = _quick("kl", max_iter=10).fit(tables[0])
    return *tables, [_discrepancy(usual.transform(rows)) for rows in tables]


@pytest.mark.parametrize(
    ("divergence", "max_iter"), [(MMD(), 40), (Adversary(warmup=0.6), 40)]
)
def test_codes_are_far_nearer_to_the_prior(skewed, divergence, max_iter):
    """Than those of the evidence lower bound, which are told from it; rows are restored."""
    train, test, others = skewed
    vae = _quick(divergence, max_iter=max_iter, refit=True).fit(train)
    assert min(others) > 5 * prior_level(len(train), 2)
    assert _discrepancy(vae.transform(train)) < 0.3 * others[0]
    assert _discrepancy(vae.transform(test)) < 0.3 * others[1]
    assert reconstruction_r2(vae, test) > 0.98


def test_wasserstein_codes_have_the_distribution_of_the_prior(curved, on_curve):
    codes = on_curve.transform(curved.test)
    np.testing.assert_allclose(codes.mean(0), 0.0, atol=0.2)
    np.testing.assert_allclose(codes.std(0), 1.0, atol=0.25)


def test_samples_lie_on_the_surface(curved, on_curve):
    """Draws of the prior decode to rows like the table's: u, v, u^2, v^2, u v, sin 2u."""
    rows = on_curve.sample(1000, random_state=0)
    assert np.abs(rows[:, 2] - rows[:, 0] ** 2).mean() < 0.25
    np.testing.assert_allclose(rows.std(axis=0), curved.train.std(axis=0), rtol=0.25)


@pytest.mark.parametrize("make", [AdversarialAutoencoderTransformer, VAETransformer])
def test_weights_say_whose_codes_are_matched(make):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 4)) * [1.0, 1.0, 0.1, 0.1]
    X[:300, :2] += 3.0
    weight = np.where(np.arange(600) < 300, 9.0, 1.0)
    more = {}
    if make is VAETransformer:
        more = {"divergence": "mmd", "sampler": "codes"}
    model = make(2, max_iter=40, refit=False, random_state=0, **more)
    model.fit(X, sample_weight=weight)
    codes = model.transform(X)
    mean = np.abs(np.average(codes, axis=0, weights=weight)).max()
    assert mean < 0.2
    assert np.abs(codes.mean(axis=0)).max() > 2 * mean


# ---------------------------------------------------------------- contract


def test_same_seed_same_bits_and_pickles(X):
    state = torch.get_rng_state()
    one, other = (_quick().fit(X) for _ in range(2))
    np.testing.assert_array_equal(one.transform(X), other.transform(X))
    again = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(again.score_samples(X), one.score_samples(X))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_streams_without_held_out_rows(X, divergence):
    vae = _quick(divergence)
    for start in (0, 60):
        vae.partial_fit(X[start : start + 60])
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        vae.partial_fit(X[:1])
    assert np.isfinite(vae.score_samples(X)).all()
    vae = _quick(divergence, early_stopping=False).fit(X)
    assert vae.best_iter_ == vae.n_iter_


def test_without_weight_nothing_is_matched(X):
    one, other = (_quick(kind, beta=0.0).fit(X) for kind in ("mmd", "kl"))
    np.testing.assert_allclose(one.transform(X), other.transform(X), atol=1e-4)


# ---------------------------------------------------------------- as objects


@pytest.mark.parametrize("name", DIVERGENCES)
def test_a_name_stands_for_the_object_with_its_defaults(X, name):
    one, other = (_quick(given).fit(X) for given in (name, DIVERGENCES[name]()))
    np.testing.assert_array_equal(one.transform(X), other.transform(X))
    np.testing.assert_array_equal(one.score_samples(X), other.score_samples(X))
    assert one.loss_curve_ == other.loss_curve_


@pytest.mark.parametrize(
    ("divergence", "setting", "value"),
    [
        (KL(), "free_bits", 1.0),
        (KL(), "warmup", 1.0),
        (MMD(), "warmup", 1.0),
        (Adversary(), "warmup", 1.0),
        (Adversary(), "gradient_penalty", 10.0),
        (Adversary(), "hidden_layer_sizes", (4,)),
    ],
)
def test_every_setting_changes_the_training(X, divergence, setting, value):
    vae = _quick(clone(divergence))
    before = vae.fit(X).loss_curve_
    after = vae.set_params(**{f"divergence__{setting}": value}).fit(X).loss_curve_
    assert np.abs(np.subtract(after, before)).max() > 1e-3


def test_settings_are_searched(curved):
    grid = {"divergence__warmup": [0.0, 1.0]}
    search = GridSearchCV(_quick(KL(), init="random"), grid, cv=2).fit(curved.train)
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] != scores[1]
    assert search.best_estimator_.divergence.warmup == search.best_params_.popitem()[1]


def test_fit_leaves_the_object_as_it_was(X):
    divergence = Adversary((4,), warmup=0.5)
    before = dict(vars(divergence))
    vae = _quick(divergence).fit(X)
    assert vae.divergence is divergence
    assert vars(divergence) == before


class Wasserstein(Divergence):
    """The squared 2-Wasserstein distance between posterior and prior."""

    def per_row(self, mean, log_variance):
        return (mean**2 + (torch.exp(0.5 * log_variance) - 1) ** 2).sum(dim=-1)


@pytest.mark.filterwarnings("ignore:.*latent dimensions have collapsed")
def test_your_own_divergence_holds_the_codes_to_the_prior(curved):
    """As the docstring has it: the heavier it weighs, the nearer they come."""

    def fit(beta):
        return _quick(Wasserstein(), beta=beta, max_iter=20).fit(curved.train)

    near, far = fit(100.0), fit(0.1)
    codes = near.transform(curved.test)
    assert np.square(codes).sum(1).mean() < (
        0.5 * np.square(far.transform(curved.test)).sum(1).mean()
    )
    short = clone(near).set_params(max_iter=2).fit(curved.train)
    again = pickle.loads(pickle.dumps(clone(short).fit(curved.train)))
    np.testing.assert_array_equal(
        again.transform(curved.test), short.transform(curved.test)
    )


def test_held_out_rows_are_judged_by_your_own_divergence(X):
    """All of it, whatever the warm-up; with KL's formula the curves are KL's."""

    class Same(Divergence):
        def per_row(self, mean, log_variance):
            return gaussian_kl(mean, log_variance)

    one, other = (_quick(divergence).fit(X) for divergence in (Same(), KL()))
    assert one.validation_loss_curve_ == other.validation_loss_curve_
    assert one.loss_curve_ == other.loss_curve_


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ("kl", {"divergence": "mmd"}),
        (KL(), {"divergence": Wasserstein()}),
        (Adversary((8,)), {"divergence__hidden_layer_sizes": (4,)}),
    ],
)
def test_training_goes_on_with_the_same_divergence_only(X, before, change):
    vae = _quick(before, warm_start=True).fit(X).set_params(**change)
    with pytest.raises(
        ValueError, match=r"has divergence=.*, but divergence=.*set it back"
    ):
        vae.fit(X)


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ("kl", {"divergence": KL(free_bits=1.0)}),
        (KL(), {"divergence__free_bits": 1.0}),
        (MMD(), {"divergence": "mmd"}),
        (Adversary([128, 128]), {"divergence": "adversary"}),
    ],
)
def test_training_goes_on_with_other_settings(X, before, change):
    vae = _quick(before, warm_start=True).fit(X).set_params(**change)
    assert np.isfinite(vae.fit(X).score_samples(X)).all()


# --------------------------------------------------------- formulas


def test_gaussian_kl_is_the_divergence_to_the_standard_normal():
    draws = torch.Generator().manual_seed(0)
    mean, log_variance = torch.randn(2, 7, 3, generator=draws)
    posterior = Normal(mean, (0.5 * log_variance).exp())
    expected = kl_divergence(posterior, Normal(0.0, 1.0)).sum(-1)
    torch.testing.assert_close(gaussian_kl(mean, log_variance), expected)
    assert gaussian_kl(torch.zeros(1, 3), torch.zeros(1, 3)).item() == 0.0


def test_free_bits_are_nats_per_dimension():
    """A dimension costs its mean divergence over the rows, or what is free, if that is more."""
    mean = torch.tensor([[2.0, 0.0], [0.0, 0.0]])  # mean divergences of 1 and 0
    kl, zeros = KL(free_bits=0.4), torch.zeros(2, 2)
    assert kl.in_training(mean, zeros).item() == pytest.approx(1.0 + 0.4)
    assert kl.per_row(mean, zeros).tolist() == [2.0, 0.0]


# ---------------------------------------------------------------- parts


def test_each_loss_moves_its_own_player():
    """The critic's verdict moves the encoder alone, its own loss the critic alone."""
    draws = torch.Generator().manual_seed(0)
    term = Adversary((8,)).build(2, Unit.nats(5), draws)
    term.generator = draws
    codes = torch.randn(20, 2, generator=draws).requires_grad_()
    of_encoder, of_critic = term.compete(codes)
    for loss, moves_codes in ((of_encoder, True), (of_critic, False)):
        codes.grad = None
        term.zero_grad()
        loss.sum().backward(retain_graph=True)
        assert (codes.grad is not None) == moves_codes
        for key, value in term.critic.named_parameters():
            assert (value.grad is None) == moves_codes, key


@pytest.mark.parametrize("divergence", [MMD(), Adversary((8,))])
def test_held_out_rows_cost_nothing_by_themselves(divergence):
    term = divergence.build(2, Unit.nats(5), torch.Generator().manual_seed(0)).eval()
    losses, state = torch.ones(7), torch.get_rng_state()
    codes = torch.ones(7, 2)
    assert torch.equal(term.add_to(losses, codes, codes, 1.0, None), losses)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("weighted", [False, True])
def test_surrogate_has_the_gradient_of_the_discrepancy(weighted):
    codes = _normal(30, 3, 0).requires_grad_()
    weights = torch.linspace(0.1, 1.9, 30, dtype=torch.float64) if weighted else None
    share = torch.ones(30) if weights is None else weights
    (share * RecentCodes()(codes, weights)).mean().backward()
    pull, codes.grad = codes.grad, None
    prior_mmd(codes, weights).backward()
    torch.testing.assert_close(pull, codes.grad)


def test_recent_codes_steady_the_surrogate():
    """What a batch says of the next is chance; with those before it less so."""

    def spread(pull):
        probe = torch.zeros(1, 2, dtype=torch.float64)
        found = []
        for seed in range(40):
            codes = torch.cat([probe, _normal(31, 2, seed)])
            found.append(pull(codes)[0] if pull else RecentCodes()(codes)[0])
        return torch.stack(found[20:]).std()

    assert spread(RecentCodes()) < 0.5 * spread(None)


def test_discrepancy_counts_weights_as_copies():
    codes = _normal(40, 2, 0)
    weights = torch.zeros(40, dtype=torch.float64)
    weights[:25] = 3.0
    torch.testing.assert_close(prior_mmd(codes, weights), prior_mmd(codes[:25]))
