"""A fit that goes on from the last one."""

import numpy as np
import pytest
from registry import without_columns
from sklearn.base import clone

from skae import AutoencoderTransformer, VAETransformer

STEPS = {"max_iter": 6, "batch_size": 20, "random_state": 0}


def _assert_same_codes(one, other, X):
    np.testing.assert_array_equal(one.transform(X), other.transform(X))


def test_warm_start_goes_on(transformer, curved):
    settings = {"max_iter": 5, "early_stopping": False, "random_state": 0}
    estimator = without_columns(transformer, 2, warm_start=True, **settings)
    first = estimator.fit(curved.train).loss_curve_
    second = estimator.fit(curved.train).loss_curve_
    assert len(second) == 5
    assert second[-1] < first[-1]
    assert second[0] < first[0]


@pytest.mark.parametrize(
    ("estimator", "changed"),
    [
        (VAETransformer(sampler="codes"), {"likelihood": "student_t"}),
        (VAETransformer(sampler="codes"), {"divergence": "adversary"}),
        (AutoencoderTransformer(), {"loss": "absolute"}),
        (AutoencoderTransformer(), {"activation": "tanh"}),
    ],
)
def test_what_the_network_is_built_with_cannot_change_on_the_way(X, estimator, changed):
    fitted = clone(estimator).set_params(**STEPS).fit(X)
    scores = fitted.score_samples(X)
    fitted.set_params(warm_start=True, **changed)
    (name,) = changed
    for go_on in fitted.fit, fitted.partial_fit:
        with pytest.raises(ValueError, match=f"{name}='.*set it back"):
            go_on(X)
    fitted.set_params(**{name: estimator.get_params()[name]})
    np.testing.assert_array_equal(fitted.score_samples(X), scores)


def test_a_warm_start_takes_a_new_weight_of_the_loss(X):
    settings = {"sampler": "codes", "early_stopping": False, **STEPS}
    fitted = VAETransformer(2, warm_start=True, **settings).fit(X)
    heavy = clone(fitted).fit(X).set_params(beta=50.0).fit(X)
    assert heavy.transform(X).std() < 0.9 * fitted.fit(X).transform(X).std()


def test_refused_rows_leave_the_model_as_it_was(X):
    fitted = AutoencoderTransformer(2, **STEPS).fit(X)
    scores = fitted.score_samples(X)
    with pytest.raises(ValueError, match="binary_cross_entropy"):
        fitted.set_params(loss="binary_cross_entropy").fit(5.0 + 3.0 * X[:, :2])
    fitted.set_params(loss="squared")
    np.testing.assert_array_equal(fitted.score_samples(X), scores)


def test_warm_start_is_off_by_default(quick, X):
    one = quick().fit(X)
    _assert_same_codes(one.fit(X), quick().fit(X), X)


def test_a_number_of_units_is_a_layer_of_that_many(X):
    """A stream and a warm start go on with the layer that they began with."""
    stream = AutoencoderTransformer(2, hidden_layer_sizes=8, random_state=0)
    stream.partial_fit(X).partial_fit(X)
    again = AutoencoderTransformer(2, hidden_layer_sizes=8, warm_start=True, **STEPS).fit(X)
    again.set_params(hidden_layer_sizes=(8,)).fit(X)
    with pytest.raises(ValueError, match="hidden_layer_sizes=9"):
        again.set_params(hidden_layer_sizes=9).fit(X)
