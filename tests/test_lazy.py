"""Tables that are read in chunks."""

import gc
import glob
import os
import tempfile
import threading
import time
import warnings
from string import ascii_letters
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from pyarrow import parquet
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from skae import (
    AEAnomalyDetector,
    AutoencoderImputer,
    AutoencoderTransformer,
    GANSampler,
    VAETransformer,
)
from skae.lazy import LazyRows, map_rows
from skae.lazy.sources import open_source

N_ROWS, N_FILES = 12_000, 3
# Less than the rows take, so that these are trained on from files.
SMALL = "10MB"


def rows_of(n_rows, seed):
    """Return rows of three factors; a number is missing now and then."""
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((n_rows, 3))
    loadings = np.random.default_rng(1).standard_normal((3, 8))
    numbers = factors @ loadings + 0.3 * rng.standard_normal((n_rows, 8))
    table = pd.DataFrame(numbers, columns=list("abcdefgh"))
    table["h"] = np.abs(factors[:, 0]) + 0.1 * table["h"]
    table["sign"] = np.where(factors[:, 0] > 0, "plus", "minus")
    table["count"] = (10 * factors[:, 2]).round().astype(int)
    table.loc[rng.random(n_rows) < 0.1, "c"] = np.nan
    return table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder of Parquet files; the last alone has rows of a rare level."""
    folder = tmp_path_factory.mktemp("table")
    for i in range(N_FILES):
        part = rows_of(N_ROWS, i)
        if i == N_FILES - 1:
            part.loc[part.index[-200:], "sign"] = "unsigned"
        part.to_parquet(folder / f"{i}.parquet", index=False)
    return folder


@pytest.fixture(scope="module")
def whole(folder):
    return pd.concat([pd.read_parquet(path) for path in sorted(folder.iterdir())])


@pytest.fixture(scope="module")
def fresh():
    return rows_of(3000, 99)


def model(max_iter=3, **settings):
    return AutoencoderTransformer(3, max_iter=max_iter, random_state=0, **settings)


@pytest.fixture(scope="module")
def from_files(folder):
    return model(memory_limit=SMALL).fit(pl.scan_parquet(folder / "*.parquet"))


@pytest.fixture(scope="module")
def small():
    return rows_of(500, 5)


@pytest.fixture(scope="module")
def fitted(small):
    return model().fit(small)


# ------------------------------------------------------------------ fits


def test_a_fit_from_files_is_as_good_as_one_in_memory(from_files, whole, fresh):
    in_memory = model().fit(pl.from_pandas(whole))
    rows = pl.from_pandas(fresh)
    # In memory -0.055, at the start, PCA, -0.149.
    assert from_files.score(rows) > 1.2 * in_memory.score(rows)
    assert from_files.best_iter_ > 0


def test_statistics_are_of_all_rows(from_files, whole):
    table = from_files._table
    numbers = whole[list("abcdefgh")]
    np.testing.assert_allclose(table.center_[:8], numbers.mean(), atol=1e-9)
    np.testing.assert_allclose(table.scale_[:8], numbers.std(ddof=0), rtol=1e-9)


def test_levels_of_later_chunks_are_known(from_files, fresh):
    rare = fresh.assign(sign="unsigned")
    back = from_files.reconstruct(pl.from_pandas(rare))
    assert set(back["sign"]) <= {"plus", "minus", "unsigned"}
    (block,) = [b for b in from_files._table.design_.blocks if b.names == ["sign"]]
    assert block.readers[0].levels.tolist() == ["minus", "plus", "unsigned"]
    np.testing.assert_allclose(block.readers[0].counts.sum(), N_ROWS * N_FILES)


def test_seeded_fits_from_files_are_equal(from_files, folder, fresh):
    again = clone(from_files).fit(pl.scan_parquet(folder / "*.parquet"))
    rows = pl.from_pandas(fresh)
    np.testing.assert_array_equal(again.transform(rows), from_files.transform(rows))


def test_a_table_that_fits_into_memory_is_fitted_as_any_other(small, fitted):
    lazy = model().fit(pl.from_pandas(small).lazy())
    eager = model().fit(pl.from_pandas(small))
    rows = pl.from_pandas(small)
    np.testing.assert_array_equal(lazy.transform(rows), eager.transform(rows))


def test_every_estimator_is_fitted_to_a_lazy_frame_as_to_the_frame(quick_any, X):
    rows = pl.DataFrame(X, schema=list("abcde"))
    scores = quick_any().fit(rows.lazy()).score_samples(rows)
    np.testing.assert_array_equal(scores, quick_any().fit(rows).score_samples(rows))


def test_the_files_are_deleted(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen = []
    fit = model(
        max_iter=1,
        memory_limit=SMALL,
        callbacks=[_Watch(lambda: seen.append(os.listdir(tmp_path)))],
    )
    fit.fit(str(folder / "*.parquet"))
    assert any(seen)
    assert os.listdir(tmp_path) == []


def test_the_files_are_deleted_if_a_fit_fails(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def fail():
        raise RuntimeError("of the callback")

    fit = model(memory_limit=SMALL, callbacks=[_Watch(fail)])
    n_threads = threading.active_count()
    with pytest.raises(RuntimeError, match="of the callback"):
        fit.fit(str(folder / "*.parquet"))
    assert os.listdir(tmp_path) == []
    gc.collect()
    assert threading.active_count() <= n_threads
    assert not hasattr(fit, "net_")


@pytest.mark.parametrize("reading", [1, 2])
def test_an_interrupt_while_rows_are_read_leaves_what_was(
    reading, fitted, small, monkeypatch, tmp_path
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    class Interrupted:
        n_begun = 0

        def __iter__(self):
            self.n_begun += 1
            yield from [rows_of(10_000, 0)] * 2
            if self.n_begun == reading:
                raise KeyboardInterrupt

    fresh, again = model(memory_limit=SMALL), model(memory_limit=SMALL).fit(small)
    for estimator in (fresh, again):
        with pytest.raises(KeyboardInterrupt):
            estimator.fit(Interrupted())
    assert os.listdir(tmp_path) == []
    assert not hasattr(fresh, "net_")
    np.testing.assert_array_equal(again.transform(small), fitted.transform(small))


class _Watch(Callback):
    def __init__(self, look):
        self.look = look

    def on_epoch_end(self, net, **kwargs):
        self.look()


def test_a_full_disk_is_told_before_work(folder, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(OSError, match="TMPDIR"):
        model(memory_limit=SMALL).fit(str(folder / "*.parquet"))


def test_a_variational_model_samples_what_it_was_fitted_to(folder, whole):
    vae = VAETransformer(
        3, max_iter=1, random_state=0, memory_limit=SMALL, sampler="codes"
    ).fit(str(folder / "*.parquet"))
    sample = vae.sample(4000, random_state=0).to_pandas()
    numbers = list("abdefg")
    spread = whole[numbers].std()
    assert (abs(sample[numbers].mean() - whole[numbers].mean()) < 0.15 * spread).all()


@pytest.mark.parametrize(
    "estimator",
    [
        AEAnomalyDetector(random_state=0, n_estimators=2, max_iter=2, memory_limit=SMALL),
        AutoencoderImputer(random_state=0, max_iter=1, memory_limit=SMALL),
        GANSampler(random_state=0, max_iter=1, memory_limit=SMALL),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_others_learn_from_a_sample_of_all_rows(estimator, folder, monkeypatch):
    monkeypatch.setattr("skae.lazy.sampling.MAX_SAMPLE", 1500)
    with warnings.catch_warnings(action="ignore"):  # of few networks, of few steps
        estimator.fit(str(folder / "*.parquet"))
    assert estimator._table._n_rows == 1500
    (block,) = [b for b in estimator._table.design_.blocks if b.names == ["sign"]]
    share = block.readers[0].counts / 1500
    np.testing.assert_allclose(share[:2], 0.5, atol=0.06)


def test_a_large_memory_map_is_read_in_chunks(tmp_path, monkeypatch):
    numbers = rows_of(30_000, 3)[list("abdefg")].to_numpy()
    path = tmp_path / "rows.npy"
    np.save(path, numbers)
    rows = np.load(path, mmap_mode="r")
    from_map = model(memory_limit=SMALL).fit(rows)
    in_memory = model().fit(numbers)
    assert from_map.transform(rows).shape == (30_000, 3)
    assert from_map.score(numbers) > 1.2 * in_memory.score(numbers)
    np.testing.assert_allclose(from_map._table.center_, numbers.mean(axis=0), atol=1e-9)


# ------------------------------------------------------------------ results


def sources(table, folder):
    """Return the table as everything that is read in chunks."""
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    table.to_csv(folder / "rows.csv", index=False)
    table.iloc[:200].to_parquet(folder / "1.parquet", index=False)
    table.iloc[200:].to_parquet(folder / "2.parquet", index=False)
    return {
        "LazyFrame": pl.from_pandas(table).lazy(),
        "dataset": ds.dataset(arrow),
        "path": folder / "1.parquet",
        "csv": str(folder / "rows.csv"),
        "pattern": str(folder / "?.parquet"),
        "frames": [table.iloc[:100], table.iloc[100:]],
        "own": _Chunks(table),
    }


class _Chunks:
    def __init__(self, table):
        self.table = table

    def __iter__(self):
        for start in range(0, len(self.table), 123):
            yield self.table.iloc[start : start + 123]


KINDS = ["LazyFrame", "dataset", "path", "csv", "pattern", "frames", "own"]


@pytest.mark.parametrize("kind", KINDS)
def test_results_are_those_of_memory(fitted, small, tmp_path, kind):
    source = sources(small, tmp_path)[kind]
    rows = small.iloc[:200] if kind == "path" else small
    scores = fitted.score_samples(source)
    assert isinstance(scores, LazyRows)
    for _ in range(2):  # as often as asked for
        values = np.concatenate([_pandas(part).to_numpy()[:, 0] for part in scores])
        np.testing.assert_allclose(values, fitted.score_samples(rows), rtol=1e-9)
    codes = _pandas(fitted.transform(source).collect())
    assert list(codes.columns) == list(fitted.get_feature_names_out())
    np.testing.assert_allclose(codes, fitted.transform(rows), rtol=1e-5, atol=1e-6)
    filled = _pandas(fitted.impute(source).collect()).reset_index(drop=True)
    expected = fitted.impute(rows).reset_index(drop=True)
    pd.testing.assert_frame_equal(filled, expected, check_dtype=False)


def _pandas(frame):
    return frame if isinstance(frame, pd.DataFrame) else frame.to_pandas()


def test_rows_of_a_file_wait_for_the_one_who_reads_them(tmp_path):
    rows = pa.table(
        [np.random.default_rng(0).random(400_000)] * 20, names=list(ascii_letters[:20])
    )
    path = tmp_path / "rows.parquet"
    parquet.write_table(rows, path, row_group_size=10_000)
    n_bytes, before, most = rows.nbytes, pa.total_allocated_bytes(), 0
    for _ in open_source(path).chunks():
        time.sleep(0.02)  # as long as another thread takes to read on
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < 0.2 * n_bytes


def test_rows_that_a_dataset_filters_out_are_left_out(fitted, small):
    table = pa.Table.from_pandas(small, preserve_index=False)
    positive = ds.dataset(table).filter(ds.field("a") > 0)
    scores = fitted.score_samples(positive).to_numpy().ravel()
    np.testing.assert_allclose(
        scores, fitted.score_samples(small[small["a"] > 0]), rtol=1e-9
    )


def test_rows_are_selected_among_all(small):
    detector = AEAnomalyDetector(n_estimators=4, max_iter=20, random_state=0).fit(small)
    odd = small.copy()
    odd.loc[:4, "a"] = 1000.0
    chunks = [odd.iloc[:50], odd.iloc[50:]]
    np.testing.assert_array_equal(detector.select(chunks), detector.select(odd))


def test_a_score_is_the_mean_of_all_rows(fitted, small):
    chunks = [small.iloc[:10], small.iloc[10:]]
    assert fitted.score(chunks) == pytest.approx(fitted.score(small), rel=1e-9)


def test_results_are_written_whole_or_not_at_all(fitted, small, tmp_path):
    path = tmp_path / "codes.parquet"
    fitted.transform([small.iloc[:300], small.iloc[300:]]).write_parquet(path)
    np.testing.assert_allclose(pd.read_parquet(path), fitted.transform(small), rtol=1e-6)
    broken = [small.iloc[:300], small.iloc[300:].assign(a="text")]
    other = tmp_path / "other.parquet"
    with pytest.raises(ValueError, match="'a'"):
        fitted.transform(broken).write_parquet(other)
    assert glob.glob(str(tmp_path / "*")) == [str(path)]


def test_a_pipeline_is_run_by_map_rows(small, tmp_path):
    numbers = small[list("abdefg")]
    pipeline = make_pipeline(StandardScaler(), model()).fit(numbers)
    lazy = map_rows(pipeline, "transform", pl.from_pandas(numbers).lazy())
    np.testing.assert_allclose(lazy.collect(), pipeline.transform(numbers), rtol=1e-6)


# ------------------------------------------------------------------ bad input


def test_a_file_that_cannot_be_read_is_named(fitted, small, tmp_path):
    small.to_parquet(tmp_path / "1.parquet", index=False)
    (tmp_path / "2.parquet").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"2\.parquet"):
        fitted.score_samples(str(tmp_path / "*.parquet")).collect()


def test_a_file_with_another_dtype_is_named(fitted, small, tmp_path):
    small.to_parquet(tmp_path / "1.parquet", index=False)
    small.assign(a="text").to_parquet(tmp_path / "2.parquet", index=False)
    with pytest.raises(ValueError, match=r"2\.parquet"):
        fitted.score_samples(str(tmp_path / "*.parquet")).collect()


@pytest.mark.parametrize(
    ("X", "error", "words"),
    [
        ("nowhere/*.parquet", FileNotFoundError, "no such file"),
        ("nowhere.csv", FileNotFoundError, "no such file"),
        (iter([]), TypeError, "partial_fit"),
        ([pd.DataFrame({"a": []})], ValueError, "without rows"),
    ],
)
def test_what_cannot_be_read_is_told(X, error, words):
    with pytest.raises(error, match=words):
        model().fit(X)


def test_weights_are_refused(small):
    with pytest.raises(ValueError, match="sample_weight"):
        model().fit(pl.from_pandas(small).lazy(), sample_weight=np.ones(len(small)))


@pytest.mark.parametrize("limit", ["much", "1.2.3GB", "5kB", 100])
def test_a_memory_limit_that_is_none_is_told(small, limit):
    with pytest.raises(ValueError, match="memory_limit"):
        model(memory_limit=limit).fit(small)


def test_a_table_that_changes_is_told(folder):
    class Growing:
        def __init__(self):
            self.n = 0

        def __iter__(self):
            self.n += 1
            for i in range(2 + self.n):
                yield rows_of(10_000, i)

    with pytest.raises(ValueError, match="stays as it is"):
        model(memory_limit=SMALL).fit(Growing())


def test_a_kind_that_changes_is_told(folder):
    chunks = [rows_of(30_000, 0), rows_of(30_000, 1).assign(b="text")]
    with pytest.raises(ValueError, match="'b'"):
        model(memory_limit=SMALL).fit(chunks)


def test_rows_to_judge_by_need_early_stopping(folder, fresh):
    fit = model(memory_limit=SMALL, early_stopping=False)
    with pytest.raises(ValueError, match="early_stopping=False"):
        fit.fit(str(folder / "*.parquet"), X_val=pl.from_pandas(fresh))


def test_rows_to_judge_by_are_held_out(folder, fresh):
    fit = model(max_iter=1, memory_limit=SMALL)
    rows = pl.from_pandas(fresh)
    fit.fit(str(folder / "*.parquet"), X_val=rows)
    assert min(fit.validation_loss_curve_) == pytest.approx(-fit.score(rows), rel=0.05)


def test_an_estimator_has_to_be_fitted(small):
    with pytest.raises(NotFittedError):
        model().transform(pl.from_pandas(small).lazy())


def test_two_tables_cannot_be_had(fitted, small):
    with pytest.raises(ValueError, match="expected=False"):
        fitted.explain(pl.from_pandas(small).lazy(), expected=True)


def test_a_missing_cell_can_be_a_level(folder, whole):
    files = str(folder / "*.parquet")
    fit = model(max_iter=1, memory_limit=SMALL, missing={"c": "level"}).fit(files)
    reader = fit._table._absence.readers[0]
    n_missing = whole["c"].isna().sum()
    np.testing.assert_array_equal(reader.counts, [len(whole) - n_missing, n_missing])
    sample = fit.sample(2000, random_state=0).to_pandas()
    assert 0.05 < sample["c"].isna().mean() < 0.15
