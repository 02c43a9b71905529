"""The copy of a model in float64: kept while the model is the same, and never stale."""

import gc
import pickle
import warnings
import weakref

import numpy as np
import pytest
import torch

from skae import AutoencoderTransformer, VAETransformer
from skae.models import precision
from skae.models.precision import in_float64

ROWS = np.random.default_rng(0).normal(size=(60, 4)) @ np.diag([1.0, 2.0, 3.0, 0.5])


def _fitted(make=AutoencoderTransformer, **params):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        params = {"max_iter": 2, **params}
        return make(2, hidden_layer_sizes=(8,), random_state=0, **params).fit(ROWS)


def test_rows_are_scored_by_one_copy():
    model = _fitted()
    model.score_samples(ROWS)
    module = model.net_.module_
    kept = in_float64(module)
    for method in (model.score_samples, model.transform, model.impute, model.explain):
        method(ROWS[:1])
        assert in_float64(module) is kept
    assert next(kept.parameters()).dtype == torch.float64
    assert next(module.parameters()).dtype == torch.float32


def _halve_in_place(model):
    with torch.no_grad():
        for weight in model.net_.module_.parameters():
            weight.mul_(0.5)


def _replace(model):
    for weight in model.net_.module_.parameters():
        weight.data = weight.data * 0.5


def _load(model):
    module = model.net_.module_
    module.load_state_dict(
        {name: 0.5 * value for name, value in module.state_dict().items()}
    )


def _train_on(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.set_params(learning_rate_init=0.1).partial_fit(3.0 * ROWS)


def _fit_again(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.set_params(warm_start=True, early_stopping=False, max_iter=9).fit(2.0 * ROWS)


@pytest.mark.parametrize(
    "change", [_halve_in_place, _replace, _load, _train_on, _fit_again]
)
@pytest.mark.parametrize("make", [AutoencoderTransformer, VAETransformer])
def test_what_changes_the_model_changes_the_scores(make, change):
    model = _fitted(make)
    before = model.score_samples(ROWS)
    change(model)
    after = model.score_samples(ROWS)
    assert np.abs(after - before).max() > 1e-4
    precision.forget(model.net_.module_)
    np.testing.assert_array_equal(after, model.score_samples(ROWS))


def test_parameters_of_scoring_count_from_call_to_call():
    model = _fitted(VAETransformer, n_importance_samples=2)
    with torch.no_grad():
        for weight in model.encoder_.parameters():
            weight.mul_(2.0)  # of the true posterior few draws would do
    few = model.score_samples(ROWS)
    many = model.set_params(n_importance_samples=256).score_samples(ROWS)
    assert np.abs(few - many).max() > 1e-3
    np.testing.assert_array_equal(
        few, model.set_params(n_importance_samples=2).score_samples(ROWS)
    )


def test_a_copy_goes_with_its_model_and_is_not_pickled():
    model = _fitted()
    size = len(pickle.dumps(model))
    model.score_samples(ROWS)
    assert len(pickle.dumps(model)) <= size + 100
    double = weakref.ref(in_float64(model.net_.module_))
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.score_samples(ROWS), model.score_samples(ROWS))
    del model
    gc.collect()
    assert double() is None
