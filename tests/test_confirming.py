"""Other rows are held out in turn where the first ones leave open if the start is left."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning

from skae import AutoencoderTransformer, GaussianNoise
from skae.penalties import Orthogonal
from skae.table.rows import DenseRows, TrainingRows
from skae.training.confirming import Confirmation
from skae.training.early_stopping import N_ERRORS_CONFIRMED, EarlyStopping


def _bent(n, seed, noise=0.35):
    """A curve under noise."""
    rng = np.random.default_rng(seed)
    u = rng.uniform(-1.5, 1.5, (n, 2))
    curve = np.column_stack([u, u**2, np.sin(2 * u), u[:, 0] * u[:, 1]])
    return curve + noise * rng.normal(size=curve.shape)


class Judged:
    """An `EarlyStopping` of two epochs, whose net has a start that is the best of its kind."""

    judge, mean_fall = EarlyStopping.judge, EarlyStopping.mean_fall
    _is_robust = is_confirmed = False

    def __init__(self, falls_of_epochs, refit=False, n_epochs=2):
        model = SimpleNamespace(starts_at_optimum=True)
        self.net = SimpleNamespace(
            module_=model,
            history_=[1, 2],
            callbacks_=["heard"],
            best_epoch_=n_epochs,
            stop_reason_="epochs",
        )
        self.schedule = SimpleNamespace(refit=refit, folds_choose=True, n_epochs=30)
        self.rows = TrainingRows(DenseRows(torch.zeros(200, 1), None), None, 40)
        self.falls_of_epochs, self.n_epochs = falls_of_epochs, n_epochs
        self.judge(falls_of_epochs[n_epochs - 1] if n_epochs else None, None)


def _falls(mean, n=40):
    values = torch.linspace(-1.0, 1.0, n)
    return mean + values / values.std()


@pytest.fixture
def confirmed(monkeypatch):
    """What other rows make of a training, of whose epochs they have all the same falls."""

    def confirm(stopping, falls_of_epochs):
        def hold_out(self, fold):
            self.weights.append(None)
            falls = [falls_of_epochs[epoch - 1] for epoch in self.epochs]
            return list(map(_falls, falls))

        monkeypatch.setattr(Confirmation, "_hold_out", hold_out)
        confirmation = Confirmation(stopping.net, stopping)
        confirmation.run()
        return len(confirmation.weights) - 1

    return confirm


@pytest.mark.parametrize(
    ("own", "others", "n_asked", "is_clear"),
    [(0.2, 0.2, 4, True), (0.2, -0.3, 1, False), (0.9, 0.0, 0, True), (0.2, 1.0, 1, True)],
)
def test_others_are_asked_until_all_agree(own, others, n_asked, is_clear, confirmed):
    stopping = Judged([_falls(0.0), _falls(own)])
    assert confirmed(stopping, [0.0, others]) == n_asked
    assert (stopping.strength > N_ERRORS_CONFIRMED) == is_clear
    assert stopping.is_confirmed == bool(n_asked)
    assert stopping.n_epochs == 2


@pytest.mark.parametrize(
    ("own", "others", "n_epochs", "is_clear"),
    [
        ([0.5, 0.6], [0.9, 0.1], 1, True),
        ([0.6, 0.5], [0.1, 0.9], 2, True),
        ([-0.1, -0.2], [0.2, 0.9], 2, True),
        ([0.1, 0.6], [-0.9, -0.5], 2, False),
    ],
)
def test_all_rows_choose_the_epochs_that_a_refit_takes(
    own, others, n_epochs, is_clear, confirmed
):
    first = int(np.argmax(own)) + 1 if max(own) > 0 else 0
    stopping = Judged(list(map(_falls, own)), refit=True, n_epochs=first)
    assert confirmed(stopping, others) == 4
    assert stopping.n_epochs == n_epochs
    assert (stopping.strength > N_ERRORS_CONFIRMED) == is_clear


def test_all_rows_know_better_than_a_part_of_them_how_long_to_train():
    """Seeds hold out other rows: with all of these they agree on the number of epochs."""
    few = _bent(130, 0, noise=0.5)
    params = {"hidden_layer_sizes": (64,), "max_iter": 60}
    fits = [
        AutoencoderTransformer(2, refit=True, random_state=seed, **params).fit(few)
        for seed in range(6)
    ]
    of_all = [fit.best_iter_ for fit in fits]
    of_part = [np.argmin(fit.validation_loss_curve_) for fit in fits]
    assert np.std(of_all) < 0.7 * np.std(of_part)


def test_no_row_that_is_held_out_has_a_part_in_the_start():
    """PCA of all rows would be flattered by those that judge it, here by a third."""
    X = np.random.default_rng(0).normal(size=(60, 40))
    fit = AutoencoderTransformer(10, max_iter=1, random_state=0, scale=False).fit(X)
    n_valid = round(fit.validation_fraction_ * len(X))
    rows = np.arange(len(X))
    np.random.RandomState(0).shuffle(rows)
    train, held_out = X[rows[:-n_valid]], X[rows[-n_valid:]]
    pca = PCA(10).fit(train)
    error = np.square(pca.inverse_transform(pca.transform(held_out)) - held_out)
    assert fit.validation_loss_curve_[0] == pytest.approx(error.mean(), rel=0.05)
    pca = PCA(10).fit(X)
    error = np.square(pca.inverse_transform(pca.transform(X)) - X)
    assert fit.best_iter_ == 0
    own = np.square(fit.inverse_transform(fit.transform(X)) - X)
    assert own.mean() == pytest.approx(error.mean(), rel=1e-3)


def test_seeds_that_learn_little_do_no_harm():
    X = load_diabetes().data
    train, test = X[:300], X[300:]
    start = AutoencoderTransformer(3, max_iter=1, learning_rate_init=1e-30).fit(train)
    for seed in range(3):
        fit = AutoencoderTransformer(3, random_state=seed).fit(train)
        assert fit.score(test) > start.score(test) - 0.015


@pytest.fixture
def asked(monkeypatch):
    """The folds that have been asked."""
    folds, hold_out = [], Confirmation._hold_out

    def watched(self, fold):
        folds.append(fold)
        return hold_out(self, fold)

    monkeypatch.setattr(Confirmation, "_hold_out", watched)
    return folds


def test_nothing_is_left_of_the_trainings_that_only_judged(asked):
    for seed in range(3):
        fit = AutoencoderTransformer(2, max_iter=60, random_state=seed).fit(_bent(130, 0))
        start, stop = fit.net_.refit_span_
        assert len(fit.net_.history) == fit.n_iter_ + stop - start
        assert len(fit.validation_loss_curve_) == fit.n_iter_ + 1
        assert np.isfinite(fit.validation_loss_curve_).all()
        assert fit.net_.stop_reason_ in ("epochs", "no_change")
        assert [name for name, _ in fit.net_.callbacks_] == ["epoch_timer"]
    assert len(asked) >= 2


@pytest.mark.parametrize(
    ("params", "asks"),
    [
        ({}, True),
        ({"corruption": GaussianNoise(0.1)}, False),
        ({"penalties": Orthogonal()}, False),
    ],
)
def test_folds_choose_no_epochs_where_every_step_shows_other_rows(params, asks, asked):
    model = AutoencoderTransformer(2, max_iter=100, random_state=0, **params)
    model.fit(_bent(130, 0, noise=0.2))
    assert model.n_iter_refit_
    assert bool(asked) == asks


@pytest.mark.parametrize(("most", "n_epochs"), [(10, 1), (11, 2)])
def test_of_ten_epochs_none_are_chosen(most, n_epochs, confirmed):
    stopping = Judged([_falls(0.6), _falls(0.5)], refit=True, n_epochs=1)
    stopping.schedule.n_epochs = most
    confirmed(stopping, [0.1, 0.9])
    assert stopping.n_epochs == n_epochs


def test_who_interrupts_while_others_judge_keeps_the_first_training(monkeypatch):
    rows, n_epochs = _bent(130, 0, noise=0.05), []

    def interrupt(self, total, n_rows):
        n_epochs.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr("skae.training.confirming._Judging.end_epoch", interrupt)
    fit = AutoencoderTransformer(2, learning_rate_init=0.05, random_state=0)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        fit.fit(rows)
    assert len(n_epochs) == 1
    assert fit.best_iter_ == np.argmin(fit.validation_loss_curve_) > 0
    assert fit.n_iter_refit_ == 0
    start = AutoencoderTransformer(2, max_iter=1, learning_rate_init=1e-30).fit(rows)
    assert fit.score(rows) > start.score(rows) + 0.1


def test_where_nothing_is_to_be_learned_the_start_stays():
    rng = np.random.default_rng(0)
    for seed in range(6):
        fit = AutoencoderTransformer(2, max_iter=30, random_state=seed)
        assert fit.fit(rng.normal(size=(130, 5))).best_iter_ == 0


def test_rotated_rows_are_the_same_with_others_last():
    x, weights = torch.arange(7.0)[:, None], torch.arange(1.0, 8.0)
    observed = (torch.arange(7) % 2).to(torch.uint8)[:, None]
    rows = TrainingRows(DenseRows(x, observed), weights, 2)
    rotated = rows.rotated(2)
    assert rotated.source.x[:, 0].tolist() == [5, 6, 0, 1, 2, 3, 4]
    assert rotated.source.observed[:, 0].tolist() == [1, 0, 0, 1, 0, 1, 0]
    assert rotated.n_valid == 2
    assert rotated.train_weights.mean() == pytest.approx(1.0)
    order = [6.0, 7.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    np.testing.assert_allclose(
        rotated.weights / rotated.weights[0], np.array(order) / 6.0, rtol=1e-6
    )
