"""Every callback that skorch ships does what it promises, or is refused before any work."""

import copy
import pickle
import sys
import threading
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest
import skorch.callbacks
import torch
from registry import TRANSFORMERS, make
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.callback import ProgressBar as ProgressBarOfSklearn
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    EpochTimer,
    Freezer,
    GradientNormClipping,
    Initializer,
    InputShapeSetter,
    LoadInitState,
    LRScheduler,
    MlflowLogger,
    NeptuneLogger,
    ParamMapper,
    PassthroughScoring,
    PrintLog,
    ProgressBar,
    SacredLogger,
    TensorBoard,
    TrainEndCheckpoint,
    Unfreezer,
    WandbLogger,
    WarmRestartLR,
)
from writers import Writer

from skae import AEAnomalyDetector

RATE = 0.004
QUICK = {
    "max_iter": 3,
    "batch_size": 20,
    "learning_rate": "constant",
    "learning_rate_init": RATE,
    "early_stopping": True,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return np.sin(rng.normal(size=(60, 2)) @ rng.normal(size=(2, 5))) + 0.1


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


class Probe(Callback):
    """Notes what the callbacks before it have done to every step."""

    def __init__(self):
        self.rates_, self.norms_, self.learned_ = [], [], []

    def on_grad_computed(self, net, named_parameters, **kwargs):
        self.rates_.append(net.optimizer_.param_groups[0]["lr"])
        gradients = [p.grad for _, p in named_parameters if p.grad is not None]
        self.norms_.append(torch.nn.utils.get_total_norm(gradients).item())
        self.learned_.append({n for n, p in named_parameters if p.requires_grad})


class Mark:
    """Fills with a number, as no training does; an object that can be pickled."""

    def __call__(self, parameter):
        torch.nn.init.constant_(parameter, 0.125)


# ------------------------------------------------------------------ promises
# A test gets what a fit left: the net, the callbacks of the net, a Probe and a file prefix.


def _weights_of(net, file):
    """Return the weights that skorch loads from a file; the net keeps its own."""
    own = copy.deepcopy(net.module_.state_dict())
    for parameter in net.module_.parameters():
        torch.nn.init.zeros_(parameter.data)
    net.load_params(f_params=file)
    loaded = copy.deepcopy(net.module_.state_dict())
    net.module_.load_state_dict(own)
    return loaded


def _assert_same_weights(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def _saves_the_best(net, callbacks, probe, prefix):
    best = int(np.argmin(net.history[:, "valid_loss"]))
    lowest = np.minimum.accumulate(net.history[:, "valid_loss"])
    saved = [True, *(np.diff(lowest) < 0)]
    assert net.history[:, "event_cp"] == saved
    again = copy.copy(net)
    again.load_params(checkpoint=callbacks[0])
    assert again.history[-1]["epoch"] == best + 1
    _assert_same_weights(
        _weights_of(net, f"files/{prefix}params.pt"), net.module_.state_dict()
    )
    assert net.best_epoch_ == best + 1


def _saves_the_end(net, callbacks, probe, prefix):
    file = f"{'train_end_'}{prefix}params.pt"
    _assert_same_weights(_weights_of(net, file), net.module_.state_dict())
    net.load_params(checkpoint=callbacks[0].checkpoint_)
    assert len(net.history) == 3


def _scores_rows(net, callbacks, probe, prefix):
    """Each way to score on each set of rows: as predictions of the same rows are."""
    for epoch in net.history:
        assert epoch["epoch_valid"] == pytest.approx(epoch["batch_valid"], rel=1e-5)
        assert epoch["train_loss_best"] in (True, False)
        batches = [batch for batch in epoch["batches"] if "train_loss" in batch]
        sizes = [batch["train_batch_size"] for batch in batches]
        losses = [batch["train_loss"] for batch in batches]
        assert sizes[0] == 20
        assert len(sizes) > 1
        assert epoch["train_loss"] == pytest.approx(np.average(losses, weights=sizes))
    last = net.history[-1]
    scores = [last[key] for key in ("epoch_train", "batch_train", "by_net", "uncached")]
    assert all(0.0 < -score < 4.0 for score in scores)
    assert len(set(scores)) > 1


def _changes_the_rate(net, callbacks, probe, prefix):
    steps = len(probe.rates_) // 3
    np.testing.assert_allclose(probe.rates_[::steps], [RATE, RATE / 10, RATE / 100])
    assert net.history[:, "event_lr"] == pytest.approx([RATE, RATE / 10, RATE / 100])


def _warm_restarts(net, callbacks, probe, prefix):
    steps = len(probe.rates_) // 3
    assert probe.rates_[0] == pytest.approx(0.02)
    assert probe.rates_[steps] == pytest.approx(0.01, rel=0.01)
    assert probe.rates_[2 * steps] == pytest.approx(1e-6)


def _changes_the_rate_on_a_plateau(net, callbacks, probe, prefix):
    assert probe.rates_[-1] == pytest.approx(RATE / 2)


def _cycles_by_steps(net, callbacks, probe, prefix):
    assert probe.rates_[:3] == pytest.approx([RATE / 2, RATE, RATE / 2])


def _clips(net, callbacks, probe, prefix):
    assert max(probe.norms_) == pytest.approx(1e-3, rel=0.01)


def _freezes(net, callbacks, probe, prefix):
    assert all(learned for learned in probe.learned_)
    assert not any(name.startswith("encoder") for names in probe.learned_ for name in names)


def _unfreezes(net, callbacks, probe, prefix):
    of_encoder = [any(n.startswith("encoder") for n in names) for names in probe.learned_]
    steps = len(of_encoder) // 3
    assert of_encoder == [False] * steps + [True] * 2 * steps


def _initialises(net, callbacks, probe, prefix):
    assert callbacks[0].seen_ == {0.125}


class _Seen:
    """Notes the values of the matching parameters at the start of the first epoch."""

    def on_epoch_begin(self, net, **kwargs):
        super().on_epoch_begin(net, **kwargs)
        if len(net.history) == 1:
            matching = self.filter_parameters(self.patterns, self.named_parameters(net))
            self.seen_ = {value for _, p in matching for value in p.flatten().tolist()}


class _Marked(_Seen, Initializer):
    pass


class _Mapped(_Seen, ParamMapper):
    pass


def _stops(net, callbacks, probe, prefix):
    assert len(net.history) == 2
    assert net.stop_reason_ == "callback"


def _times(net, callbacks, probe, prefix):
    assert all(0.0 < duration < 60.0 for duration in net.history[:, "dur"])


def _prints(net, callbacks, probe, prefix):
    assert len(callbacks[0].sink.lines) % 5 == 0  # two of the head, three epochs
    assert f"{net.history[-1]['train_loss']:.4f}" in callbacks[0].sink.lines[-1]


class Lines:
    """A sink."""

    lines = ()

    def __call__(self, text):
        self.lines += (text,)


def _shows_progress(net, callbacks, probe, prefix):
    total = sum(len(epoch["batches"]) for epoch in net.history[-1:])
    assert callbacks[0].pbar_.total == callbacks[0].pbar_.n == total


def _logs_to_tensorboard(net, callbacks, probe, prefix):
    logged = callbacks[0].writer.add_scalar.call_args_list[-9:]
    last = {call.kwargs["tag"]: call.kwargs["scalar_value"] for call in logged}
    assert last["Loss/train_loss"] == net.history[-1]["train_loss"]
    callbacks[0].writer.close.assert_called()


def _logs_to_wandb(net, callbacks, probe, prefix):
    run = callbacks[0].wandb_run
    assert run.log.call_args.args[0]["valid_loss"] == net.history[-1]["valid_loss"]
    run.watch.assert_called_with(net.module_)
    assert _weights_of(net, "best_model.pth").keys() == net.module_.state_dict().keys()


def _logs_to_neptune(net, callbacks, probe, prefix):
    series = callbacks[0].run["training"]
    series.__setitem__.assert_any_call("config/epochs", 3)
    series.__setitem__.assert_any_call("config/batch_size", 20)
    series.__setitem__.assert_any_call("config/lr", RATE)
    callbacks[0].run.stop.assert_called()


def _logs_to_mlflow(net, callbacks, probe, prefix):
    client = callbacks[0].client
    logged = {call.args[1]: call.args[2] for call in client.log_metric.call_args_list}
    assert logged["valid_loss_epoch"] == net.history[-1]["valid_loss"]
    assert logged["train_loss_batch"] == net.history[-1, "batches", -2, "train_loss"]
    names = {call.args[1].name for call in client.log_artifact.call_args_list}
    assert names == {"params.pth", "optimizer.pth", "criterion.pth", "history.json"}
    client.set_terminated.assert_called_with("a run")


def _logs_to_sacred(net, callbacks, probe, prefix):
    calls = callbacks[0].experiment.log_scalar.call_args_list
    logged = {call.args[0]: call.args[1] for call in calls}
    assert logged["train_loss_epoch"] == net.history[-1]["train_loss"]
    assert "train_loss_batch" in logged


def _log(net, callbacks, probe, prefix):
    checks = (
        _logs_to_tensorboard,
        _logs_to_wandb,
        _logs_to_neptune,
        _logs_to_mlflow,
        _logs_to_sacred,
    )
    for check, callback in zip(checks, callbacks, strict=True):
        check(net, [callback], probe, prefix)


SCORE = "neg_mean_squared_error"
# What is given -> its parts, and what it left.
PROMISES = {
    "Checkpoint": (lambda: [Checkpoint(dirname="files", load_best=True)], _saves_the_best),
    "TrainEndCheckpoint": (lambda: [TrainEndCheckpoint()], _saves_the_end),
    "EpochScoring BatchScoring PassthroughScoring": (
        lambda: [
            EpochScoring(SCORE, name="epoch_valid", lower_is_better=False),
            BatchScoring(SCORE, name="batch_valid"),
            EpochScoring(SCORE, name="epoch_train", on_train=True),
            BatchScoring(SCORE, name="batch_train", on_train=True, use_caching=False),
            EpochScoring(None, name="by_net"),
            EpochScoring(SCORE, name="uncached", use_caching=False),
            PassthroughScoring("train_loss", on_train=True),
            PassthroughScoring("valid_loss"),
        ],
        _scores_rows,
    ),
    "LRScheduler": (
        lambda: [LRScheduler("StepLR", step_size=1, gamma=0.1)],
        _changes_the_rate,
    ),
    "LRScheduler ExponentialLR": (
        lambda: [LRScheduler(torch.optim.lr_scheduler.ExponentialLR, gamma=0.1)],
        _changes_the_rate,
    ),
    "LRScheduler MultiStepLR": (
        lambda: [LRScheduler("MultiStepLR", milestones=[1, 2], gamma=0.1)],
        _changes_the_rate,
    ),
    "LRScheduler LambdaLR": (
        lambda: [LRScheduler("LambdaLR", lr_lambda=lambda epoch: 0.1**epoch)],
        _changes_the_rate,
    ),
    "LRScheduler WarmRestartLR": (
        lambda: [LRScheduler("WarmRestartLR", max_lr=0.02, base_period=2)],
        _warm_restarts,
    ),
    "LRScheduler ReduceLROnPlateau": (
        lambda: [
            LRScheduler(
                "ReduceLROnPlateau",
                monitor="epoch",
                mode="max",
                threshold=9,
                patience=0,
                factor=0.5,
                cooldown=5,
            )
        ],
        _changes_the_rate_on_a_plateau,
    ),
    "LRScheduler CyclicLR": (
        lambda: [
            LRScheduler(
                "CyclicLR",
                base_lr=RATE / 2,
                max_lr=RATE,
                step_size_up=1,
                step_every="batch",
            )
        ],
        _cycles_by_steps,
    ),
    "GradientNormClipping": (lambda: [GradientNormClipping(1e-3)], _clips),
    "Freezer": (lambda: [Freezer("encoder*")], _freezes),
    "Unfreezer": (lambda: [Freezer("encoder*"), Unfreezer("encoder*", at=2)], _unfreezes),
    "Initializer": (lambda: [_Marked("encoder*", fn=Mark())], _initialises),
    "ParamMapper": (lambda: [_Mapped(["decoder*"], fn=Mark(), at=1)], _initialises),
    "EarlyStopping": (
        lambda: [EarlyStopping("epoch", patience=1, sink=Lines(), load_best=True)],
        _stops,
    ),
    "EpochTimer": (lambda: [EpochTimer], _times),
    "PrintLog": (lambda: [PrintLog(sink=Lines())], _prints),
    "ProgressBar": (lambda: [("bar", ProgressBar())], _shows_progress),
    "TensorBoard WandbLogger NeptuneLogger MlflowLogger SacredLogger": (
        lambda: [
            TensorBoard(MagicMock(spec=["add_scalar", "close"])),
            WandbLogger(MagicMock(dir=".")),
            NeptuneLogger(MagicMock()),
            MlflowLogger(
                SimpleNamespace(info=SimpleNamespace(run_id="a run")),
                MagicMock(),
                log_on_batch_end=True,
            ),
            SacredLogger(MagicMock(), log_on_batch_end=True),
        ],
        _log,
    ),
}
# Those that a test of its own is about; the last is no callback.
OTHERS = {"Callback", "InputShapeSetter", "LoadInitState", "WarmRestartLR"}


def test_every_callback_of_skorch_is_tried():
    tried = {word for name in PROMISES for word in name.split()}
    assert set(skorch.callbacks.__all__) - OTHERS <= tried


@pytest.fixture
def neptune(monkeypatch):
    """A stand-in for what the callback imports."""
    modules = {"handler": "Handler", "types": "File"}
    monkeypatch.setitem(sys.modules, "neptune", MagicMock())
    for module, name in modules.items():
        stand_in = SimpleNamespace(**{name: MagicMock() if name == "File" else Lines})
        monkeypatch.setitem(sys.modules, f"neptune.{module}", stand_in)


# A policy does not know what is trained.
CASES = [
    (promise, name)
    for promise in PROMISES
    for name in [*TRANSFORMERS, "AEAnomalyDetector"]
    if name == "AutoencoderTransformer" or not promise.startswith("LRScheduler ")
]


@pytest.mark.usefixtures("neptune")
@pytest.mark.parametrize(("promise", "name"), CASES)
def test_callback_does_what_it_promises(rows, promise, name):
    make_callbacks, check = PROMISES[promise]
    given = make_callbacks()
    if name != "AEAnomalyDetector":
        estimator = make(name, callbacks=[*given, Probe()], **QUICK).fit(rows)
        net, prefix = estimator.net_, ""
    else:
        inner = make("AutoencoderTransformer", callbacks=[*given, Probe()], **QUICK)
        detector = AEAnomalyDetector(inner, n_estimators=2, random_state=0).fit(rows)
        estimator, prefix = detector.estimators_[1], "network_2_"
        net = estimator.net_
    defaults = len(net.get_default_callbacks())
    *callbacks, probe = [callback for _, callback in net.callbacks_[defaults:]]
    if promise == "PrintLog":  # which skorch puts last
        probe, *callbacks = callbacks[0], probe
    check(net, callbacks, probe, prefix)
    assert np.isfinite(estimator.score_samples(rows)).all()


# ------------------------------------------------------------------ refusals

PLATEAU = LRScheduler("ReduceLROnPlateau", monitor="valid_loss")
REFUSALS = {
    "InputShapeSetter": ([InputShapeSetter], {}, "is as wide as the encoded table"),
    "one_cycle": (
        [LRScheduler],
        {"learning_rate": "one_cycle"},
        "use learning_rate='const",
    ),
    **{
        f"{name} without held-out rows": ([callback], {"early_stopping": False}, match)
        for name, callback, match in (
            ("Checkpoint", Checkpoint, "'train_loss_best' needs none.*early_stopping=True"),
            ("EarlyStopping", ("a name", EarlyStopping()), "'train_loss' needs none"),
            ("EpochScoring", EpochScoring("r2"), "on_train=False"),
            ("PassthroughScoring", PassthroughScoring("valid_loss"), "on_train=False"),
            ("WandbLogger", WandbLogger(None), "save_model=True"),
            ("plateau", PLATEAU, "'train_loss' needs none"),
        )
    },
    "policy": ([WarmRestartLR], {}, r"LRScheduler\(policy=...\)"),
    "callback of scikit-learn": ([ProgressBarOfSklearn()], {}, "by set_callbacks"),
    "text": (["Checkpoint"], {}, r"callbacks\[0\]='Checkpoint' is no callback"),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_callback_that_cannot_do_its_work_is_refused(rows, refusal, training):
    callbacks, params, match = REFUSALS[refusal]
    estimator = make("VAETransformer", callbacks=callbacks, **{**QUICK, **params})
    with pytest.raises((ValueError, TypeError), match=match):
        estimator.fit(rows)
    with pytest.raises(NotFittedError):
        check_is_fitted(estimator)


@pytest.mark.parametrize("callback", [LRScheduler("StepLR", step_size=1), Checkpoint()])
def test_callback_that_needs_a_whole_fit_is_refused_by_a_stream(rows, callback, training):
    estimator = make("AutoencoderTransformer", callbacks=[callback], **QUICK)
    with pytest.raises(ValueError, match="partial_fit"):
        estimator.partial_fit(rows)


def test_frozen_network_says_that_nothing_is_left(rows):
    estimator = make("AutoencoderTransformer", callbacks=[Freezer("*")], **QUICK)
    with pytest.raises(ValueError, match="nothing is left to train; give Freezer patterns"):
        estimator.fit(rows)


def test_detector_refuses_to_share_weights_between_folds(rows, training):
    callbacks = [LoadInitState(Checkpoint())]
    inner = make("AutoencoderTransformer", callbacks=callbacks, **QUICK)
    with pytest.raises(
        ValueError, match="LoadInitState: a network would start from weights"
    ):
        AEAnomalyDetector(inner, random_state=0).fit(rows)


# ------------------------------------------------------------------ states that go on


@pytest.mark.parametrize("cls", [Checkpoint, TrainEndCheckpoint])
@pytest.mark.parametrize("listed", [True, False])
def test_fit_goes_on_from_a_loaded_state(rows, cls, listed):
    """Epochs are counted on, and a clone's `LoadInitState` knows the clone's checkpoint."""
    first = make("AutoencoderTransformer", callbacks=[cls()], **QUICK).fit(rows)
    checkpoint = cls()
    callbacks = [*([checkpoint] if listed else []), LoadInitState(checkpoint)]
    second = make("AutoencoderTransformer", callbacks=callbacks, **QUICK)
    if listed:
        second = clone(second)
    second.fit(rows)
    saved = 3
    loss = first.validation_loss_curve_[first.best_iter_]
    if cls is Checkpoint:
        saved = 1 + int(np.argmin(first.validation_loss_curve_[1:]))
        loss = first.validation_loss_curve_[saved]
    assert second.n_iter_ == len(second.loss_curve_) == saved + 3
    assert second.loss_curve_[:saved] == pytest.approx(first.loss_curve_[:saved])
    assert second.net_.start_loss_ == pytest.approx(loss)
    assert second.best_iter_ in (0, *range(saved + 1, saved + 4))


def test_best_epoch_is_that_of_the_weights_that_a_callback_loads(rows):
    """Where the start is better than any epoch, which the estimator would keep."""
    callbacks = [Checkpoint(load_best=True)]
    worse = {**QUICK, "learning_rate_init": 0.3, "max_iter": 2}
    kept = make("AutoencoderTransformer", **worse).fit(rows)
    assert kept.best_iter_ == 0
    loaded = make("AutoencoderTransformer", callbacks=callbacks, **worse).fit(rows)
    lowest = 1 + int(np.argmin(loaded.validation_loss_curve_[1:]))
    assert loaded.best_iter_ == lowest
    assert loaded.score(rows) < kept.score(rows) - 0.01


# ------------------------------------------------------------------ one's own


class Diary(Callback):
    """Notes what it is called with; `owner` is no parameter of its constructor."""

    def __init__(self):
        self.owner = "me"
        self.calls_ = []

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        assert X.shape == (60, 5)
        assert torch.equal(X, y)
        assert net.module_ is not None
        self.calls_.append("train")

    def on_train_end(self, net, X=None, y=None, **kwargs):
        assert X.shape == y.shape == (60, 5)
        self.calls_.append("trained")

    def on_epoch_begin(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        assert (len(dataset_train), len(dataset_valid)) == (42, 18)
        self.calls_.append("epoch")

    def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        assert net.predict(dataset_valid).shape == (18, 5)
        assert net.history[-1]["valid_loss"] > 0.0
        self.calls_.append("epoch ends")

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        x, y = batch
        assert torch.equal(x, y)
        self.calls_.append("batch" if training else "held out")

    def on_grad_computed(self, net, named_parameters, batch=None, training=None, **kwargs):
        assert training
        self.calls_.append("gradients")

    def on_batch_end(
        self, net, batch=None, training=None, loss=None, y_pred=None, **kwargs
    ):
        assert y_pred.shape == batch[1].shape
        assert loss.ndim == 0
        assert net.module_.training is training
        self.calls_.append("batch ends" if training else "held out ends")


EPOCH = ["epoch", *3 * ["batch", "gradients", "batch ends"], "held out", "held out ends"]
DAYS = ["train", *2 * [*EPOCH, "epoch ends"], "trained"]


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_hooks_are_called_in_order_and_looking_changes_nothing(rows, name):
    diary, params = Diary(), {**QUICK, "max_iter": 2, "dropout": 0.3, "refit": False}
    watched = make(name, callbacks=[diary], **params).fit(rows)
    assert diary.calls_ == DAYS
    alone = make(name, **params).fit(rows)
    np.testing.assert_array_equal(watched.score_samples(rows), alone.score_samples(rows))


def test_hooks_of_a_sparse_mixed_table_with_missing_cells(rows):
    """What callbacks see is encoded; a missing indicator has no target."""
    cells = rows.copy()
    cells[::7, 1] = np.nan
    scores = [EpochScoring("r2", name="r2", lower_is_better=False), Diary.__base__()]
    dense = make("AutoencoderTransformer", callbacks=scores, **QUICK).fit(cells)
    assert 0.0 < dense.net_.history[-1]["r2"] < 1.0
    sparse = make("AutoencoderTransformer", callbacks=scores, **QUICK).fit(csr_matrix(rows))
    whole = make("AutoencoderTransformer", callbacks=scores, scale=True, **QUICK).fit(rows)
    expected = [epoch["r2"] for epoch in whole.net_.history]
    assert [epoch["r2"] for epoch in sparse.net_.history] == pytest.approx(
        expected, abs=0.05
    )


@pytest.mark.parametrize("callbacks", ["disable", [], None, [("none", None)]])
def test_no_callbacks(rows, callbacks):
    fitted = clone(make("AutoencoderTransformer", callbacks=callbacks, **QUICK)).fit(rows)
    assert [name for name, _ in fitted.net_.callbacks_] == (
        [] if callbacks == "disable" else ["epoch_timer"]
    )
    assert fitted.net_.history[-1]["batches"] == []  # nobody has asked for them


def test_callbacks_that_are_set_later_take_part_in_a_stream(rows):
    estimator = make("AutoencoderTransformer", **QUICK).partial_fit(rows)
    timers = [EpochTimer()]
    estimator.set_params(callbacks=timers).partial_fit(rows)
    assert timers[0] in dict(estimator.net_.callbacks_).values()


class Fails(Callback):
    def __init__(self, hook):
        self.hook = hook
        setattr(self, hook, self._fail)

    def _fail(self, net, **kwargs):
        raise RuntimeError(f"{self.hook} failed")


@pytest.mark.parametrize("hook", ["on_train_begin", "on_batch_end", "on_train_end"])
def test_error_of_a_callback_reaches_the_user(rows, hook):
    estimator = make("AutoencoderTransformer", callbacks=[Fails(hook)], **QUICK)
    with pytest.raises(RuntimeError, match=f"{hook} failed"):
        estimator.fit(rows)
    fitted = estimator.set_params(callbacks=None).fit(rows)
    alone = make("AutoencoderTransformer", **QUICK).fit(rows)
    np.testing.assert_array_equal(fitted.transform(rows), alone.transform(rows))


# ------------------------------------------------------------------ copies


class Open(Callback):
    """Holds what cannot be pickled."""

    def __init__(self):
        self.lock = threading.Lock()

    def __repr__(self):
        return "Open()"


@pytest.mark.filterwarnings("error")
def test_fitted_estimator_with_callbacks_can_be_pickled_and_trained_on(rows, tmp_path):
    callbacks = [
        TensorBoard(Writer(str(tmp_path))),
        LRScheduler("StepLR", step_size=1),
        ("lines", PrintLog(sink=Lines())),
        EpochScoring("r2"),
        Diary(),
    ]
    params = {**QUICK, "warm_start": True}
    fitted = make("AutoencoderTransformer", callbacks=callbacks, **params).fit(rows)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(rows), fitted.transform(rows))
    np.testing.assert_array_equal(
        clone(fitted).fit(rows).transform(rows), again.transform(rows)
    )
    n_lines = len((tmp_path / "Loss-train_loss").read_text().splitlines())
    again.fit(rows)
    assert again.net_.history[:, "event_lr"] == pytest.approx([RATE, RATE / 10, RATE / 100])
    assert len((tmp_path / "Loss-train_loss").read_text().splitlines()) == n_lines + 3


def test_callback_that_cannot_be_pickled_is_left_out_with_a_warning(rows):
    callbacks = [Open(), ("timer", EpochTimer())]
    fitted = make("AutoencoderTransformer", callbacks=callbacks, **QUICK).fit(rows)
    with pytest.warns(
        UserWarning, match=r"left out of the copy: Open\(\)\. .*`initialize`"
    ):
        state = pickle.dumps(fitted)
    again = pickle.loads(state)
    assert [name for name, _ in again.callbacks] == ["timer"]
    np.testing.assert_array_equal(again.transform(rows), fitted.transform(rows))
    assert fitted.callbacks == callbacks
    # In this process all copies hold it.
    assert clone(fitted).callbacks[0].lock is callbacks[0].lock
    assert copy.copy(fitted).callbacks == callbacks


def test_checkpoints_of_a_detector_have_files_of_their_own(rows, tmp_path):
    callbacks = [Checkpoint, ("end", TrainEndCheckpoint(f_optimizer=None))]
    inner = make("AutoencoderTransformer", callbacks=callbacks, **QUICK)
    detector = AEAnomalyDetector(inner, n_estimators=2, random_state=0).fit(rows)
    names = {file.name for file in tmp_path.glob("*params.pt")}
    numbers = "network_1_", "network_2_"
    assert names == {f"{p}{n}params.pt" for p in ("", "train_end_") for n in numbers}
    for number, estimator in zip(numbers, detector.estimators_, strict=True):
        weights = _weights_of(estimator.net_, f"train_end_{number}params.pt")
        _assert_same_weights(weights, estimator.net_.module_.state_dict())
    assert inner.callbacks == callbacks


def test_clone_of_a_logger_writes_to_the_same(rows):
    run = MagicMock()
    estimator = make("AutoencoderTransformer", callbacks=[SacredLogger(run)], **QUICK)
    clone(estimator).fit(rows)
    run.log_scalar.assert_called()
