"""Checks that numbers are in the support of a loss or a likelihood."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils import gen_batches

BLOCK = 8192
# Rounding to float32 and back moves a proportion by less than this.
SLACK = 1e-5


@dataclass(frozen=True)
class Support:
    """The numbers that a loss or a likelihood is for.

    Attributes
    ----------
    name : str
        What it is, for messages: "counts".
    remedy : str
        What to do with other numbers: "round them".
    whole : bool
        Whether they are whole.
    largest : float
        0 is the smallest.
    positive : bool
        Whether 0 itself is outside.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.likelihoods import Support
    >>> waiting_times = Support("positive numbers", "shift them", positive=True)
    >>> waiting_times.bad(np.array([0.5, 0.0, -3.0, np.nan]))
    array([False,  True,  True, False])
    """

    name: str
    remedy: str
    whole: bool = False
    largest: float = np.inf
    positive: bool = False

    def bad(self, raw):
        """Return which numbers are outside; missing ones are not.

        Parameters
        ----------
        raw : ndarray of float
            In raw units.

        Returns
        -------
        bad : ndarray of bool
        """
        bad = (raw <= 0.0) if self.positive else (raw < -SLACK)
        bad |= raw > self.largest + SLACK
        return bad | (np.abs(raw - np.round(raw)) > SLACK * (1 + np.abs(raw))) & self.whole


PROPORTIONS = Support("numbers in [0, 1]", "bring it there (MinMaxScaler)", largest=1.0)
COUNTS = Support("counts, whole numbers from 0 on", "round it or shift it", whole=True)


def check_support(support, table, X, rows, parameter):
    """Raise unless all numbers in `X[rows]` are in the support that `parameter` has.

    Parameters
    ----------
    support : Support
    table : TableEncoder
    X : ndarray, csr matrix or Frame
    rows : ndarray of int
    parameter : str
        Name and value, for the message.
    """
    numeric = table.design_.numeric
    if table.scale == "quantile":
        raise ValueError(
            f"{parameter} needs {support.name}, which scale='quantile' turns into others; use "
            "scale=True or False."
        )
    for block in gen_batches(len(rows), BLOCK):
        raw = numeric.read(X[rows[block]])
        bad = np.argwhere(support.bad(raw))
        if len(bad):
            row, column = bad[0]
            raise ValueError(
                f"{parameter} needs {support.name}, but column "
                f"{numeric.names[column]!r} holds {raw[row, column]:g}; "
                f"{support.remedy}, or choose another."
            )
