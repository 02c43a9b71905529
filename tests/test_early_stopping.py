"""When training ends, and which state is kept."""

import numpy as np
import torch
from skorch.callbacks import Callback


def test_best_held_out_state_is_kept(transformer, curved):
    """From epoch 8 on the weights are shaken: an earlier state is the best."""
    states = []

    class Shake(Callback):
        def on_epoch_end(self, net, **kwargs):
            states.append({k: v.clone() for k, v in net.module_.state_dict().items()})
            if len(states) >= 8:
                with torch.no_grad():
                    for parameter in net.module_.parameters():
                        parameter.mul_(1.5)

    fitted = transformer(2, max_iter=12, callbacks=[Shake()], random_state=0)
    fitted.fit(curved.train)
    best = int(np.argmin(fitted.validation_loss_curve_))
    assert 0 < best == fitted.best_iter_ < 12
    for key, value in fitted.net_.module_.state_dict().items():
        assert torch.equal(value, states[best - 1][key]), key


def test_stops_when_held_out_rows_no_longer_improve(transformer, X):
    """Isotropic noise: there is nothing to learn beyond the start."""
    noise = np.random.default_rng(0).normal(size=(300, 5))
    fitted = transformer(2, max_iter=200, n_iter_no_change=5, random_state=0).fit(noise)
    curve = np.array(fitted.validation_loss_curve_)
    assert fitted.n_iter_ < 100
    assert fitted.n_iter_ - int(np.argmin(curve)) <= 5
    assert fitted.net_.stop_reason_ == "no_change"


def test_tol_counts_small_gains_as_none(quick, curved):
    fitted = quick(max_iter=30, n_iter_no_change=3, tol=1e6).fit(curved.train)
    assert fitted.n_iter_ == 3


def test_without_early_stopping_all_epochs_run_on_all_rows(quick, X):
    fitted = quick(early_stopping=False, max_iter=7, n_iter_no_change=1).fit(X)
    assert fitted.n_iter_ == fitted.best_iter_ == 7
    assert not hasattr(fitted, "validation_loss_curve_")


def test_early_stopping_off_after_on_leaves_no_old_curve(quick, X):
    fitted = quick().fit(X).set_params(early_stopping=False).fit(X)
    assert not hasattr(fitted, "validation_loss_curve_")


def test_validation_fraction_is_held_out(quick, X):
    seen = []

    class Watch(Callback):
        def on_epoch_begin(self, net, dataset_train, dataset_valid, **kwargs):
            seen.append((len(dataset_train), len(dataset_valid)))

    quick(validation_fraction=0.25, callbacks=[Watch()]).fit(X)
    assert set(seen) == {(90, 30)}
