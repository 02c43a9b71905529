"""How the columns of every data frame library are read; see `skae.table.cells`."""

from skae.table.reading.library import read_cells, read_numbers

__all__ = ["read_cells", "read_numbers"]
