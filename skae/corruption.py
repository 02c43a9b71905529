"""What a network in training gets to see of its rows, which it shall restore.

A noise of one's own is a subclass of `Corruption` with one method; see there.
"""

from numbers import Real

import torch
from sklearn.utils._param_validation import Interval

from skae._component import Setting
from skae.table.blocks import MISSING, Layout

__all__ = [
    "Corruption",
    "GaussianNoise",
    "MaskingNoise",
    "SaltAndPepperNoise",
    "SwapNoise",
]

# Training rows that tell a column's smallest and largest value.
N_ROWS = 4096


class Cells:
    """Where the cells of a table lie in the design matrix: what noises need to know of it.

    Parameters
    ----------
    layout : Layout
    device : torch.device, default="cpu"
    rows : torch.Tensor of shape (n_rows, n_inputs), default=None
        Training rows, for the range of the columns.

    Attributes
    ----------
    n_numbers : int
        Columns of numbers, which come first; the levels of the categories follow.
    lows, highs : torch.Tensor of shape (n_numbers,)
        The smallest and the largest of each number.
    """

    def __init__(self, layout: Layout, device="cpu", rows=None):
        self._layout = layout
        self._feature_of_output = layout.feature_of_output.to(device)
        self._holed = torch.from_numpy(layout.holed).to(device)
        self._numbers = torch.from_numpy(layout.numbers).to(device)
        self._shares = layout.shares.to(device)
        self.n_numbers, self.n_outputs = len(layout.numbers), layout.n_outputs
        if rows is not None:
            numbers = rows[:, : self.n_numbers]
            self.lows, self.highs = numbers.amin(0), numbers.amax(0)

    def choose(self, rate, x, cells, generator):
        """Return a mask of cells, each chosen with probability `rate`: (n, n_features).

        A missing cell is not chosen.
        """
        shape = len(x), self._layout.n_features
        chosen = torch.rand(shape, generator=generator, device=x.device) < rate
        return chosen if cells is None else chosen & (cells != MISSING)

    def observed_numbers(self, cells):
        """Return which numbers are there, shape (n, n_numbers); None stands for all."""
        return None if cells is None else cells[:, self._numbers] != MISSING

    def spread(self, chosen):
        """Return a mask of cells as a mask of the columns of the design, but the holes."""
        return chosen[:, self._feature_of_output]

    def hide(self, x, chosen):
        """Return x with the chosen cells as missing cells are shown to the network."""
        hidden, holes = self.spread(chosen), chosen[:, self._holed]
        return torch.cat(
            [
                x[:, : self.n_outputs].masked_fill(hidden, 0.0),
                x[:, self.n_outputs :].masked_fill(holes, 1.0),
            ],
            dim=1,
        )

    def replace(self, x, chosen, other):
        """Return x with the chosen cells, and whether they are missing, from `other`."""
        where = torch.cat([self.spread(chosen), chosen[:, self._holed]], dim=1)
        return torch.where(where, other, x)

    def swap(self, x, chosen, donors):
        """Return x with the chosen cells, or their absence, from the rows `donors`.

        Parameters
        ----------
        chosen, donors : torch.Tensor of shape (n, n_features)
            A mask, and numbers of rows.
        """
        columns = torch.cat([self._feature_of_output, self._holed])
        return self.replace(x, chosen, x.gather(0, donors[:, columns]))

    def any_levels(self, x, generator):
        """Return the design's columns of categories, every level of one as probable."""
        layout = self._layout
        draws = torch.rand(
            (len(x), sum(layout.sizes)), generator=generator, device=x.device
        )
        levels = [
            torch.nn.functional.one_hot(draw.argmax(1), draw.shape[1])
            for draw in draws.split(list(layout.sizes), dim=1)
            if draw.shape[1]
        ]
        return torch.cat([*levels, draws[:, :0]], dim=1).to(x) - self._shares


