import pickle

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skae import (
    AdversarialAutoencoderTransformer,
    AEAnomalyDetector,
    AutoencoderImputer,
    AutoencoderTransformer,
    GANSampler,
    VAETransformer,
    VQVAETransformer,
)

# Tiny and noisy tables give the checks' models little to learn, of which they warn.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*latent dimensions have collapsed"),
    pytest.mark.filterwarnings("ignore:Only .* of the codebook is in use"),
    pytest.mark.filterwarnings("ignore:The generated rows are near"),
]
REASON = "random mini-batches: to the bit, a weight of 2 is not a row twice"
STOCHASTIC = {
    "check_sample_weight_equivalence_on_dense_data": REASON,
    "check_sample_weight_equivalence_on_sparse_data": REASON,
}


@parametrize_with_checks(
    [
        AutoencoderTransformer(max_iter=3),
        # The networks of columns are held to all of this as the imputer.
        VAETransformer(max_iter=3, sampler="codes"),
        # Four networks: both kinds of the default, in both folds.
        AEAnomalyDetector(n_estimators=4, max_iter=30),
        GANSampler(max_iter=3),
        VQVAETransformer(max_iter=3),
        AdversarialAutoencoderTransformer(max_iter=3),
        AutoencoderImputer(max_iter=3),
    ],
    # A sampler transforms and predicts nothing that could be compared; of the checks' few
    # rows an imputer stays at its start, which is no matter of batches.
    expected_failed_checks=lambda estimator: (
        {} if isinstance(estimator, (GANSampler, AutoencoderImputer)) else STOCHASTIC
    ),
)
def test_estimator_checks(estimator, check):
    check(estimator)


def _outputs(estimator, X):
    """Everything that a fitted estimator says of X."""
    names = ("transform", "score_samples", "decision_function", "predict")
    outputs = {
        name: getattr(estimator, name)(X) for name in names if hasattr(estimator, name)
    }
    if "transform" in outputs:
        outputs["inverse_transform"] = estimator.inverse_transform(outputs["transform"])
    return outputs


def _assert_same_to_the_bit(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_clone_keeps_every_parameter_and_no_fit(fitted_any):
    copied = clone(fitted_any)
    assert repr(copied.get_params()) == repr(fitted_any.get_params())
    assert not hasattr(copied, "n_features_in_")


def test_clone_fits_to_the_same_bits(fitted_any, X):
    _assert_same_to_the_bit(_outputs(clone(fitted_any).fit(X), X), _outputs(fitted_any, X))


def test_set_params_before_a_refit_counts(quick, X):
    changed = quick(2).fit(X).set_params(n_components=3, random_state=1).fit(X)
    _assert_same_to_the_bit(
        _outputs(changed, X), _outputs(quick(3, random_state=1).fit(X), X)
    )


def test_pickle_round_trip(fitted_any, X):
    _assert_same_to_the_bit(
        _outputs(pickle.loads(pickle.dumps(fitted_any)), X), _outputs(fitted_any, X)
    )


def test_pickled_transformer_samples_alike(quick, X):
    fitted = quick().fit(X)
    expected = fitted.sample(5, random_state=0)
    unpickled = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(unpickled.sample(5, random_state=0), expected)


def test_joblib_round_trip(fitted_any, X, tmp_path):
    joblib.dump(fitted_any, tmp_path / "model.joblib")
    _assert_same_to_the_bit(
        _outputs(joblib.load(tmp_path / "model.joblib"), X), _outputs(fitted_any, X)
    )


def test_unpickled_estimator_trains_on(quick, X):
    one, other = (quick(warm_start=True).fit(X) for _ in range(2))
    other = pickle.loads(pickle.dumps(other))
    _assert_same_to_the_bit(_outputs(one.fit(X), X), _outputs(other.fit(X), X))


def test_pickle_holds_no_training_rows(quick_any):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3200, 20))
    short = {} if quick_any().max_iter is None else {"max_iter": 1}
    few, more = (len(pickle.dumps(quick_any(**short).fit(X[:n]))) for n in (2200, 3200))
    # 1000 rows as float32 would be 80,000 bytes; a detector keeps two numbers a row.
    assert more - few < 20_000


