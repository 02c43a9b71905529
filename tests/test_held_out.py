"""Which rows a fit holds out: random ones, whole groups, or rows of one's own."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
import torch
from registry import TRANSFORMERS, make
from scipy.sparse import csr_array
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from skae import AEAnomalyDetector, AutoencoderTransformer
from skae.models.mixture_prior import fit_prior

N_GROUPS, EACH = 12, 10
GROUPS = np.arange(N_GROUPS).repeat(EACH)


class Watch(Callback):
    """Keeps the first column of the rows that train, and of those that are held out."""

    seen: list = []

    def on_epoch_begin(self, net, dataset_train, dataset_valid, **kwargs):
        parts = dataset_train.X, dataset_valid.X if dataset_valid else dataset_train.X[:0]
        Watch.seen.append([part[:, 0].numpy().round(4) for part in parts])


@pytest.fixture
def watched():
    """What `Watch` keeps, of every epoch."""
    Watch.seen = []
    return Watch.seen


@pytest.fixture(scope="module")
def rows():
    """Rows of subjects, whose first number tells them apart."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_GROUPS, 4)).repeat(EACH, axis=0)
    X[:, 1:] += 0.1 * rng.normal(size=(len(X), 3))
    return X


@pytest.fixture(scope="module")
def own(rows):
    """Rows of one's own, as other subjects would have them."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(30, 4)) + np.array([2.0, 0.0, 0.0, 0.0])


# ---------------------------------------------------------------- groups


@pytest.mark.parametrize(
    "groups",
    [
        GROUPS,
        GROUPS.astype(str),
        GROUPS.astype(object),
        pd.Series(pd.Categorical(GROUPS), index=-np.arange(len(GROUPS))),
        pl.Series(GROUPS),
        (100.5 - GROUPS).tolist(),
        pd.Timestamp("2024-01-01", tz="Europe/Berlin") + pd.to_timedelta(GROUPS, "D"),
    ],
    ids=lambda groups: f"{type(groups).__name__} {getattr(groups, 'dtype', '')}",
)
def test_groups_are_held_out_as_a_whole(rows, watched, groups):
    quick = make("AutoencoderTransformer", validation_fraction=0.25, callbacks=[Watch()])
    quick.fit(rows, groups=groups)
    trained, held_out = watched[0]
    assert not set(trained) & set(held_out)
    assert len(set(held_out)) == 3
    assert len(held_out) == 3 * EACH


def test_every_transformer_holds_groups_out(transformer, quick, rows, watched):
    weights = np.where(np.isin(GROUPS, [3, 4]), 0.0, 1.0 + GROUPS % 2)
    fitted = quick(callbacks=[Watch()]).fit(rows, None, weights, GROUPS)
    trained, held_out = watched[0]
    assert not set(trained) & set(held_out)
    assert len(set(trained)) + len(set(held_out)) == N_GROUPS - 2
    assert fitted.validation_fraction_ == 0.3
    again = quick(callbacks=[Watch()]).fit(rows, None, weights, GROUPS)
    np.testing.assert_array_equal(again.transform(rows), fitted.transform(rows))


def test_groups_of_all_sizes_make_about_the_fraction(rows, watched):
    groups = np.repeat(np.arange(5), [80, 10, 10, 10, 10])
    for seed in range(5):
        quick = make("AutoencoderTransformer", validation_fraction=0.2, callbacks=[Watch()])
        quick.set_params(random_state=seed, max_iter=1).fit(rows, groups=groups)
        assert len(watched[-1][1]) == 10


def test_two_groups_are_one_to_train_on_and_one_to_hold_out(rows, watched):
    for fraction in (0.01, 0.99):
        quick = make("AutoencoderTransformer", callbacks=[Watch()], max_iter=1)
        quick.set_params(validation_fraction=fraction).fit(rows, groups=GROUPS < 4)
        assert sorted(map(len, watched[-1])) == [4 * EACH, 8 * EACH]


def test_copies_of_training_rows_do_not_tell_when_to_stop(rows):
    """Rows of one subject are nearly alike: random ones hold out what was learned by heart."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(12, 30)).repeat(EACH, axis=0) + 0.01 * rng.normal(size=(120, 30))
    settings = {"max_iter": 60, "random_state": 0, "alpha": 0.0, "hidden_layer_sizes": 64}
    by_rows, by_groups = (
        AutoencoderTransformer(2, **settings).fit(X, groups=groups)
        for groups in (None, GROUPS)
    )
    assert by_rows.best_iter_ > 30
    assert by_groups.best_iter_ < 5


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (np.zeros(120), "groups holds a single group, 0"),
        (GROUPS[:-1], "groups has 119 entries for 120 rows"),
        (np.where(GROUPS == 3, np.nan, GROUPS), r"groups\[30\] is missing"),
        (np.column_stack([GROUPS, GROUPS]), "should be a 1d array"),
    ],
)
def test_groups_that_cannot_be_used(rows, groups, message):
    with pytest.raises(ValueError, match=message):
        make("AutoencoderTransformer").fit(rows, groups=groups)


