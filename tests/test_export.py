"""Fitted estimators as torch modules."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from exported import (
    assert_same,
    methods_of,
    mixed_rows,
    number_rows,
    sequences,
    with_holes,
)
from registry import ESTIMATORS, make
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler

import skae.export
from skae import (
    AEAnomalyDetector,
    AutoencoderImputer,
    AutoencoderTransformer,
    VAETransformer,
)

TABLES = {
    "numbers": number_rows(),
    "numbers with holes": with_holes(number_rows()),
    "mixed": mixed_rows(),
}
# Rows of which the estimator has seen nothing: with holes where there were none.
OTHERS = {
    "numbers": with_holes(number_rows(40, seed=2), seed=2),
    "numbers with holes": number_rows(40, seed=2),
    "mixed": mixed_rows(40, seed=2, missing=0.3),
}
# Members of the family on flattened 4 x 4 images, or sequences.
SHAPED = [
    "VAE Convolutional",
    "AE max_pool",
    "VAE average_pool",
    "AE Recurrent",
    "VAE Recurrent lstm",
    "AE tied_weights",
    "AE KLSparsity",
    "VQVAE",
    "VAE student_t",
    "VAE poisson",
    "VAE negative_binomial",
    "AE binary_cross_entropy",
    "VAE of one's own",
    "AE Modules",
]


@cache
def fitted(name, table):
    return make(name).fit(TABLES[table])


def assert_equals(estimator, X):
    """Every method of the estimator and its module say the same of rows."""
    for method in methods_of(estimator):
        module = skae.export.module(estimator, method)
        found, wanted = module(*module.tensors(X)), getattr(estimator, method)(X)
        if method == "reconstruct" and not module.is_array:
            numbers, indices = module.tensors(wanted)
            assert_same(found[0], numbers)
            there = indices >= 0  # not in a column without any cell
            assert (found[1] == indices)[there].all()
        else:
            assert_same(found, wanted)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_module_equals_the_estimator(name, table):
    estimator = fitted(name, table)
    assert_equals(estimator, TABLES[table])
    assert_equals(estimator, OTHERS[table])
    assert_equals(estimator, TABLES[table][:1])


@pytest.mark.parametrize("name", SHAPED)
def test_module_of_any_architecture_and_loss(name):
    X = sequences()
    if "binary" in name:
        X = 1.0 / (1.0 + np.exp(-X))
    if "poisson" in name or "negative" in name:
        X = np.abs(X).round()
    estimator = make(name).fit(X)
    assert_equals(estimator, X)
    if not ("poisson" in name or "negative" in name or "binary" in name):
        assert_equals(estimator, with_holes(sequences(30, seed=1)))


@pytest.mark.parametrize("scale", ["robust", "quantile", False])
def test_module_knows_all_scales(scale):
    X = np.exp(number_rows() / [2.0, 20.0, 0.2, 6.0, 2.0])
    X[:20, 0] = X[0, 0]  # a value that repeats
    estimator = make("AutoencoderTransformer", scale=scale).fit(X)
    assert_equals(estimator, np.vstack([X, 3.0 * X, -X]))


def test_unknown_rare_and_missing_levels():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "x": rng.normal(size=200),
            "level": rng.choice(["a", "b", "c", "d"], 200, p=[0.5, 0.44, 0.03, 0.03]),
            "name": pd.Series(rng.choice(["u", "v", ""], 200), dtype=object),
        }
    )
    strange = rows[:6].copy()
    strange["level"] = ["new", None, "d", "a", "other", "c"]
    strange["name"] = ["", None, "new", "u", "v", ""]
    settings = {"min_frequency": 0.1, "handle_unknown": "infrequent_if_exist"}
    for estimator in (
        make("AutoencoderTransformer", **settings),
        make("VAETransformer"),
        make("AEAnomalyDetector"),
        make("AEAnomalyDetector", min_frequency=0.1),
        make("AEAnomalyDetector of clones"),
    ):
        assert_equals(estimator.fit(rows), strange)


def test_levels_that_only_one_fold_holds():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"x": rng.normal(size=60), "level": ["a", "b", "c"] * 20})
    rows.loc[7, "level"] = "single"
    detector = make("AEAnomalyDetector").fit(rows)
    assert not all(space.knows_all_levels for space in detector._ensemble.spaces)
    assert_equals(detector, rows)
    rows.loc[:3, "x"] = np.nan
    assert_equals(detector, rows)


def test_numbers_of_an_array_as_categories():
    rng = np.random.default_rng(0)
    X = np.column_stack([number_rows(), rng.choice([0.1, 3.0, -2.0], 120)])
    estimator = make("AutoencoderTransformer", categorical_features=[5]).fit(X)
    other = X.copy()
    other[:3, 5] = [0.5, np.nan, 3.0]
    assert_equals(estimator, other)


def test_clones_that_take_other_columns_for_categories():
    rng = np.random.default_rng(0)
    X = np.column_stack([number_rows(), rng.choice([0.0, 1.0, 2.0], 120)])
    clone = AutoencoderTransformer(2, max_iter=3, categorical_features=[5])
    detector = AEAnomalyDetector(clone, n_estimators=2, random_state=0).fit(X)
    assert_equals(detector, X)


def test_wide_tables_and_clean_rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 8)) @ rng.normal(size=(8, 140))
    settings = {"contamination": 0.0, "max_iter": 20, "random_state": 0}
    for columns in (slice(None), slice(6)):
        detector = AEAnomalyDetector(**settings, code_weight=1.0).fit(X[:, columns])
        assert_equals(detector, with_holes(X[:40, columns]))


def test_pvalues_of_a_weighted_stream():
    detector = make("AEAnomalyDetector", window_size=0)
    for seed in range(2):
        detector.partial_fit(number_rows(80, seed=seed))
    assert_equals(detector, number_rows(50, seed=5))


def test_far_and_infinite_numbers_have_a_score():
    estimator = fitted("AEAnomalyDetector", "numbers")
    X = number_rows(4)
    X[1, 0], X[2, 0], X[3, 0] = 1e12, 1e300, -np.inf
    module = skae.export.module(estimator)
    scores = module(torch.from_numpy(X))
    assert torch.isfinite(scores).all()
    assert_same(scores[:3], estimator.score_samples(X[:3]))
    assert scores[3] < scores[1] < scores[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int64])
def test_numbers_of_other_dtypes(dtype):
    estimator = fitted("VAETransformer", "numbers")
    X = torch.from_numpy(number_rows(20).round()).to(dtype)
    module = skae.export.module(estimator)
    assert_same(module(X), estimator.score_samples(X.double().numpy()))


def test_several_methods_at_once_and_a_copy_of_the_state():
    estimator = fitted("AEAnomalyDetector", "numbers")
    X = TABLES["numbers"]
    module = skae.export.module(estimator, ("predict", "pvalues"))
    labels, pvalues = module(*module.tensors(X))
    assert (labels.numpy() == estimator.predict(X)).all()
    assert_same(pvalues, estimator.pvalues(X))
    assert not any(parameter.requires_grad for parameter in module.parameters())
    before = estimator.score_samples(X)
    for parameter in module.parameters():
        parameter.zero_()
    assert (estimator.score_samples(X) == before).all()


def test_torch_export_takes_any_batch():
    # With holes in fit, so that nothing has to be filled: a short graph.
    X = with_holes(sequences())
    estimator = make("AE Recurrent").fit(X)
    module = skae.export.module(estimator, "transform")
    rows = torch.export.Dim("rows")
    program = torch.export.export(
        module, module.tensors(X[:3]), dynamic_shapes=({0: rows},)
    )
    for n_rows in (1, 2, 120):
        codes = program.module()(*module.tensors(X[:n_rows]))
        assert_same(codes, estimator.transform(X)[:n_rows])


def test_torch_export_fills_cells_and_finds_levels():
    levels = np.random.default_rng(0).choice([0.1, 3.0], (120, 1))
    complete = np.hstack([number_rows(), levels])
    estimator = make("AutoencoderTransformer", categorical_features=[5]).fit(complete)
    holed = with_holes(complete)
    holed[:2, 5] = np.nan, 7.0
    module = skae.export.module(estimator)
    dynamic = ({0: torch.export.Dim.DYNAMIC},)
    program = torch.export.export(module, module.tensors(complete), dynamic_shapes=dynamic)
    for X in (complete, holed, holed[:1]):
        assert_same(program.module()(*module.tensors(X)), estimator.score_samples(X))


def test_what_is_not_there_is_refused():
    with pytest.raises(NotFittedError):
        skae.export.module(AEAnomalyDetector())
    transformer = fitted("AutoencoderTransformer", "numbers")
    with pytest.raises(ValueError, match=r"method='predict'.*'transform'"):
        skae.export.module(transformer, "predict")
    with pytest.raises(ValueError, match="each method once"):
        skae.export.module(transformer, ["transform", "transform"])
    imputer = AutoencoderImputer(max_iter=1, random_state=0).fit(number_rows())
    with pytest.raises(ValueError, match="column by column"):
        skae.export.module(imputer, "transform")
    with pytest.raises(TypeError, match="register_converters"):
        skae.export.module(StandardScaler().fit(number_rows()))


def test_columns_that_say_nothing():
    rows = mixed_rows(80)
    rows["nothing"], rows["same"] = np.nan, 3.0
    with pytest.warns(UserWarning, match="nothing"):
        estimator = VAETransformer(2, max_iter=2, random_state=0).fit(rows)
    rows["nothing"] = 5.0
    assert_equals(estimator, rows)
