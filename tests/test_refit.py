"""Training once more on all rows, for the steps that held-out rows have chosen."""

import signal

import numpy as np
import pytest
import torch
from arrays import pca_score
from registry import make, without_columns
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback, Checkpoint

from skae import AutoencoderTransformer, VAETransformer
from skae.metrics import reconstruction_r2

FEW = {"max_iter": 30, "random_state": 0}
FEWER = {"max_iter": 8, "random_state": 0}


@pytest.fixture(scope="module")
def few(curved):
    """So few rows that those which are held out are missed."""
    return curved.train[:60]


class Epochs(Callback):
    """Keeps of every epoch how many rows are trained on and held out, and its weights."""

    def __init__(self, act=lambda n_epochs: None):
        self.act, self.sizes, self.states = act, [], []

    def on_epoch_begin(self, net, dataset_train, dataset_valid, **kwargs):
        self.sizes.append((len(dataset_train), len(dataset_valid or ())))

    def on_epoch_end(self, net, **kwargs):
        weights = net.module_.named_parameters()
        self.states.append({name: weight.detach().clone() for name, weight in weights})
        self.act(len(net.history))

    def assert_kept(self, fitted):
        """Check that an estimator has the state of its best epoch, noise apart."""
        module = fitted.net_.module_
        for name, weight in self.states[fitted.best_iter_ - 1].items():
            kept = torch.equal(module.get_parameter(name), weight)
            assert kept or "log_noise" in name, name


def test_rows_that_were_held_out_are_learned(curved, few):
    scores = []
    for seed in range(3):
        params = {"max_iter": 60, "random_state": seed}
        without, refitted = (
            AutoencoderTransformer(2, refit=refit, **params).fit(few)
            for refit in (False, True)
        )
        assert reconstruction_r2(refitted, few) > reconstruction_r2(without, few) + 0.01
        scores.append((without.score(curved.test), refitted.score(curved.test)))
    without, refitted = np.mean(scores, axis=0)
    assert refitted > without + 0.02


def test_the_start_of_what_only_chooses_has_not_seen_the_held_out_rows(transformer, curved):
    with_refit, without = (
        without_columns(transformer, 2, refit=refit, **FEWER).fit(curved.train[:300])
        for refit in (True, False)
    )
    # What only chooses starts at PCA of its own rows: its start is worse on the held-out ones.
    start, alone = with_refit.validation_loss_curve_[0], without.validation_loss_curve_[0]
    assert alone < start < alone + 0.3 * abs(alone)
    assert with_refit.best_iter_ > 0 == without.n_iter_refit_
    assert with_refit.n_iter_refit_ > 0


def test_as_many_steps_are_taken_as_were_chosen(curved):
    """600 rows, 100 of them held out: 16 steps an epoch of 500, 19 of 600."""
    epochs = Epochs()
    fitted = AutoencoderTransformer(2, refit=True, callbacks=[epochs], batch_size=32, **FEW)
    fitted.fit(curved.train)
    n_steps = 16 * fitted.best_iter_
    assert fitted.n_iter_refit_ == int(np.ceil(n_steps / 19))
    assert epochs.sizes == [(500, 100)] * fitted.n_iter_ + [(600, 0)] * fitted.n_iter_refit_
    steps = fitted.net_.optimizer_.state_dict()["state"][0]["step"]
    assert int(steps) == n_steps


def test_the_refit_is_a_fit_without_held_out_rows_that_ends_as_early(curved):
    """500 rows of 600 are trained on at first, in 10 steps an epoch, then all in 12."""
    params = {"learning_rate": "constant", "learning_rate_init": 5e-4, "batch_size": 50}
    fitted = AutoencoderTransformer(2, refit=True, max_iter=12, random_state=0, **params)
    fitted.fit(curved.train)
    alone = AutoencoderTransformer(2, early_stopping=False, max_iter=10, **params)
    alone.set_params(random_state=0).fit(curved.train)
    assert (fitted.best_iter_, fitted.n_iter_refit_) == (12, 10)
    assert fitted.score(curved.test) == pytest.approx(alone.score(curved.test), rel=1e-4)


@pytest.mark.parametrize(
    ("params", "n_rows", "is_refitted"),
    [
        ({}, 600, True),
        ({}, 1000, False),
        ({"refit": True}, 1000, True),
        ({"refit": False}, 600, False),
        ({"callbacks": [Epochs()]}, 600, False),
        ({"early_stopping": False}, 600, False),
    ],
)
def test_small_tables_are_refitted(curved, params, n_rows, is_refitted):
    X = np.vstack([curved.train, curved.test])[:n_rows]
    fitted = AutoencoderTransformer(2, **FEW, **params).fit(X)
    assert bool(fitted.n_iter_refit_) == is_refitted


def test_rows_of_ones_own_are_held_out_for_good(curved):
    fitted = AutoencoderTransformer(2, refit=True, **FEWER)
    assert fitted.fit(curved.train, X_val=curved.test).n_iter_refit_ == 0


def test_what_stays_at_pca_is_not_refitted(ppca):
    rows = ppca.train[:300]
    fitted = AutoencoderTransformer(2, refit=True, max_iter=10, random_state=0).fit(rows)
    assert fitted.best_iter_ == fitted.n_iter_refit_ == 0
    expected = pca_score(rows, ppca.test, 2)
    assert fitted.score(ppca.test) == pytest.approx(expected, abs=1e-4)


