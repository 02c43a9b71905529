"""What a method gives for a table that is read in chunks: chunk by chunk, when asked for."""

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from scipy.sparse import issparse

from skae._new_file import new_file
from skae._prefetch import prefetched
from skae.lazy.chunks import told_where
from skae.lazy.joining import join
from skae.table.remedies import remedies_for


class LazyRows:
    """The results of a method for the rows of a table, as data frames, chunk by chunk.

    It is iterated as often as needed; the table is read, and the method run, anew each time.

    Parameters
    ----------
    source : Source
        The table.
    method : callable (chunk) -> result
        Rows in, as many results out.
    names : list of str
        The columns of results that are arrays.

    Examples
    --------
    >>> import polars as pl
    >>> from skae import AutoencoderTransformer
    >>> rows = pl.LazyFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 3.0, 5.0, 7.0]})
    >>> autoencoder = AutoencoderTransformer(1, random_state=0).fit(rows)
    >>> for codes in autoencoder.transform(rows):
    ...     print(codes.shape)
    (4, 1)
    """

    def __init__(self, source, method, names):
        self._source, self._method, self._names = source, method, names

    def __iter__(self):
        for chunk, where in prefetched(self._source.parts()):
            with told_where(where), remedies_for(self._source.read_from):
                rows = named(self._method(chunk), self._names, chunk)
            yield rows

    def __repr__(self):
        return (
            f"{type(self).__name__}(iterate for data frames, write_parquet(path) for a file, "
            "collect() for a single frame)"
        )

    def collect(self):
        """Return all results as one data frame, in memory."""
        return join(self._frames())

    def _frames(self):
        frames = list(self)
        if not frames:
            raise ValueError(f"X is a {self._source.kind} without rows.")
        return frames

    def to_numpy(self):
        """Return all results as one array, in memory."""
        frames = (nw.from_native(frame, eager_only=True) for frame in self._frames())
        return np.concatenate([frame.to_numpy() for frame in frames])

    def write_parquet(self, path):
        """Write the results to a Parquet file.

        The file appears under its name when it is complete.

        Parameters
        ----------
        path : str or path
        """
        import pyarrow.parquet as pq

        with new_file(path) as beside:
            writer = None
            try:
                for frame in self:
                    table = nw.from_native(frame, eager_only=True).to_arrow()
                    if writer is None:
                        writer = pq.ParquetWriter(beside, table.schema)
                    writer.write_table(_like(writer.schema, table))
            finally:
                if writer is not None:
                    writer.close()
            if writer is None:
                raise ValueError(
                    f"X is a {self._source.kind} without rows: nothing to write."
                )


def _like(schema, table):
    """Return a table with the types of the first one that was written.

    Raises
    ------
    ValueError
        If cells of it cannot have them.
    """
    import pyarrow as pa

    try:
        return table.cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        pairs = zip(schema, table.schema, strict=True)
        differ = [
            f"{a.name!r} ({a.type}, now {b.type})" for a, b in pairs if a.type != b.type
        ]
        raise ValueError(
            f"Columns {', '.join(differ)} of the results are of other types than before, as "
            f"those of X are: {error}. Give X the same types in all of its chunks."
        ) from error


def mean_over(source, method):
    """Return the mean of what a method gives for the rows of a `Source`."""
    total = n_rows = 0
    for chunk, where in prefetched(source.parts()):
        with told_where(where), remedies_for(source.read_from):
            of_rows = method(chunk)
        total, n_rows = total + of_rows.sum(), n_rows + len(of_rows)
    if not n_rows:
        raise ValueError(f"X is a {source.kind} without rows.")
    return float(total / n_rows)


def named(result, names, like):
    """Return results as a data frame of the library of `like`; of pandas, if it is an array.

    Parameters
    ----------
    result : ndarray, sparse matrix or data frame
    names : list of str
        The columns of an array.
    like : data frame, ndarray or sparse matrix
    """
    result = result.toarray() if issparse(result) else result
    if not isinstance(result, np.ndarray):
        return result
    columns = np.atleast_2d(result.T)
    names = names if len(names) == len(columns) else [f"x{i}" for i in range(len(columns))]
    data = dict(zip(names, columns, strict=True))
    if isinstance(like, np.ndarray) or issparse(like):
        return pd.DataFrame(data)
    if isinstance(like, pd.DataFrame):
        return pd.DataFrame(data, index=like.index)
    backend = nw.from_native(like, eager_only=True).implementation
    return nw.from_dict(data, backend=backend).to_native()
