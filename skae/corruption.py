"""What a network in training gets to see of its rows, which it shall reconstruct.

A noise of one's own is a subclass of `Corruption` with one method; see there.
"""

from numbers import Real

import torch
from sklearn.utils._param_validation import Interval

from skae._component import Setting
from skae.table.blocks import MISSING, Design

__all__ = [
    "Corruption",
    "GaussianNoise",
    "MaskingNoise",
    "SaltAndPepperNoise",
    "SwapNoise",
]

# Training rows that tell the smallest and largest value of a column.
N_ROWS = 4096


class Cells:
    """Where the cells of a table lie in the design matrix: what noises need to know of it.

    Parameters
    ----------
    design : Design
    device : torch.device, default="cpu"
    rows : torch.Tensor of shape (n_rows, n_inputs), default=None
        Training rows, for the range of the columns.

    Attributes
    ----------
    n_numbers : int
        Columns of numbers, which come first; those of other blocks follow.
    n_outputs : int
        Columns of the design matrix without the missing indicators, which come last.
    lows, highs : torch.Tensor of shape (n_numbers,)
        The smallest and the largest of each number.
    """

    def __init__(self, design: Design, device="cpu", rows=None):
        self._blocks = [block.to(device) for block in design.blocks]
        self._n_features = design.n_features
        self._feature_of_output = design.feature_of_output.to(device)
        self._indicated = torch.from_numpy(design.missing_indicators).to(device)
        self._numeric_features = torch.from_numpy(design.numeric.features).to(device)
        # Where missing cells are a level: the table's columns, and whether they are there.
        self._column_of_feature = design.column_of_feature.to(device)
        self._absent = torch.from_numpy(design.absent_columns).to(device)
        self.n_numbers, self.n_outputs = design.numeric.width, design.n_outputs
        if rows is not None:
            entries = rows[:, : self.n_outputs]
            self._ranges = entries.amin(0), entries.amax(0)
            self.lows, self.highs = (limit[: self.n_numbers] for limit in self._ranges)

    def choose(self, rate, x, observed, generator):
        """Return a mask of cells, each chosen with probability `rate`: (n, n_features).

        A missing cell is not chosen, unless that is a level: it is then with its column.
        """
        shape = len(x), self._n_features
        chosen = (
            torch.rand(shape, generator=generator, device=x.device, dtype=x.dtype) < rate
        )
        chosen = chosen[:, self._column_of_feature]
        return chosen if observed is None else chosen & (observed != MISSING)

    def observed_numbers(self, observed):
        """Return which numbers are there, shape (n, n_numbers); None stands for all."""
        return None if observed is None else observed[:, self._numeric_features] != MISSING

    def spread(self, chosen):
        """Return a mask of cells as a mask of the design's columns but the indicators."""
        return chosen[:, self._feature_of_output]

    def hide(self, x, chosen):
        """Return x with the chosen cells as missing cells are shown to the network."""
        hidden, indicated = self.spread(chosen), chosen[:, self._indicated]
        return torch.cat(
            [
                x[:, : self.n_outputs].masked_fill(hidden, 0.0),
                x[:, self.n_outputs :].masked_fill(indicated, 1.0),
            ],
            dim=1,
        )

    def replace(self, x, chosen, other):
        """Return x with the chosen cells, and whether they are missing, from `other`."""
        where = torch.cat([self.spread(chosen), chosen[:, self._indicated]], dim=1)
        return torch.where(where, other, x)

    def swap(self, x, chosen, donors):
        """Return x with the chosen cells, or their absence, from the rows `donors`.

        Parameters
        ----------
        chosen, donors : torch.Tensor of shape (n, n_features)
            A mask, and numbers of rows.
        """
        columns = torch.cat([self._feature_of_output, self._indicated])
        donors, chosen = donors[:, self._column_of_feature], chosen.clone()
        chosen[:, self._absent] = chosen[
            :, len(self._column_of_feature) - len(self._absent) :
        ]
        return self.replace(x, chosen, x.gather(0, donors[:, columns]))

    def extremes(self, x, generator):
        """Return rows of extreme cells, as each block says; indicators stay."""
        rows = []
        for block in self._blocks:
            columns = block.columns
            lows, highs = (limit[columns] for limit in self._ranges)
            rows.append(block.extremes(x[:, columns], generator, lows, highs))
        return torch.cat([*rows, x[:, self.n_outputs :]], dim=1)


