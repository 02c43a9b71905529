"""What a fitted estimator keeps of the rows that it was fitted on."""

import json
import re
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from registry import FITTED, make

from skae import AEAnomalyDetector, AutoencoderTransformer
from skae.table.anonymity import blur

DOCS = Path(__file__).parents[1] / "docs" / "stored_state.md"
N = 200
EXTREMES = 4  # two at either end

# What is fitted -> how, as in the table of the docs.
HOW = {
    "a transformer or `GANSampler`": ("AutoencoderTransformer", {}),
    'a transformer with `scale="quantile"`': (
        "AutoencoderTransformer",
        {"scale": "quantile"},
    ),
    "`VAETransformer`": ("VAETransformer", {}),
    '`VAETransformer(sampler="codes")`': ("VAETransformer", {"sampler": "codes"}),
    "`AutoencoderImputer`": ("AutoencoderImputer", {}),
    "`AEAnomalyDetector`": ("AEAnomalyDetector", {}),
}


@cache
def _rows():
    """Numbers, dates and names by which every row can be recognised, and rare categories."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "income": rng.lognormal(8.0, 1.0, N),
            "age": rng.normal(40.0, 10.0, N),
            "paid": pd.Timestamp("2020") + pd.to_timedelta(rng.integers(0, 10**9, N), "s"),
            "town": np.resize(["Rome", "Oslo"], N),
            "name": [f"person {i}." for i in range(N)],
        }
    )
    frame.loc[:9, "town"] = [f"village {i}." for i in range(10)]
    frame["place"] = frame["town"].astype("category")
    return frame


@cache
def _fitted(name, **params):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(name, **params).fit(_rows())


def _kept(estimator, rows):
    """Return how many values of single rows the stored state holds, by column."""
    state = estimator.__getstate__()["stored_"]
    numbers = [pool.astype(float) for pool in state["arrays"].values()]
    numbers.append(np.array(_numbers(json.loads(state["description"]))))
    numbers = np.concatenate(numbers)
    kept = {}
    for name in rows:
        cells = rows[name]
        if cells.dtype.kind == "f":
            kept[name] = int(np.isin(cells, numbers).sum())
        elif cells.dtype.kind == "M":
            times = cells.to_numpy()
            # They are stored as distances from one of them, or from a year.
            starts = np.array(["1970", "2020"], dtype=times.dtype)
            distances = [times - start for start in (*starts, *times)]
            kept[name] = max(
                int((np.isin(d.astype(np.int64), numbers) & (d != 0)).sum())
                for d in distances
            )
        else:
            single = cells.value_counts().loc[lambda counts: counts == 1].index
            kept[name] = sum(value in state["description"] for value in single)
    return kept


def _numbers(node):
    if isinstance(node, dict):
        node = list(node.values())
    if isinstance(node, list):
        return [number for part in node for number in _numbers(part)]
    return [float(node)] if isinstance(node, (int, float)) else []


def _table():
    """Return the table of the docs: what is fitted -> column -> values kept."""
    lines = [line for line in DOCS.read_text().splitlines() if line.count("|") == 6]
    titles, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
    return {cells[0]: dict(zip(titles[1:], cells[1:], strict=True)) for cells in rows}


@pytest.mark.parametrize("what", HOW)
def test_estimators_keep_what_the_docs_say(what):
    name, params = HOW[what]
    kept, said = _kept(_fitted(name, **params), _rows()), _table()[what]
    limits = {"income": "numbers", "age": "numbers", "paid": "dates"}
    for column, of_docs in limits.items():
        if said[of_docs].startswith("two smallest"):
            # A date is also known by its distance from the first.
            assert kept[column] <= EXTREMES + (column == "paid") * 2
        else:
            assert re.match(r"up to [\d,]+", said[of_docs])
            assert kept[column] > 0.8 * N
    assert kept["town"] == kept["place"] == 10
    assert said["categories"] == "all"
    assert (kept["name"] == N) == (said["identifiers"] == "all")


@pytest.mark.parametrize("what", HOW)
def test_nothing_of_single_rows_is_kept_if_so_asked(what):
    name, params = HOW[what]
    estimator = _fitted(name, keep_training_values=False, **params)
    assert set(_kept(estimator, _rows()).values()) == {0}


@pytest.mark.parametrize("name", [name for name in FITTED if "clones" not in name])
def test_no_estimator_keeps_anything_of_single_rows_if_so_asked(name):
    estimator = _fitted(name, keep_training_values=False)
    assert set(_kept(estimator, _rows()).values()) == {0}


def test_neither_do_clones():
    settings = {"random_state": 0, "keep_training_values": False}
    transformer = AutoencoderTransformer(2, max_iter=2, **settings)
    detector = AEAnomalyDetector(transformer, n_estimators=2, **settings)
    assert set(_kept(detector.fit(_rows()), _rows()).values()) == {0}


LIBRARIES = {
    "polars": lambda frame: pl.from_pandas(frame.astype({"place": str})).with_columns(
        pl.col("place").cast(pl.Categorical),
        pl.col("name").cast(pl.Enum(frame["name"].tolist())),
    ),
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "pandas": lambda frame: frame.astype({"name": "category"}),
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_neither_do_dtypes(library):
    """A category dtype lists what its cells may be: names, in the end."""
    rows = LIBRARIES[library](_rows())
    for name in ("AutoencoderTransformer", "AEAnomalyDetector"):
        fitted = make(name, keep_training_values=False).fit(rows)
        state = fitted.__getstate__()["stored_"]
        stored = b"".join(pool.tobytes() for pool in state["arrays"].values())
        for text in ("person 7", "village 7"):
            assert text not in state["description"]
            assert text.encode() not in stored


def test_categories_of_few_rows_are_one_that_is_not_given_out():
    rows = _rows()
    fitted = _fitted("VAETransformer", keep_training_values=False)
    assert set(fitted.sample(300, random_state=0)["town"].dropna()) == {"Rome", "Oslo"}
    # They score alike, as the rare category that they were merged into.
    fresh = rows[:10].assign(**{name: rows[name].iloc[20] for name in ("income", "age")})
    fresh = fresh.assign(paid=rows["paid"].iloc[20], place="Rome")
    assert np.ptp(fitted.score_samples(fresh)) < 1e-6
    known = fresh.assign(town="Rome")
    assert (fitted.score_samples(known) > fitted.score_samples(fresh)).all()


def test_detector_keeps_no_rows_for_a_stream():
    detector = AEAnomalyDetector(keep_training_values=False)
    with pytest.raises(ValueError, match=r"partial_fit keeps training rows.*use fit"):
        detector.partial_fit(_rows())


# ------------------------------------------------------------------ means of five rows


@pytest.mark.parametrize("n", [1, 4, 5, 6, 30, 1000])
def test_blurred_values_rise_and_are_nobodys(n):
    values = np.sort(np.random.default_rng(0).lognormal(size=n))
    blurred = blur(values, 5)
    assert (np.diff(blurred) >= 0).all()
    assert n == 1 or not np.isin(values, blurred).any()
    assert values[0] <= blurred[0] <= blurred[-1] <= values[-1]
    np.testing.assert_array_equal(blur(values, 1), values)


def test_what_five_rows_share_stays_and_is_not_passed():
    values = np.sort(np.append([0.0] * 50 + [10.0] * 5, [1.0, 3.0, 11.0, 90.0]))
    blurred = blur(values, 5)
    assert (blurred[values == 0.0] == 0.0).all()
    assert (blurred[values == 10.0] == 10.0).all()
    assert (blurred[50:52] >= 0.0).all()
    assert (blurred[50:52] <= 10.0).all()
    assert not np.isin([1.0, 3.0, 11.0, 90.0], blurred).any()
