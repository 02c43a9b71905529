"""What tables come in: arrays of other libraries, and what is no table yet."""

import os
import sys
from collections.abc import Iterator
from functools import partial
from os import PathLike
from types import FunctionType, MethodType

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from scipy.sparse import issparse

# What makes a table of what is none, by the package and the name of the class.
REMEDIES = {
    ("polars", "LazyFrame"): "X.collect()",
    ("narwhals", "LazyFrame"): "X.collect()",
    ("duckdb", "DuckDBPyRelation"): "X.df()",
    ("duckdb", "DuckDBPyConnection"): "X.df()",
    ("_duckdb", "DuckDBPyRelation"): "X.df()",
    ("_duckdb", "DuckDBPyConnection"): "X.df()",
    ("pyarrow", "Dataset"): "X.to_table()",
    ("pyarrow", "FileSystemDataset"): "X.to_table()",
    ("pyarrow", "InMemoryDataset"): "X.to_table()",
    ("pyarrow", "UnionDataset"): "X.to_table()",
    ("pyarrow", "Scanner"): "X.to_table()",
    ("pyarrow", "RecordBatchReader"): "X.read_all()",
    ("pyarrow", "ParquetFile"): "X.read()",
    ("pyarrow", "ParquetDataset"): "X.read()",
    ("dask", "DataFrame"): "X.compute()",
    ("dask_expr", "DataFrame"): "X.compute()",
    ("dask", "Array"): "X.compute(), or X.to_dask_dataframe() to methods for rows,",
    ("dask", "Delayed"): "X.compute()",
    ("pyspark", "DataFrame"): "X.toPandas()",
    ("sqlframe", "DataFrame"): "X.toPandas()",
    ("ray", "Dataset"): "X.to_pandas()",
    ("ray", "MaterializedDataset"): "X.to_pandas()",
    ("ibis", "Table"): "X.to_pandas()",
    ("datasets", "Dataset"): "X.to_pandas()",
    ("snowflake", "DataFrame"): "X.to_pandas()",
    ("datafusion", "DataFrame"): "X.to_pandas()",
    ("daft", "DataFrame"): "X.to_pandas()",
    ("bigframes", "DataFrame"): "X.to_pandas()",
    ("vaex", "DataFrame"): "X.to_pandas_df()",
    ("xarray", "Dataset"): "X.to_dataframe()",
    ("h5py", "Dataset"): "X[:]",
    ("builtins", "dict"): "pd.DataFrame(X)",
    ("pandas", "TextFileReader"): "pd.concat(X)",
    ("pandas", "BaseGroupBy"): "X.obj",
    ("pandas", "BaseWindow"): "X.obj",
    ("pandas", "Styler"): "X.data",
    ("_io", "TextIOWrapper"): "pd.read_csv(X)",
    ("_io", "StringIO"): "pd.read_csv(X)",
    ("cupy", "ndarray"): "X.get()",
}
CSV = "pd.read_csv({})"
READERS = {
    ".parquet": "pd.read_parquet({})",
    ".feather": "pd.read_feather({})",
    ".arrow": "pd.read_feather({})",
    ".orc": "pd.read_orc({})",
    ".json": "pd.read_json({})",
    ".jsonl": "pd.read_json({}, lines=True)",
    ".ndjson": "pd.read_json({}, lines=True)",
    ".tsv": "pd.read_csv({}, sep='\\t')",
    ".xlsx": "pd.read_excel({})",
    ".xls": "pd.read_excel({})",
    ".ods": "pd.read_excel({})",
    ".dta": "pd.read_stata({})",
    ".sas7bdat": "pd.read_sas({})",
    ".npy": "np.load({})",
}
# Tables of which a list may hold several.
JOINED = {
    ("pandas", "DataFrame"): "pd.concat(X)",
    ("polars", "DataFrame"): "pl.concat(X)",
    ("polars", "LazyFrame"): "pl.concat(X)",
    ("pyarrow", "Table"): "pa.concat_tables(X)",
    ("pyarrow", "RecordBatch"): "pa.Table.from_batches(X)",
    ("dask", "Delayed"): "dd.from_delayed(X)",
}
# What may stand behind these, for all of which pandas has a decompressor.
COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip")
# Frames of pandas on Spark share module and class with those of Spark, but for this.
PANDAS_ON_SPARK = "pyspark.pandas"