class Corruption(Setting):
    """What the noises share. The rows to reconstruct stay clean; only what is seen is noisy.

    A subclass gives `corrupt`, and stores its settings as scikit-learn's estimators do.
    Held-out rows are judged with noise too: what is learned is to remove it.

    References
    ----------
    Vincent et al., Stacked Denoising Autoencoders, 2010.

    Examples
    --------
    Measurements that were rounded to halves of a standard deviation:

    >>> from skae import AutoencoderTransformer
    >>> from skae.corruption import Corruption
    >>> class Rounded(Corruption):
    ...     def corrupt(self, x, observed, where, generator):
    ...         x = x.clone()
    ...         x[:, : where.n_numbers] = (2 * x[:, : where.n_numbers]).round() / 2
    ...         return x
    >>> denoising = AutoencoderTransformer(2, corruption=Rounded())
    """

    def corrupt(self, x, observed, where, generator):
        """Return what the network shall see of the rows x, which must not be changed.

        Parameters
        ----------
        x : torch.Tensor of shape (n, n_inputs)
            Rows of the design matrix: numbers in standard units, then the columns of
            each category, then of each ordered category, then of whether cells are missing
            where that is a level, then a missing indicator for every other column with
            missing cells, 1 where one is.
        observed : torch.Tensor of uint8 of shape (n, n_features) or None
            Observation mask: 0 where a cell is missing; None: none is.
        where : Cells
            Tells which columns are which cell.
        generator : torch.Generator
            The only source of randomness to use.

        Returns
        -------
        seen : torch.Tensor of shape (n, n_inputs)
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method corrupt.")


class GaussianNoise(Corruption):
    """Add to every number an independent normal draw. Categories stay as they are.

    Parameters
    ----------
    scale : float, default=0.5
        Standard deviation of the noise, in units of the column's own (of the root of the
        mean variance with ``scale=False`` in the estimator).

    References
    ----------
    Vincent et al., Stacked Denoising Autoencoders, 2010, section 3.2.
    """

    _parameter_constraints: dict = {"scale": [Interval(Real, 0, None, closed="left")]}

    def __init__(self, scale=0.5):
        self.scale = scale

    def corrupt(self, x, observed, where, generator):
        numbers = x[:, : where.n_numbers]
        noise = torch.empty_like(numbers).normal_(generator=generator)
        there = where.observed_numbers(observed)
        if there is not None:
            noise = noise * there
        noisy = torch.add(numbers, noise, alpha=self.scale)
        return torch.cat([noisy, x[:, where.n_numbers :]], dim=1)


class MaskingNoise(Corruption):
    """Hide cells: the network sees them as it sees missing ones.

    That is a number at its column's mean, a category at the proportions of its levels, and,
    in a column that has missing cells in fit, the mark that the cell is missing.

    Parameters
    ----------
    rate : float, default=0.5
        Fraction of the cells that a row loses, in [0, 1].

    References
    ----------
    Vincent et al., Extracting and Composing Robust Features, 2008.
    """

    _parameter_constraints: dict = {"rate": [Interval(Real, 0, 1, closed="both")]}

    def __init__(self, rate=0.5):
        self.rate = rate

    def corrupt(self, x, observed, where, generator):
        return where.hide(x, where.choose(self.rate, x, observed, generator))


class SwapNoise(Corruption):
    """Cells take the value of another row of the batch: numbers and categories alike.

    Every column keeps its distribution; what is broken is how the columns hang together.

    Parameters
    ----------
    rate : float, default=0.15
        Fraction of the cells that a row swaps, in [0, 1].

    References
    ----------
    Known from M. Jahrer's solution of the Porto Seguro competition, 2017.
    """

    _parameter_constraints: dict = {"rate": [Interval(Real, 0, 1, closed="both")]}

    def __init__(self, rate=0.15):
        self.rate = rate

    def corrupt(self, x, observed, where, generator):
        chosen = where.choose(self.rate, x, observed, generator)
        donors = torch.randint(
            len(x), chosen.shape, generator=generator, device=chosen.device
        )
        return where.swap(x, chosen, donors)


class SaltAndPepperNoise(Corruption):
    """Numbers jump to the least or the largest of their column, categories to any level.

    Ordered categories jump to their lowest or their highest level.

    Parameters
    ----------
    rate : float, default=0.2
        Fraction of the cells that change in a row, in [0, 1].

    References
    ----------
    Vincent et al., Stacked Denoising Autoencoders, 2010, section 3.2.
    """

    _parameter_constraints: dict = {"rate": [Interval(Real, 0, 1, closed="both")]}

    def __init__(self, rate=0.2):
        self.rate = rate

    def corrupt(self, x, observed, where, generator):
        chosen = where.choose(self.rate, x, observed, generator)
        return where.replace(x, chosen, where.extremes(x, generator))


class BorrowedMissingness:
    """Rows borrow the missing cells of other rows: it teaches the network to impute.

    A cell that is hidden in this way is known, so that the loss can tell how well it was
    imputed, and cells are hidden where, and as often as, they are missing.

    Parameters
    ----------
    design : Design
    device : torch.device, default="cpu"
        Where the rows are.
    """

    def __init__(self, design: Design, device="cpu"):
        self._where, self._known = Cells(design, device), design.absent_columns

    def __call__(self, x, observed, generator):
        if observed is None:
            return x
        order = torch.randperm(len(x), generator=generator, device=x.device)
        borrowed = observed[order] == MISSING
        borrowed[:, self._known] = False
        return self._where.hide(x, borrowed)


class Corrupter:
    """What a fit does to every batch: the user's noise, then borrowed missing cells.

    Parameters
    ----------
    noise : Corruption or None
    design : Design
    source : DenseRows or SparseRows
        The rows of the fit.
    missing_values : bool, default=True
        Whether rows borrow each other's missing cells, where the table has any.
    """

    def __init__(self, noise, design, source, *, missing_values=True):
        self._noise, self._borrow = noise, None
        if noise is not None:
            rows, _ = source[: min(len(source), N_ROWS)]
            self._where = Cells(design, source.device, rows)
        if missing_values and len(design.missing_indicators):
            self._borrow = BorrowedMissingness(design, source.device)

    def __bool__(self):
        return self._noise is not None or self._borrow is not None

    def __call__(self, x, observed, generator):
        if self._noise is not None:
            shape = x.shape
            x = self._noise.corrupt(x, observed, self._where, generator)
            if x.shape != shape:
                raise ValueError(
                    f"corrupt of {self._noise!r} returns shape {tuple(x.shape)} for rows of "
                    f"shape {tuple(shape)}; give all of their columns."
                )
        return x if self._borrow is None else self._borrow(x, observed, generator)
