"""Types of what users pass to estimators and get back."""

from collections.abc import Iterable
from os import PathLike
from typing import Any, Protocol, TypeAlias

from numpy.typing import ArrayLike
from scipy.sparse import sparray, spmatrix


class Collectable(Protocol):
    """A lazy frame of polars."""

    def collect(self) -> Any: ...


class Scannable(Protocol):
    """A dataset of pyarrow."""

    def to_batches(self) -> Any: ...


class Executable(Protocol):
    """A relation of DuckDB."""

    def execute(self) -> Any: ...


class Partitioned(Protocol):
    """A data frame of Dask."""

    def get_partition(self, n: int) -> Any: ...


class Mappable(Protocol):
    """A data frame of Spark."""

    def toPandas(self) -> Any: ...


# What is read in chunks; an iterable begins anew each time.
Chunks: TypeAlias = (
    str
    | PathLike[str]
    | Iterable[Any]
    | Collectable
    | Scannable
    | Executable
    | Partitioned
    | Mappable
)
# A data frame of pandas, polars or pyarrow, an array or nested sequences; sparse; or chunks.
Table: TypeAlias = ArrayLike | sparray | spmatrix | Chunks
# A data frame of the library of X; of pandas, if X is no frame.
Frame: TypeAlias = Any
