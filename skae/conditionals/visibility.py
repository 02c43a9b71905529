"""Which variables of a row a network sees, and which it is asked for."""

import torch


class Visibility:
    """What follows from some columns being visible: for ties, and for whether cells miss.

    A tie is visible where all of its columns are. Where a single one of them is hidden, it
    is asked for in place of this one. Whoever sees a column sees whether its cell is missing.
    Whether two cells are the same is visible where both are, and may be where one is; where
    it says that they are, the hidden one is not asked for.

    Parameters
    ----------
    variables : Variables

    Attributes
    ----------
    owner : torch.Tensor of int of shape (width,)
        The variable of each number in which networks see a row.
    """

    def __init__(self, variables):
        self.n_variables, self.owner = variables.n_variables, variables.owner
        self._holes = [
            (variables.of_column[column], hole)
            for column, hole in variables.hole_of.items()
        ]
        self._holes += [
            (variables.of_column[column], variables.of_column[absence])
            for column, absence in variables.absence_of.items()
            if column in variables.of_column
        ]
        self._ties = [
            (tie, [variables.of_column[column] for column in of_tie.columns])
            for tie, of_tie in variables.tie_variables.items()
        ]

        self._equals = [
            (
                equal,
                variables.slots[equal].stop - 1,
                [variables.of_column[column] for column in of_equal.columns],
            )
            for equal, of_equal in variables.equal_variables.items()
        ]

    def draw(self, n, generator):
        """Return random masks: any number of variables is as probable, and which they are."""
        fraction = torch.rand(n, 1, generator=generator)
        return torch.rand(n, self.n_variables, generator=generator) < fraction

    def n_asked(self, mask):
        """Return how many variables are asked for of rows without missing cells, (n,).

        A row's loss is divided by it: by as many as are known of the row itself, rows with
        fewer cells would count more, and the distribution of what goes with that be another.
        """
        asked = self.of_rows(mask, torch.ones_like(mask))[1]
        return asked.sum(1).clamp(min=1)

    def of_rows(self, mask, known, x=None):
        """Return what is visible, and asked for, where `mask` leaves variables visible.

        Parameters
        ----------
        mask, known : torch.Tensor of bool of shape (n, n_variables)
        x : torch.Tensor of shape (n, width), default=None
            Rows as networks see them. None: their cells differ.

        Returns
        -------
        visible, asked : torch.Tensor of bool of shape (n, n_variables)
        """
        visible = mask & known
        for column, hole in self._holes:
            # Also where the cell is missing: else it would be asked for more often there.
            visible[:, hole] |= mask[:, column]
        asked = known & ~visible
        for tie, members in self._ties:
            n_hidden = (~visible[:, members]).sum(1)
            visible[:, tie] = known[:, tie] & (n_hidden == 0)
            asked[:, tie] = known[:, tie] & (n_hidden == 1)
            for column in members:
                asked[:, column] &= ~asked[:, tie]
        for equal, is_same, members in self._equals:
            n_hidden = (~visible[:, members]).sum(1)
            visible[:, equal] = known[:, equal] & (n_hidden < 1 + mask[:, equal])
            asked[:, equal] = known[:, equal] & (n_hidden == 1) & ~visible[:, equal]
            if x is not None:
                is_told = visible[:, equal] & (x[:, is_same] > 0)
                for column in members:
                    asked[:, column] &= ~is_told
        return visible, asked
