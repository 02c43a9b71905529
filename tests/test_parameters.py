"""What bad parameters get: an error before training that says what to do."""

import numpy as np
import pytest
import torch
from registry import OwnPenalty
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import EarlyStopping, EpochTimer

from skae import AEAnomalyDetector, AutoencoderTransformer
from skae.penalties import Contractive, KLSparsity, L1Activity, Orthogonal

pytestmark = pytest.mark.usefixtures("training")


@pytest.fixture
def fitted(quick, X, training):
    """A fitted transformer."""
    with training():
        return quick(hidden_layer_sizes=8, warm_start=True).fit(X)


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("n_components", 0, r"int in the range \[1, inf\)"),
        ("n_components", -3, r"int in the range \[1, inf\)"),
        ("n_components", "two", r"int in the range \[1, inf\)"),
        ("activation", "swoosh", "among .*relu"),
        ("init", "zeros", "among .*pca"),
        ("scale", "yes", "bool"),
        ("dropout", 1.0, r"range \[0\.0, 1\.0\)"),
        ("alpha", -1.0, r"range \[0\.0, inf\)"),
        ("batch_size", 0, r"range \[1, inf\)"),
        ("learning_rate", "adaptive", "among .*one_cycle"),
        ("learning_rate_init", 0.0, r"range \(0\.0, inf\)"),
        ("max_iter", 0, r"range \[1, inf\)"),
        ("validation_fraction", 1.0, r"range \(0\.0, 1\.0\)"),
        ("n_iter_no_change", 0, r"range \[1, inf\)"),
        ("callbacks", "all", "list"),
        ("device", 0, "str"),
        ("random_state", -1, "random"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit", "fit_transform"])
def test_parameter_out_of_range(transformer, X, name, value, remedy, method):
    estimator = transformer().set_params(**{name: value})
    with pytest.raises(
        ValueError, match=rf"'{name}' parameter of .*{remedy}.*Got {value!r}"
    ):
        getattr(estimator, method)(X)


@pytest.mark.parametrize("value", [0.0, 1.0, 1.5])
def test_proportion_of_variance_out_of_range(transformer, X, value):
    message = rf"'n_components' parameter of .*float in the range \(0.0, 1.0\).*Got {value}"
    with pytest.raises(ValueError, match=message):
        transformer(value).fit(X)


@pytest.mark.parametrize(
    ("sizes", "culprit"),
    [((8, 0), "0"), ((8, -1), "-1"), ((8, 2.5), "2.5"), (("a",), "'a'")],
)
def test_hidden_layer_sizes(transformer, X, sizes, culprit):
    message = rf"hidden_layer_sizes=.* holds {culprit}; .*whole number of units, 1 or more"
    with pytest.raises(ValueError, match=message):
        transformer(hidden_layer_sizes=sizes).fit(X)


@pytest.mark.parametrize("name", ["n_components", "hidden_layer_sizes"])
def test_warm_start_with_another_network(fitted, X, name):
    fitted.set_params(**{name: 3})
    with pytest.raises(ValueError, match=rf"{name}=.*but {name}=3.*warm_start=False"):
        fitted.fit(X)


def test_unknown_device(quick_any, X):
    with pytest.raises(ValueError, match=r"device='quantum' is not .*'cpu'"):
        quick_any(device="quantum").fit(X)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("device", ["cuda", "cuda:1", torch.device("cuda")])
def test_cuda_where_there_is_none(quick_any, X, device):
    with pytest.raises(
        ValueError, match=r"device='cuda(:1)?' is not available.*'auto'.*'cpu'"
    ):
        quick_any(device=device).fit(X)


@pytest.mark.parametrize(
    "method", ["transform", "inverse_transform", "score_samples", "score"]
)
def test_transformer_before_fit(transformer, X, method):
    with pytest.raises(NotFittedError, match=r"not fitted yet. Call 'fit'"):
        getattr(transformer(), method)(X)


def test_sample_before_fit(transformer):
    with pytest.raises(NotFittedError, match=r"not fitted yet. Call 'fit'"):
        transformer().sample(3)


@pytest.mark.parametrize("method", ["score_samples", "decision_function", "predict"])
def test_detector_before_fit(X, method):
    with pytest.raises(NotFittedError, match=r"not fitted yet. Call 'fit'"):
        getattr(AEAnomalyDetector(), method)(X)


def test_codes_of_another_width(fitted, X):
    with pytest.raises(ValueError, match=r"5 columns, but .* n_components_=2 columns"):
        fitted.inverse_transform(X)


def test_codes_with_a_missing_cell(fitted):
    with pytest.raises(ValueError, match="NaN"):
        fitted.inverse_transform([[np.nan, 1.0]])


@pytest.mark.parametrize("n_samples", [0, -1, 2.5, "many"])
def test_number_of_samples(fitted, n_samples):
    with pytest.raises(ValueError, match=f"n_samples={n_samples!r}; .*whole number"):
        fitted.sample(n_samples)


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("contamination", 0.6, r"range \(0\.0, 0\.5\]"),
        ("contamination", -0.1, r"range \(0\.0, 0\.5\]"),
        ("contamination", "some", "'auto'"),
        ("estimator", "ae", "estimator|Autoencoder"),
        ("device", 0, "str"),
    ],
)
def test_detector_parameter_out_of_range(X, name, value, remedy):
    detector = AEAnomalyDetector().set_params(**{name: value})
    with pytest.raises(
        ValueError, match=rf"'{name}' parameter of .*{remedy}.*Got {value!r}"
    ):
        detector.fit(X)


