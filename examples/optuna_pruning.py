"""Optuna searches for settings, and ends trials that fall behind after some epochs.

A callback of skorch reports the held-out loss of every epoch. The picture shows the curves of
all trials: those that were pruned end early. All hold out the same rows, and nothing that is
searched changes what a loss means, so that trials can be compared.

    pip install "skae[tune]"
    python examples/optuna_pruning.py
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import optuna
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from skorch.callbacks import Callback

from skae import AutoencoderTransformer

PICTURE = "optuna_pruning.png"
N_TRIALS, N_EPOCHS = 16, 40


class Prune(Callback):
    """Ends the fit of a trial that is worse than the median of those before."""

    def __init__(self, trial, curve):
        self.trial, self.curve = trial, curve

    def on_epoch_end(self, net, **kwargs):
        self.curve.append(net.history[-1, "valid_loss"])
        self.trial.report(self.curve[-1], len(self.curve))
        if self.trial.should_prune():
            raise optuna.TrialPruned


rest, test = train_test_split(load_digits().data / 16, random_state=0)
train, held_out = train_test_split(rest, random_state=0)
curves = {}


def objective(trial):
    """Return the held-out error of the network with the settings that a trial suggests."""
    width = trial.suggest_int("width", 16, 128, log=True)
    n_layers = trial.suggest_int("n_layers", 1, 3)
    model = AutoencoderTransformer(
        8,
        hidden_layer_sizes=(width,) * n_layers,
        activation=trial.suggest_categorical("activation", ["relu", "silu", "tanh"]),
        learning_rate_init=trial.suggest_float("learning_rate_init", 1e-4, 1e-2, log=True),
        alpha=trial.suggest_float("alpha", 1e-4, 1.0, log=True),
        max_iter=N_EPOCHS,
        scale=False,
        random_state=0,
        callbacks=[Prune(trial, curves.setdefault(trial.number, []))],
    )
    model.fit(train, X_val=held_out)
    trial.set_user_attr("error", -model.score(test))
    return min(model.validation_loss_curve_)


optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(
    sampler=optuna.samplers.TPESampler(seed=0),
    pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=5),
)
study.optimize(objective, n_trials=N_TRIALS)

pruned = [t.number for t in study.trials if t.state == optuna.trial.TrialState.PRUNED]
n_epochs = sum(map(len, curves.values()))
print(f"{len(pruned)} of {N_TRIALS} trials were pruned; {n_epochs} epochs were trained")
print(
    "Best:",
    {k: v if isinstance(v, str) else round(v, 4) for k, v in study.best_params.items()},
)
usual = AutoencoderTransformer(8, scale=False, random_state=0).fit(train, X_val=held_out)
print(f"Error on new rows: {study.best_trial.user_attrs['error']:.5f}", end=" ")
print(f"(as it comes: {-usual.score(test):.5f})")

figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
for number, curve in curves.items():
    color = "#8c8c8c" if number in pruned else "#4c78a8"
    color = "#e76300" if number == study.best_trial.number else color
    ax.plot(range(1, len(curve) + 1), curve, color=color, lw=1.2, zorder=color != "#8c8c8c")
    if number in pruned:
        ax.plot(len(curve), curve[-1], "x", color=color, ms=5)
for label, color in ("pruned", "#8c8c8c"), ("complete", "#4c78a8"), ("best", "#e76300"):
    ax.plot([], [], color=color, label=label)
ax.set(xlabel="epoch", ylabel="held-out loss")
ax.set_title(f"{len(pruned)} of {N_TRIALS} trials end early")
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)
figure.savefig(PICTURE, dpi=100)
print(f"Picture: {PICTURE}")
