"""Autoencoders whose codes, of all rows together, are matched with the prior."""

import pickle

import numpy as np
import pytest
import torch
from skae.models.aggregate import AggregateAutoencoder

from skae import AdversarialAutoencoderTransformer, VAETransformer
from skae.metrics import reconstruction_r2
from skae.models.discrepancy import RecentCodes, prior_level, prior_mmd

pytestmark = pytest.mark.rounding

DIVERGENCES = ["mmd", "adversary"]


def _discrepancy(codes):
    return float(prior_mmd(torch.from_numpy(np.asarray(codes, dtype=np.float64))))


def _quick(divergence="adversary", **params):
    params = {"max_iter": 4, "random_state": 0, **params}
    return VAETransformer(2, divergence=divergence, **params)


def _normal(n_rows, n_dimensions, seed):
    draws = torch.Generator().manual_seed(seed)
    return torch.randn(n_rows, n_dimensions, generator=draws, dtype=torch.float64)


# ---------------------------------------------------------------- what it is for


@pytest.mark.parametrize(("divergence", "warmup"), [("mmd", 0.1), ("adversary", 0.6)])
def test_codes_are_not_told_from_the_prior(curved, divergence, warmup):
    """Those of the evidence lower bound are; and the rows are restored.

    Fresh rows differ from the prior by what the few rows of the fit do, besides.
    """
    vae = VAETransformer(
        2, divergence=divergence, kl_warmup=warmup, max_iter=80, random_state=0
    ).fit(curved.train)
    usual = VAETransformer(2, max_iter=20, random_state=0).fit(curved.train)
    found, others = (
        [_discrepancy(model.transform(rows)) for rows in (curved.train, curved.test)]
        for model in (vae, usual)
    )
    level = prior_level(len(curved.test), 2)
    assert found[0] < level < others[0]
    assert found[1] < 0.5 * others[1]
    assert reconstruction_r2(vae, curved.test) > 0.85


def test_samples_lie_on_the_surface(curved):
    """Draws of the prior decode to rows like the table's: u, v, u^2, v^2, u v, sin 2u."""
    vae = VAETransformer(2, divergence="mmd", max_iter=80, random_state=0)
    rows = vae.fit(curved.train).sample(1000, random_state=0)
    assert np.abs(rows[:, 2] - rows[:, 0] ** 2).mean() < 0.25
    np.testing.assert_allclose(rows.std(axis=0), curved.train.std(axis=0), rtol=0.25)


@pytest.mark.parametrize("make", [AdversarialAutoencoderTransformer, VAETransformer])
def test_weights_say_whose_codes_are_matched(make):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 4)) * [1.0, 1.0, 0.1, 0.1]
    X[:300, :2] += 3.0
    weight = np.where(np.arange(600) < 300, 9.0, 1.0)
    more = {"divergence": "mmd"} if make is VAETransformer else {}
    model = make(2, max_iter=40, random_state=0, **more).fit(X, sample_weight=weight)
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
    vae.partial_fit(X[:1])
    assert np.isfinite(vae.score_samples(X)).all()
    vae = _quick(divergence, early_stopping=False).fit(X)
    assert vae.best_iter_ == vae.n_iter_


def test_without_weight_nothing_is_matched(X):
    one, other = (_quick(kind, beta=0.0).fit(X) for kind in ("mmd", "kl"))
    np.testing.assert_allclose(one.transform(X), other.transform(X), atol=1e-4)


def test_unknown_divergence_is_an_error(X):
    with pytest.raises(ValueError, match=r"'divergence' parameter .*adversary"):
        _quick("hinge").fit(X)


# ---------------------------------------------------------------- parts


def test_each_loss_moves_its_own_player():
    draws = torch.Generator().manual_seed(0)
    network = AggregateAutoencoder(
        5, 5, 5, 2, (8,), "tanh", 0.0, 5.0, generator=draws, min_noise_variance=1e-4,
        adversary=True,
    ).train()  # fmt: skip
    x = torch.randn(20, 5, generator=draws)
    network.generator = network.game.generator = draws
    *_, of_encoder, of_critic = network(x)
    for name, loss in {"encoder": of_encoder, "game.critic": of_critic}.items():
        network.zero_grad()
        loss.sum().backward(retain_graph=True)
        for key, value in network.named_parameters():
            moved = value.grad is not None and bool(value.grad.abs().sum() > 0)
            assert moved == key.startswith(name), key
    assert len(network.eval()(x)) == 4


@pytest.mark.parametrize("weighted", [False, True])
def test_pull_has_the_gradient_of_the_discrepancy(weighted):
    codes = _normal(30, 3, 0).requires_grad_()
    weights = torch.linspace(0.1, 1.9, 30, dtype=torch.float64) if weighted else None
    share = torch.ones(30) if weights is None else weights
    (share * RecentCodes()(codes, weights)).mean().backward()
    pull, codes.grad = codes.grad, None
    prior_mmd(codes, weights).backward()
    torch.testing.assert_close(pull, codes.grad)


def test_recent_codes_steady_the_pull():
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
