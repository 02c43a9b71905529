"""Files that are read in chunks: what pandas, Spark and people write into a folder."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from pyarrow import parquet
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from skae import AutoencoderImputer, AutoencoderTransformer, VAETransformer
from skae.lazy import map_rows
from skae.lazy.sources import open_source

# Less than 9,000 rows take.
SMALL = "10MB"
COLUMNS = ["x", "y", "k", "s", "day"]


def rows_of(n_rows=60, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n_rows)
    return pd.DataFrame(
        {
            "x": x,
            "y": 2.0 * x + 0.1 * rng.normal(size=n_rows),
            "k": rng.integers(0, 9, n_rows),
            "s": rng.choice(["a", "b"], n_rows),
            "day": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(rng.integers(0, 99, n_rows), "D"),
        }
    )


def model(**settings):
    return AutoencoderTransformer(2, max_iter=1, random_state=0, **settings)


def table_in(X):
    """Return all rows of a source as a frame of pandas."""
    chunks = open_source(X).chunks()
    frames = [pa.table(chunk).to_pandas(date_as_object=False) for chunk in chunks]
    return pd.concat(frames, ignore_index=True)


# ------------------------------------------------------------------ folders


@pytest.mark.parametrize("form", ["folder", "pattern", "list"])
def test_names_of_folders_are_columns(tmp_path, form):
    rows = rows_of().assign(year=np.arange(60) % 2 + 2023)
    folder = tmp_path / "month=7"  # above the table, of no concern
    parquet.write_to_dataset(pa.table(rows), folder, partition_cols=["s", "year"])
    X = {
        "folder": folder,
        "pattern": folder / "s=*" / "*" / "*.parquet",
        "list": sorted(folder.glob("*/*/*.parquet")),
    }[form]
    read = table_in(X)
    assert list(read) == ["x", "y", "k", "day", "s", "year"]
    expected = rows[list(read)].sort_values("x", ignore_index=True)
    found = read.sort_values("x", ignore_index=True)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_other_files_of_a_folder_are_left_alone(tmp_path):
    rows_of().to_parquet(tmp_path / "part-0.parquet", index=False)
    for name in ("README.md", "_SUCCESS", ".part-0.parquet.crc", "_tmp.parquet"):
        (tmp_path / name).write_bytes(b"no table")
    pd.testing.assert_frame_equal(table_in(tmp_path), rows_of(), check_dtype=False)


def test_several_files_are_one_table(tmp_path):
    paths = [tmp_path / f"{i}.parquet" for i in range(3)]
    for i, path in enumerate(paths):
        rows_of(20, i).to_parquet(path, index=False)
    both = pd.concat([rows_of(20, 2), rows_of(20, 0)], ignore_index=True)
    assert table_in([paths[2], str(paths[0])])["x"].tolist() == both["x"].tolist()
    with pytest.raises(FileNotFoundError, match=r"9\.parquet"):
        model().fit([paths[0], tmp_path / "9.parquet"])


def test_home_is_where_the_shell_has_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    rows_of().to_parquet(tmp_path / "rows.parquet", index=False)
    assert model().fit("~/rows.parquet").n_features_in_ == 5


# ------------------------------------------------------------------ the index


@pytest.mark.parametrize("name", [None, "who"])
def test_an_index_of_pandas_is_no_column(tmp_path, name):
    path = tmp_path / "rows.parquet"
    rows = rows_of().rename(index=str).rename_axis(name)
    rows.to_parquet(path)
    for X in (path, ds.dataset(path), ds.dataset(path).filter(ds.field("x") > -99)):
        assert list(table_in(X)) == COLUMNS
    assert len(model().fit(rows).transform(path).collect()) == 60


# ------------------------------------------------------------------ missing cells


@pytest.mark.parametrize("ending", ["csv", "tsv", "csv.gz"])
def test_missing_text_is_missing(tmp_path, ending):
    rows, path = rows_of(), tmp_path / f"rows.{ending}"
    rows.loc[:9, ["s", "day"]] = None
    rows.to_csv(path, index=False, sep="\t" if ending == "tsv" else ",")
    read = table_in(path)
    assert read["s"].isna().sum() == 10
    imputer = AutoencoderImputer(max_iter=1, random_state=0).fit(path)
    assert set(imputer.transform(path).collect()["s"].to_pylist()) == {"a", "b"}


def test_columns_have_the_types_of_all_files_of_text(tmp_path):
    rows_of(0).to_csv(tmp_path / "0.csv", index=False)
    rows_of().to_csv(tmp_path / "1.csv", index=False)
    holed = rows_of(seed=1).astype({"k": float})
    holed.loc[0, "k"] = np.nan  # pandas writes whole numbers as 3.0 then
    holed[COLUMNS[::-1]].to_csv(tmp_path / "2.csv", index=False)
    read = table_in(tmp_path)
    expected = pd.concat([rows_of(), holed], ignore_index=True)
    pd.testing.assert_frame_equal(read, expected, check_dtype=False)


@pytest.mark.parametrize("form", ["path", "dataset"])
def test_columns_may_be_missing_wholly_in_the_first_file(tmp_path, form):
    rows_of().assign(s=None, k=None).to_parquet(tmp_path / "0.parquet", index=False)
    rows_of(seed=1).to_parquet(tmp_path / "1.parquet", index=False)
    read = table_in(tmp_path if form == "path" else ds.dataset(tmp_path))
    assert read["s"].isna().sum() == read["k"].isna().sum() == 60
    assert set(read["s"].dropna()) == {"a", "b"}


@pytest.mark.parametrize(
    ("column", "nothing"),
    [
        ("s", None),
        ("s", pd.Series(None, range(9000), dtype="str")),
        ("k", np.nan),
        ("s", "all"),
    ],
)
def test_columns_may_be_missing_in_the_first_chunks(column, nothing):
    nowhere = isinstance(nothing, str)
    first = rows_of(9000).assign(**{column: None if nowhere else nothing})
    chunks = [first, first if nowhere else rows_of(9000, 1)]
    if nowhere:
        with pytest.warns(UserWarning, match="missing"):
            fitted = model(memory_limit=SMALL).fit(chunks)
    else:
        fitted = model(memory_limit=SMALL).fit(chunks)
    filled = fitted.impute(chunks).collect()
    assert filled[column].isna().mean() == (1.0 if nowhere else 0.0)


# ------------------------------------------------------------------ chunks


def test_batches_of_pyarrow_are_chunks():
    batches = [pa.RecordBatch.from_pandas(rows_of(40, i)) for i in range(2)]
    fitted = model().fit(batches)
    assert len(fitted.transform(batches).collect()) == 80


def test_chunks_of_two_libraries_are_an_error():
    with pytest.raises(TypeError, match="one library"):
        model().fit([rows_of(), pl.from_pandas(rows_of())])


def test_an_unfit_chunk_is_named_when_it_is_used(tmp_path):
    fitted, turned = model().fit(rows_of()), rows_of()[COLUMNS[::-1]]
    for method in (lambda X: fitted.transform(X).collect(), fitted.score):
        with pytest.raises(ValueError, match=r"Chunk 1: [\s\S]*order"):
            method([rows_of(), turned])


def test_no_rows_are_an_error(tmp_path):
    rows_of(0).to_parquet(tmp_path / "0.parquet", index=False)
    codes = model().fit(rows_of()).transform(tmp_path)
    assert list(codes) == []
    for method in (codes.collect, codes.to_numpy):
        with pytest.raises(ValueError, match="without rows"):
            method()


def test_steps_of_scikit_learn_are_given_frames_that_they_know(tmp_path):
    rows = rows_of()
    rows.to_parquet(tmp_path / "0.parquet", index=False)
    encode = make_column_transformer((OneHotEncoder(), ["s"]), ("passthrough", ["x", "y"]))
    pipeline = make_pipeline(encode, model()).fit(rows)
    codes = map_rows(pipeline, "transform", tmp_path).to_numpy()
    np.testing.assert_allclose(codes, pipeline.transform(rows), rtol=1e-6)


def test_draws_of_chunks_are_not_alike():
    rows = rows_of(400)
    rows.loc[:, "y"] = rows["y"].where(np.arange(400) % 4 > 0)
    imputer = AutoencoderImputer(sample_posterior=True, max_iter=1, random_state=0).fit(
        rows
    )
    chunks = [rows.iloc[:200], rows.iloc[200:]]
    again = [imputer.transform(chunks).collect()["y"] for _ in range(2)]
    pd.testing.assert_series_equal(*again)
    noise = (again[0] - 2.0 * rows["x"])[rows["y"].isna()].to_numpy().reshape(2, -1)
    assert abs(np.corrcoef(noise)[0, 1]) < 0.5


def test_posteriors_are_had_chunk_by_chunk(tmp_path):
    rows = rows_of(200)
    rows.to_parquet(tmp_path / "0.parquet", index=False)
    vae = VAETransformer(2, max_iter=1, sampler="codes", random_state=0).fit(rows)
    for method in (vae.posterior_variances, vae.code_divergences):
        lazily = method(tmp_path / "0.parquet")
        assert lazily.collect().column_names == ["vaetransformer0", "vaetransformer1"]
        np.testing.assert_allclose(lazily.to_numpy(), method(rows), rtol=1e-6)


# ------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sep": ";"}, "separated by ';'"),
        ({"sep": ";", "decimal": ","}, "cannot be read"),
        ({"encoding": "latin-1"}, "not encoded in UTF-8"),
    ],
)
def test_text_that_is_written_otherwise_is_sent_to_what_reads_it(tmp_path, options, words):
    path = tmp_path / "rows.csv"
    rows_of().assign(s="Zürich").to_csv(path, index=False, **options)
    with pytest.raises(ValueError, match=f"{words}.*pl.scan_csv"):
        model().fit(path)


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows.rename(columns={"s": "S"}), r"lacks.*\['s'\].*has.*\['S'\]"),
        (lambda rows: rows.drop(columns="s"), r"lacks columns \['s'\]"),
        (lambda rows: rows.assign(q=1), r"has columns \['q'\]"),
    ],
)
def test_files_have_the_same_columns(tmp_path, form, change, words):
    paths = [tmp_path / f"{i}.{form}" for i in range(2)]
    for path, rows in zip(paths, (rows_of(), change(rows_of())), strict=True):
        getattr(rows, f"to_{form}")(path, index=False)
    fitted = model().fit(rows_of())
    for use in (model().fit, lambda X: fitted.transform(X).collect()):
        with pytest.raises(ValueError, match=rf"1\.{form}' cannot be read.*: it {words}"):
            use(tmp_path)
    # As the message says.
    assert list(table_in(ds.dataset(paths, format=form))) == COLUMNS


def files_of(folder, *tables):
    for i, table in enumerate(tables):
        parquet.write_table(table, folder / f"{i}.parquet")
    return folder


WHOLE, DAYS = np.arange(60), np.arange(60).astype("M8[D]")


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (WHOLE, WHOLE + 0.5, "double"),
        (WHOLE.astype(np.uint8), -WHOLE, "int64"),
        (WHOLE.astype(np.int32), WHOLE + 2**40, "int64"),
        (DAYS.astype("M8[us]"), DAYS + np.timedelta64(1, "ns"), "timestamp[ns]"),
        (["a", "b"] * 30, pa.array(["a", "c"] * 30, pa.large_string()), "large_string"),
    ],
    ids=["fractions", "negative", "large", "nanoseconds", "text"],
)
def test_columns_have_the_types_of_all_files(tmp_path, first, second, kind):
    files_of(tmp_path, pa.table({"c": first}), pa.table({"c": second}))
    chunks = pa.concat_tables(open_source(tmp_path).chunks())
    assert str(chunks.schema.field("c").type) == kind
    assert chunks["c"].to_pylist() == [
        *pa.array(first).cast(kind).to_pylist(),
        *pa.array(second).cast(kind).to_pylist(),
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (WHOLE % 2 == 0, WHOLE),
        (WHOLE, list(map(str, WHOLE))),
        (["a", "b"] * 30, WHOLE),
        (pa.array(WHOLE, pa.timestamp("us", "UTC")), pa.array(WHOLE, pa.timestamp("us"))),
    ],
    ids=["boolean", "number", "text", "zone"],
)
def test_a_column_of_another_kind_in_one_file_is_named(tmp_path, first, second):
    other = {"x": WHOLE + 0.5}
    files_of(tmp_path, pa.table({**other, "c": first}), pa.table({**other, "c": second}))
    with pytest.raises(ValueError, match=r"1\.parquet.* column 'c' is of type"):
        model().fit(tmp_path)


def test_columns_that_a_dataset_cannot_convert_are_named(tmp_path):
    files_of(
        tmp_path,
        pa.table({"c": WHOLE, "d": WHOLE}),
        pa.table({"c": WHOLE + 0.5, "d": WHOLE}),
    )
    with pytest.raises(ValueError, match=r"1\.parquet.* are 'c' \(double, not int64\)$"):
        model().fit(ds.dataset(tmp_path))


def levels_of(letter, n_rows):
    """Return 100 levels in a dictionary whose index numbers 128; every tenth cell is missing."""
    index = pa.array([None if i % 10 == 0 else i % 100 for i in range(n_rows)], pa.int8())
    cells = pa.DictionaryArray.from_arrays(index, [f"{letter}{i}" for i in range(100)])
    return pa.table({"x": np.arange(n_rows) % 7 + 0.5, "c": cells})


@pytest.mark.parametrize(
    ("form", "n_rows"),
    [
        ("folder", 300),
        ("folder", 30_000),
        ("dataset", 300),
        ("chunks", 300),
        ("table", 300),
    ],
)
def test_files_together_have_more_levels_than_the_index_of_one(tmp_path, form, n_rows):
    """pandas and pyarrow number the levels of a small file in 8 bits."""
    tables = [levels_of("a", n_rows), levels_of("b", n_rows)]
    X = {
        "folder": lambda: files_of(tmp_path, *tables),
        "dataset": lambda: ds.dataset(files_of(tmp_path, *tables)),
        "chunks": lambda: tables,
        "table": lambda: pa.concat_tables(tables),
    }[form]()
    fitted = model(memory_limit=SMALL, max_categories=None).fit(X)
    (block,) = [b for b in fitted._table.design_.blocks if b.names == ["c"]]
    assert len(block.readers[0].levels) == 180
    filled = fitted.impute(X)
    filled = filled if form == "table" else filled.collect()
    cells = filled["c"].cast("string").to_pylist()
    assert None not in cells
    assert (cells[1], cells[-1]) == ("a1", "b99")


def test_a_file_of_text_without_its_header_is_named(tmp_path):
    for i in range(2):
        rows_of(seed=i).to_csv(tmp_path / f"{i}.csv", index=False, header=i == 0)
    with pytest.raises(ValueError, match=r"1\.csv.* lacks columns"):
        model().fit(tmp_path)


def test_an_index_in_one_file_alone_is_no_column(tmp_path):
    rows_of().to_parquet(tmp_path / "0.parquet")
    rows_of(seed=1)[::2].to_parquet(tmp_path / "1.parquet")
    assert list(table_in(tmp_path)) == COLUMNS


@pytest.mark.parametrize(("cell", "number"), [("3.5", True), ("many", False)])
def test_text_that_the_first_rows_do_not_foretell_is_named(tmp_path, cell, number):
    path = tmp_path / "rows.csv"
    rows = pd.concat([rows_of(30_000)], ignore_index=True).astype({"k": object})
    rows.loc[29_000, "k"] = cell
    rows.to_csv(path, index=False)
    with pytest.raises(ValueError, match=f"column 'k' holds '{cell}'") as error:
        model().fit(path)
    remedy = str(error.value).partition("or give ")[2].rstrip(".")
    kinds = eval(remedy, {"pl": pl, "X": path}).collect_schema()
    assert kinds["k"].is_numeric() == number


def test_a_folder_without_tables_is_told(tmp_path):
    (tmp_path / "README.md").write_text("nothing")
    for X in (tmp_path, tmp_path / "*.md", tmp_path / "*"):
        with pytest.raises(
            FileNotFoundError, match=r"no files whose names end in .*\.parquet"
        ):
            model().fit(X)


def test_results_that_cannot_have_the_types_of_the_first_are_named(tmp_path):
    rows = rows_of(200)
    imputer = AutoencoderImputer(max_iter=1, random_state=0).fit(rows)
    chunks = [rows.iloc[:100], rows.iloc[100:].assign(k=rows["k"] + 0.5)]
    with pytest.raises(ValueError, match=r"'k' \(int64, now double\)"):
        imputer.transform(chunks).write_parquet(tmp_path / "filled.parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("X", "remedy"),
    [
        ([rows_of(), rows_of()], r"pd\.concat\(X\)"),
        ([pl.LazyFrame({"a": [1]})] * 2, r"pl\.concat\(X\)"),
        (["a.parquet", "b.parquet"], r"pd\.concat\(\[pd\.read_parquet\(x\)"),
    ],
)
def test_lists_of_tables_are_sent_to_what_joins_them(X, remedy):
    with pytest.raises(TypeError, match=remedy):
        model().fit(rows_of()).describe_codes(X)
