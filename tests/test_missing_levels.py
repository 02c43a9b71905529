"""Missing cells that are a level of their own: no pool, never visited."""

import pickle
from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from registry import DETECTORS, ESTIMATORS, FITTED, TRANSFORMERS, having, make
from scipy.sparse import csr_matrix
from scipy.stats import norm
from sklearn.base import clone

from skae import (
    AEAnomalyDetector,
    AutoencoderImputer,
    AutoencoderTransformer,
    VAETransformer,
)
from skae.architectures import Convolutional
from skae.corruption import Corrupter, MaskingNoise, SwapNoise
from skae.table.encoder import TableEncoder
from skae.table.rows import DenseRows

POOL = ["area", "quality", "heated", "filled", "grade"]


def _homes(n_rows, seed=0):
    """Homes of which those without a garden have no pool, of which nothing is known then."""
    rng = np.random.RandomState(seed)
    garden = rng.choice(["none", "small", "large"], n_rows, p=[0.4, 0.3, 0.3])
    large = garden == "large"
    area = np.where(large, 60.0, 25.0) + rng.normal(0.0, 4.0, n_rows)
    days = pd.to_timedelta(np.rint(area + rng.normal(0.0, 3.0, n_rows)), "D")
    homes = pd.DataFrame(
        {
            "garden": garden,
            "rooms": np.rint(4 + 2 * large + rng.normal(0.0, 0.6, n_rows)).astype(int),
            "area": area.round(1),
            "quality": np.where(large, "good", "fair"),
            "heated": pd.array(large, dtype="boolean"),
            "filled": pd.Timestamp("2024-03-01") + days,
            "grade": pd.Categorical(
                np.where(area > 50.0, "high", "low"), ["low", "high"], ordered=True
            ),
        }
    )
    homes.loc[garden == "none", POOL] = None
    return homes


HOMES, FRESH = _homes(400), _homes(200, 1)
NO_GARDEN, NO_POOL = FRESH["garden"] == "none", FRESH[POOL].isna()


def _contradiction():
    """Fresh homes with a garden, and their pool's area as a hole."""
    rows = FRESH[~NO_GARDEN].copy()
    rows["area"] = np.nan
    return rows


@cache
def _learned(name):
    """An estimator that has learned the homes."""
    longer = {
        "GANSampler": {"max_iter": 60, "hidden_layer_sizes": (64,), "batch_size": 64},
        "VAETransformer": {"max_iter": 15},
        "AdversarialAutoencoderTransformer": {"max_iter": 12},
        "AEAnomalyDetector": {"n_estimators": 8, "max_iter": 100},
    }
    more = longer.get(name, {"max_iter": 25})
    if name in TRANSFORMERS:
        more |= {"n_components": 4, "refit": False}
    return _made(name, missing="level", **more).fit(HOMES)


def _made(name, missing, **params):
    """Make an estimator; of clones, what is asked of columns their own estimator is told."""
    if name != "AEAnomalyDetector of clones":
        return make(name, missing=missing, **params)
    n_epochs = params.pop("max_iter", 4)
    own = AutoencoderTransformer(3, max_iter=n_epochs, missing=missing)
    return make(name, estimator=own, **params)


def _of_codes(name):
    """For what draws nothing, without the networks by which rows are drawn."""
    return {"sampler": "codes"} if name == "VAETransformer" else {}


# ------------------------------------------------------------------ what comes back


@pytest.mark.parametrize("name", having("reconstruct"))
def test_holes_come_back_where_they_are(name):
    rows = _learned(name).reconstruct(FRESH)
    assert (rows[POOL].isna() == NO_POOL).mean().min() > 0.95
    assert rows.dtypes.equals(FRESH.dtypes)
    of_codes = _learned(name).inverse_transform(_learned(name).transform(FRESH))
    assert (of_codes[POOL].isna() == NO_POOL).mean().min() > 0.95
    assert not rows[["garden", "rooms"]].isna().to_numpy().any()


@pytest.mark.parametrize("name", having("sample"))
def test_holes_of_samples_go_with_the_rest(name):
    """Without the level there are none; drawn by chance, half of the rows would be wrong."""
    rows = _learned(name).sample(400, random_state=0)
    without = (rows["garden"] == "none").to_numpy()[:, None]
    assert (rows[POOL].isna() == without).mean().min() > 0.75
    assert 0.25 < rows["area"].isna().mean() < 0.55
    assert rows.dtypes.equals(FRESH.dtypes)


def test_samples_hold_them_as_often_as_the_table():
    """Rows with fewer cells once counted more, and samples had 0.06 too many of them."""
    rows = _learned("VAETransformer").sample(3000, random_state=0)
    found, there = ((frame["garden"] == "none").mean() for frame in (rows, HOMES))
    assert abs(found - there) < 0.04


