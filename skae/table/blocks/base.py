"""What a kind of columns can do."""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

# A column whose variance in the design matrix is less than this holds one level only.
LEAST_VARIANCE = 1e-6
TINY = 1e-20


@dataclass(frozen=True)
class Settings:
    """The parameters of a `TableEncoder` that its blocks ask for."""

    scale: bool | str = True
    handle_unknown: str = "ignore"
    min_frequency: float | None = None
    max_categories: int | None = None
    # Rows that a value tells of which is kept; see `skae.table.anonymity`.
    least_rows: int = 1


class Block:
    """The columns of a table that are of one kind, side by side in the design matrix.

    A block learns its columns from a table (`learn`, then `settle`), encodes and decodes
    them (numpy), and knows the formulas that networks need (torch). Of the latter, `x` has
    the block's columns of the design matrix, shape (..., width), and `output` as many of a
    decoder's. They take what a block knows as tensors on the right device: `to` returns
    a block for such use, `BlockModule` holds one inside a network.

    In the design matrix every column has mean 0, which stands for a cell that is missing.

    Parameters
    ----------
    features : sequence of int
        The table's columns.
    kinds : sequence of str
        What each is, a key of `skae.table.blocks.BLOCKS`.
    names : sequence of str
        What each is called.
    settings : Settings
    is_frame : bool
        Whether the table is a data frame.

    Attributes
    ----------
    owners : ndarray of int of shape (n_features,)
        The table's columns that they belong to: themselves, but of an `AbsenceBlock`.
    sizes : ndarray of int of shape (n_features,)
        How many columns of the design matrix each column of the table has.
    part_sizes : list of int or None
        `sizes`, in the lean copies that compute; None elsewhere.
    first : int
        Where the block starts in the design matrix.
    n_missing : ndarray of int of shape (n_features,)
        Cells that were missing in fit.
    empty : ndarray of bool of shape (n_features,)
        Columns without any cell in fit, or left out.
    """

    # What only encoding and decoding need, which `to` leaves out.
    of_table: tuple[str, ...] = ("readers", "names", "n_missing", "empty")

    def __init__(self, features, kinds, names, settings, is_frame):
        self.features = np.asarray(features, dtype=np.int64)
        self.owners, self.names, self.settings = self.features, list(names), settings
        self.readers = self.make_readers(kinds, is_frame)
        self.n_missing = np.zeros(len(self.features), dtype=np.int64)
        self.empty = np.zeros(len(self.features), dtype=bool)
        self.sizes, self.first = np.zeros(len(self.features), dtype=np.int64), 0
        self.part_sizes: list[int] | None = None

    # ------------------------------------------------------------------- place

    @property
    def width(self):
        """How many columns of the design matrix the block has."""
        return int(self.sizes.sum())

    @property
    def columns(self):
        """The block's columns of the design matrix, a slice."""
        return slice(self.first, self.first + self.width)

    def split(self):
        """Return a block for every column, without what encoding needs."""
        lean = self._lean()
        starts = self.first + np.cumsum(self.sizes) - self.sizes
        blocks = []
        for j, start in enumerate(starts.tolist()):
            one = copy.copy(lean)
            one.features, one.sizes = self.features[j : j + 1], self.sizes[j : j + 1]
            one.owners, one.first = self.owners[j : j + 1], start
            one.part_sizes = one.sizes.tolist()
            one._pick(self, j)
            blocks.append(one)
        return blocks

    def _pick(self, block, j):
        """Keep of what `block` has learned what is about its column `j`."""

    def _lean(self):
        lean = copy.copy(self)
        for name in self.of_table:
            lean.__dict__.pop(name, None)
        # As graphs want them: numbers, not an array of numbers.
        lean.part_sizes = self.sizes.tolist()
        return lean

    # ------------------------------------------------------- encoding (numpy)

    @property
    def identifiers(self):
        """Which columns hold levels that nearly always are new, (n_features,) of bool."""
        return np.zeros(len(self.features), dtype=bool)

    def make_readers(self, kinds, is_frame):
        """Return what reads and writes the cells of each column; None: none is needed."""
        raise NotImplementedError

    def learn(self, X, rows, sample_weight):
        """Count the cells of `X[rows]`, what is missing among them, and what else it takes.

        Parameters
        ----------
        X : ndarray, csr matrix or Frame
        rows : ndarray of int
        sample_weight : ndarray of shape (n_samples,) or None
        """
        raise NotImplementedError

    def merge(self, other):
        """Take what a block of the same columns has learned of other rows.

        Parameters
        ----------
        other : Block
            Neither it nor this one is settled.
        """
        self.n_missing += other.n_missing

    def settle(self, X, rows):
        """Turn what was counted into what encoding and the formulas need, and `sizes`."""
        raise NotImplementedError

    def refine(self, X, rows):
        """Learn what can only be learned at the end of `fit`, not from a stream."""

    def encode(self, X, dtype):
        """Return the block's columns of the design matrix, and the states of the cells.

        Returns
        -------
        x : ndarray of shape (n, width)
        states : ndarray of uint8 of shape (n, n_features) or None
            `MISSING`, `OBSERVED` or `UNKNOWN`; None: all are observed.
        """
        raise NotImplementedError

    def values(self, X):
        """Return the cells as numbers, NaN where missing or unknown, (n, n_features).

        Of levels it is their numbers. `write` takes them back.
        """
        raise NotImplementedError

    def decode(self, output, rng=None):
        """Return what a decoder's output says of each cell, shape (n, n_features).

        Parameters
        ----------
        output : ndarray of shape (n, width)
        rng : numpy.random.RandomState, default=None
            With it cells are drawn, where the output is a distribution.
        """
        raise NotImplementedError

    def write(self, values, j, missing, template, rng=None):
        """Return a series of decoded values of the block's column `j`, of template's dtype."""
        return self.readers[j].write(values, missing, template, rng)

    def check(self, cells, j):
        """Raise unless `Cells` of the block's column `j` can be read as those of the fit."""

    # ------------------------------------------------------- formulas (torch)

    def encoding(self, given):
        """Return `encode` and `decode` as a module, for graphs that take raw cells.

        Parameters
        ----------
        given : list of RawColumn
            What cells of each of the block's columns are given as.

        Returns
        -------
        module : torch.nn.Module
            `encode` takes numbers, NaN where missing, or the numbers of levels, and returns
            x, (n, width), and the states of the cells, (n, n_features) of int; `decode`
            takes a decoder's output and returns what stands for cells in the former.
        """
        raise NotImplementedError

    def constants(self):
        """Return the tensors that the formulas need, by the attribute that holds them."""
        return {}

    def with_constants(self, constants):
        """Return a lean copy of the block that has these tensors."""
        block = self._lean()
        block.__dict__.update(constants)
        return block

    def to(self, device):
        """Return a lean copy of the block whose tensors are on the device."""
        return self.with_constants({n: t.to(device) for n, t in self.constants().items()})

    def to_output(self, x):
        """Return a decoder's output that stands for the rows `x`."""
        return x

    def to_design(self, output):
        """Return the rows that a decoder's output says are likeliest; `to_output` undone."""
        return output

    def expected(self, output):
        """Return the rows that a decoder's output says to expect, on the way to the likeliest.

        A missing cell is filled with these again and again; where they can lie between
        levels, that does not end at the first level met.
        """
        return self.to_design(output)

    def negative_log_likelihood(self, output, x, unknown=None):
        """Return -log p(cell) in nats, shape (..., n_features).

        Parameters
        ----------
        output, x : torch.Tensor of shape (..., width)
        unknown : torch.Tensor of bool of shape (..., n_features), default=None
            Cells of a level not seen in fit.
        """
        raise NotImplementedError

    def probabilities(self, output):
        """Return the probabilities of every column's levels, list of (..., n_levels).

        Only of blocks whose columns have levels.
        """
        raise NotImplementedError

    def loss_weights(self):
        """Return the variance that a nat stands for, shape (n_features,)."""
        raise NotImplementedError

    def start(self, reconstruction, x):
        """Return where the decoder starts: output = gain * PCA's reconstruction + offset.

        Parameters
        ----------
        reconstruction : torch.Tensor of shape (n, width) or None
            What PCA makes of the rows; None: there is no PCA.
        x : torch.Tensor of shape (n, width) or None
            Training rows, where there is PCA.

        Returns
        -------
        gains, offsets : torch.Tensor of shape (width,)
        """
        return (
            torch.ones(self.width, dtype=torch.float32),
            torch.zeros(self.width, dtype=torch.float32),
        )

    def extremes(self, x, generator, lows, highs):
        """Return what salt and pepper make of the rows, shape (n, width).

        Parameters
        ----------
        x : torch.Tensor of shape (n, width)
        generator : torch.Generator
        lows, highs : torch.Tensor of shape (width,)
            The smallest and largest entries of training rows.
        """
        raise NotImplementedError

    def soft_draw(self, output, generator, temperature):
        """Return rows drawn from an output's distribution, as far as gradients pass.

        Source: Jang, Gu & Poole, Categorical Reparameterization with Gumbel-Softmax, 2017.
        """
        return output

    def hard_draw(self, output, generator):
        """Return rows drawn from an output's distribution."""
        return output

    def start_output(self, x, least):
        """Return outputs whose draws are about `x`, with all levels at least `least` likely."""
        return x

    def one_hot(self, x):
        """Return which level every cell has, (n, levels of all columns) of 0 and 1.

        None: the columns have no levels. Rows of zeros, missing cells, have any.
        """
        return None

    def candidates(self, most):
        """Return rows with each of the values that a cell of a single column can take.

        Returns
        -------
        x : torch.Tensor of shape (n_values, width) or None
            At most `most`, the most frequent; None: any number.
        """
        return None


class BlockModule(nn.Module):
    """A block inside a network, whose device and dtype its tensors follow.

    Parameters
    ----------
    block : Block
    """

    def __init__(self, block):
        super().__init__()
        self._block, constants = block._lean(), block.constants()
        self._constants = tuple(constants)
        for name, value in constants.items():
            self.register_buffer(name, value)

    @property
    def block(self):
        """The block, ready to compute."""
        block = copy.copy(self._block)
        for name in self._constants:
            block.__dict__[name] = self._buffers[name]
        return block


def any_of(mask):
    """Return whether any entry is True; where asking is not possible, whether any may be.

    It is not in a graph, and takes too long on a GPU, which would have to be waited for.
    """
    return torch.compiler.is_compiling() or mask.is_cuda or bool(mask.any())


def gumbel(like, generator):
    """Return standard Gumbel draws in the shape of `like`."""
    uniform = torch.empty_like(like).uniform_(generator=generator)
    return -torch.log(-torch.log(uniform + TINY) + TINY)