def test_grid_search_needs_no_scoring(quick, ppca):
    """Two factors are behind the rows: one code is too few."""
    search = GridSearchCV(quick(), {"n_components": [1, 2]}, cv=2)
    search.fit(ppca.train[:300])
    assert search.best_params_ == {"n_components": 2}
    fresh = ppca.test[:300]
    assert search.score(fresh) == search.best_estimator_.score(fresh)


def test_cross_val_score_is_held_out_score(quick, X):
    scores = cross_val_score(quick(), X, cv=[(np.arange(60), np.arange(60, 120))])
    expected = quick().fit(X[:60]).score(X[60:])
    np.testing.assert_array_equal(scores, [expected])


def test_codes_feed_a_classifier_in_a_pipeline(transformer, quick):
    X, y = load_iris(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), quick(2), LogisticRegression())
    # Rows that share an entry of a codebook are one to the classifier.
    least = 0.8 if transformer is VQVAETransformer else 0.85
    assert cross_val_score(pipeline, X, y, cv=3).mean() > least


def test_pipeline_goes_back_to_the_columns(transformer, quick, X):
    if transformer is VQVAETransformer:
        pytest.skip("as many codes as columns restore the rows, but not from entries")
    pipeline = make_pipeline(StandardScaler(), quick(5)).fit(X)
    back = pipeline.inverse_transform(pipeline.transform(X))
    np.testing.assert_allclose(back, X, atol=0.2 * X.std(axis=0).max())
    assert np.corrcoef(back.ravel(), X.ravel())[0, 1] > 0.99


def test_column_transformer(quick, X):
    frame = pd.DataFrame(X, columns=list("abcde"))
    table = ColumnTransformer(
        [("ae", quick(1), ["b", "d"]), ("rest", "passthrough", ["a"])]
    ).fit(frame)
    expected = quick(1).fit(frame[["b", "d"]]).transform(frame[["b", "d"]])
    np.testing.assert_array_equal(table.transform(frame)[:, :1], expected)
    name = quick().__class__.__name__.lower()
    assert list(table.get_feature_names_out()) == [f"ae__{name}0", "rest__a"]


def test_feature_union(quick, X):
    union = FeatureUnion([("pca", PCA(2)), ("ae", quick(3))]).fit(X)
    np.testing.assert_array_equal(union.transform(X)[:, 2:], quick(3).fit(X).transform(X))
    assert len(union.get_feature_names_out()) == 5


def test_feature_names_out(quick, X):
    fitted = quick(3).fit(X)
    name = type(fitted).__name__.lower()
    assert list(fitted.get_feature_names_out()) == [f"{name}{i}" for i in range(3)]


def test_pandas_output(quick, X):
    frame = pd.DataFrame(X, columns=list("abcde"), index=np.arange(120)[::-1])
    fitted = quick().set_output(transform="pandas").fit(frame)
    codes = fitted.transform(frame)
    assert list(codes.columns) == list(fitted.get_feature_names_out())
    assert list(codes.index) == list(frame.index)
    np.testing.assert_array_equal(codes.to_numpy(), quick().fit(X).transform(X))


def test_polars_output(quick, X):
    frame = pl.DataFrame(X, schema=list("abcde"))
    fitted = quick().set_output(transform="polars").fit(frame)
    codes = fitted.transform(frame)
    assert isinstance(codes, pl.DataFrame)
    assert codes.columns == list(fitted.get_feature_names_out())
    np.testing.assert_array_equal(codes.to_numpy(), quick().fit(X).transform(X))