def _as_library(library, frame):
    frame = frame.astype({"heated": object}) if library == "arrow" else frame
    as_polars = pl.from_pandas(frame)
    return {"pandas": frame, "polars": as_polars, "arrow": as_polars.to_arrow()}[library]


@pytest.mark.parametrize("library", ["polars", "arrow"])
@pytest.mark.parametrize("name", FITTED)
def test_frames_of_other_libraries(name, library):
    """The same holes as in pandas, in the dtypes that were fitted."""
    # Without the column that is ordered in pandas only.
    of_pandas = HOMES[:80].drop(columns="grade"), FRESH[:40].drop(columns="grade")
    homes, fresh = (_as_library(library, frame) for frame in of_pandas)
    model, own = (
        _made(name, "level", **_of_codes(name)).fit(frame)
        for frame in (homes, of_pandas[0])
    )
    method = next(
        m for m in ("reconstruct", "score_samples", "transform") if hasattr(own, m)
    )
    rows, theirs = getattr(model, method)(fresh), getattr(own, method)(of_pandas[1])
    if method == "score_samples":
        np.testing.assert_allclose(rows, theirs, rtol=1e-3)
        return
    assert rows.schema == homes.schema
    np.testing.assert_array_equal(rows.to_pandas().isna(), theirs.isna())


@pytest.mark.parametrize("kind", ["array", "objects", "sparse"])
def test_arrays(kind):
    numbers = HOMES[["rooms", "area"]].assign(garden=HOMES["garden"] == "none")
    X = numbers[:150].to_numpy(dtype=float)
    given = {"array": X, "objects": np.where(np.isnan(X), None, X), "sparse": csr_matrix(X)}
    model = AutoencoderTransformer(2, missing=[1], max_iter=10, random_state=0)
    model.fit(given[kind])
    np.testing.assert_array_equal(np.isnan(model.reconstruct(given[kind])), np.isnan(X))
    np.testing.assert_array_equal(np.isnan(model.impute(given[kind])), np.isnan(X))


# ------------------------------------------------------------------ not filled


@pytest.mark.parametrize("name", having("impute"))
def test_a_level_is_not_filled_and_an_unknown_cell_is(name):
    missing = {"area": "level", "quality": "level", "rooms": "unknown"}
    model = make(name, missing=missing, max_iter=2).fit(HOMES)
    holed = FRESH.copy()
    holed.loc[holed.index[::3], "rooms"] = None
    filled = [model.impute(holed)]
    if name in ("VAETransformer", "AutoencoderImputer"):
        filled += model.impute(holed, n_draws=2, random_state=0)
    for rows in filled:
        assert not rows[["rooms", "heated", "filled", "grade"]].isna().to_numpy().any()
        pd.testing.assert_frame_equal(rows[["area", "quality"]], FRESH[["area", "quality"]])


def test_the_imputer_indicates_what_it_fills():
    imputer, columns = AutoencoderImputer(random_state=0), ["garden", "area", "quality"]
    imputer.set_params(missing=["area"], add_indicator=True, max_iter=2)
    filled = imputer.fit(HOMES[columns]).transform(FRESH[columns])
    names = [*columns, "missingindicator_quality"]
    assert list(imputer.get_feature_names_out()) == list(filled.columns) == names
    np.testing.assert_array_equal(filled["area"].isna(), NO_POOL["area"])


# ------------------------------------------------------------------ what rows score


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_a_hole_that_contradicts_the_rest_scores_low(name):
    model, rows = _learned(name), _contradiction()
    scores = model.score_samples(rows)
    assert np.isfinite(scores).all()
    assert scores.mean() < model.score_samples(FRESH[~NO_GARDEN]).mean() - 0.5


@pytest.mark.parametrize("name", DETECTORS)
def test_the_detector_sees_it(name):
    model, rows = _learned(name), _contradiction()
    assert (model.predict(rows) < 0).mean() > 0.9
    assert (model.predict(FRESH) < 0).mean() < 0.1


def test_the_detector_does_not_where_it_is_unknown():
    model = AEAnomalyDetector(n_estimators=8, max_iter=100, random_state=0).fit(HOMES)
    assert (model.predict(_contradiction()) < 0).mean() < 0.2


@pytest.mark.parametrize("name", having("explain"))
def test_it_is_what_explains_the_row(name):
    model, rows = _learned(name), _contradiction()
    contributions, expected = model.explain(rows, expected=True)
    assert list(contributions.columns) == list(FRESH.columns)
    assert (contributions.idxmax(axis=1) == "area").mean() > 0.8
    assert expected["area"].notna().mean() > 0.8
    *_, expected = model.explain(FRESH[NO_GARDEN], expected=True)
    assert expected["area"].isna().mean() > 0.8