def test_groups_of_which_all_but_one_weigh_nothing(rows):
    with pytest.raises(ValueError, match="single group"):
        make("AutoencoderTransformer").fit(rows, None, GROUPS == 2, groups=GROUPS)


def test_groups_do_not_matter_where_nothing_is_held_out(quick, rows, own):
    for params, more in (({"early_stopping": False}, {}), ({}, {"X_val": own})):
        one = quick(**params).fit(rows, **more)
        other = quick(**params).fit(rows, groups=np.ones(len(rows)), **more)
        np.testing.assert_array_equal(one.transform(rows), other.transform(rows))


def test_groups_of_a_detector_are_those_of_its_clones(rows, watched):
    inner = AutoencoderTransformer(2, max_iter=1, callbacks=[Watch()])
    detector = AEAnomalyDetector(inner, n_estimators=4, max_samples=1.0, random_state=0)
    detector.fit(rows, groups=GROUPS)
    assert len(watched) == 4
    for trained, held_out in watched:
        assert len(held_out) > 0
        assert not set(trained) & set(held_out)


# ---------------------------------------------------------------- rows of one's own


def test_own_rows_are_held_out_and_all_others_trained_on(quick, rows, own, watched):
    weights = 1.0 + np.arange(30) % 3
    weights[::5] = 0.0
    fitted = quick(callbacks=[Watch()])
    fitted.fit(rows, X_val=own, sample_weight_val=weights)
    assert [len(part) for part in watched[0]] == [len(rows), np.count_nonzero(weights)]
    assert fitted.validation_fraction_ is None
    same = quick().fit(rows, X_val=own[weights > 0], sample_weight_val=weights[weights > 0])
    np.testing.assert_array_equal(same.transform(rows), fitted.transform(rows))
    assert same.validation_loss_curve_ == fitted.validation_loss_curve_
    assert quick().fit(rows).validation_fraction_ == 0.3


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("of_rows", [True, False])
def test_own_rows_are_scored_to_the_digit(rows, own, weighted, of_rows):
    """The loss that is least on them is minus the score, of rows that are complete."""
    weights = np.linspace(0.1, 3.0, 30) if weighted else None
    more = {"sample_weight": np.linspace(0.1, 3.0, len(rows))} if of_rows else {}
    fitted = AutoencoderTransformer(2, max_iter=20, random_state=0)
    fitted.fit(rows, X_val=own, sample_weight_val=weights, **more)
    curve = fitted.validation_loss_curve_
    assert curve[fitted.best_iter_] == min(curve[fitted.best_iter_ :])
    expected = -fitted.score(own, sample_weight=weights)
    assert curve[fitted.best_iter_] == pytest.approx(expected, rel=1e-5)


def test_own_rows_choose_the_state_alone(quick, rows, own):
    """What else is learned is the same, whatever they are."""
    still = {"learning_rate_init": 1e-30, "max_iter": 1}
    one = quick(**still).fit(rows, X_val=own)
    other = quick(**still).fit(rows, X_val=1e3 * own[:7])
    np.testing.assert_allclose(one._table.center_, rows.mean(axis=0), atol=1e-9)
    np.testing.assert_array_equal(one.transform(rows), other.transform(rows))
    assert one.validation_loss_curve_ != other.validation_loss_curve_