class Spoil(Epochs):
    """Makes the weights useless from the first epoch of all rows on."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def on_epoch_end(self, net, **kwargs):
        super().on_epoch_end(net)
        if self.sizes[-1][1] == 0:
            with torch.no_grad():
                for parameter in net.module_.parameters():
                    parameter.fill_(self.value)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [torch.nan, 10.0])
def test_refit_that_is_worse_is_not_kept(transformer, curved, value):
    spoil = Spoil(value)
    spoilt = without_columns(transformer, 2, refit=True, callbacks=[spoil], **FEW)
    spoilt.fit(curved.train[:300])
    assert len(spoil.sizes) > spoilt.n_iter_
    assert spoilt.n_iter_refit_ == 0 < spoilt.best_iter_
    curve = spoilt.validation_loss_curve_
    assert len(curve) == spoilt.n_iter_ + 1
    spoil.assert_kept(spoilt)


def test_refit_need_not_beat_what_it_replaces(curved):
    """That may know fewer rows by heart, or have taken larger batches, as here: 500, and 100."""
    params = {"learning_rate": "constant", "learning_rate_init": 0.002, "batch_size": 600}
    fitted = AutoencoderTransformer(2, refit=True, random_state=0, max_iter=30, **params)
    assert fitted.fit(curved.train).n_iter_refit_ == 15
    start = fitted.validation_loss_curve_[0]
    assert -fitted.score(curved.test) < 0.7 * start


class Frozen(Callback):
    """Freezes the encoder before the first start, and keeps what of it was learned."""

    learned = ()

    def on_train_begin(self, net, **kwargs):
        net.module_.encoder.requires_grad_(False)

    def on_epoch_end(self, net, **kwargs):
        weights = net.module_.encoder.named_parameters()
        self.learned = {*self.learned, *(name for name, w in weights if w.requires_grad)}


def test_what_a_callback_has_frozen_stays_so_at_every_start(curved):
    frozen = Frozen()
    params = {"hidden_layer_sizes": (), "refit": True, "callbacks": [frozen]}
    AutoencoderTransformer(2, **params, **FEWER).fit(curved.train[:300])
    assert not frozen.learned


def _ask_to_stop():
    raise KeyboardInterrupt


@pytest.mark.parametrize("by_ctrl_c", [True, False])
def test_refit_that_is_interrupted_leaves_the_chosen_state(curved, by_ctrl_c):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    stop = (lambda: signal.raise_signal(signal.SIGINT)) if by_ctrl_c else _ask_to_stop
    epochs = Epochs(
        lambda n: stop() if [n for _, n in epochs.sizes].count(0) == 3 else None
    )
    fitted = AutoencoderTransformer(2, refit=True, callbacks=[epochs], **FEW)
    if by_ctrl_c:
        with pytest.warns(ConvergenceWarning, match="interrupted"):
            fitted.fit(curved.train[:300])
    else:
        fitted.fit(curved.train[:300])
    signal.signal(signal.SIGINT, before)
    assert len(epochs.sizes) == fitted.n_iter_ + 3
    assert fitted.n_iter_refit_ == 0 < fitted.best_iter_
    epochs.assert_kept(fitted)


def test_checkpoint_loads_what_it_saved(curved, tmp_path):
    """A callback that loads the best epoch on held-out rows has the last word."""
    checkpoint = Checkpoint(dirname=tmp_path, load_best=True)
    fitted = AutoencoderTransformer(2, refit=True, callbacks=[checkpoint], **FEWER)
    fitted.fit(curved.train)
    curve = fitted.validation_loss_curve_
    assert fitted.n_iter_refit_ == 0
    assert curve[fitted.best_iter_] == min(curve)


def test_stream_goes_on_from_a_refit(quick, curved):
    fitted = quick(max_iter=8, refit=True).fit(curved.train[:300])
    n_iter = fitted.n_iter_
    fitted.partial_fit(curved.test[:300])
    assert len(fitted.loss_curve_) == n_iter + 1
    assert np.isfinite(fitted.loss_curve_).all()
    assert np.isfinite(fitted.validation_loss_curve_).all()


def test_warm_start_refits_from_where_it_started(curved):
    fitted = AutoencoderTransformer(2, refit=True, warm_start=True, **FEW)
    fitted.fit(curved.train)
    before = fitted.score(curved.test)
    fitted.fit(curved.train)
    assert fitted.score(curved.test) > before - 0.01
    assert len(fitted.loss_curve_) == fitted.n_iter_


def test_weights_count_as_rows_do(curved):
    """Rows of weight 0 are left out of a refit as well."""
    weights = np.ones(len(curved.train))
    spoilt = curved.train.copy()
    spoilt[::3], weights[::3] = 1e3, 0.0
    fitted = AutoencoderTransformer(2, refit=True, max_iter=30, random_state=0)
    fitted.fit(spoilt, sample_weight=weights)
    assert fitted.n_iter_refit_ > 0
    assert reconstruction_r2(fitted, curved.test) > 0.8


def test_prior_is_learned_from_all_rows(curved):
    fitted = VAETransformer(2, sampler="codes", refit=True, **FEW)
    fitted.fit(curved.train[:300])
    assert fitted.n_iter_refit_ > 0
    assert np.isfinite(fitted.score(curved.test))


def test_refit_is_seen_by_the_bars_of_scikit_learn(X):
    class Count:
        max_propagation_depth = None
        most, n_epochs = 0, 0

        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            if context.task_name == "fit":
                Count.most = context.max_subtasks
            else:
                Count.n_epochs += 1

        def on_fit_task_end(self, estimator, context):
            return False

    rng = np.random.default_rng(0)
    u = rng.uniform(-1, 1, (300, 1))
    rows = np.hstack([u, u**2, u**3, np.sin(3 * u)]) + 0.01 * rng.normal(size=(300, 4))
    fitted = make("AutoencoderTransformer", n_components=1, max_iter=30)
    fitted.set_callbacks(Count()).fit(rows)
    assert fitted.n_iter_refit_ > 0
    assert Count.n_epochs == fitted.n_iter_ + fitted.n_iter_refit_ <= Count.most
