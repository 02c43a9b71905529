"""Loss curves."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderImputer, VAETransformer
from skae.display import (
    LossCurveDisplay,
)


def test_curves_are_the_estimators(X):
    model = VAETransformer(2, max_iter=6, random_state=0).fit(X)
    display = LossCurveDisplay.from_estimator(model)
    training, held_out = display.lines_.values()
    np.testing.assert_array_equal(training.get_ydata(), model.loss_curve_)
    np.testing.assert_array_equal(training.get_xdata(), np.arange(1, model.n_iter_ + 1))
    np.testing.assert_array_equal(held_out.get_ydata(), model.validation_loss_curve_)
    assert held_out.get_xdata()[0] == 0
    assert display.best_line_.get_xdata()[0] == model.best_iter_
    assert display.ax_.get_xlabel() == "epoch"


def test_curve_of_a_pipeline_of_scikit_learn(X):
    network = MLPRegressor(hidden_layer_sizes=(4,), max_iter=5, random_state=0)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        pipeline = make_pipeline(StandardScaler(), network).fit(X, X)
    display = LossCurveDisplay.from_estimator(pipeline)
    assert list(display.lines_) == ["training rows"]
    assert display.best_line_ is None
    assert display.ax_.get_ylabel() == "loss of MLPRegressor"


@pytest.mark.parametrize(("last", "scale"), [(0.5, "linear"), (0.01, "log")])
def test_long_falls_have_a_logarithmic_axis(last, scale):
    model = SimpleNamespace(loss_curve_=[1.0, last])
    assert LossCurveDisplay.from_estimator(model).ax_.get_yscale() == scale


def test_estimator_without_curve_is_an_error():
    with pytest.raises(TypeError, match="PCA has no loss_curve_; fit it first"):
        LossCurveDisplay.from_estimator(PCA())


def test_a_curve_without_losses_is_an_error():
    with pytest.raises(ValueError, match="loss_curve_ of SimpleNamespace is empty"):
        LossCurveDisplay.from_estimator(SimpleNamespace(loss_curve_=[]))


def test_the_curve_of_an_imputer_is_of_held_out_rows_from_the_start_on():
    rows = np.random.default_rng(0).normal(size=(200, 2)) @ [[1.0, 2.0], [0.0, 1.0]]
    rows[:40, 0] = np.nan
    imputer = AutoencoderImputer(max_iter=4, random_state=0).fit(rows)
    curves = LossCurveDisplay.from_estimator(imputer).curves
    ((label, (epochs, losses)),) = curves.items()
    assert label == "held-out rows"
    assert (epochs[0], epochs[-1]) == (0, imputer.n_iter_)
    assert losses.tolist() == imputer.loss_curve_
