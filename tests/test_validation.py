"""What bad input gets: an error before training that names what, which value, what to do."""

from contextlib import contextmanager

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.exceptions import NotFittedError

from skae import AEAnomalyDetector, AutoencoderTransformer
from skae._training import Net


@pytest.fixture(autouse=True)
def training(monkeypatch):
    """A training that begins fails the test, but within `training()`."""
    real, allowed = Net.fit_loop, False

    def fit_loop(*args, **kwargs):
        if not allowed:
            pytest.fail("the training began")
        return real(*args, **kwargs)

    @contextmanager
    def allow():
        nonlocal allowed
        allowed = True
        yield
        allowed = False

    monkeypatch.setattr(Net, "fit_loop", fit_loop)
    return allow


@pytest.fixture
def trained(quick_any, X, training):
    """Any fitted estimator, whose columns have the names a to e."""
    with training():
        return quick_any().fit(pd.DataFrame(X, columns=list("abcde")))


@pytest.fixture
def fitted(quick, X, training):
    """A fitted transformer."""
    with training():
        return quick(hidden_layer_sizes=8, warm_start=True).fit(X)


def _with(X, value, row=3, column=2):
    spoilt = X.copy()
    spoilt[row, column] = value
    return spoilt


@pytest.mark.parametrize(
    ("value", "kind"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_missing_and_infinite_cells_in_an_array(quick_any, X, value, kind, dtype):
    with pytest.raises(ValueError, match=rf"{kind}: column 'x2', row 3\. .*SimpleImputer"):
        quick_any().fit(_with(X, value).astype(dtype))


@pytest.mark.parametrize("frame_type", [pd.DataFrame, pl.DataFrame])
def test_missing_cell_in_a_named_column(quick_any, X, frame_type):
    frame = frame_type({name: _with(X, np.nan)[:, i] for i, name in enumerate("abcde")})
    with pytest.raises(ValueError, match="NaN: column 'c', row 3"):
        quick_any().fit(frame)


def test_none_in_an_object_column(quick_any):
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": pd.Series([1, None, 2], dtype=object)})
    with pytest.raises(ValueError, match="NaN: column 'b', row 1"):
        quick_any().fit(frame)


def test_missing_cell_far_down(quick_any):
    """Rows are looked at in blocks."""
    X = np.random.default_rng(0).normal(size=(70_000, 2)).astype(np.float32)
    with pytest.raises(ValueError, match="column 'x1', row 69999"):
        quick_any().fit(_with(X, np.nan, row=69_999, column=1))


@pytest.mark.parametrize("method", ["score_samples", "transform", "predict"])
def test_missing_cell_after_fit(trained, X, method):
    if not hasattr(trained, method):
        pytest.skip("no such method")
    frame = pd.DataFrame(_with(X, np.nan), columns=list("abcde"))
    with pytest.raises(ValueError, match="NaN: column 'c', row 3"):
        getattr(trained, method)(frame)


@pytest.mark.parametrize(
    "table",
    [
        np.array([["1", "2"], ["3", "red"], ["4", "5"]]),
        np.array([[1, 2], [3, "red"], [4, 5]], dtype=object),
        [[1, 2], [3, "red"], [4, 5]],
    ],
    ids=["str array", "object array", "list"],
)
def test_text_in_an_array(quick_any, table):
    with pytest.raises(ValueError, match=r"'x1' holds 'red'.*OneHotEncoder"):
        quick_any().fit(table)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["1", "red", "2"]),
        pd.Series(["1", "red", "2"], dtype=object),
        pd.Series([None, "red", "2"], dtype=object),
        pd.Series(pd.Categorical(["red", "red", "red"])),
    ],
    ids=["str", "object", "object with None", "category"],
)
def test_text_in_a_data_frame(quick_any, column):
    with pytest.raises(ValueError, match=r"'colour' holds 'red'.*OneHotEncoder"):
        quick_any().fit(pd.DataFrame({"size": [1.0, 2.0, 3.0], "colour": column}))


def test_text_in_a_polars_frame(quick_any):
    frame = pl.DataFrame({"size": [1.0, 2.0], "colour": ["1", "red"]})
    with pytest.raises(ValueError, match=r"'colour' holds 'red'.*OneHotEncoder"):
        quick_any().fit(frame)


@pytest.mark.parametrize("n_rows", [0, 1])
def test_too_few_rows(quick_any, n_rows):
    with pytest.raises(ValueError, match=rf"{n_rows} sample\(s\).*minimum of 2"):
        quick_any().fit(np.zeros((n_rows, 3)))


def test_no_columns(quick_any):
    with pytest.raises(ValueError, match=r"0 feature\(s\).*minimum of 1"):
        quick_any().fit(np.zeros((5, 0)))


def test_one_dimension(quick_any):
    with pytest.raises(ValueError, match=r"Expected 2D array, got 1D.*[\s\S]*reshape"):
        quick_any().fit(np.arange(5.0))


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_another_number_of_columns(trained, X):
    with pytest.raises(ValueError, match=r"3 features, but .* is expecting 5"):
        trained.score_samples(X[:, :3])


def test_partial_fit_with_another_number_of_columns(fitted, X):
    with pytest.raises(ValueError, match=r"3 features, but .* is expecting 5"):
        fitted.partial_fit(X[:, :3])


def test_negative_weight(quick_any, X):
    weights = np.ones(len(X))
    weights[7] = -2.5
    with pytest.raises(ValueError, match=r"sample_weight\[7\] is -2\.5;.*0 .*or more"):
        quick_any().fit(X, sample_weight=weights)


def test_all_zero_weights(quick_any, X):
    with pytest.raises(ValueError, match=r"(?i)sample.weights? .*at least one non-zero"):
        quick_any().fit(X, sample_weight=np.zeros(len(X)))


def test_weights_of_another_length(quick_any, X):
    with pytest.raises(
        ValueError, match=r"sample_weight\.shape == \(3,\), expected \(120,\)"
    ):
        quick_any().fit(X, sample_weight=[1.0, 1.0, 1.0])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(quick_any, X, value):
    weights = np.ones(len(X))
    weights[7] = value
    with pytest.raises(ValueError, match="sample_weight"):
        quick_any().fit(X, sample_weight=weights)


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("n_components", 0, r"int in the range \[1, inf\)"),
        ("n_components", -3, r"int in the range \[1, inf\)"),
        ("n_components", 0.0, r"float in the range \(0\.0, 1\.0\)"),
        ("n_components", 1.0, r"float in the range \(0\.0, 1\.0\)"),
        ("n_components", 1.5, r"float in the range \(0\.0, 1\.0\)"),
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


def test_column_beyond_float64_is_named(quick_any, X):
    with pytest.raises(ValueError, match=r"'x2'.*1e\+200.*divide the column"):
        quick_any().fit(_with(X, 1e200))


def test_failed_fit_is_no_fit(quick_any, X):
    estimator = quick_any()
    with pytest.raises(ValueError, match="NaN"):
        estimator.fit(_with(X, np.nan))
    with pytest.raises(NotFittedError):
        estimator.score_samples(X)