def _shared_means(one, other):
    """Return how many components of two priors, but for N(0, I), lie at the same place."""
    return int((one.means[:-1, None] == other.means[:-1]).all(-1).any(1).sum())


def test_own_rows_choose_the_sizes_of_a_prior_but_not_its_place():
    rng = np.random.default_rng(0)
    codes, one, other = (
        torch.from_numpy(0.1 * rng.normal(size=(n, 2)) + rng.choice([-1.0, 1.0], (n, 1)))
        for n in (400, 100, 100)
    )
    priors = [fit_prior(codes, part, learn_both=False) for part in (one, other)]
    assert _shared_means(*priors) >= 2
    both = [fit_prior(codes, part) for part in (one, other)]
    assert _shared_means(*both) == 0


@pytest.mark.parametrize("fitted_to", ["dense", "sparse"])
@pytest.mark.parametrize("given", ["dense", "sparse", "float32", "list", "Fortran"])
def test_own_rows_in_any_array(rows, own, fitted_to, given):
    own = own.astype(np.float32)
    as_given = {
        "dense": np.asarray,
        "sparse": csr_array,
        "float32": np.asarray,
        "list": lambda X: X.tolist(),
        "Fortran": np.asfortranarray,
    }[given]
    X = csr_array(rows) if fitted_to == "sparse" else rows
    fitted = make("AutoencoderTransformer").fit(X, X_val=as_given(own))
    expected = make("AutoencoderTransformer").fit(rows, X_val=own.astype(np.float64))
    assert fitted.validation_loss_curve_ == pytest.approx(
        expected.validation_loss_curve_, rel=1e-5
    )


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("holes", ["of X", "of X_val", "of both"])
def test_own_rows_of_a_frame_with_levels_and_holes(quick, library, holes):
    """A level that they alone hold is unknown, a hole that they alone have is missing."""
    rng = np.random.default_rng(0)
    level = rng.choice(["a", "b"], 80)
    frame = pd.DataFrame({"level": level, "x": rng.normal(size=80), "y": np.arange(80.0)})
    own = frame[:20].assign(level=["a", "b", "c", "b"] * 5)
    if holes != "of X_val":
        frame.loc[::9, "y"] = np.nan
    if holes != "of X":
        own.loc[::4, "x"] = np.nan
    if library == "polars":
        frame, own = pl.from_pandas(frame), pl.from_pandas(own)
    fitted = quick(1).fit(frame, X_val=own)
    assert np.isfinite(fitted.validation_loss_curve_).all()
    assert fitted._table.columns_[0].levels.tolist() == ["a", "b"]
    strict = quick(1, handle_unknown="error")
    with pytest.raises(ValueError, match=r"X_val: Column 'level' holds 'c' in row"):
        strict.fit(frame, X_val=own)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"X_val": np.zeros((5, 3))}, r"X_val: X has 3 features, but .* expecting 4"),
        ({"X_val": np.zeros((0, 4))}, r"X_val: Found array with 0 sample"),
        ({"X_val": np.zeros(4)}, r"X_val: Expected 2D array"),
        ({"X_val": np.full((5, 4), np.inf)}, r"X_val: Input X contains infinity"),
        ({"X_val": [["a"] * 4] * 3}, r"X_val: Column 'x0' holds 'a'"),
        (
            {"X_val": np.zeros((5, 4)), "sample_weight_val": [1.0]},
            r"sample_weight_val: .*shape",
        ),
        (
            {"X_val": np.zeros((5, 4)), "sample_weight_val": -np.ones(5)},
            r"sample_weight_val: sample_weight\[0\] is -1",
        ),
        (
            {"X_val": np.zeros((5, 4)), "sample_weight_val": np.zeros(5)},
            r"sample_weight_val: .* at least one non-zero",
        ),
        ({"sample_weight_val": np.ones(5)}, r"X_val, which is None; pass X_val"),
    ],
)
def test_own_rows_that_cannot_be_used(rows, arguments, message):
    fitted = make("AutoencoderTransformer").fit(rows)
    scores = fitted.score_samples(rows)
    with pytest.raises(ValueError, match=message):
        fitted.fit(2.0 * rows, **arguments)
    np.testing.assert_array_equal(fitted.score_samples(rows), scores)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"a": [1.0], "c": [2.0]}, r"X_val: The feature names should match"),
        ({"b": [1.0], "a": ["x"]}, r"X_val: The feature names should match.*order"),
        ({"a": ["x"], "b": ["y"]}, r"X_val: Column 'b' was of kind 'number'.*'category'"),
        ({"a": [], "b": []}, r"X_val: Found a frame with 0 sample"),
    ],
)
@pytest.mark.parametrize("make_frame", [pd.DataFrame, pl.DataFrame])
def test_own_frames_that_cannot_be_used(make_frame, own, message):
    frame = make_frame({"a": ["x", "y"] * 10, "b": np.arange(20.0)})
    with pytest.raises(ValueError, match=f"(?s){message}"):
        make("AutoencoderTransformer").fit(frame, X_val=make_frame(own))


