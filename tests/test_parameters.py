"""What bad parameters get: an error before training that says what to do."""

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError

from skae import AEAnomalyDetector, AutoencoderTransformer

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
