"""Columns of very many levels: merged, left out where nearly all are new, and never large."""

import tracemalloc
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from skae import AEAnomalyDetector, AutoencoderTransformer, VAETransformer
from skae.table.identifiers import is_identifier

LIBRARIES = {
    "pandas": lambda f: f,
    "polars": pl.from_pandas,
    "pyarrow": pa.Table.from_pandas,
}


def _frame(n_rows, seed=0, **more):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n_rows)
    columns = {"a": a, "b": a + 0.3 * rng.normal(size=n_rows)}
    return pd.DataFrame(columns | more)


def _keys(n_rows, first=0):
    return [f"user{first + i}@mail.org" for i in range(n_rows)]


KEYS = {
    "text": lambda n, first: _keys(n, first),
    "object": lambda n, first: pd.Series(_keys(n, first), dtype=object),
    "category": lambda n, first: pd.Categorical(_keys(n, first)),
    "digits": lambda n, first: [str(first + i) for i in range(n)],
}


def _fit(frame, **params):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        params = {"random_state": 0, "max_iter": 30} | params
        detector = AEAnomalyDetector(**params).fit(frame)
    return detector, [str(warning.message) for warning in caught]


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_identifier_is_left_out_of_the_score(keys, library):
    """The scores are those of any other keys, all of which were not seen in fit."""
    as_library = LIBRARIES[library]
    frame = as_library(_frame(300, key=KEYS[keys](300, 0)))
    detector, messages = _fit(frame, contamination=0.0)
    (message,) = messages
    assert "'key'" in message
    assert "drop" in message
    first, other = (
        as_library(_frame(300, 1, key=KEYS[keys](300, start))) for start in (1000, 5000)
    )
    scores = detector.score_samples(first)
    np.testing.assert_array_equal(scores, detector.score_samples(other))
    np.testing.assert_allclose(scores, detector.score_samples(first), rtol=1e-12)
    assert (detector.predict(first) < 0).mean() < 0.1


def test_identifier_explains_nothing_and_nothing_is_expected_of_it():
    detector, _ = _fit(_frame(300, key=_keys(300)))
    fresh = _frame(20, 1, key=_keys(20, 500))
    contributions, expected = detector.explain(fresh, expected=True)
    assert (contributions["key"] == 0.0).all()
    assert expected["key"].isna().all()
    np.testing.assert_allclose(
        contributions.sum(axis=1), -detector.score_samples(fresh), rtol=1e-6
    )


def test_identifier_is_left_out_of_clones():
    clones = AutoencoderTransformer(1, max_iter=2)
    detector, messages = _fit(
        _frame(300, key=_keys(300)), estimator=clones, max_iter=None, n_estimators=2
    )
    assert len(messages) == 1
    first, other = (_frame(50, 1, key=_keys(50, start)) for start in (1000, 5000))
    np.testing.assert_array_equal(
        detector.score_samples(first), detector.score_samples(other)
    )


def test_whole_numbers_are_left_out_only_where_they_are_asked_for_as_categories():
    frame = _frame(300, key=np.arange(300))
    assert not _fit(frame)[1]
    detector, (message,) = _fit(frame, categorical_features=["key"])
    assert "'key'" in message
    _, expected = detector.explain(frame.iloc[:3], expected=True)
    assert expected["key"].isna().all()
    array = frame.to_numpy()
    detector, (message,) = _fit(array, categorical_features=[2])
    assert "'x2'" in message
    assert (np.asarray(detector.explain(array[:20]))[:, 2] == 0.0).all()


def test_table_of_identifiers_only_is_refused():
    frame = pd.DataFrame({"key": _keys(50), "mail": _keys(50, 100)})
    with pytest.raises(ValueError, match=r"\['key', 'mail'\], hold identifiers"):
        AEAnomalyDetector().fit(frame)
    frame["nothing"] = None
    with pytest.raises(ValueError, match="hold identifiers"):
        AEAnomalyDetector().fit(frame)


