"""The kinds of columns, one class each, and the design matrix that they make up.

A new kind is a subclass of `Block` and an entry of `BLOCKS`.
"""

from skae.table.blocks.absence import AbsenceBlock
from skae.table.blocks.base import Block, BlockModule, Settings
from skae.table.blocks.categories import CategoryBlock
from skae.table.blocks.design import Design
from skae.table.blocks.numbers import NumberBlock
from skae.table.blocks.ordered import OrderedBlock
from skae.table.states import MISSING, OBSERVED, UNKNOWN

__all__ = [
    "BLOCKS",
    "MISSING",
    "OBSERVED",
    "UNKNOWN",
    "AbsenceBlock",
    "Block",
    "BlockModule",
    "CategoryBlock",
    "Design",
    "NumberBlock",
    "OrderedBlock",
    "Settings",
]

# The block of every kind of column. In the design matrix blocks stand in this order.
BLOCKS = {
    "number": NumberBlock,
    "date": NumberBlock,
    "duration": NumberBlock,
    "empty": NumberBlock,
    "boolean": CategoryBlock,
    "category": CategoryBlock,
    "ordered": OrderedBlock,
}
