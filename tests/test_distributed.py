"""Fits by several workers, here threads that are joined as processes of a cluster are."""

import pickle
import threading
from datetime import timedelta
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
import torch.distributed as dist
from workers import fit_by, rows_of

from skae import AEAnomalyDetector, AutoencoderTransformer, GANSampler, VAETransformer
from skae.distributed import Group
from skae.distributed.checkpoints import Checkpoints, FolderCheckpoints
from skae.engines import fit
from skae.lazy.shards import ShardRows
from skae.lazy.sources import open_source
from skae.table.encoder import TableEncoder
from skae.table.frame import Frame
from skae.table.rows import DenseRows
from skae.training.callback_copies import cloudpickle

N_ROWS = 1200


@pytest.fixture(scope="module")
def rows():
    return rows_of(N_ROWS, 0)


@pytest.fixture(scope="module")
def chunks(rows):
    """Two thirds of the rows are the first worker's of two."""
    return [rows.iloc[:800], rows.iloc[800:]]


def quick(kind=AutoencoderTransformer, **params):
    defaults = {"max_iter": 4, "random_state": 0}
    if kind is VAETransformer:
        defaults["sampler"] = "codes"
    if kind is AEAnomalyDetector:
        defaults |= {"max_iter": 30, "n_estimators": 6}
        return kind(**defaults | params)
    return kind(2, **defaults | params)


@pytest.fixture(scope="module")
def pair(chunks):
    """What two workers have made of the rows."""
    return fit_by(2, quick(), chunks)


# -------------------------------------------------------------------- statistics