def test_levels_that_recur_are_no_identifiers():
    rng = np.random.default_rng(0)
    names = [f"n{i}" for i in rng.integers(0, 150, 300)]
    assert not _fit(_frame(300, name=names))[1]
    assert not is_identifier(np.ones(19, dtype=int))
    assert is_identifier(np.ones(20, dtype=int))
    assert not is_identifier(np.repeat([1, 2], [80, 10]))
    assert is_identifier(np.repeat([1, 2], [96, 2]))


def test_ordered_levels_that_are_declared_are_known():
    levels = [f"{i:03d}" for i in range(400)]
    ordered = pd.Categorical(levels[:300], categories=levels, ordered=True)
    assert not _fit(_frame(300, level=ordered))[1]


def test_transformers_keep_identifiers_but_warn(library, quick):
    frame = LIBRARIES[library](_frame(200, key=_keys(200)))
    with pytest.warns(UserWarning, match=r"\['key'\] hold identifiers.*drop"):
        fitted = quick(1).fit(frame)
    decoded = fitted.inverse_transform(fitted.transform(frame))
    assert set(decoded["key"].to_list()) <= set(_keys(200))


def test_text_that_tells_rows_apart_takes_no_code():
    """Learned by heart, keys would cost more on fresh rows than all else gains."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=300)
    frame = pd.DataFrame({"a": a, "b": a + 0.2 * rng.normal(size=300)})
    frame["c"], frame["g"] = rng.normal(size=300), rng.choice(list("pqrs"), 300)
    frame["key"] = _keys(300)
    train, test = frame[:150], frame[150:]

    def recovered(**params):
        fitted = AutoencoderTransformer(3, random_state=0, **params).fit(train)
        return (fitted.reconstruct(test)["g"] == test["g"]).mean()

    with pytest.warns(UserWarning, match=r"take no code, unless column_weight names"):
        assert recovered() > 0.9
    with pytest.warns(UserWarning, match="hold identifiers"):  # as was asked
        assert recovered(column_weight={"key": 1.0}) < 0.7


def test_keys_alone_leave_nothing_to_learn():
    with pytest.raises(ValueError, match=r"No column is left to learn: \['key'\]"):
        AutoencoderTransformer(1).fit(pd.DataFrame({"key": _keys(100)}))


def test_a_stream_whose_first_rows_all_differ_learns_text_that_recurs():
    """Of forty cities each comes once in the first chunk, and often afterwards."""
    rng = np.random.default_rng(0)
    stream = AutoencoderTransformer(1, learning_rate_init=0.01, random_state=0)
    with pytest.warns(UserWarning, match="They tell the network nothing"):
        stream.partial_fit(_cities(np.arange(40)))
    for _ in range(60):
        stream.partial_fit(_cities(rng.integers(0, 40, 200)))
    rows = _cities(rng.integers(0, 40, 200))
    assert (stream.reconstruct(rows)["city"] == rows["city"]).mean() > 0.2


def _cities(numbers):
    return pd.DataFrame({"x": numbers / 20.0, "city": [f"city {i}" for i in numbers]})


@pytest.mark.parametrize("n_keys", [1, 6])
def test_keys_leave_a_vae_its_noise_and_divergence(n_keys):
    """They make other columns no dearer beside the divergence, and hide no noise of theirs."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=300)
    frame = pd.DataFrame({"a": a, "b": a + rng.normal(size=300)})
    keys = {f"key {i}": _keys(300, 300 * i) for i in range(n_keys)}
    vae = VAETransformer(1, sampler="codes", max_iter=60, random_state=0)
    with pytest.warns(UserWarning, match="take no code"):
        vae.fit(frame.assign(**keys))
    divergence = vae.code_divergences(frame.assign(**keys)).mean()
    noise = vae.noise_variance_[:2]
    without = vae.fit(frame)
    # Keys that were counted among the columns made that a tenth, and this the double.
    np.testing.assert_allclose(noise, without.noise_variance_, rtol=0.5)
    assert divergence == pytest.approx(without.code_divergences(frame).mean(), rel=0.4)


