"""What the cells of a table's columns are given as, where no data frame is: in graphs."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skae.table.level_column import LevelColumn


@dataclass(frozen=True)
class RawColumn:
    """A column of a table, whose cells are given as numbers or as numbers of levels.

    Attributes
    ----------
    name : label
    kind : str
        A key of `skae.table.blocks.BLOCKS`.
    levels : list or None
        The levels that are numbered; None: cells are numbers.
    base : int
        What is subtracted from whole numbers and times, exactly, before they are numbers.
    unit : str or None
        Of times: "s", "ms", "us" or "ns".
    zone : str or None
        Of times: those that are given are of UTC.
    step : int
        Whole numbers and times are multiples of it away from `base`; 0: not known.
    is_whole : bool
        Whether cells were whole numbers, or times, in fit.
    is_plain : bool
        Whether float64 holds the numbers as they are.
    is_empty : bool
        Whether cells are not looked at, whatever they are.
    is_unsigned : bool
    by_clock : bool
        Whether times are more regular on the clocks of their zone than in UTC.
    """

    name: Any
    kind: str
    levels: list | None = None
    base: int = 0
    unit: str | None = None
    zone: str | None = None
    step: int = 0
    is_whole: bool = False
    is_plain: bool = True
    is_empty: bool = False
    is_unsigned: bool = False
    by_clock: bool = False

    def distance(self, base):
        """Return how far another base, as its 64 bits, lies from the own one."""
        return float(_as_int(base, self.is_unsigned) - self.base)


def raw_columns(encoder):
    """Return a `RawColumn` for every column of a fitted `TableEncoder`."""
    columns: list = [None] * len(encoder.names)
    for block in encoder.design_.blocks:
        for j, i in enumerate(block.features.tolist()):
            reader = None if block.readers is None else block.readers[j]
            columns[i] = _raw_column(encoder.names[i], reader, bool(block.empty[j]))
    return columns


def _raw_column(name, reader, is_empty):
    if isinstance(reader, LevelColumn):
        levels = reader.levels.tolist()
        return RawColumn(name, reader.kind, levels, is_empty=is_empty)
    if reader is None or is_empty:
        kind = "number" if reader is None else reader.kind
        return RawColumn(name, kind, is_empty=is_empty)
    base = 0 if reader.base is None else _as_int(reader.base, reader.unsigned)
    unit = reader.unit
    clock = max(reader.clocks or (), key=lambda clock: clock.step, default=None)
    return RawColumn(
        name,
        reader.kind,
        base=base,
        unit=None if unit is None else np.datetime_data(unit)[0],
        zone=None if reader.zone is None else str(reader.zone),
        step=reader.step,
        is_whole=bool(reader.whole),
        is_plain=reader.is_plain,
        is_unsigned=bool(reader.unsigned),
        by_clock=clock is not None and reader._prefers(clock),
    )


def _as_int(bits, is_unsigned):
    """Return what 64 bits, a numpy.uint64, stand for."""
    return int(bits if is_unsigned else bits.view(np.int64))
