"""Scores and explanations of transformers that have no density: reconstruction errors."""

from skae.attribution.occlusion import blame


class ScoresErrors:
    """What such a transformer does with the rows of a block, as `AppliesNetwork` asks."""

    def _score_block(self, lent, x, cells):
        return -self._error_block(lent, x, cells)

    def _error_block(self, lent, x, cells):
        return lent.criterion.errors(lent.network.restore(x), x, cells)

    def _blame_block(self, lent, x, cells, layout):
        def error(x, cells):
            return self._error_block(lent, x, cells)

        def losses(x, cells):
            return lent.criterion.cells(lent.network.restore(x), x, cells)

        return blame(lent.network.restore, error, losses, x, cells, layout)