def test_own_rows_that_a_likelihood_is_not_for():
    counts = np.random.default_rng(0).poisson(3.0, size=(40, 3)).astype(float)
    vae = make("VAETransformer", likelihood="poisson")
    with pytest.raises(ValueError, match=r"X_val: likelihood='poisson' needs counts"):
        vae.fit(counts, X_val=counts + 0.5)
    half = np.vstack([counts[:5], counts[5:10] + 0.5])
    vae.fit(counts, X_val=half, sample_weight_val=np.arange(10) < 5)


def test_own_rows_need_early_stopping(quick, rows, own):
    with pytest.raises(ValueError, match=r"early_stopping=False; set it to True, or leave"):
        quick(early_stopping=False).fit(rows, X_val=own)


def test_a_warm_start_starts_where_the_own_rows_were_left(rows, own):
    fitted = make("AutoencoderTransformer", warm_start=True).fit(rows, X_val=own)
    left = fitted.validation_loss_curve_[fitted.best_iter_]
    fitted.fit(rows, X_val=own)
    assert fitted.validation_loss_curve_[0] == pytest.approx(left, rel=1e-5)


def test_own_rows_stop_a_training(rows, own):
    """They are of another distribution, which no state but the start is good for."""
    fitted = make("AutoencoderTransformer", max_iter=200, n_iter_no_change=3)
    far = np.random.default_rng(0).normal(size=(200, 4)) * [1.0, 5.0, 5.0, 5.0]
    fitted.fit(rows, X_val=far)
    assert fitted.n_iter_ < 100
    assert fitted.net_.stop_reason_ == "no_change"


# ---------------------------------------------------------------- metadata


@pytest.fixture
def _routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("_routing")
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_own_rows_pass_through_a_pipeline(name, rows, own):
    requesting = make(name).set_fit_request(X_val=True, groups=True, sample_weight_val=True)
    scaler = StandardScaler()
    pipeline = make_pipeline(scaler, requesting, transform_input=["X_val"])
    weights = np.linspace(1.0, 2.0, 30)
    pipeline.fit(rows, X_val=own, groups=GROUPS, sample_weight_val=weights)
    scaled = StandardScaler().fit(rows)
    expected = make(name).fit(
        scaled.transform(rows), X_val=scaled.transform(own), sample_weight_val=weights
    )
    found = pipeline[-1]
    assert found.validation_loss_curve_ == expected.validation_loss_curve_
    np.testing.assert_array_equal(
        pipeline.transform(rows), expected.transform(scaled.transform(rows))
    )
    assert pipeline.score(rows) == expected.score(scaled.transform(rows))


@pytest.mark.usefixtures("_routing")
def test_groups_are_routed_to_folds_and_fits(rows, watched):
    estimator = make("AutoencoderTransformer", callbacks=[Watch()], max_iter=1)
    search = GridSearchCV(
        estimator.set_fit_request(groups=True), {"alpha": [0.1, 0.2]}, cv=GroupKFold(3)
    )
    search.fit(rows, groups=GROUPS)
    assert len(watched) == 7
    for trained, held_out in watched:
        assert not set(trained) & set(held_out)


def test_own_rows_of_a_step_without_routing(rows, own):
    pipeline = make_pipeline(StandardScaler(), make("AutoencoderTransformer"))
    pipeline.fit(rows, autoencodertransformer__X_val=own)
    assert pipeline[-1].validation_fraction_ is None