def test_parameter_of_the_detector_s_estimator(X):
    with pytest.raises(ValueError, match=r"'n_components' parameter .*Got 0"):
        AEAnomalyDetector(AutoencoderTransformer(0)).fit(X)


# ------------------------------------------------- objects in a parameter, and in a list


def _with_penalties(penalties, **more):
    return AutoencoderTransformer(
        2, penalties=penalties, max_iter=2, random_state=0, **more
    )


@pytest.mark.parametrize("make_list", [list, tuple])
def test_objects_in_a_list_have_parameters_by_their_number(make_list):
    estimator = _with_penalties(make_list([Orthogonal(2.0), KLSparsity(0.1)]))
    params = estimator.get_params()
    assert params["penalties__0__weight"] == 2.0
    assert params["penalties__1__target"] == 0.1
    assert params["penalties__1"] is estimator.penalties[1]
    assert not any("__" in name for name in estimator.get_params(deep=False))
    estimator.set_params(penalties__0__weight=5.0, penalties__1__target=0.3, alpha=0.1)
    assert [estimator.penalties[0].weight, estimator.penalties[1].target] == [5.0, 0.3]
    assert estimator.alpha == 0.1
    copied = clone(estimator).set_params(penalties__0__weight=7.0)
    assert copied.penalties[0].weight == 7.0
    assert estimator.penalties[0].weight == 5.0
    assert type(copied.penalties) is make_list


def test_an_object_in_a_list_can_be_replaced():
    given = [Orthogonal(), KLSparsity()]
    estimator = _with_penalties(given)
    estimator.set_params(penalties__0__weight=3.0, penalties__0=Contractive(0.5))
    assert isinstance(estimator.penalties[0], Contractive)
    assert estimator.penalties[0].weight == 3.0
    assert isinstance(given[0], Orthogonal)
    estimator.set_params(penalties__0__weight=9.0, penalties=[L1Activity()])
    assert [penalty.weight for penalty in estimator.penalties] == [9.0]
    estimator.set_params(penalties__weight=2.0, penalties=L1Activity())
    assert estimator.penalties.weight == 2.0


def test_parameters_in_lists_are_searched_through_all_that_is_around(X, training):
    pipeline = make_pipeline(
        StandardScaler(), _with_penalties([Orthogonal(), OwnPenalty()])
    )
    grid = {"autoencodertransformer__penalties__1__weight": [0.0, 50.0]}
    with training():
        search = GridSearchCV(pipeline, grid, cv=2, refit=False).fit(X)
        for weight, score in zip(
            [0.0, 50.0], search.cv_results_["mean_test_score"], strict=True
        ):
            of_weight = _with_penalties([Orthogonal(), OwnPenalty(weight)])
            again = make_pipeline(StandardScaler(), of_weight)
            assert cross_val_score(again, X, cv=2).mean() == score
    detector = AEAnomalyDetector(_with_penalties([OwnPenalty()]))
    detector.set_params(estimator__penalties__0__weight=4.0)
    assert detector.get_params()["estimator__penalties__0__weight"] == 4.0


def test_callbacks_in_a_list_have_parameters_too():
    estimator = AutoencoderTransformer(callbacks=[("early", EarlyStopping()), EpochTimer()])
    estimator.callbacks.append(EarlyStopping(patience=3))
    assert estimator.get_params()["callbacks__2__patience"] == 3
    assert estimator.set_params(callbacks__2__patience=7).callbacks[2].patience == 7


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("penalties__2__weight", [OwnPenalty(), OwnPenalty()], r"holds numbers 0, 1"),
        ("penalties__-1__weight", [OwnPenalty()], r"holds numbers 0"),
        ("penalties__weight", [OwnPenalty()], r"penalties__0__weight; it holds numbers 0"),
        ("penalties__0__weight", [], r"none that has any"),
        ("penalties__0__heaviness", [OwnPenalty()], r"Invalid parameter 'heaviness'"),
        ("penalties__0__weight", OwnPenalty(), r"Invalid parameter '0'"),
        ("fines__0__weight", None, r"Invalid parameter 'fines'"),
    ],
)
def test_no_such_object_in_a_list(name, value, message):
    with pytest.raises(ValueError, match=message):
        _with_penalties(value).set_params(**{name: 1.0})


def test_display_of_an_estimator_with_lists():
    estimator = _with_penalties([Orthogonal(2.0)])
    assert "Orthogonal" in estimator._repr_html_()
    assert "penalties=[Orthogonal(weight=2.0)]" in repr(estimator)