@pytest.fixture
def _routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("_routing")
def test_sample_weight_is_routed_through_a_pipeline(quick_any, X):
    weights = np.linspace(0.1, 3.0, len(X))
    requesting = quick_any().set_fit_request(sample_weight=True)
    pipeline = make_pipeline(PCA(5), requesting).fit(X, sample_weight=weights)
    rotated = pipeline[0].transform(X)
    expected = _outputs(quick_any().fit(rotated, sample_weight=weights), rotated)
    _assert_same_to_the_bit(_outputs(pipeline[-1], rotated), expected)
    unweighted = quick_any().fit(rotated).score_samples(rotated)
    assert not np.allclose(unweighted, expected["score_samples"])


@pytest.mark.usefixtures("_routing")
def test_sample_weight_is_routed_to_a_step_in_the_middle(quick, X):
    weights = np.linspace(0.1, 3.0, len(X))
    y = X[:, 0] > 0
    pipeline = make_pipeline(
        quick().set_fit_request(sample_weight=True),
        LogisticRegression().set_fit_request(sample_weight=False),
    ).fit(X, y, sample_weight=weights)
    expected = quick().fit(X, sample_weight=weights).transform(X)
    np.testing.assert_array_equal(pipeline[0].transform(X), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_output_has_the_precision_of_the_input(quick, X, dtype):
    fitted = quick().fit(X.astype(dtype))
    codes = fitted.transform(X.astype(dtype))
    assert codes.dtype == dtype
    assert fitted.inverse_transform(codes).dtype == dtype


def test_float32_and_float64_agree(quick_any, X):
    # Cells that float32 holds exactly: the two tables are the same table.
    X = X.astype(np.float32)
    single = _outputs(quick_any().fit(X), X)
    double = _outputs(quick_any().fit(X.astype(np.float64)), X.astype(np.float64))
    for name in single:
        scale = np.abs(double[name]).max()
        np.testing.assert_allclose(
            single[name], double[name], atol=1e-4 * scale, err_msg=name
        )


def test_integers_are_numbers(quick_any):
    X = np.random.default_rng(0).integers(0, 50, size=(60, 4))
    _assert_same_to_the_bit(
        _outputs(quick_any().fit(X), X),
        _outputs(quick_any().fit(X.astype(float)), X.astype(float)),
    )


@pytest.mark.filterwarnings("ignore:The fit stays at its start")
@pytest.mark.filterwarnings("error")
def test_read_only_rows_are_left_alone(quick_any, X):
    rows, weights = X.copy(), np.linspace(0.5, 1.5, len(X))
    kept = rows.copy(), weights.copy()
    rows.setflags(write=False)
    weights.setflags(write=False)
    _outputs(quick_any().fit(rows, sample_weight=weights), rows)
    np.testing.assert_array_equal(rows, kept[0])
    np.testing.assert_array_equal(weights, kept[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_memory_order_does_not_matter(quick_any, X, dtype):
    X = X.astype(dtype)[:60]
    expected = _outputs(quick_any().fit(X), X)
    strided = np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3]
    for same in (np.asfortranarray(X), strided):
        assert not same.flags.c_contiguous
        _assert_same_to_the_bit(_outputs(quick_any().fit(same), same), expected)


@pytest.mark.parametrize("frame_type", [pd.DataFrame, pl.DataFrame])
def test_columns_in_another_order_are_an_error(quick_any, X, frame_type):
    frame = frame_type({name: X[:, i] for i, name in enumerate("abcde")})
    fitted = quick_any().fit(frame)
    assert list(fitted.feature_names_in_) == list("abcde")
    for method in _outputs(fitted, frame).keys() - {"inverse_transform"}:
        with pytest.raises(ValueError, match="same order"):
            getattr(fitted, method)(frame[list("edcba")])


def test_other_column_names_are_an_error(quick_any, X):
    frame = pd.DataFrame(X, columns=list("abcde"))
    fitted = quick_any().fit(frame)
    with pytest.raises(ValueError, match=r"unseen at fit time[\s\S]*other"):
        fitted.score_samples(frame.rename(columns={"a": "other"}))
