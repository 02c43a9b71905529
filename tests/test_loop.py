"""Epochs, batches, learning rates and weight decay."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from skae.training.schedule import linear_cycle, one_cycle

STEPS = {"max_iter": 6, "batch_size": 20, "random_state": 0}


def test_curves_have_an_entry_an_epoch(quick, X):
    fitted = quick(max_iter=5, n_iter_no_change=100).fit(X)
    assert fitted.n_iter_ == len(fitted.loss_curve_) == 5
    assert len(fitted.validation_loss_curve_) == 6


def test_training_takes_every_row_once_an_epoch(quick):
    X = np.random.default_rng(0).normal(size=(50, 3))
    batches = []

    class Watch(Callback):
        def on_batch_end(self, net, batch, **kwargs):
            batches.append(batch[0].clone().cpu())

    quick(early_stopping=False, batch_size=7, max_iter=2, callbacks=[Watch()]).fit(X)
    assert [len(batch) for batch in batches] == 2 * ([7] * 7 + [1])
    epochs = torch.cat(batches[:8]), torch.cat(batches[8:])
    expected = torch.from_numpy(StandardScaler().fit_transform(X)).float()
    for epoch in epochs:
        torch.testing.assert_close(epoch.sort(0).values, expected.sort(0).values)
    assert not torch.equal(*epochs)


@pytest.mark.parametrize("cycle", [one_cycle, linear_cycle])
def test_cycle_rises_to_one_and_falls(cycle):
    factors = np.array([cycle(step) for step in np.linspace(0, 1, 101)[:-1]])
    peak = factors.argmax()
    assert 5 <= peak <= 30
    assert factors[peak] == pytest.approx(1.0)
    assert (np.diff(factors[: peak + 1]) > 0).all()
    assert (np.diff(factors[peak:]) < 0).all()
    assert 0.0 < factors[-1] < factors[0] < 0.1


@pytest.mark.parametrize("learning_rate", ["one_cycle", "constant"])
def test_learning_rate_follows_its_schedule(quick, X, learning_rate):
    rates = []

    class Watch(Callback):
        def on_batch_end(self, net, **kwargs):
            rates.append(net.optimizer_.param_groups[0]["lr"])

    quick(
        **{**STEPS, "max_iter": 10, "n_iter_no_change": 10},
        learning_rate=learning_rate,
        learning_rate_init=0.003,
        callbacks=[Watch()],
    ).fit(X)
    assert max(rates) == pytest.approx(0.003)
    if learning_rate == "constant":
        assert min(rates) == pytest.approx(0.003)
    else:
        assert 0.0 < min(rates) < 0.003 * 0.03


def test_penalty_makes_corrections_smaller(quick, curved):
    def size(alpha):
        fitted = quick(alpha=alpha, max_iter=10, refit=False).fit(curved.train)
        weights = fitted.decoder_.state_dict().items()
        return sum(w.square().sum() for key, w in weights if "correction" in key)

    assert size(50.0) < 0.6 * size(0.0)


@pytest.mark.parametrize(("verbose", "n_lines"), [(0, 0), (1, 6), (True, 6)])
def test_verbose_prints_a_line_an_epoch(quick, X, capsys, verbose, n_lines):
    quick(max_iter=4, verbose=verbose, refit=False).fit(X)
    assert len(capsys.readouterr().out.splitlines()) == n_lines


@pytest.mark.filterwarnings("error")
def test_quiet_fit_has_no_warnings(quick_any, X):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", "The fit stays at its start")
        quick_any().fit(X).score_samples(X)
    assert not caught