class Corruption(Setting):
    """What the noises share. The rows to restore stay clean; only what is seen is noisy.

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
    ...     def corrupt(self, x, cells, where, generator):
    ...         x = x.clone()
    ...         x[:, : where.n_numbers] = (2 * x[:, : where.n_numbers]).round() / 2
    ...         return x
    >>> denoising = AutoencoderTransformer(2, corruption=Rounded())
    """

    def corrupt(self, x, cells, where, generator):
        """Return what the network shall see of the rows x, which must not be changed.

        Parameters
        ----------
        x : torch.Tensor of shape (n, n_inputs)
            Rows of the design matrix: numbers in standard units, then a block of columns
            a category, then a column for every feature with missing cells, 1 where one is.
        cells : torch.Tensor of uint8 of shape (n, n_features) or None
            0 where a cell is missing; None: none is.
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

    def corrupt(self, x, cells, where, generator):
        numbers = x[:, : where.n_numbers]
        noise = torch.empty_like(numbers).normal_(generator=generator)
        observed = where.observed_numbers(cells)
        if observed is not None:
            noise = noise * observed
        noisy = torch.add(numbers, noise, alpha=self.scale)
        return torch.cat([noisy, x[:, where.n_numbers :]], dim=1)


class MaskingNoise(Corruption):
    """Hide cells: the network sees them as it sees missing ones.

    That is a number at its column's mean, a category at its shares, and, in a column that
    has missing cells in fit, the mark that the cell is missing.

    Parameters
    ----------
    rate : float, default=0.5
        Share of the cells that a row loses, in [0, 1].

    References
    ----------
    Vincent et al., Extracting and Composing Robust Features, 2008.
    """

    _parameter_constraints: dict = {"rate": [Interval(Real, 0, 1, closed="both")]}

    def __init__(self, rate=0.5):
        self.rate = rate

    def corrupt(self, x, cells, where, generator):
        return where.hide(x, where.choose(self.rate, x, cells, generator))


class SwapNoise(Corruption):
    """Cells take the value of another row of the batch: numbers and categories alike.

    Every column keeps its distribution; what is broken is how the columns hang together.

    Parameters
    ----------
    rate : float, default=0.15
        Share of the cells that a row swaps, in [0, 1].

    References
    ----------
    Known from M. Jahrer's solution of the Porto Seguro competition, 2017.
    """

    _parameter_constraints: dict = {"rate": [Interval(Real, 0, 1, closed="both")]}

    def __init__(self, rate=0.15):
        self.rate = rate

    def corrupt(self, x, cells, where, generator):
        chosen = where.choose(self.rate, x, cells, generator)
        donors = torch.randint(
            len(x), chosen.shape, generator=generator, device=chosen.device
        )
        return where.swap(x, chosen, donors)


class SaltAndPepperNoise(Corruption):
    """Numbers jump to the least or the largest of their column, categories to any level.

    Parameters
    ----------
    rate : float, default=0.2
        Share of the cells that a row spoils, in [0, 1].

    References
    ----------
    Vincent et al., Stacked Denoising Autoencoders, 2010, section 3.2.
    """

    _parameter_constraints: dict = {"rate": [Interval(Real, 0, 1, closed="both")]}

    def __init__(self, rate=0.2):
        self.rate = rate

    def corrupt(self, x, cells, where, generator):
        chosen = where.choose(self.rate, x, cells, generator)
        n = where.n_numbers
        coins = torch.rand((len(x), n), generator=generator, device=x.device)
        extremes = torch.where(coins < 0.5, where.lows, where.highs)
        levels = where.any_levels(x, generator)
        spoilt = torch.cat([extremes, levels, x[:, where.n_outputs :]], dim=1)
        return where.replace(x, chosen, spoilt)


class BorrowedHoles:
    """Rows borrow the holes of other rows: it teaches the network to fill holes.

    A cell that is hidden in this way is known, so that the loss can tell how well it was
    filled, and cells are hidden where, and as often as, they are missing.

    Parameters
    ----------
    layout : Layout
    device : torch.device, default="cpu"
        Where the rows are.
    """

    def __init__(self, layout: Layout, device="cpu"):
        self._where = Cells(layout, device)

    def __call__(self, x, cells, generator):
        if cells is None:
            return x
        order = torch.randperm(len(x), generator=generator, device=x.device)
        return self._where.hide(x, cells[order] == MISSING)


class Corrupter:
    """What a fit does to every batch: the user's noise, then borrowed holes.

    Parameters
    ----------
    noise : Corruption or None
    layout : Layout
    source : DenseRows or SparseRows
        The rows of the fit.
    missing_values : bool, default=True
        Whether rows borrow each other's holes, where the table has any.
    """

    def __init__(self, noise, layout, source, *, missing_values=True):
        self._noise, self._holes = noise, None
        if noise is not None:
            rows, _ = source[: min(len(source), N_ROWS)]
            self._where = Cells(layout, source.device, rows)
        if missing_values and len(layout.holed):
            self._holes = BorrowedHoles(layout, source.device)

    def __bool__(self):
        return self._noise is not None or self._holes is not None

    def __call__(self, x, cells, generator):
        if self._noise is not None:
            shape = x.shape
            x = self._noise.corrupt(x, cells, self._where, generator)
            if x.shape != shape:
                raise ValueError(
                    f"corrupt of {self._noise!r} returns shape {tuple(x.shape)} for rows of "
                    f"shape {tuple(shape)}; give all of their columns."
                )
        return x if self._holes is None else self._holes(x, cells, generator)