@pytest.mark.parametrize("weight", [1.0, 3.0])
def test_density_is_that_of_the_hole_or_of_the_value(weight):
    """In nats: log p(missing), or log p(there) + log p(value)."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(1500, 2)) * [1.0, 5.0]
    X[rng.random_sample(1500) < 0.3, 1] = np.nan
    hole = np.isnan(X[:, 1])
    vae = VAETransformer(1, missing=[1], max_iter=10, sampler="codes", random_state=0)
    vae.fit(X, sample_weight=np.where(hole, weight, 1.0))
    p = weight * hole.sum() / (weight * hole.sum() + (~hole).sum())
    of_cell = np.where(hole, np.log(p), np.log(1 - p) + norm.logpdf(X[:, 1], scale=5.0))
    truth = norm.logpdf(X[:, 0]) + of_cell
    error = vae.score_samples(X) - truth
    assert abs(error[hole].mean()) < 0.15
    assert abs(error[~hole].mean()) < 0.15


def test_a_rare_hole_is_not_merged_with_other_levels():
    homes = HOMES.assign(quality=HOMES["quality"].fillna("fair"))
    rows = np.arange(20)
    homes.loc[rows, "quality"] = None
    homes.loc[rows, "rooms"] = 40
    model = AutoencoderTransformer(
        4, min_frequency=0.2, missing={"quality": "level"}, max_iter=40, random_state=0
    )
    assert model.fit(homes).reconstruct(homes)["quality"][:20].isna().mean() > 0.9


# ------------------------------------------------------------------ holes that are new


@pytest.mark.parametrize("name", having("score_samples", ESTIMATORS))
def test_a_hole_is_new_in_a_column_that_had_none(name):
    """Named, the column says that a hole is a value: one that was never seen."""
    holed = FRESH.assign(rooms=np.nan)
    by = {
        missing: _made(name, [missing], max_iter=2, **_of_codes(name)).fit(HOMES[:150])
        for missing in ("rooms", "area")
    }
    if name == "GANSampler":
        assert np.isfinite(by["rooms"].score_samples(holed)).all()
        return
    falls = {
        missing: (model.score_samples(FRESH) - model.score_samples(holed)).mean()
        for missing, model in by.items()
    }
    assert falls["rooms"] > falls["area"] + 0.05


def test_clones_learn_the_levels_that_all_rows_have():
    """A part of the rows may well have none."""
    homes = HOMES.assign(rooms=HOMES["rooms"].astype(float))
    homes.loc[:3, "rooms"] = np.nan
    clones = AutoencoderTransformer(2, max_iter=4, missing="level")
    for refuses in ("ignore", "error"):
        clones.set_params(handle_unknown=refuses)
        detector = AEAnomalyDetector(
            clones, n_estimators=4, max_samples=20, random_state=0
        ).fit(homes)
        contributions, rows = detector.explain(homes[:8], expected=True)
        assert np.isfinite(detector.score_samples(homes)).all()
        assert contributions.shape == rows.shape == (8, 7)


def test_a_new_hole_is_refused_if_new_levels_are():
    model = make("AutoencoderTransformer", missing=["rooms"], handle_unknown="error")
    model.fit(HOMES)
    with pytest.raises(ValueError, match=r"'rooms' has a missing cell in row 0.*'ignore'"):
        model.transform(FRESH.assign(rooms=np.nan))


@pytest.mark.parametrize("name", ["AutoencoderTransformer", "VAETransformer"])
def test_a_stream_learns_holes_that_its_first_chunk_has_not(name):
    homes = HOMES.assign(area=HOMES["area"].fillna(10.0), rooms=HOMES["rooms"] * 1.0)
    later = homes.copy()
    later["area"] = HOMES["area"]
    model = make(name, missing={"area": "level"}).partial_fit(homes)
    before = model.score_samples(later[later["area"].isna()]).mean()
    for _ in range(5):
        model.partial_fit(later)
    assert model.score_samples(later[later["area"].isna()]).mean() > before
    assert model.sample(400, random_state=0)["area"].isna().any()


# ------------------------------------------------------------------ conditions


def test_a_missing_cell_is_asked_for():
    vae = _learned("VAETransformer")
    rows = vae.sample(100, random_state=0, given={"area": None})
    assert rows["area"].isna().all()
    assert (rows["garden"] == "none").mean() > 0.95
    rows = vae.sample(400, random_state=0, given={"area": (50, 80)})
    assert rows["area"].between(50, 80).all()
    assert (rows["garden"] == "large").mean() > 0.7
    assert vae.sample(50, given={"area": 60.0})["area"].eq(60.0).all()
    rows = vae.sample(600, random_state=0, given={"quality": ["good", None]})
    assert set(rows["quality"].dropna()) == {"good"}
    # 0.4 of the homes have no pool, 0.3 a good one.
    assert abs(rows["quality"].isna().mean() - 4 / 7) < 0.12


def test_frames_of_conditions_hold_it_as_a_value():
    given = HOMES[["area"]][:100]
    rows = _learned("VAETransformer").sample(random_state=0, given=given)
    pd.testing.assert_series_equal(rows["area"], given["area"])
    assert ((rows["garden"] == "none") == given["area"].isna()).mean() > 0.9


def test_what_cannot_be_asked_for():
    vae = VAETransformer(2, missing=["rooms", "area"], max_iter=2, random_state=0)
    vae.fit(HOMES)
    with pytest.raises(ValueError, match="'rooms', of which no cell was missing in fit"):
        vae.sample(given={"rooms": None})
    with pytest.raises(ValueError, match=r"'quality'.*missing=\{'quality': 'level'\}"):
        vae.sample(given={"quality": None})


# ------------------------------------------------------------------ the parameter


@pytest.mark.parametrize(
    "missing",
    [
        ["area", "quality"],
        [2, 3],
        [False, False, True, True, False, False, False],
        {"area": "level", "quality": "level", "rooms": "unknown"},
        {2: "level", -4: "level"},
    ],
)
def test_columns_are_named_in_the_usual_ways(missing):
    model = make("AutoencoderTransformer", missing=missing).fit(HOMES)
    unlike = model.impute(FRESH).isna().any()
    assert list(unlike[unlike].index) == ["area", "quality"]


@pytest.mark.parametrize("name", FITTED)
@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("levels", "'missing' parameter of .*must be"),
        (None, "'missing' parameter of .*must be"),
        (["pond"], "missing names 'pond', which is not a column of X; its columns are"),
        ({"pond": "level"}, "missing names 'pond', which is not a column"),
        ({"area": "value"}, "says 'value' of column 'area'; say 'level' .*or 'unknown'"),
        ([True, False], "missing is a mask of 2 columns, but X has 7"),
        ([9], "missing holds 9, but X has 7 columns"),
    ],
)
@pytest.mark.usefixtures("training")
def test_what_is_no_such_column(name, missing, message):
    model = _made(name, missing)
    with pytest.raises(ValueError, match=message):
        model.fit(HOMES)


def test_training_goes_on_with_the_same_levels():
    model = make("AutoencoderTransformer", missing="level", warm_start=True).fit(HOMES)
    model.set_params(missing="unknown")
    with pytest.raises(ValueError, match="missing='level', but missing='unknown' now"):
        model.fit(HOMES)


def test_networks_of_numbers_only_refuse_levels():
    model = AutoencoderTransformer(2, network=Convolutional((2, 1), 4, 1), missing="level")
    with pytest.raises(ValueError, match="missing cells that are a level"):
        model.fit(HOMES[["rooms", "area"]])


@pytest.mark.parametrize("name", FITTED)
def test_clones_and_pickles(name):
    model = clone(_made(name, {"area": "level"}, **_of_codes(name))).fit(HOMES[:80])
    again = pickle.loads(pickle.dumps(model))
    method = "score_samples" if hasattr(model, "score_samples") else "transform"
    own, other = (getattr(m, method)(FRESH) for m in (model, again))
    pd.testing.assert_frame_equal(pd.DataFrame(own), pd.DataFrame(other))


@pytest.mark.parametrize("noise", [MaskingNoise(), SwapNoise(0.5)])
def test_noise_takes_a_cell_and_its_absence_together(noise):
    """No row is shown that has an area and says that it has none."""
    X = HOMES[["rooms", "area"]].to_numpy(dtype=float)
    table = TableEncoder(missing=[1]).fit(X)
    x, observed = map(torch.from_numpy, table.encode(X))
    corrupter = Corrupter(noise, table.design_, DenseRows(x, observed))
    seen = corrupter(x, observed, torch.Generator().manual_seed(0))
    assert (seen != x).any()
    absent = table.design_.absence.absent(seen[:, 2:])[:, 0] > 0.5
    assert absent.any()
    assert not seen[absent, 1].any()
    if isinstance(noise, SwapNoise):
        assert seen[~absent, 1].all()


def test_a_column_that_is_wholly_missing_stays_as_it_is():
    homes = HOMES.assign(pond=pd.Series(np.nan, HOMES.index))
    model = make("AutoencoderTransformer", missing={"pond": "level"})
    with pytest.warns(UserWarning, match="All cells of columns .'pond'. are missing"):
        rows = model.fit(homes).reconstruct(homes)
    assert rows["pond"].isna().all()
