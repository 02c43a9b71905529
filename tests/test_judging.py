"""What the held-out rows of a variational autoencoder judge its states by."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.model_selection import train_test_split

from skae import KL, MaskingNoise, VAETransformer
from skae.metrics import reconstruction_r2
from skae.models.judging import judged_by_scores

QUICK = {
    "hidden_layer_sizes": (32,),
    "sampler": "codes",
    "prior": "normal",
    "match_marginals": False,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def halves():
    X = load_breast_cancer().data
    return train_test_split(X, test_size=0.5, random_state=0)


@pytest.fixture
def judgements(monkeypatch):
    """How often held-out rows judged by their scores."""
    calls = []

    def noted(*args):
        calls.append(len(args))
        return judged_by_scores(*args)

    monkeypatch.setattr("skae.vae.judged_by_scores", noted)
    return calls


@pytest.mark.parametrize("likelihood", ["auto", "gaussian", "student_t"])
def test_rows_are_judged_as_they_will_be_scored(halves, likelihood):
    train, test = halves
    vae = VAETransformer(3, max_iter=60, refit=False, likelihood=likelihood, **QUICK)
    vae.fit(train)
    model = vae.net_.module_
    x, learned = (vae.to_design(rows) for rows in (test, train))
    scores = vae.score_samples(test) - np.sum(model.log_jacobian)
    model.tails = None  # as in training
    judged = judged_by_scores(model, [(learned, None)], None, [(x, None)]).numpy()
    # Few draws, and tails that were found in haste, are all that is between the two; normal
    # noise in place of tails is 2.5 to 3 nats from them.
    assert vae.likelihood_ == ("student_t" if likelihood == "auto" else likelihood)
    assert np.median(np.abs(-judged - scores)) < 1.0


def test_small_table_leaves_its_start():
    # By the evidence lower bound of some twelve held-out rows all seeds stay at PCA.
    train, test = train_test_split(load_wine().data, test_size=1 / 3, random_state=1)
    still = VAETransformer(4, max_iter=1, learning_rate_init=1e-30, sampler="codes")
    start = reconstruction_r2(still.set_params(early_stopping=False).fit(train), test)
    fits = [
        VAETransformer(4, sampler="codes", random_state=seed).fit(train)
        for seed in range(3)
    ]
    assert all(vae.best_iter_ > 0 for vae in fits)
    assert np.mean([reconstruction_r2(vae, test) for vae in fits]) > start + 0.015


@pytest.mark.parametrize(
    "trained_otherwise",
    [
        {"beta": 2.0},
        {"divergence": "mmd"},
        {"corruption": MaskingNoise(0.2)},
        {"column_weight": [2.0] + [1.0] * 29},
    ],
    ids=lambda params: next(iter(params)),
)
def test_what_is_trained_otherwise_is_judged_by_its_loss(
    halves, judgements, trained_otherwise
):
    VAETransformer(2, max_iter=2, **trained_otherwise, **QUICK).fit(halves[0])
    assert not judgements
    VAETransformer(2, max_iter=2, divergence=KL(free_bits=0.1), **QUICK).fit(halves[0])
    assert judgements


def test_missing_cells_and_weights_are_judged(halves, judgements):
    rng = np.random.default_rng(0)
    train = np.where(rng.random(halves[0].shape) < 0.1, np.nan, halves[0])
    vae = VAETransformer(2, max_iter=4, **QUICK)
    vae.fit(train, sample_weight=rng.integers(0, 3, len(train)))
    assert judgements
    assert np.isfinite(vae.score_samples(train)).all()


def test_curve_of_held_out_rows_is_of_the_loss_that_is_trained(halves):
    """The two curves are of one quantity: neither of draws nor of tails."""
    vae = VAETransformer(3, max_iter=5, refit=False, **QUICK).fit(halves[0])
    gap = np.array(vae.validation_loss_curve_[1:]) - np.array(vae.loss_curve_)
    assert np.abs(gap).max() < 0.5 * np.abs(vae.loss_curve_).max()