# ------------------------------------------------------------------- rare and new levels


def _skewed(n_rows, seed):
    """Three frequent levels, and 300 rare ones, most of which a sample does not hold."""
    rng = np.random.default_rng(seed)
    rare = np.char.add("rare", rng.integers(0, 300, n_rows).astype(str))
    often = rng.choice(["x", "y", "z"], n_rows)
    return _frame(n_rows, seed, level=np.where(rng.random(n_rows) < 0.2, rare, often))


@pytest.mark.parametrize("rare", [{"max_categories": 10}, {"min_frequency": 0.05}])
def test_new_level_scores_as_a_rare_one_in_the_detector(rare):
    detector, _ = _fit(_skewed(400, 0), **rare)
    fresh = _frame(100, 1)
    # Seen in fit, but neither frequent nor among the ten most frequent levels.
    seen = sorted(set(_skewed(400, 0)["level"]) - {"x", "y", "z"})
    counts = _skewed(400, 0)["level"].value_counts()
    rarest = min(seen, key=lambda level: counts[level])
    np.testing.assert_array_equal(
        detector.score_samples(fresh.assign(level="never seen")),
        detector.score_samples(fresh.assign(level=rarest)),
    )
    frequent = detector.score_samples(fresh.assign(level="x"))
    assert (detector.score_samples(fresh.assign(level="never seen")) != frequent).all()


def test_new_level_is_unknown_where_no_level_is_rare():
    rng = np.random.default_rng(0)
    detector, _ = _fit(_frame(300, level=rng.choice(["x", "y"], 300)))
    fresh = _frame(50, 1)
    new = detector.score_samples(fresh.assign(level="never seen"))
    for level in ("x", "y"):
        assert (new < detector.score_samples(fresh.assign(level=level))).all()


def test_clones_have_the_say_about_rare_levels():
    clones = AutoencoderTransformer(1, max_iter=2, max_categories=4)
    params = {"estimator": clones, "max_iter": None, "n_estimators": 2}
    detector, _ = _fit(_skewed(400, 0), **params)
    fresh = _frame(50, 1)
    explained = [
        detector.explain(fresh.assign(level=level), expected=True)[1] for level in "xy"
    ]
    assert set(pd.concat(explained)["level"]) <= set(_skewed(400, 0)["level"])
    assert detector._table.max_categories == 4


def test_new_level_is_a_rare_one_in_transformers_on_request(transformer):
    frame, fresh = _skewed(400, 0), _frame(50, 1)
    params = {"max_categories": 4, "random_state": 0, "max_iter": 3}
    if transformer is VAETransformer:
        params["sampler"] = "codes"
    new, rare = fresh.assign(level="never seen"), fresh.assign(level=None)
    rare["level"] = next(v for v in frame["level"] if frame["level"].eq(v).sum() == 1)
    fitted = transformer(1, handle_unknown="infrequent_if_exist", **params).fit(frame)
    np.testing.assert_array_equal(fitted.transform(new), fitted.transform(rare))
    np.testing.assert_array_equal(fitted.score_samples(new), fitted.score_samples(rare))
    ignoring = transformer(1, **params).fit(frame)
    assert (ignoring.score_samples(new) != ignoring.score_samples(rare)).any()


# ----------------------------------------------------------------------------- memory


def _peak(fit):
    tracemalloc.start()
    try:
        fit()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("levels", ["keys", "many", "declared"])
def test_memory_is_linear_in_rows_and_levels(levels):
    """A matrix of rows or levels by levels would take 570 MB or more."""
    n_rows, rng = 12_000, np.random.default_rng(0)
    codes = rng.integers(0, 12_000, n_rows)
    column = {
        "keys": lambda: _keys(n_rows),
        "many": lambda: [f"u{code}" for code in codes],
        "declared": lambda: pd.Categorical.from_codes(codes, _keys(n_rows)),
    }[levels]()
    frame = _frame(n_rows, key=column)
    peak = _peak(lambda: _fit(frame, max_iter=2))
    assert peak < 300
