"""Which columns may belong together in a formula, by what they leave of each other."""

import math
from typing import NamedTuple

import numpy as np
import torch

from skae.conditionals.relations.ties import LEAST_ROWS

# Terms of a formula of few columns; rows that show which may belong together.
MAX_TERMS, N_SCREENED = 4, 400
# What is left of a column that others tell, in standard deviations, as far as few rows show;
# of one that all others tell together.
MOST_LEFT, MOST_LEFT_BY_ALL = 0.15, 0.05
# What the best two and three terms leave at most, where there are up to `MAX_TERMS`.
MOST_LEFT_BY = {2: 0.85, 3: 0.65}
# How many times as much one column leaves as it does beside another, where both belong to it.
MUCH_LESS = 3.0
# Sets of columns that are looked at more closely for each column, at most.
N_CANDIDATES = 3
# Columns of which all pairs are tried as factors beside one that is short of a constant, and
# products that are looked at more closely then.
MAX_PAIRED, MAX_SHORT = 16, 64
# Cells of a column that are not zero, where it may be a factor, as a fraction.
LEAST_FINITE = 0.5
TINY = 1e-9
# What is left of the variance of one of two columns that can be told apart: of start and end.
LEAST_OWN = 1e-12


class Scale(NamedTuple):
    """Numbers on a scale on which a formula is a weighted sum.

    Attributes
    ----------
    columns : ndarray of int of shape (m,)
        Of the table.
    x : torch.Tensor of shape (n, m)
        Standardised; 0 where missing.
    there : torch.Tensor of shape (n, m)
        1 where there is a cell, 0 where it is missing.
    is_product : bool
        Whether these are logarithms.
    """

    columns: np.ndarray
    x: torch.Tensor
    there: torch.Tensor
    is_product: bool

    @classmethod
    def of(cls, raw, columns, is_product):
        """Return the scale of rows, an ndarray of shape (n, n_columns)."""
        values = _few(raw)[:, columns]
        n_known = (~np.isnan(values)).sum(axis=0)
        if is_product:
            with np.errstate(all="ignore"):
                values = np.log(np.abs(values))
        there = np.isfinite(values)
        n = np.maximum(there.sum(axis=0), 1)
        values = np.where(there, values, 0.0)
        x = np.where(there, values - values.sum(axis=0) / n, 0.0)
        deviations = np.sqrt(np.square(x).sum(axis=0) / n)
        # What is mostly zero is no factor.
        kept = (deviations > 0) & (n >= LEAST_ROWS) & (n >= LEAST_FINITE * n_known)
        x = torch.from_numpy(x[:, kept] / deviations[kept])
        there = torch.from_numpy(there[:, kept].astype(np.float64))
        return cls(np.asarray(columns)[kept], x, there, is_product)

    def left_by_pairs(self, target):
        """Return what pairs of columns leave of one, in standard deviations, (m, m).

        A column with itself stands for it alone. Of the rows that hold all three; infinity
        where these are few, or the target is among the pair.
        """
        x, there = self.x, self.there
        own, known = x[:, [target]], there[:, [target]]
        n = there.T @ (there * known)
        a = x.T @ (there * known) / n  # the mean of the first of a pair
        aa = x.square().T @ (there * known) / n - a * a
        ab = x.T @ (x * known) / n - a * a.T
        y = there.T @ (there * own) / n
        yy = there.T @ (there * own.square()) / n - y * y
        ay = x.T @ (there * own) / n - a * y
        bb, by = aa.T, ay.T
        inner = aa * bb - ab.square()
        told = (bb * ay.square() - 2.0 * ab * ay * by + aa * by.square()) / inner
        # Of two columns that say the same, nothing can be told apart.
        told[inner < LEAST_OWN * aa * bb] = -math.inf
        told.diagonal().copy_(ay.diagonal().square() / aa.diagonal())
        left = (1.0 - told / yy).clamp(min=0.0).sqrt()
        left[(n < LEAST_ROWS) | left.isnan()] = math.inf
        left[target] = left[:, target] = math.inf
        return left

    def left_by_more(self, target, chosen):
        """Return what `chosen` columns and each other one leave of one, shape (m,)."""
        base = torch.cat([torch.ones(len(self.x), 1).double(), self.x[:, chosen]], 1)
        # Of the rows that hold these, and each other one.
        there = (self.there * self.there[:, [target, *chosen]].prod(1, keepdim=True)).T
        x, own = self.x.T * there, self.x[:, target]
        size = base.shape[1]
        products = (base[:, :, None] * base[:, None]).flatten(1)
        gram = torch.empty(len(x), size + 1, size + 1, dtype=x.dtype)
        gram[:, :size, :size] = (there @ products).unflatten(1, (size, size))
        gram[:, :size, size] = gram[:, size, :size] = x @ base
        gram[:, size, size] = x.square().sum(1)
        gram.diagonal(dim1=1, dim2=2).add_(TINY * len(own))
        right = torch.cat([there @ (base * own[:, None]), (x @ own)[:, None]], 1)
        told = (right * torch.linalg.solve(gram, right)).sum(1)
        left = (1.0 - told / (there @ own.square())).clamp(min=0.0).sqrt()
        left[(there.sum(1) < LEAST_ROWS) | left.isnan()] = math.inf
        left[[target, *chosen]] = math.inf
        return left

    def candidates(self):
        """Yield sets of columns of which one may follow from the others, tuples of int."""
        for target in range(len(self.columns)):
            left = self.left_by_pairs(target)
            # What one column tells, it tells beside any other one too.
            of_one = left.diagonal().clone()
            alone = (of_one <= MOST_LEFT).nonzero()[:, 0].tolist()
            both, least = left.clone(), of_one.min()
            left[alone] = left[:, alone] = math.inf
            # But nearly, as the mean of two that are nearly the same: with another exactly.
            left = torch.where(both < least / MUCH_LESS, both, left)
            left.diagonal().fill_(math.inf)
            rows, others = torch.triu_indices(*left.shape)
            best = left[rows, others].argsort()[:N_CANDIDATES]
            pairs = zip(rows[best].tolist(), others[best].tolist(), strict=True)
            found = [
                {int(first)} for first in of_one.argsort()[:N_CANDIDATES] if first in alone
            ]
            found += [self._extended(target, {*pair}, left[pair]) for pair in pairs]
            for chosen in found:
                if chosen:
                    yield tuple(sorted(self.columns[[*chosen, target]].tolist()))

    def _extended(self, target, chosen, left):
        """Return the columns with as many more as it takes to tell one, or None."""
        chosen = list(chosen)
        while MOST_LEFT < left <= MOST_LEFT_BY.get(len(chosen), 0.0):
            left, best = self.left_by_more(target, chosen).min(0)
            chosen.append(int(best))
        return chosen if left <= MOST_LEFT else None


