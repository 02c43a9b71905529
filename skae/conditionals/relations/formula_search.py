"""Which columns follow exactly from others, and by what formula: `find_formulas`."""

import numpy as np

from skae.conditionals.relations.candidates import Scale, long_sums, short_factors
from skae.conditionals.relations.fitting import (
    LEAST_BETTER,
    WHOLE,
    fitted_formula,
    product_of,
    short_product_of,
    sum_of,
)
from skae.conditionals.relations.ties import MAX_COLUMNS, some_of, sources_of, spreads_of
from skae.table.decimals import decimals_of

# Formulas of one column at most.
MOST_EACH = 3


def find_formulas(raw, known=()):
    """Return the `Formula`s among columns of numbers, list.

    Those of fewer columns first. A column may follow from others in more than one way, but
    these never from it.

    Parameters
    ----------
    raw : ndarray of shape (n, n_columns)
        NaN where missing.
    known : sequence of Extreme, default=()
        What tells columns already; these follow from no formula.
    """
    raw = some_of(raw)
    spreads = np.nan_to_num(spreads_of(raw.T))
    columns = np.flatnonzero(spreads > 0)[:MAX_COLUMNS]
    if len(columns) < 2:
        return []
    search = _Search(raw, known)
    scales = [Scale.of(raw, columns, is_product) for is_product in (False, True)]
    few = {
        (len(own), scale.is_product, own) for scale in scales for own in scale.candidates()
    }
    for _, is_product, own in sorted(few):
        search.look(product_of if is_product else sum_of, own, own)
    for powers, short, target in short_factors(raw, columns, scales[1].columns):
        search.look(short_product_of(powers, short), (*powers, short, target), (target,))
    told = {formula.columns[-1] for formula in search.found}
    for own in long_sums(raw, np.array([i for i in columns.tolist() if i not in told])):
        search.look(sum_of, own, own)
    search.complete(columns)
    return search.found


class _Search:
    """The formulas that were found.

    Attributes
    ----------
    told : dict of int to list of (float, Formula)
        By the column that follows: in what fraction of rows exactly, and from what.
    """

    def __init__(self, raw, known):
        self.raw, self.decimals, self.told = raw, decimals_of(raw), {}
        self.known = list(known)

    @property
    def found(self):
        """All formulas; of those of the same column the most exact first."""
        return [
            formula
            for several in self.told.values()
            for _, formula in sorted(several, key=lambda one: -one[0])
        ]

    def complete(self, columns):
        """Look for what sums are short of that rows do not hold exactly."""
        short = [
            (last, formula.columns)
            for last, several in self.told.items()
            for exact, formula in several
            if exact < WHOLE and not formula.is_product
        ]
        for last, own in short:
            for other in columns:
                if other not in own:
                    self.look(sum_of, (*own, int(other)), (last,))

    def look(self, fit, columns, lasts):
        """Add the formula among some columns, if there is one, and it is new."""
        found = self.found
        if len(found) >= MAX_COLUMNS:
            return
        known = [*found, *self.known]
        taken = {rule.columns[-1] for rule in self.known}
        free = [
            last
            for last in lasts
            if last not in taken
            # What follows wholly needs no other formula.
            and len(self.told.get(last, ())) < MOST_EACH
            and all(exact < WHOLE for exact, _ in self.told.get(last, ()))
            and not any(last in sources_of(i, known) for i in columns if i != last)
        ]
        fitted = fitted_formula(fit, self.raw, columns, free, self.decimals)
        if fitted is not None:
            exact, formula = fitted
            several = self.told.setdefault(formula.columns[-1], [])
            if all(exact > other + LEAST_BETTER for other, _ in several):
                several.append((exact, formula))
