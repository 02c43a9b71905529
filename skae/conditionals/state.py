"""Rows while they are drawn."""

import copy

import numpy as np
import torch


class State:
    """Rows while they are drawn.

    Attributes
    ----------
    values : ndarray of float64 of shape (n, n_columns)
        NaN where not there yet.
    x : torch.Tensor of float32 of shape (n, width)
    visible : torch.Tensor of bool of shape (n, n_variables)
    missing : ndarray of bool of shape (n, n_columns)
        Cells that are not to be drawn.
    given : ndarray of bool of shape (n, n_columns)
        Cells that were there at first.
    """

    def __init__(self, variables, values):
        self.variables, self.values = variables, values.copy()
        self.given = ~np.isnan(values)
        self.missing = np.zeros(values.shape, dtype=bool)
        x, known = variables.encode(values)
        self.x = torch.from_numpy(x).float()
        self.visible = torch.from_numpy(known)
        # What is missing here is to be drawn: in the network's eyes it is not missing.
        for column, hole in variables.hole_of.items():
            self.visible[:, hole] = torch.from_numpy(~np.isnan(values[:, column]))
        for column, absence in variables.absence_of.items():
            self.missing[:, column] = values[:, absence] == 1

    def __len__(self):
        return len(self.values)

    def take(self, rows):
        """Return the state of some rows, which may be repeated."""
        state = copy.copy(self)
        state.values, state.missing = self.values[rows], self.missing[rows]
        state.given = self.given[rows]
        at = torch.from_numpy(np.asarray(rows))
        state.x, state.visible = self.x[at], self.visible[at]
        return state

    def hidden_rows(self, column):
        """Return the rows in which a cell of a column is to be drawn."""
        return np.flatnonzero(np.isnan(self.values[:, column]) & ~self.missing[:, column])

    def put(self, rows, column, cells):
        """Set the cells of a column of the table."""
        variables = self.variables
        self.values[rows, column] = cells
        variable = variables.of_column[column]
        self._show(rows, variable, cells)
        self.put_hole(rows, column, np.zeros(len(rows)))
        for owner, absence in variables.absence_of.items():
            if absence == column:
                self.missing[rows, owner] = cells
        for tie_variable, tie in variables.tie_variables.items():
            if column in tie.columns:
                total = tie.total(self.values[rows])
                whole = ~np.isnan(total)
                self._show(rows[whole], tie_variable, total[whole])
        for variable, equal in variables.equal_variables.items():
            if column in equal.columns:
                codes = equal.codes(self.values[rows])
                whole = codes >= 0
                self._show(rows[whole], variable, codes[whole])

    def take_back(self, rows, column):
        """Undo `put`."""
        variables, at = self.variables, torch.from_numpy(rows)
        self.values[rows, column] = np.nan
        rules = {**variables.tie_variables, **variables.equal_variables}
        of_rules = [v for v, rule in rules.items() if column in rule.columns]
        for variable in (variables.of_column[column], *of_rules):
            self.visible[at, variable] = False

    def put_unequal(self, rows, variable):
        """Say of a hidden cell that it is not the same as that of another column."""
        self._show(rows, variable, np.zeros(len(rows)))

    def put_hole(self, rows, column, is_missing):
        """Set whether the cells of a column are missing."""
        self.missing[rows, column] = is_missing
        if column in self.variables.hole_of:
            self._show(rows, self.variables.hole_of[column], is_missing)

    def _show(self, rows, variable, cells):
        variables, at = self.variables, torch.from_numpy(rows)
        cells = np.asarray(cells, dtype=np.float64)
        k = variable - variables.n_ranked
        if k < 0:
            x = variables.score(variable, cells)[:, None]
        else:
            x = variables.indicate(k, cells.astype(int))
        self.x[at, variables.slots[variable]] = torch.from_numpy(x).float()
        self.visible[at, variable] = True