def wide_rows(n_rows=300):
    rng = np.random.default_rng(0)
    hours = rng.integers(0, 5000, n_rows)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(hours // 24, unit="D")
    table = pd.DataFrame(
        {
            "number": rng.normal(3.0, 2.0, n_rows).round(2),
            "large": 2**60 + rng.integers(0, 1000, n_rows),
            "constant": 7.5,
            "missing": np.where(rng.random(n_rows) < 0.5, np.nan, rng.normal(size=n_rows)),
            "time": pd.Timestamp("2024-01-01") + pd.to_timedelta(hours, unit="h"),
            "day": days.tz_localize("Europe/Berlin"),
            "span": pd.to_timedelta(hours, unit="min"),
            "flag": rng.random(n_rows) < 0.3,
            "kind": rng.choice(list("abc"), n_rows),
            "grade": pd.Categorical(
                rng.choice(["low", "high"], n_rows), ["low", "high"], ordered=True
            ),
        }
    )
    table.loc[table.index[-40:], "kind"] = "late"
    table.loc[table.index[:100], "missing"] = np.nan
    return table


def encoder_of(parts, **params):
    """Return the encoder of all parts, of which it has learned one after the other."""
    encoder = TableEncoder(**params)
    encoder.begin(Frame(parts[0]))
    for part in filter(len, parts):
        encoder.learn_chunk(Frame(part))
    return encoder


@pytest.mark.parametrize("scale", [True, False, "robust"])
@pytest.mark.parametrize("bounds", [(120, 200), (100, 100), (260, 299)])
def test_merged_statistics_are_those_of_all_rows(scale, bounds):
    table = wide_rows()
    parts = [table.iloc[start:stop] for start, stop in pairwise((0, *bounds, 300))]
    whole = encoder_of(parts, scale=scale).finish_chunks(Frame(table))
    merged = None
    for part in parts:
        other = TableEncoder(scale=scale)
        other.begin(Frame(parts[0]))
        if len(part):
            other.learn_chunk(Frame(part))
        other = pickle.loads(pickle.dumps(other))
        merged = other if merged is None else merged.merge(other)
    merged.finish_chunks(Frame(table))
    for encoded, expected in zip(
        merged.encode(Frame(table), np.float64),
        whole.encode(Frame(table), np.float64),
        strict=True,
    ):
        np.testing.assert_allclose(encoded, expected, rtol=1e-9, atol=1e-9)
    x, _ = merged.encode(Frame(table), np.float64)
    decoded = merged.decode(
        merged.design_.to_output(torch.from_numpy(x)).numpy(), np.float64
    )
    kept = ["flag", "kind", "grade", "day", "large"]
    pd.testing.assert_frame_equal(decoded[kept], table[kept])


def test_levels_in_another_order_are_told():
    parts = [
        pd.DataFrame({"grade": pd.Categorical(["b", "a"], order, ordered=True)})
        for order in (["a", "b"], ["b", "a"])
    ]
    first, second = (encoder_of([part]) for part in parts)
    with pytest.raises(ValueError, match="'grade' is ordered a < b in one part"):
        first.merge(second)


# --------------------------------------------------------------------- gradients


def test_gradients_are_those_of_all_rows(tmp_path):
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    layers = [torch.nn.Linear(3, 2) for _ in range(4)]
    for layer in layers[1:]:
        layer.load_state_dict(layers[0].state_dict())
    layers[3](x).square().mean().backward()

    def work(rank):
        store = dist.FileStore(str(tmp_path / "store"), 3)
        joined = dist.ProcessGroupGloo(store, rank, 3, timedelta(seconds=60))
        own = x[[0, 0, 2, 7][rank] : [0, 0, 2, 7][rank + 1]]
        if len(own):
            layers[rank](own).square().mean().backward()
        Group(joined).average_gradients(list(layers[rank].parameters()), len(own))

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for layer in layers[:3]:
        for own, expected in zip(layer.parameters(), layers[3].parameters(), strict=True):
            torch.testing.assert_close(own.grad, expected.grad)


@pytest.mark.parametrize("n_train", [0, 3, 640])
def test_all_workers_take_as_many_steps_and_every_row(n_train):
    x = torch.arange(float(n_train)).reshape(-1, 1)
    rows = ShardRows(DenseRows(x, None), None, 0, False, 1000, 0)
    batches = [x for _, x, _ in rows.batches(64, torch.Generator().manual_seed(0))]
    assert len(batches) == 16  # of 1,000 rows
    seen, _ = torch.cat(batches).flatten().sort()
    torch.testing.assert_close(seen, x.flatten())
    assert max(map(len, batches)) <= -(-n_train // 16)


# -------------------------------------------------------------------------- fits


@pytest.mark.parametrize(
    "kind", [AutoencoderTransformer, VAETransformer, AEAnomalyDetector]
)
def test_one_worker_fits_as_fit_does(kind, rows, chunks):
    (fitted,) = fit_by(1, quick(kind), chunks)
    alone = quick(kind).fit(pd.concat(chunks))
    np.testing.assert_array_equal(fitted.score_samples(rows), alone.score_samples(rows))
    assert not hasattr(fitted, "__dict__") or "_workers" not in vars(fitted)


def test_workers_have_the_same_network(pair):
    first, second = (part.net_.module_.encoder.state_dict() for part in pair)
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def test_a_fit_depends_on_the_number_of_workers_only(pair, chunks, rows):
    again = fit_by(2, quick(), chunks)[0]
    np.testing.assert_array_equal(again.transform(rows), pair[0].transform(rows))
    assert again.loss_curve_ == pair[0].loss_curve_


def test_several_workers_learn_what_one_does(pair, rows):
    alone = quick(refit=False).fit(rows)
    new = rows_of(1000, 2)
    assert pair[0].score(new) == pytest.approx(alone.score(new), abs=0.05)
    np.testing.assert_allclose(
        pair[0]._table.scale_, alone._table.scale_, rtol=1e-9, atol=1e-9
    )
    assert pair[0].n_iter_ == alone.n_iter_
    assert pair[0].hidden_layer_sizes_ == alone.hidden_layer_sizes_


@pytest.mark.parametrize(
    "estimator",
    [
        quick(early_stopping=False),
        quick(VAETransformer, divergence="mmd", max_iter=2),
        quick(AEAnomalyDetector, n_estimators=2),
        AEAnomalyDetector(quick(max_iter=2), n_estimators=3, random_state=0),
    ],
    ids=["no held-out rows", "mmd", "fewer networks than workers", "clones"],
)
def test_what_else_three_workers_fit(estimator, chunks, rows):
    fitted = fit_by(3, estimator, chunks)[0]  # the third has no rows
    assert np.isfinite(fitted.score_samples(rows)).all()
    assert np.isfinite(fitted.loss_curve_).all()


class Memory(Checkpoints):
    """Keeps the state in memory; the workers fail after an epoch."""

    def __init__(self, fails_after):
        self.fails_after, self.state, self.counts = fails_after, None, threading.local()

    def load(self):
        return self.state and pickle.loads(self.state)

    def save(self, state):
        if state is not None:
            self.state = cloudpickle.dumps(state)
        self.counts.saved = getattr(self.counts, "saved", 0) + 1
        if self.counts.saved == self.fails_after:
            raise ConnectionError("a worker is gone")


@pytest.fixture(scope="module")
def few(chunks):
    return [chunk[::3] for chunk in chunks]


@pytest.fixture(scope="module")
def undisturbed_of(few):
    """An estimator and what two workers make of it."""

    @cache
    def fitted(kind):
        estimator = quick(kind, dropout=0.1)
        return estimator, fit_by(2, estimator, few)[0]

    return fitted


@pytest.mark.parametrize("kind", [AutoencoderTransformer, VAETransformer])
@pytest.mark.parametrize("n_epochs", [2, 4])
def test_training_goes_on_where_it_was(kind, n_epochs, undisturbed_of, few, rows):
    estimator, undisturbed = undisturbed_of(kind)
    kept = Memory(n_epochs)
    with pytest.raises(ConnectionError):
        fit_by(2, estimator, few, kept)
    kept.fails_after = None
    resumed = fit_by(2, estimator, few, kept)[0]
    np.testing.assert_array_equal(
        resumed.score_samples(rows), undisturbed.score_samples(rows)
    )
    assert resumed.validation_loss_curve_ == undisturbed.validation_loss_curve_


def test_a_state_is_kept_in_a_folder(tmp_path):
    kept = FolderCheckpoints(str(tmp_path))
    assert kept.load() is None
    kept.save(None)
    kept.save({"epoch": 3})
    assert kept.load() == {"epoch": 3}


# ------------------------------------------------------------------------ shards


@pytest.mark.parametrize("source", ["parquet", "row groups", "csv", "polars", "chunks"])
@pytest.mark.parametrize("n_workers", [2, 3])
def test_every_row_is_one_workers(source, n_workers, tmp_path):
    table = pd.DataFrame({"a": np.arange(500), "b": np.arange(500) % 7})
    for i in range(4 if source == "parquet" else 1):
        part = table.iloc[i * 125 : (i + 1) * 125] if source == "parquet" else table
        part.to_parquet(tmp_path / f"{i}.parquet", row_group_size=60)
    table.to_csv(tmp_path / "rows.csv", index=False)
    X = {
        "parquet": str(tmp_path / "*.parquet"),
        "row groups": str(tmp_path / "0.parquet"),
        "csv": str(tmp_path / "rows.csv"),
        "polars": pl.from_pandas(table).lazy(),
        "chunks": [table.iloc[:10], table.iloc[10:450], table.iloc[450:]],
    }[source]
    shards = [open_source(X).shard(rank, n_workers) for rank in range(n_workers)]
    read = [
        np.concatenate([np.asarray(c)[:, 0] for c in s.chunks()] or [[]]) for s in shards
    ]
    np.testing.assert_array_equal(np.sort(np.concatenate(read)), np.arange(500))
    if source in ("parquet", "row groups"):
        assert max(map(len, read)) < 300


# ------------------------------------------------------------------------ errors


def test_all_workers_raise_what_one_has_found(chunks):
    odd = [chunks[0], chunks[1].assign(a="text")]
    with pytest.raises(ValueError, match=r"Chunk 1: Column 'a' was of kind 'number'"):
        fit_by(2, quick(), odd)


def test_a_file_that_cannot_be_read_is_named(chunks, tmp_path):
    for number, chunk in enumerate(chunks):
        chunk.to_parquet(tmp_path / f"{number}.parquet")
    (tmp_path / "1.parquet").write_bytes(b"PAR1 and what is no file")
    with pytest.raises(ValueError, match=r"1\.parquet.*cannot be read"):
        fit_by(2, quick(), str(tmp_path))


def test_a_table_without_rows_is_told(rows):
    with pytest.raises(ValueError, match="without rows"):
        fit_by(2, quick(), [rows.iloc[:0], rows.iloc[:0]])


@pytest.mark.parametrize(
    ("estimator", "given", "message"),
    [
        (quick(), {"n_workers": 0}, "n_workers=0"),
        (quick(), {"n_workers": 2, "max_failures": -1}, "max_failures=-1"),
        (quick(), {"n_workers": 2, "engine": "spork"}, "engine='spork'"),
        (quick(), {"n_workers": 2, "engine": None}, "engine=None"),
        (quick(callbacks=[object()]), {"n_workers": 2}, "callbacks="),
        (GANSampler(), {"n_workers": 2}, "GANSampler is not trained by several"),
    ],
    ids=["workers", "failures", "engine", "no engine", "callbacks", "estimator"],
)
def test_what_cannot_be_fitted_is_told(estimator, given, message, chunks):
    with pytest.raises((ValueError, TypeError), match=message):
        fit(estimator, chunks, **{"engine": "ray", **given})


def test_rows_in_memory_are_refused(rows):
    with pytest.raises(TypeError, match="DataFrame, which workers cannot read in parts"):
        fit(quick(), rows, n_workers=2, engine="ray")