def _few(raw):
    return raw[:: max(1, len(raw) // N_SCREENED)]


def short_factors(raw, columns, factor_columns):
    """Return products of which one factor may be short of a constant, as of a discount.

    Parameters
    ----------
    raw : ndarray of shape (n, n_columns)
    columns, factor_columns : ndarray of int
        All, and those that may be other factors, or told.

    Returns
    -------
    found : list of tuple
        Of columns that are factors as they are the powers, a dict; the one that is not; and
        what they may tell.
    """
    values = torch.from_numpy(_few(raw)[:, columns])
    there = (~values.isnan()).double()
    x = values.nan_to_num(0.0) / values.nan_to_num(0.0).abs().amax(0).clamp(min=1e-300)
    names, factors, known, found = [], [], [], []
    places = [
        at for at, column in enumerate(columns) if column in set(factor_columns.tolist())
    ]
    if not places:
        return []
    for at in places:
        column = int(columns[at])
        own, is_there = x[:, at], there[:, at]
        names += [{column: 1.0}, {column: -1.0}]
        factors += [own, torch.where(own != 0, 1.0 / own, 0.0)]
        known += [is_there, is_there * (own != 0)]
        for other in places[: places.index(at)] if len(places) <= MAX_PAIRED else ():
            names.append({column: 1.0, int(columns[other]): 1.0})
            factors.append(own * x[:, other])
            known.append(is_there * there[:, other])
    known = torch.stack(known)
    factors = torch.stack(factors) * known
    for at in places:
        target, y, own = int(columns[at]), x[:, at] * there[:, at], known * there[:, at]
        squares, products = factors.square() * there[:, at], factors * y
        n = own @ there
        pp, pz, zz = squares @ there, squares @ x, squares @ x.square()
        yp, yz = products @ there, products @ x
        mean = (own * y) @ there / n
        yy = (own * y.square()) @ there
        # What y = p (a + b z) leaves, of least squares in a and b.
        told = (zz * yp.square() - 2.0 * pz * yp * yz + pp * yz.square()) / (
            pp * zz - pz**2
        )
        left = ((yy - told) / (yy - n * mean.square())).clamp(min=0.0).sqrt()
        left[(n < LEAST_ROWS) | left.isnan()] = math.inf
        for factor, short in (left <= MOST_LEFT_BY_ALL).nonzero().tolist():
            own = names[factor], int(columns[short]), target
            if len({*own[0], *own[1:]}) == len(own[0]) + 2:
                found.append((float(left[factor, short]), own))
    return [own for _, own in sorted(found, key=lambda one: one[0])[:MAX_SHORT]]


def long_sums(raw, columns):
    """Yield sets of many columns of which one may be a sum of the others, tuples of int."""
    values = raw[:, columns]
    values = values[~np.isnan(values).any(axis=1)]
    if len(values) < 2 * len(columns) + LEAST_ROWS:
        return
    x = torch.from_numpy((values - values.mean(axis=0)) / values.std(axis=0).clip(1e-300))
    gram = x.T @ x / len(x)
    gram.diagonal().add_(TINY)
    inverse = torch.linalg.inv(gram)
    left = inverse.diagonal().clamp(min=TINY).rsqrt()
    for target in left.argsort().tolist():
        if left[target] > MOST_LEFT_BY_ALL:
            return
        share = (inverse[target] / inverse[target, target]).abs()
        kept = (share > left[target] / MOST_LEFT_BY_ALL).nonzero()[:, 0].tolist()
        if len(kept) > MAX_TERMS:
            yield tuple(sorted(columns[kept].tolist()))