def labels_of(X):
    """Return the labels of the columns of a data frame, or an empty list."""
    if isinstance(X, pd.DataFrame):
        return X.columns.tolist()
    names = getattr(X, "column_names", None)
    if names is None:  # batches of pyarrow have them in their schema only
        names = getattr(getattr(X, "schema", None), "names", None)
    if names is None or callable(names):
        names = getattr(X, "columns", ())
    return [] if callable(names) else list(names)


def refuse_source(X):
    """Raise if X is a table that has to be collected or read first.

    Packages are known by name: to refuse what comes from one it need not be imported.

    Raises
    ------
    TypeError
        With what makes a table of it.
    """
    remedy = _remedy(X)
    if remedy is not None:
        kind = "an" if type(X).__name__[0] in "AEIOU" else "a"
        raise TypeError(
            f"X is {kind} {type(X).__name__}, from which rows cannot be taken; give {remedy} "
            "instead."
        )


def _remedy(X):
    """Return the expression that makes a table of X, None if X may be one."""
    if isinstance(X, (pd.DataFrame, np.ndarray)):
        return None
    if isinstance(X, (list, tuple)):
        return _remedy_of_list(X) if len(X) else None
    if isinstance(X, (str, bytes, PathLike)):
        return _reader_of(X).format("X")
    for kind in type(X).__mro__:
        module = kind.__module__
        if module.startswith(PANDAS_ON_SPARK):
            return "X.to_pandas()"
        remedy = REMEDIES.get((module.partition(".")[0], kind.__name__))
        if remedy is not None:
            return remedy
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(X, torch.utils.data.DataLoader):
        return "torch.cat([batch[0] for batch in X]), or each batch[0] to partial_fit,"
    if torch is not None and isinstance(X, torch.utils.data.TensorDataset):
        return "X.tensors[0]"
    if torch is not None and isinstance(X, torch.utils.data.Dataset):
        return "torch.stack([row[0] for row in X]), if a row comes first,"
    if isinstance(X, Iterator):
        return (
            "list(X), an object that begins anew each time it is iterated, or each of the "
            "chunks to partial_fit"
        )
    if isinstance(X, (FunctionType, MethodType, partial)):
        return "X()"
    if hasattr(X, "__array__"):
        return None
    if hasattr(X, "collect"):
        return "X.collect()"
    if hasattr(X, "__arrow_c_stream__"):
        known = nw.from_native(X, eager_only=True, pass_through=True) is not X
        return None if known else "pa.table(X)"
    return None


def _remedy_of_list(X):
    first = X[0]
    if isinstance(first, dict):
        return "pd.DataFrame(X)"
    if isinstance(first, (str, PathLike)):
        is_file = os.path.splitext(first)[1]
        return (
            f"pd.concat([{_reader_of(first).format('x')} for x in X])" if is_file else None
        )
    names = [
        (kind.__module__.partition(".")[0], kind.__name__) for kind in type(first).__mro__
    ]
    return next((JOINED[name] for name in names if name in JOINED), None)


def _reader_of(path):
    name = (path.decode(errors="replace") if isinstance(path, bytes) else str(path)).lower()
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    return READERS.get(f".{name.rpartition('.')[2]}", CSV)


def as_array(X):
    """Return what scikit-learn can check: an array of numpy, a sparse matrix, or X itself.

    Of tensors the values, and NaN where a mask or a cell says that nothing is there.

    Raises
    ------
    TypeError
        If X is an array of records.
    """
    if issparse(X) or (type(X) is np.ndarray and X.dtype.kind in "fiub"):
        return X
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(X, torch.Tensor):
        return _from_tensor(torch, X)
    if getattr(getattr(X, "dtype", None), "names", None):
        raise TypeError(
            f"X is an array of records with the fields {list(X.dtype.names)}; give "
            "pd.DataFrame(X) instead."
        )
    if isinstance(X, np.ma.MaskedArray):
        dtype = X.dtype if X.dtype.kind in "fO" else np.float64
        X = X.astype(dtype).filled(np.nan)
    if isinstance(X, (list, tuple)):
        X = _from_rows(X)
    if isinstance(X, np.ndarray) and X.dtype.kind == "O" and X.ndim == 2:
        return np.where(pd.isna(X), np.nan, X)
    return X


def _from_tensor(torch, X):
    X = X.detach() if X.layout is torch.strided else X.detach().to_dense()
    if X.dtype in (torch.float16, torch.bfloat16):
        X = X.float()
    return X.resolve_conj().resolve_neg().cpu().numpy()


def _from_rows(X):
    """Return rows given one by one as an array, if it is one of objects; else X itself."""
    try:
        array = np.asarray(X)
    except (ValueError, TypeError, RuntimeError):
        return X
    return array if array.dtype.kind == "O" else X
